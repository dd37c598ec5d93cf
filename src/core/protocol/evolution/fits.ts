import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import type { Node } from './document.ts'
import { isEqual, isMultiple, lengthOf, membersOf, stringsOf } from './json-text.ts'
import type { Work } from './work.ts'

/** Yes, no, or not known here: a pattern that is not read, or a keyword that is not followed. */
export type Fit = boolean | undefined

/** Kinds of JSON values. An integer is a number. */
export type Kind = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object'

export function kindOf(value: unknown): Kind {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value as Kind
}

/** Whether `type` of a schema takes a kind; `integer` says that all values of the kind are integers. */
export function takesKind(type: unknown, kind: Kind, integer: boolean): boolean {
  if (type === undefined) return true
  const types = [type].flat()
  return types.includes(kind) || (kind === 'number' && integer && types.includes('integer'))
}

/** Whether a value fits a schema, as far as this can be said without a validator. */
export function fits(value: unknown, node: Node, work: Work): Fit {
  const { schema } = node
  if (!isSchemaObject(schema)) return schema
  work.step()
  return work.deeper(() => {
    const verdict = fitsInPlace(value, node, schema, work)
    if (verdict === false) return false
    return both(verdict, fitsKind(value, node, schema, work))
  })
}

function fitsInPlace(value: unknown, node: Node, schema: SchemaObject, work: Work): Fit {
  const { document } = node
  const kind = kindOf(value)
  if (!takesKind(schema.type, kind, kind === 'number' && Number.isInteger(value))) return false
  if ('const' in schema && !isEqual(schema.const, value)) return false
  if (Array.isArray(schema.enum) && !work.isListed(value, schema.enum)) return false
  let verdict: Fit = true
  if ('$dynamicRef' in schema || '$recursiveRef' in schema) verdict = undefined
  if ('$ref' in schema) {
    const target = document.target(node)
    verdict = both(verdict, target && fits(value, target, work))
  }
  for (const part of document.list(node, 'allOf')) {
    if (verdict === false) return false
    verdict = both(verdict, fits(value, part, work))
  }
  for (const keyword of ['anyOf', 'oneOf']) {
    if (verdict === false) return false
    if (!Array.isArray(schema[keyword])) continue
    const verdicts = document.list(node, keyword).map((branch) => fits(value, branch, work))
    const sure = verdicts.filter((one) => one === true).length
    const open = verdicts.includes(undefined)
    if (sure === 0) verdict = both(verdict, open ? undefined : false)
    else if (keyword === 'oneOf') verdict = both(verdict, sure > 1 ? false : open ? undefined : true)
  }
  if ('not' in schema) verdict = both(verdict, negated(fits(value, document.child(node, schema.not), work)))
  if ('if' in schema) {
    const holds = fits(value, document.child(node, schema.if), work)
    const then = fits(value, document.child(node, schema.then ?? true), work)
    const otherwise = fits(value, document.child(node, schema.else ?? true), work)
    const branch = holds === undefined ? (then === otherwise ? then : undefined) : holds ? then : otherwise
    verdict = both(verdict, branch)
  }
  return verdict
}

function fitsKind(value: unknown, node: Node, schema: SchemaObject, work: Work): Fit {
  if (typeof value === 'number') return fitsNumber(value, schema)
  if (typeof value === 'string') return fitsText(value, schema, work)
  if (Array.isArray(value)) return fitsArray(value, node, schema, work)
  return typeof value === 'object' && value !== null ? fitsObject(value, node, schema, work) : true
}

function fitsNumber(value: number, schema: SchemaObject): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema
  if (typeof minimum === 'number' && value < minimum) return false
  if (typeof maximum === 'number' && value > maximum) return false
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum) return false
  if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum) return false
  return typeof multipleOf !== 'number' || isMultiple(value, multipleOf)
}

function fitsText(value: string, schema: SchemaObject, work: Work): Fit {
  if (!inBounds(lengthOf(value), schema.minLength, schema.maxLength)) return false
  return typeof schema.pattern === 'string' ? work.matches(schema.pattern, value) : true
}

/** The schemas of an array's first items, and the one of the others. */
export function itemsOf(node: Node): { readonly first: readonly Node[]; readonly rest: Node | undefined } {
  const { document, schema } = node
  if (!isSchemaObject(schema)) return { first: [], rest: undefined }
  const isTuple = Array.isArray(schema.items)
  const rest = isTuple ? schema.additionalItems : schema.items
  return {
    first: document.list(node, isTuple ? 'items' : 'prefixItems'),
    rest: rest === undefined ? undefined : document.child(node, rest),
  }
}

function fitsArray(value: readonly unknown[], node: Node, schema: SchemaObject, work: Work): Fit {
  if (!inBounds(value.length, schema.minItems, schema.maxItems)) return false
  const { first, rest } = itemsOf(node)
  let verdict: Fit = 'unevaluatedItems' in schema ? undefined : true
  for (const [index, item] of value.entries()) {
    const part = first[index] ?? rest
    if (part !== undefined) verdict = both(verdict, fits(item, part, work))
    if (verdict === false) return false
  }
  if (schema.uniqueItems === true)
    for (const [index, item] of value.entries())
      for (const other of value.slice(0, index)) {
        work.step()
        if (isEqual(item, other)) return false
      }
  if (schema.contains === undefined) return verdict
  const part = node.document.child(node, schema.contains)
  const verdicts = value.map((item) => fits(item, part, work))
  const sure = verdicts.filter((one) => one === true).length
  const possible = sure + verdicts.filter((one) => one === undefined).length
  const { minContains = 1, maxContains } = schema
  if (!inBounds(possible, minContains, undefined) || !inBounds(sure, undefined, maxContains)) return false
  const certain = inBounds(sure, minContains, undefined) && inBounds(possible, undefined, maxContains)
  return both(verdict, certain || undefined)
}

function fitsObject(value: object, node: Node, schema: SchemaObject, work: Work): Fit {
  const names = Object.keys(value)
  if (!inBounds(names.length, schema.minProperties, schema.maxProperties)) return false
  if (!stringsOf(schema.required).every((name) => Object.hasOwn(value, name))) return false
  let verdict: Fit = 'unevaluatedProperties' in schema ? undefined : true
  for (const [name, member] of Object.entries(value)) {
    if (verdict === false) return false
    const { parts, certain } = memberSchemas(node, name, work)
    if (!certain) verdict = both(verdict, undefined)
    for (const part of parts) verdict = both(verdict, fits(member, part, work))
    if (schema.propertyNames !== undefined)
      verdict = both(verdict, fits(name, node.document.child(node, schema.propertyNames), work))
  }
  for (const [name, needs] of [
    ...membersOf(schema.dependentRequired),
    ...membersOf(schema.dependentSchemas),
    ...membersOf(schema.dependencies),
  ]) {
    if (!Object.hasOwn(value, name)) continue
    if (Array.isArray(needs)) {
      if (!stringsOf(needs).every((need) => Object.hasOwn(value, need))) return false
    } else verdict = both(verdict, fits(value, node.document.child(node, needs), work))
  }
  return verdict
}

/**
 * The schemas that `properties`, `patternProperties` and `additionalProperties` of one schema hold a member
 * to. Not certain: a pattern could not be read, and what hangs on it is left out.
 */
export function memberSchemas(node: Node, name: string, work: Work): { parts: Node[]; certain: boolean } {
  const { schema } = node
  if (!isSchemaObject(schema)) return { parts: [], certain: true }
  const parts: Node[] = []
  let declared: Fit = false
  const properties = schema.properties
  if (typeof properties === 'object' && properties !== null && Object.hasOwn(properties, name)) {
    parts.push(node.document.child(node, (properties as SchemaObject)[name]))
    declared = true
  }
  let certain = true
  work.step()
  for (const [pattern, value] of membersOf(schema.patternProperties)) {
    const matches = work.matches(pattern, name)
    if (matches === undefined) certain = false
    if (matches === true) parts.push(node.document.child(node, value))
    if (declared !== true && matches !== false) declared = matches
  }
  if (declared === false && schema.additionalProperties !== undefined)
    parts.push(node.document.child(node, schema.additionalProperties))
  return { parts, certain }
}

function inBounds(count: number, min: unknown, max: unknown): boolean {
  return !(typeof min === 'number' && count < min) && !(typeof max === 'number' && count > max)
}

function both(a: Fit, b: Fit): Fit {
  if (a === false || b === false) return false
  return a === undefined || b === undefined ? undefined : true
}

function negated(verdict: Fit): Fit {
  return verdict === undefined ? undefined : !verdict
}

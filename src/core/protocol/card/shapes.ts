import { isSchemaObject, type JsonSchema, type SchemaObject } from '../json-schema.ts'

/** One member that a payload may have, in words. */
export interface Field {
  /** Such as `text`, or `files[].uri` for a member of each item of a list. */
  readonly path: string
  /** Such as `text, 1–128`, or `"plain" or "markdown"`. */
  readonly type: string
  /** Its object must have it. */
  readonly required: boolean
  readonly description?: string
}

/** One form that a payload may take. */
export interface Shape {
  /** The member that tells this form from the others, and its value; absent where there is one form. */
  readonly kind?: { readonly member: string; readonly value: string }
  readonly description?: string
  readonly fields: readonly Field[]
}

/** How deep members of members are listed, and how many in all: a table is to be read. */
const DEPTH_MAX = 4
const FIELDS_MAX = 100
const SHAPES_MAX = 50
/** How deep unions and lists are spelled out, and how many alternatives of one, and how long a value. */
const WORDS_DEPTH_MAX = 3
const WORDS_MAX = 20
const VALUE_CHARS_MAX = 80
/** Schemas that are taken together for one value. */
const CONJUNCTS_MAX = 16

/**
 * The members of payloads as a reader wants to know them: one shape for each branch of a union that one
 * member tells apart, else one for all. Leaves out what cannot be said in a table, such as conditions.
 */
export function shapesOf(schema: JsonSchema): readonly Shape[] {
  if (!isSchemaObject(schema)) return [{ fields: [] }]
  const common = conjuncts(schema, schema)
  const union: unknown[] = common.flatMap(({ oneOf, anyOf }) => [oneOf, anyOf]).find(Array.isArray) ?? []
  const branches = union.slice(0, SHAPES_MAX).map((branch) => resolved(branch, schema))
  const member = discriminator(branches)
  if (member === undefined) return [{ fields: fieldsOf(common, schema) }]
  return branches.map((branch, index) => {
    const value = valueWords(constantOf(branch, member))
    const parts = [...common, ...conjuncts(union[index], schema)]
    return { kind: { member, value }, ...said(branch), fields: fieldsOf(parts, schema) }
  })
}

/** The members that every payload must have. */
export function requiredMembers(schema: JsonSchema): string[] {
  return isSchemaObject(schema) ? [...requiredBy(conjuncts(schema, schema))] : []
}

function requiredBy(parts: readonly SchemaObject[]): Set<string> {
  return new Set(parts.flatMap(({ required }) => (Array.isArray(required) ? required : [])).map(String))
}

/** The one member that has another constant in each branch. */
function discriminator(branches: readonly SchemaObject[]): string | undefined {
  const [first] = branches
  if (first === undefined || branches.length < 2) return undefined
  return Object.keys(propertiesOf(first)).find((name) => {
    const values = branches.map((branch) => constantOf(branch, name))
    return !values.includes(undefined) && new Set(values.map((v) => JSON.stringify(v))).size === values.length
  })
}

function constantOf(branch: SchemaObject, name: string): unknown {
  const properties = propertiesOf(branch)
  const schema = Object.hasOwn(properties, name) ? properties[name] : undefined
  return isSchemaObject(schema) ? schema.const : undefined
}

/** The members that the parts of one object schema declare together. */
function fieldsOf(parts: readonly SchemaObject[], root: SchemaObject): Field[] {
  const fields: Field[] = []
  addFields(fields, parts, root, '', 1)
  return fields
}

function addFields(
  fields: Field[],
  parts: readonly SchemaObject[],
  root: SchemaObject,
  prefix: string,
  depth: number,
): void {
  const required = requiredBy(parts)
  const members = new Map<string, SchemaObject[]>()
  const forbidden = new Set<string>()
  for (const part of parts)
    for (const [name, schema] of Object.entries(propertiesOf(part))) {
      if (schema === false) forbidden.add(name)
      members.set(name, [...(members.get(name) ?? []), ...conjuncts(schema, root)])
    }
  for (const [name, own] of members) {
    if (fields.length >= FIELDS_MAX) return
    if (forbidden.has(name)) continue
    const path = prefix + name
    // A branch that says nothing of a member leaves what was said before; a constant says it better.
    const schema = merged(own)
    fields.push({ path, type: typeWords(schema, root, 1), required: required.has(name), ...said(schema) })
    if (depth >= DEPTH_MAX) continue
    const items = conjuncts(schema.items, root)
    if (items.some(hasProperties)) addFields(fields, items, root, `${path}[].`, depth + 1)
    else if (own.some(hasProperties)) addFields(fields, own, root, `${path}.`, depth + 1)
  }
}

function propertiesOf({ properties }: SchemaObject): SchemaObject {
  return isSchemaObject(properties) ? properties : {}
}

function hasProperties(schema: SchemaObject): boolean {
  return Object.keys(propertiesOf(schema)).length > 0
}

function said({ description }: SchemaObject): { description?: string } {
  return typeof description === 'string' ? { description } : {}
}

/** A schema with what holds beside it taken in; where two say the same keyword, the nearer one wins. */
function resolved(schema: unknown, root: SchemaObject): SchemaObject {
  return merged(conjuncts(schema, root))
}

function merged(parts: readonly SchemaObject[]): SchemaObject {
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part)))
}

/** The schemas that hold for the same value: what a schema refers to, its `allOf`, and last the schema. */
function conjuncts(schema: unknown, root: SchemaObject, seen: Set<SchemaObject> = new Set()): SchemaObject[] {
  if (!isSchemaObject(schema) || seen.has(schema) || seen.size >= CONJUNCTS_MAX) return []
  seen.add(schema)
  const { $ref, allOf } = schema
  const others = [
    typeof $ref === 'string' ? at(root, $ref) : undefined,
    ...(Array.isArray(allOf) ? allOf : []),
  ]
  return [...others.flatMap((other) => conjuncts(other, root, seen)), schema]
}

/**
 * What a JSON pointer in the fragment of a reference points at; undefined for anchors and other documents.
 */
function at(root: SchemaObject, reference: string): unknown {
  if (reference !== '#' && !reference.startsWith('#/')) return undefined
  let here: unknown = root
  for (const part of reference.slice(1).split('/').slice(1)) {
    const name = unescaped(part)
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined
    here = (here as SchemaObject)[name]
  }
  return here
}

function unescaped(part: string): string {
  const plain = part.replaceAll('~1', '/').replaceAll('~0', '~')
  try {
    return decodeURIComponent(plain)
  } catch {
    return plain
  }
}

/** A schema in a few words: `text, 1–128`, `list of whole number, at most 5`. */
function typeWords(schema: SchemaObject, root: SchemaObject, depth: number): string {
  if (schema.const !== undefined) return valueWords(schema.const)
  if (Array.isArray(schema.enum)) return alternatives(schema.enum, valueWords)
  const union = [schema.anyOf, schema.oneOf].find(Array.isArray)
  if (union !== undefined && depth < WORDS_DEPTH_MAX)
    return alternatives(union, (branch) => typeWords(resolved(branch, root), root, depth + 1))
  const types = [schema.type].flat().filter((type) => typeof type === 'string')
  if (types.length === 0) return hasProperties(schema) ? 'object' : 'any JSON'
  return alternatives(types, (type) => oneType(type, schema, root, depth))
}

function alternatives<T>(all: readonly T[], words: (one: T) => string): string {
  const shown = new Set(all.slice(0, WORDS_MAX).map(words))
  const rest = all.length > WORDS_MAX ? ` or ${all.length - WORDS_MAX} more` : ''
  return [...shown].join(' or ') + rest
}

function valueWords(value: unknown): string {
  const json = JSON.stringify(value)
  return json.length > VALUE_CHARS_MAX ? `${json.slice(0, VALUE_CHARS_MAX)}…` : json
}

function oneType(type: string, schema: SchemaObject, root: SchemaObject, depth: number): string {
  switch (type) {
    case 'string':
      return `text${range(schema.minLength, schema.maxLength)}`
    case 'integer':
      return `whole number${range(schema.minimum, schema.maximum)}`
    case 'number':
      return `number${range(schema.minimum, schema.maximum)}`
    case 'boolean':
      return 'true or false'
    case 'array': {
      const item = resolved(schema.items, root)
      const items = depth < WORDS_DEPTH_MAX ? typeWords(item, root, depth + 1) : 'any JSON'
      return `list of ${items}${range(schema.minItems, schema.maxItems, ' items').replace(',', ';')}`
    }
    default:
      return type
  }
}

function range(least: unknown, most: unknown, unit = ''): string {
  const [from, to] = [least, most].map((n) => (typeof n === 'number' ? n.toLocaleString('en-US') : undefined))
  if (from === undefined && to === undefined) return ''
  const words = to === undefined ? `at least ${from}` : from === undefined ? `at most ${to}` : `${from}–${to}`
  return `, ${words}${unit}`
}

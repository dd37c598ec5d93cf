import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import { comment, nameText, quoted } from './type-text.ts'

/** The types of one document. */
export interface TypePage {
  /** A `$ref` hides the keywords beside it. */
  readonly refs_alone: boolean
  /**
   * The name of the type that a `$ref` points at, which is then printed too; the schema itself where it is a
   * boolean; undefined where it points at nothing that is read.
   */
  nameOf(ref: string, base: SchemaObject): string | boolean | undefined
}

/** Where in a document a schema stands. */
export interface TypePlace {
  readonly page: TypePage
  /** What `#` means here: the nearest schema around with an `$id`, or the root. */
  readonly base: SchemaObject
  /** What the schema around allows for the same value; undefined: anything. */
  readonly kinds?: readonly string[] | undefined
  readonly indent: string
  readonly depth: number
}

/** Alternatives, each of which can stand in a union, before `[]` and in brackets. None at all is `never`. */
type Alternatives = readonly string[]

const UNKNOWN: Alternatives = ['unknown']
const KINDS = ['null', 'boolean', 'number', 'string', 'array', 'object']
const OBJECT_KEYWORDS = ['properties', 'required', 'additionalProperties', 'patternProperties']
const ARRAY_KEYWORDS = ['items', 'prefixItems']
/** Every object has these for the compiler, which so refuses one without them where they are no functions. */
const INHERITED = new Set([
  'constructor',
  'hasOwnProperty',
  'isPrototypeOf',
  'propertyIsEnumerable',
  'toLocaleString',
  'toString',
  'valueOf',
])
const DEPTH_MAX = 64

/** A schema as a type; a place is needed for objects only. */
export function print(schema: unknown, around: TypePlace | undefined): Alternatives {
  if (schema === false) return []
  if (!isSchemaObject(schema) || !around || around.depth > DEPTH_MAX) return UNKNOWN
  const base = hasId(schema) ? schema : around.base
  const place = { ...around, base, depth: around.depth + 1 }
  const conjuncts: Alternatives[] = []
  if (typeof schema.$ref === 'string') {
    const referred = reference(schema.$ref, place)
    if (place.page.refs_alone) return referred
    conjuncts.push(referred)
  }
  const kinds = kindsOf(schema.type) ?? place.kinds
  const branches = { ...place, kinds }
  conjuncts.push(own(schema, kinds, place))
  for (const union of [schema.anyOf, schema.oneOf])
    if (Array.isArray(union)) conjuncts.push(merged(union.map((one) => print(one, branches))))
  if (Array.isArray(schema.allOf)) conjuncts.push(...schema.allOf.map((one) => print(one, branches)))
  return intersection(conjuncts)
}

/** Alternatives as they stand after `=` or `:`. */
export function union(alternatives: Alternatives): string {
  return alternatives.length === 0 ? 'never' : alternatives.join(' | ')
}

function merged(all: readonly Alternatives[]): Alternatives {
  const found = [...new Set(all.flat())]
  return found.includes('unknown') ? UNKNOWN : found
}

function intersection(conjuncts: readonly Alternatives[]): Alternatives {
  const said = conjuncts.filter((one) => one[0] !== 'unknown')
  if (said.length <= 1) return said[0] ?? UNKNOWN
  return [`(${said.map(operand).join(' & ')})`]
}

function operand(alternatives: Alternatives): string {
  return alternatives.length > 1 ? `(${union(alternatives)})` : union(alternatives)
}

/** What the keywords of a schema say, but for references and combinations. */
function own(schema: SchemaObject, kinds: readonly string[] | undefined, place: TypePlace): Alternatives {
  if (Object.hasOwn(schema, 'const')) return [literal(schema.const, place.depth)]
  if (Array.isArray(schema.enum)) return merged(schema.enum.map((one) => [literal(one, place.depth)]))
  const shaped = hasAny(schema, OBJECT_KEYWORDS) || hasAny(schema, ARRAY_KEYWORDS)
  if (!shaped && (schema.type === undefined || !kinds)) return UNKNOWN
  const inside = { ...place, kinds: undefined }
  return merged(
    (kinds ?? KINDS).map((kind) => {
      if (kind === 'array') return [arrayType(schema, inside)]
      return kind === 'object' ? objectType(schema, inside) : [kind]
    }),
  )
}

/** The types of `type`; undefined where it is absent, or names one that there is not. */
function kindsOf(type: unknown): string[] | undefined {
  const named: unknown[] = Array.isArray(type) ? type : [type]
  const kinds = named.map((one) => (one === 'integer' ? 'number' : one))
  return kinds.every((kind): kind is string => KINDS.includes(kind as string))
    ? [...new Set(kinds)]
    : undefined
}

function objectType(schema: SchemaObject, place: TypePlace): Alternatives {
  const inside = { ...place, indent: `${place.indent}  ` }
  const properties = isSchemaObject(schema.properties) ? Object.entries(schema.properties) : []
  const required = new Set<unknown>(Array.isArray(schema.required) ? schema.required : [])
  const lines: string[] = []
  for (const [name, member] of properties) {
    const key = `${inside.indent}${nameText(name)}${required.has(name) ? '' : '?'}`
    const described = isSchemaObject(member) ? member.description : undefined
    const type = INHERITED.has(name) && !required.has(name) ? 'unknown' : union(print(member, inside))
    lines.push(`${comment(described, inside.indent)}${key}: ${type};\n`)
    required.delete(name)
  }
  for (const name of required)
    if (typeof name === 'string') lines.push(`${inside.indent}${nameText(name)}: unknown;\n`)
  const others = otherMembers(schema, inside)
  const open = others.length > 0
  // The members that a combination declares are known beside it, unless it is open itself.
  if (open && combinesMembers(schema)) return lines.length > 0 ? [braced(lines, place.indent)] : UNKNOWN
  if (open || lines.length === 0)
    // An index signature has to take every member, so it says what the others are only where it is alone.
    lines.push(`${inside.indent}[name: string]: ${lines.length > 0 ? 'unknown' : union(others)};\n`)
  return [braced(lines, place.indent)]
}

function braced(lines: readonly string[], indent: string): string {
  return `{\n${lines.join('')}${indent}}`
}

/** What members without a declaration may be; none: there may be no others. */
function otherMembers(schema: SchemaObject, place: TypePlace): Alternatives {
  const patterns = isSchemaObject(schema.patternProperties) ? Object.values(schema.patternProperties) : []
  const others = schema.additionalProperties ?? true
  return merged([...patterns, others].map((one) => print(one, place)))
}

/** Whether `anyOf`, `oneOf` or `allOf` says in each case which members the object has. */
function combinesMembers({ anyOf, oneOf, allOf }: SchemaObject, depth = 0): boolean {
  const declares = (one: unknown) =>
    isSchemaObject(one) &&
    !hasAny(one, ['$ref', 'const', 'enum']) &&
    (hasAny(one, OBJECT_KEYWORDS) || (depth < DEPTH_MAX && combinesMembers(one, depth + 1)))
  const unions = [anyOf, oneOf].filter((list) => Array.isArray(list))
  if (unions.some((list) => list.length > 0 && list.every(declares))) return true
  return Array.isArray(allOf) && allOf.some(declares)
}

function arrayType(schema: SchemaObject, place: TypePlace): string {
  const { items, prefixItems, additionalItems, minItems } = schema
  const first = Array.isArray(prefixItems) ? prefixItems : items
  if (!Array.isArray(first)) return `${operand(print(items ?? true, place))}[]`
  const least = typeof minItems === 'number' ? minItems : 0
  const parts = first.map((one, at) => {
    const alternatives = print(one, place)
    return at < least ? union(alternatives) : `${operand(alternatives)}?`
  })
  const rest = (Array.isArray(prefixItems) ? items : additionalItems) ?? true
  if (rest !== false) parts.push(`...${operand(print(rest, place))}[]`)
  return `[${parts.join(', ')}]`
}

function literal(value: unknown, depth: number): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'number'
  if (typeof value !== 'object' || value === null) return String(value)
  if (depth > DEPTH_MAX) return 'unknown'
  if (Array.isArray(value)) return `[${value.map((one) => literal(one, depth + 1)).join(', ')}]`
  const members = Object.entries(value)
  if (members.length === 0) return '{ [name: string]: never }'
  return `{ ${members.map(([name, one]) => `${nameText(name)}: ${literal(one, depth + 1)}`).join('; ')} }`
}

function reference(ref: string, { page, base }: TypePlace): Alternatives {
  if (circles(ref, base)) return UNKNOWN
  const name = page.nameOf(ref, base)
  if (typeof name === 'string') return [name]
  return name === false ? [] : UNKNOWN
}

/** Whether a `$ref` leads back to itself with no step into the value, which no type may. */
function circles(ref: string, base: SchemaObject): boolean {
  const start = pointed(ref, base)
  const seen = new Set<unknown>()
  const waiting = start ? [start] : []
  for (const [schema, inside] of waiting) {
    if (!isSchemaObject(schema)) continue
    const next = [schema.anyOf, schema.oneOf, schema.allOf].flatMap((list) =>
      Array.isArray(list) ? list : [],
    )
    const steps: (typeof waiting)[number][] = next.map((one) => [one, hasId(one) ? one : inside])
    const referred = typeof schema.$ref === 'string' ? pointed(schema.$ref, inside) : undefined
    if (referred) steps.push(referred)
    for (const step of steps) {
      if (step[0] === start![0]) return true
      if (!seen.has(step[0])) waiting.push(step)
      seen.add(step[0])
    }
  }
  return false
}

/**
 * What a `$ref` within the document points at, and the base there. Undefined for anchors, other documents,
 * and what does not exist. Source: RFC 6901, section 6.
 */
export function pointed(ref: string, base: SchemaObject): [target: unknown, base: SchemaObject] | undefined {
  if (ref !== '#' && !ref.startsWith('#/')) return undefined
  let [at, inside]: [unknown, SchemaObject] = [base, base]
  for (const part of ref.split('/').slice(1)) {
    const name = decoded(part)?.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof at !== 'object' || at === null || name === undefined || !Object.hasOwn(at, name))
      return undefined
    at = (at as Record<string, unknown>)[name]
    if (hasId(at)) inside = at
  }
  return [at, inside]
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** Whether a schema is a document of its own within the other. */
function hasId(schema: unknown): schema is SchemaObject {
  return isSchemaObject(schema) && typeof schema.$id === 'string' && !schema.$id.startsWith('#')
}

function hasAny(schema: SchemaObject, keywords: readonly string[]): boolean {
  return keywords.some((keyword) => Object.hasOwn(schema, keyword))
}

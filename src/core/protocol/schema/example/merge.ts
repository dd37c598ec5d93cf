import { isSchemaObject, type SchemaObject } from '../../json-schema.ts'
import type { Definitions, LinkedSchema } from '../linked.ts'
import { type Choices, GiveUp } from './choices.ts'

const DEPTH_MAX = 24
/** Branches of a union that are tried. */
const BRANCHES_MAX = 16

type Draft = Record<string, unknown>

/**
 * One schema that says what a schema and all that hold beside it say: references and `allOf` are taken in,
 * of each union the chosen branch, and what depends on required members. `not` is left to the check.
 *
 * @throws GiveUp if they rule each other out
 */
export function merged(schema: LinkedSchema, definitions: Definitions, choices: Choices): SchemaObject {
  const into: Draft = {}
  merge(into, schema, definitions, choices, 0)
  const taken = new Set<string>()
  for (let name = dependent(into, taken); name !== undefined; name = dependent(into, taken)) {
    taken.add(name)
    merge(into, (into.dependentSchemas as Record<string, LinkedSchema>)[name]!, definitions, choices, 0)
  }
  return into
}

/** A required member whose presence brings in a schema that is not taken in yet. */
function dependent({ required = [], dependentSchemas = {} }: Draft, taken: Set<string>): string | undefined {
  const held = (name: string) => Object.hasOwn(dependentSchemas as object, name)
  return (required as string[]).find((name) => held(name) && !taken.has(name))
}

function merge(
  into: Draft,
  schema: LinkedSchema,
  definitions: Definitions,
  choices: Choices,
  depth: number,
): void {
  choices.spend()
  if (schema === false || depth > DEPTH_MAX) throw new GiveUp()
  if (!isSchemaObject(schema)) return
  for (const [keyword, value] of Object.entries(schema)) {
    if (NESTED.has(keyword)) continue
    if (!Object.hasOwn(into, keyword)) into[keyword] = value
    else if (Object.hasOwn(JOIN, keyword)) into[keyword] = JOIN[keyword]!(into[keyword], value)
  }
  const more = (inner: LinkedSchema) => merge(into, inner, definitions, choices, depth + 1)
  if (schema.$ref !== undefined) more(definitions.get(schema.$ref) ?? false)
  for (const inner of (schema.allOf ?? []) as LinkedSchema[]) more(inner)
  for (const keyword of ['oneOf', 'anyOf'])
    if (Array.isArray(schema[keyword])) more(choices.pick(schema[keyword].slice(0, BRANCHES_MAX)))
  if (schema.if !== undefined) {
    const yes = { allOf: [schema.if, schema.then ?? true] } as LinkedSchema
    more(choices.pick([yes, (schema.else ?? true) as LinkedSchema]))
  }
}

/** What is taken in by itself. */
const NESTED = new Set([
  '$ref',
  '$defs',
  'definitions',
  'allOf',
  'anyOf',
  'oneOf',
  'if',
  'then',
  'else',
  'not',
])

type Join = (one: unknown, other: unknown) => unknown
const greater: Join = (one, other) => Math.max(one as number, other as number)
const less: Join = (one, other) => Math.min(one as number, other as number)
const allOf: Join = (one, other) => ({ allOf: [one, other] })
const byName =
  (join: Join): Join =>
  (one, other) => {
    const both: Draft = Object.assign(Object.create(null), one)
    for (const [name, value] of Object.entries(other as object))
      both[name] = both[name] === undefined ? value : join(both[name], value)
    return both
  }

const JOIN: Readonly<Record<string, Join>> = {
  type: (one, other) => commonTypes([one].flat(), [other].flat()),
  enum: (one, other) => commonValues(one as unknown[], other as unknown[]),
  required: (one, other) => [...new Set([...(one as string[]), ...(other as string[])])],
  minimum: greater,
  exclusiveMinimum: greater,
  maximum: less,
  exclusiveMaximum: less,
  minLength: greater,
  maxLength: less,
  minItems: greater,
  maxItems: less,
  minProperties: greater,
  maxProperties: less,
  multipleOf: greater,
  properties: byName(allOf),
  dependentRequired: byName((one, other) => [...(one as string[]), ...(other as string[])]),
  patternProperties: byName(allOf),
  dependentSchemas: byName(allOf),
  additionalProperties: (one, other) => (one === false || other === false ? false : allOf(one, other)),
  propertyNames: allOf,
  items: allOf,
  prefixItems: (one, other) => byIndex(one as unknown[], other as unknown[]),
  uniqueItems: (one, other) => one === true || other === true,
}

function commonTypes(one: unknown[], other: unknown[]): unknown[] {
  const common = one.flatMap((type) => {
    if (other.includes(type)) return [type]
    if (type === 'integer' && other.includes('number')) return ['integer']
    return type === 'number' && other.includes('integer') ? ['integer'] : []
  })
  if (common.length === 0) throw new GiveUp()
  return common
}

function commonValues(one: unknown[], other: unknown[]): unknown[] {
  const texts = new Set(other.map((value) => JSON.stringify(value)))
  return one.filter((value) => texts.has(JSON.stringify(value)))
}

function byIndex(one: unknown[], other: unknown[]): unknown[] {
  const [long, short] = one.length >= other.length ? [one, other] : [other, one]
  return long.map((value, index) => (index < short.length ? allOf(value, short[index]) : value))
}

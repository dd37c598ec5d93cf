import fc from 'fast-check'
import { Compile } from 'typebox/schema'
import { type Check, compareSchemas } from '../../../../src/core/protocol/evolution/compare.ts'
import type { Comparison } from '../../../../src/core/protocol/evolution/relation.ts'
import type { JsonSchema, SchemaObject } from '../../../../src/core/protocol/json-schema.ts'

type Mutable = Record<string, unknown>

/** The check of a schema without `format`, as the broker compiles it. */
export function checkOf(schema: JsonSchema): Check {
  const compiled = Compile(schema as object)
  return (payload) => compiled.Check(payload)
}

export function compare(older: JsonSchema, newer: JsonSchema): Comparison {
  return compareSchemas(older, newer, { older: checkOf(older), newer: checkOf(newer) })
}

export const NAMES = ['a', 'b', 'c', 'kind', 'x_id', 'toString_']
const PATTERNS = ['^[a-z]+$', '^[a-z0-9_]{2,8}$', '^x_', '\\d$', '^(ok|error)$', '^\\d{4}-\\d{2}$']

const name = fc.constantFrom(...NAMES)
const scalar = fc.oneof(
  fc.constantFrom('x', 'y', 'ok', 'error', 'ab', ''),
  fc.integer({ min: -3, max: 12 }),
  fc.constantFrom(null, true, false, 0.5, 2.5),
)
const count = fc.integer({ min: 0, max: 4 })

/** An object whose members are each there or not. */
function some(members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Mutable> {
  return fc.record(members, { requiredKeys: [] }) as fc.Arbitrary<Mutable>
}

function withType(type: string, members: fc.Arbitrary<Mutable>): fc.Arbitrary<Mutable> {
  return members.map((rest) => ({ type, ...rest }))
}

const text = withType(
  'string',
  fc.oneof(
    { weight: 3, arbitrary: some({ minLength: count, maxLength: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 1, arbitrary: some({ pattern: fc.constantFrom(...PATTERNS), maxLength: fc.constant(20) }) },
  ),
)
const number = fc.constantFrom('integer', 'number').chain((type) =>
  withType(
    type,
    some({
      minimum: fc.constantFrom(-2, 0, 1, 1.5),
      exclusiveMaximum: fc.constantFrom(3, 5, 10.5),
      multipleOf: fc.constantFrom(1, 2, 0.5, 0.1, 3),
    }),
  ),
)
const enumeration = fc.uniqueArray(scalar, { minLength: 1, maxLength: 5 }).map((values) => ({ enum: values }))
const leaf: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: text },
  { weight: 4, arbitrary: number },
  { weight: 3, arbitrary: enumeration },
  { weight: 1, arbitrary: scalar.map((value) => ({ const: value })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ type: 'boolean' }, { type: 'null' }, { type: ['string', 'null'] }),
  },
  { weight: 1, arbitrary: fc.constantFrom(true, {}, { type: 'object' }, { type: 'array' }) },
)

const { schema } = fc.letrec<{ schema: unknown; object: Mutable }>((tie) => {
  const part = tie('schema')
  const properties = fc
    .uniqueArray(fc.tuple(name, part), { maxLength: 4, selector: ([one]) => one })
    .map((members) => Object.fromEntries(members))
  const object = withType(
    'object',
    fc
      .record({
        properties,
        required: fc.subarray(NAMES.slice(0, 4), { maxLength: 2 }),
        more: fc.oneof(
          { weight: 4, arbitrary: fc.constant({}) },
          { weight: 3, arbitrary: fc.constant({ additionalProperties: false }) },
          {
            weight: 2,
            arbitrary: some({
              additionalProperties: part,
              minProperties: count,
              maxProperties: fc.integer({ min: 2, max: 5 }),
              patternProperties: fc
                .tuple(fc.constantFrom('^x_', '^[a-c]$'), part)
                .map(([pattern, value]) => ({
                  [pattern]: value,
                })),
              propertyNames: fc.constantFrom(
                { maxLength: 4 },
                { pattern: '^[a-z_]+$' },
                { enum: NAMES.slice(0, 3) },
              ),
              dependentRequired: fc.tuple(name, name).map(([one, other]) => ({ [one]: [other] })),
              dependentSchemas: fc.tuple(name, part).map(([one, other]) => ({ [one]: other })),
              dependencies: fc.tuple(name, tie('object')).map(([one, other]) => ({ [one]: other })),
            }),
          },
          { weight: 1, arbitrary: fc.constant({ unevaluatedProperties: false }) },
        ),
      })
      .map(({ properties, required, more }) => ({
        properties,
        ...(required.length ? { required } : {}),
        ...more,
      })),
  )
  const array = withType(
    'array',
    some({
      items: fc.oneof({ weight: 3, arbitrary: part }, { weight: 1, arbitrary: fc.constant(false) }),
      minItems: fc.integer({ min: 0, max: 2 }),
      maxItems: fc.integer({ min: 2, max: 4 }),
    }).chain((base) =>
      fc.oneof(
        { weight: 3, arbitrary: fc.constant(base) },
        {
          weight: 1,
          arbitrary: some({
            prefixItems: fc.array(part, { minLength: 1, maxLength: 2 }),
            uniqueItems: fc.boolean(),
            contains: leaf,
            minContains: fc.integer({ min: 0, max: 2 }),
          }).map((more) => ({ ...base, ...more })),
        },
      ),
    ),
  )
  const branches = fc.array(part, { minLength: 1, maxLength: 3 })
  const kinds = fc.uniqueArray(fc.tuple(fc.constantFrom('x', 'y', 'ok', 'error'), tie('object')), {
    minLength: 2,
    maxLength: 3,
    selector: ([one]) => one,
  })
  const union = kinds.map((all) => ({
    oneOf: all.map(([kind, branch]) => ({
      ...branch,
      properties: { ...(branch.properties as object), kind: { const: kind } },
      required: ['kind'],
    })),
  }))
  const composed = fc.oneof(
    { weight: 3, arbitrary: branches.map((anyOf) => ({ anyOf })) },
    { weight: 2, arbitrary: union },
    { weight: 1, arbitrary: branches.map((oneOf) => ({ oneOf })) },
    { weight: 2, arbitrary: fc.tuple(tie('object'), part).map(([one, other]) => ({ allOf: [one, other] })) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(tie('object'), fc.array(tie('object'), { minLength: 1, maxLength: 2 }), fc.boolean())
        .map(([one, others, any]) => ({
          ...one,
          [any ? 'anyOf' : 'allOf']: others,
          unevaluatedProperties: false,
        })),
    },
    { weight: 1, arbitrary: leaf.map((not) => ({ not })) },
    {
      weight: 1,
      arbitrary: fc.tuple(tie('object'), tie('object'), tie('object')).map(([base, then, otherwise]) => ({
        ...base,
        if: { properties: { kind: { const: 'x' } }, required: ['kind'] },
        then,
        else: otherwise,
      })),
    },
    { weight: 1, arbitrary: fc.constantFrom({ $ref: '#' }, { $ref: '#/$defs/part' }) },
  )
  return {
    object,
    schema: fc.oneof(
      { depthSize: 'small', maxDepth: 2, withCrossShrink: true },
      { weight: 5, arbitrary: leaf },
      { weight: 5, arbitrary: object },
      { weight: 2, arbitrary: array },
      { weight: 2, arbitrary: composed },
    ),
  }
})

/** A document whose root takes objects, with a definition that its parts may refer to. */
export const document: fc.Arbitrary<SchemaObject> = fc
  .tuple(schema, leaf, fc.array(schema, { minLength: 1, maxLength: 2 }))
  .map(([root, part, more]) => {
    const start = typeof root === 'object' && !('$ref' in (root as object)) ? (root as Mutable) : {}
    const rest =
      start.type === 'object' ? { properties: { ...(start.properties as object), a: more[0] } } : {}
    return { ...start, ...rest, $defs: { part } }
  })

/** What random choices a function makes, so that a run can be repeated. */
export interface Dice {
  /** A whole number below `sides`. */
  roll(sides: number): number
}

export function dice(seed: number): Dice {
  let state = seed >>> 0
  return {
    roll(sides) {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
    },
  }
}

/** A schema with one to three changes somewhere in it. */
export function mutated(original: SchemaObject, seed: number): SchemaObject {
  const copy = structuredClone(original) as Mutable
  const random = dice(seed)
  for (let left = 1 + random.roll(3); left > 0; left--) {
    const places = objectsIn(copy)
    change(places[random.roll(places.length)]!, random)
  }
  return copy
}

/** All subschemas that are objects, the root first. */
function objectsIn(schema: unknown): Mutable[] {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return []
  const own = schema as Mutable
  const inner: unknown[] = ['additionalProperties', 'items', 'not', 'then', 'else', 'contains'].map(
    (one) => own[one],
  )
  for (const keyword of ['anyOf', 'oneOf', 'allOf', 'prefixItems'])
    if (Array.isArray(own[keyword])) inner.push(...own[keyword])
  for (const keyword of ['properties', 'patternProperties', 'dependentSchemas', '$defs'])
    inner.push(...Object.values((own[keyword] as object) ?? {}))
  return [own, ...inner.flatMap(objectsIn)]
}

const SMALL: readonly unknown[] = [
  ...[true, false, { type: 'string' }, { type: 'integer' }, { type: 'number', minimum: 0 }, { type: 'null' }],
  ...[
    { enum: ['x', 'ok'] },
    { const: 'y' },
    { type: 'array', items: { type: 'string' } },
    { type: 'boolean' },
  ],
  ...[
    { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
    { type: 'string', maxLength: 3 },
  ],
]

function change(at: Mutable, random: Dice): void {
  const small = () => structuredClone(SMALL[random.roll(SMALL.length)])
  const any = <T>(list: readonly T[]): T => list[random.roll(list.length)]!
  const member = any(NAMES)
  const kinds = [at.type].flat()
  const changes: (() => void)[] = [
    () => Object.assign(at, { title: `t${random.roll(9)}`, description: 'x', default: 1, $comment: 'c' }),
  ]
  if (kinds.includes('object') || at.properties !== undefined) {
    const properties = { ...(at.properties as Mutable) }
    const required = new Set((at.required as string[]) ?? [])
    changes.push(
      () => Object.assign(at, { properties: { ...properties, [member]: small() } }),
      () => Object.assign(at, { properties: { ...properties, [member]: small() } }),
      () => {
        const gone = any([...Object.keys(properties), member])
        delete properties[gone]
        at.properties = properties
        if (random.roll(2)) at.required = [...required].filter((one) => one !== gone)
      },
      () => {
        const one = any([...Object.keys(properties), member])
        if (!required.delete(one)) required.add(one)
        at.required = [...required]
      },
      () => Object.assign(at, { additionalProperties: any([true, false, small()]) }),
      () => Object.assign(at, { minProperties: random.roll(3) }),
      () => Object.assign(at, { maxProperties: 1 + random.roll(4) }),
      () => Object.assign(at, { dependentRequired: { [member]: [any(NAMES)] } }),
    )
  }
  if (kinds.includes('array'))
    changes.push(
      () => Object.assign(at, { items: small() }),
      () => Object.assign(at, { minItems: random.roll(3) }),
      () => Object.assign(at, { maxItems: random.roll(4) }),
      () => Object.assign(at, { prefixItems: [small()] }),
      () => Object.assign(at, { uniqueItems: random.roll(2) === 0 }),
    )
  if (kinds.includes('string'))
    changes.push(
      () => Object.assign(at, { minLength: random.roll(4) }),
      () => Object.assign(at, { maxLength: 1 + random.roll(6) }),
      () => Object.assign(at, { pattern: any(PATTERNS) }),
      () => delete at.pattern,
      () => Object.assign(at, { type: ['string', 'null'] }),
    )
  if (kinds.includes('integer') || kinds.includes('number'))
    changes.push(
      () => Object.assign(at, { minimum: random.roll(5) - 2 }),
      () => Object.assign(at, { maximum: random.roll(12) }),
      () => Object.assign(at, { multipleOf: any([1, 2, 3, 0.5, 6]) }),
      () => Object.assign(at, { type: any(['integer', 'number', ['integer', 'string']]) }),
    )
  const listed = at.enum
  if (Array.isArray(listed))
    changes.push(
      () => Object.assign(at, { enum: [...listed, any(['new', 7, null])] }),
      () => Object.assign(at, { enum: listed.length > 1 ? listed.slice(1) : listed }),
    )
  for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
    const branches = at[keyword]
    if (Array.isArray(branches))
      changes.push(
        () => Object.assign(at, { [keyword]: [...branches, small()] }),
        () => Object.assign(at, { [keyword]: branches.length > 1 ? branches.slice(1) : branches }),
        () => Object.assign(at, { [keyword]: [...branches].reverse() }),
      )
  }
  changes[random.roll(changes.length)]!()
}

import { expect, test } from 'bun:test'
import { admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { compileSchema } from '../../../../src/core/protocol/schema/checker.ts'
import { refusalOf } from './refused.ts'

const many = <T>(count: number, one: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => one(at))
const named = (count: number, one: (at: number) => unknown) =>
  Object.fromEntries(many(count, (at) => [`n${at}`, one(at)]))

function nested(depth: number): object {
  let schema = {}
  for (let at = 0; at < depth; at++) schema = { properties: { a: schema } }
  return schema
}

/** Definitions that each refer twice to the one before: 2^25 ways from the last to the first. */
function laughs(keyword: string): object {
  const refs = (at: number) => [{ $ref: `#/$defs/n${at}` }, { $ref: `#/$defs/n${at}` }]
  const $defs = named(26, (at) => (at === 0 ? { type: 'string' } : { [keyword]: refs(at - 1) }))
  return { $ref: '#/$defs/n25', $defs }
}

/** The least time of three runs, in milliseconds: others work on this machine. */
function leastMs(run: () => unknown): number {
  return Math.min(
    ...many(3, () => {
      const start = performance.now()
      run()
      return performance.now() - start
    }),
  )
}

test.each([
  ['depth 100', nested(100), 'depth_max'],
  ['depth 10,000', nested(10_000), 'depth_max'],
  ['depth in data', { const: nested(100) }, 'depth_max'],
  ['1,000 properties', { properties: named(1000, () => ({})) }, 'subschemas_max'],
  ['100,000 properties', { properties: named(100_000, () => ({})) }, 'bytes_max'],
  ['2,000 definitions with $id', { $defs: named(2000, (at) => ({ $id: `${at}` })) }, 'subschemas_max'],
  ['250 references', { $defs: { a: {} }, allOf: many(250, () => ({ $ref: '#/$defs/a' })) }, 'references_max'],
  ['1,000 patternProperties', { patternProperties: named(1000, () => ({})) }, 'subschemas_max'],
  ['1,001 enum values', { enum: many(1001, (at) => at) }, 'enum_max'],
  ['a pattern of 513 characters', { pattern: 'a'.repeat(513) }, 'pattern_chars_max'],
  ['1 MB of text', { description: 'x'.repeat(1_000_000) }, 'bytes_max'],
  ['1 MB of values', { enum: many(100_000, (at) => `value ${at}`) }, 'bytes_max'],
  ['1 MB of nothing', { enum: many(500_000, () => 1) }, 'bytes_max'],
])('%s: refused at once', (_, schema, bound) => {
  expect(refusalOf(schema)).toMatchObject({ code: 'schema_too_large', bound })
  expect(leastMs(() => refusalOf(schema))).toBeLessThan(50)
})

test('parts that are shared, as aliases of YAML are, do not multiply the work', () => {
  let shared: unknown[] = []
  for (let at = 0; at < 30; at++) shared = [shared, shared]
  expect(leastMs(() => refusalOf({ const: shared }))).toBeLessThan(50)
  expect(refusalOf({ const: shared })).toMatchObject({ code: 'schema_too_large', bound: 'bytes_max' })
  const loop: Record<string, unknown> = {}
  loop.not = loop
  expect(refusalOf(loop)).toMatchObject({ bound: 'depth_max' })
})

test.each(['allOf', 'anyOf'])('billion laughs of %s are weighed and compiled at once', (keyword) => {
  const run = () => compileSchema(admitSchema(laughs(keyword)))
  expect(leastMs(run)).toBeLessThan(100)
  expect(admitSchema(laughs(keyword)).weight).toBeGreaterThan(2 ** 25)
  expect(run().errors(1).total).toBe(1)
  expect(leastMs(() => run().errors(1))).toBeLessThan(300)
})

test('a schema that fills all bounds is admitted and compiled in a moment', () => {
  const $defs = named(120, () => ({ type: 'object', properties: { a: { pattern: '(x+x+)+y' } } }))
  const properties = named(120, (at) => ({ $ref: `#/$defs/n${at}` }))
  const run = () => compileSchema(admitSchema({ $defs, properties })).check({ n1: { a: 'x' } })
  expect(run()).toBe(false)
  expect(leastMs(run)).toBeLessThan(200)
})

test.each([
  ['30,000 equal items', { uniqueItems: true }, many(30_000, () => 'a')],
  [
    'many wrong items',
    { items: { type: 'object', required: ['a'], additionalProperties: false } },
    many(20_000, () => ({ b: 1 })),
  ],
  [
    'many undeclared names',
    { properties: named(400, () => true), additionalProperties: false },
    named(20_000, () => 1),
  ],
  ['a long text', { pattern: '(a|b)*a(a|b){300}c' }, 'ab'.repeat(500_000)],
  [
    'unions',
    { items: { anyOf: many(50, (at) => ({ enum: many(40, (one) => ({ at, one })) })) } },
    many(5000, () => ({})),
  ],
])('explaining is bounded: %s', (_, schema, payload) => {
  const { errors } = compileSchema(admitSchema(schema))
  const { errors: found, total } = errors(payload)
  expect(found.length).toBeWithin(1, 11)
  expect(total).toBeGreaterThanOrEqual(found.length)
  expect(leastMs(() => errors(payload))).toBeLessThan(400)
})

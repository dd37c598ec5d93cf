import { expect, test } from 'bun:test'
import { admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { suiteCases } from '../../../conformance/json-schema-suite.ts'

const weight = (schema: unknown): number => admitSchema(schema).weight

test('small schemas weigh little, also those of the ready protocols', () => {
  expect(weight(true)).toBe(1)
  const names = Object.fromEntries(
    'abcdefgh'.split('').map((name) => [name, { type: 'string', maxLength: 9 }]),
  )
  expect(
    weight({ type: 'object', required: ['a'], properties: names, additionalProperties: false }),
  ).toBeLessThan(15)
})

test('branches add up, members do not', () => {
  const part = { properties: { a: { enum: Array.from({ length: 100 }, (_, at) => `${at}`) } } }
  const three = [1, 2, 3].map((title) => ({ ...part, title: `${title}` }))
  expect(weight({ anyOf: three })).toBeGreaterThan(2.5 * weight(part))
  const properties = { a: part, b: part, c: part }
  expect(weight({ properties })).toBeLessThan(1.5 * weight(part))
})

test.each([
  ['a reference to itself', { properties: { a: { $ref: '#' } } }],
  [
    'two that refer to each other',
    {
      $ref: '#/$defs/a',
      $defs: { a: { items: { $ref: '#/$defs/b' } }, b: { not: { items: { $ref: '#/$defs/a' } } } },
    },
  ],
  ['a dynamic one', { $dynamicAnchor: 'a', items: { $dynamicRef: '#a' } }],
])('%s weighs without end', (_, schema) => {
  expect(weight(schema)).toBe(Number.POSITIVE_INFINITY)
})

test.each([
  ['objects in an enum', { enum: Array.from({ length: 100 }, (_, at) => ({ at })) }, 400],
  ['equal items', { uniqueItems: true }, 90],
  [
    'nested equal items',
    { uniqueItems: true, items: { uniqueItems: true, items: { uniqueItems: true } } },
    270,
  ],
  ['a pattern of the linear engine', { pattern: '(a+)+$' }, 30],
  ['a large pattern', { pattern: '(a|b)*a(a|b){300}c' }, 20_000],
  [
    'many patterns of names',
    { patternProperties: Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`^n${at}`, true])) },
    500,
  ],
  [
    'many names',
    { items: { properties: Object.fromEntries(Array.from({ length: 400 }, (_, at) => [`n${at}`, true])) } },
    200,
  ],
  [
    'contains, counted',
    { contains: { enum: Array.from({ length: 500 }, (_, at) => at) }, minContains: 2, maxContains: 3 },
    140,
  ],
  ['unevaluated names', { properties: { a: {} }, unevaluatedProperties: false }, 10],
  [
    'schemas that names ask for',
    {
      dependentSchemas: Object.fromEntries(
        Array.from({ length: 100 }, (_, at) => [`n${at}`, { maxProperties: 9 }]),
      ),
    },
    100,
  ],
  [
    'names that names ask for',
    { dependentRequired: Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`n${at}`, ['a']])) },
    100,
  ],
  [
    'the dearer branch',
    { if: { type: 'string' }, else: { enum: Array.from({ length: 1000 }, (_, at) => at) } },
    100,
  ],
])('%s weigh', (_, schema, least) => {
  expect(weight(schema)).toBeGreaterThanOrEqual(least)
  expect(weight(schema)).toBeLessThan(100_000)
})

test('nearly all schemas of the official suite are light enough to be checked inline', () => {
  const weights = suiteCases('2020-12').map(({ schema }) => weight(schema))
  expect(weights.filter((one) => one * 500 <= 200_000).length).toBeGreaterThan(0.9 * weights.length)
})

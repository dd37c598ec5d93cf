import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { BrokerError } from '../../../../src/core/errors.ts'
import { type AdmittedSchema, admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { compileSchema } from '../../../../src/core/protocol/schema/checker.ts'
import { exampleOf } from '../../../../src/core/protocol/schema/example/example.ts'
import { suiteCases } from '../../../conformance/json-schema-suite.ts'
import { check as holds } from '../../property.ts'
import { schema as schemas } from './arbitrary-schema.ts'

/** The example of an admitted schema; undefined without one. */
function example(schema: unknown): unknown {
  const admitted = admitSchema(schema)
  return exampleOf(admitted.schema, compileSchema(admitted).check)?.payload
}

const THEN = 'then'

test.each([
  [
    'required members only',
    { required: ['text'], properties: { text: { type: 'string' }, more: {} } },
    { text: 'text' },
  ],
  ['the least length', { type: 'string', minLength: 6 }, 'textxx'],
  ['the greatest length', { type: 'string', maxLength: 2 }, 'te'],
  ['no length', { type: 'string', maxLength: 0 }, ''],
  ['the least number', { type: 'integer', minimum: 3 }, 3],
  ['more than the least', { type: 'integer', exclusiveMinimum: 3 }, 4],
  ['between two', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
  ['less than the greatest', { type: 'number', exclusiveMaximum: 0 }, -1],
  ['below nothing', { type: 'integer', maximum: -3 }, -3],
  ['a multiple', { type: 'number', minimum: 4, multipleOf: 2.5 }, 5],
  ['a multiple below', { type: 'integer', maximum: -1, multipleOf: 5 }, -5],
  ['any number', { type: 'number' }, 0],
  ['the first of an enum', { enum: ['b', 'a'] }, 'b'],
  ['an enum that another rule cuts', { enum: ['b', 'aaa'], allOf: [{ minLength: 2 }] }, 'aaa'],
  ['a common value', { allOf: [{ enum: [1, 2, 3] }, { enum: [3, 2] }] }, 2],
  ['a constant', { const: null }, null],
  ['a default', { type: 'integer', default: 7, minimum: 0 }, 7],
  ['an example', { type: 'string', examples: ['like this'] }, 'like this'],
  ['no default that does not fit', { type: 'integer', default: 'seven' }, 0],
  ['a boolean', { type: 'boolean' }, true],
  ['nothing', { type: 'null' }, null],
  ['anything', true, {}],
  ['the first type', { type: ['string', 'null'] }, 'text'],
  ['a type that is told', { items: { type: 'integer' }, minItems: 2 }, [0, 0]],
  ['items that differ', { uniqueItems: true, minItems: 3, items: { type: 'integer' } }, [0, 1, 2]],
  [
    'texts that differ',
    { uniqueItems: true, minItems: 2, items: { type: 'string', maxLength: 4 } },
    ['text', 'tex1'],
  ],
  ['values that differ', { uniqueItems: true, minItems: 2, items: { enum: ['a', 'b'] } }, ['a', 'b']],
  ['first items', { type: 'array', minItems: 2, prefixItems: [{ const: 1 }], items: { const: 2 } }, [1, 2]],
  ['an item that must be there', { contains: { const: 3 }, minContains: 2 }, [3, 3]],
  ['longer than a pattern at the start', { type: 'string', pattern: '^x', minLength: 4 }, 'xaaa'],
  ['longer than a pattern at the end', { type: 'string', pattern: '\\.ts$', minLength: 5 }, 'aa.ts'],
  [
    'what a required member brings with it',
    {
      required: ['a'],
      dependentSchemas: {
        a: { required: ['b'], properties: { b: { const: 1 } }, dependentSchemas: { b: { required: ['c'] } } },
        other: { required: ['d'] },
      },
      properties: { c: { const: 2 } },
    },
    { a: {}, b: 1, c: 2 },
  ],
  ['a reference', { $ref: '#/$defs/a', $defs: { a: { const: 1 } } }, 1],
  [
    'a tree',
    { required: ['n'], properties: { n: { type: 'integer' }, more: { items: { $ref: '#' } } } },
    { n: 0 },
  ],
  [
    'a branch that ends',
    { anyOf: [{ required: ['a'], properties: { a: { $ref: '#' } } }, { type: 'null' }] },
    null,
  ],
  [
    'the first branch that works',
    { type: 'integer', oneOf: [{ const: 0 }, { const: 4 }], not: { const: 0 } },
    4,
  ],
  [
    'members of all parts',
    {
      allOf: [
        { required: ['a'], properties: { a: { minLength: 2 } } },
        { properties: { a: { type: 'string', maxLength: 3 } } },
      ],
    },
    { a: 'tex' },
  ],
  [
    'what a condition asks',
    { type: 'object', if: { required: ['a'] }, [THEN]: { required: ['b'] } },
    { a: {}, b: {} },
  ],
  [
    'names beside names',
    { required: ['a'], dependentRequired: { a: ['b'], b: ['c'] } },
    { a: {}, b: {}, c: {} },
  ],
  ['a number of members', { minProperties: 2, properties: { a: { const: 1 } } }, { a: 1, name0: {} }],
  [
    'names of a pattern',
    { minProperties: 1, patternProperties: { '^x-[0-9]+$': { const: 1 } }, additionalProperties: false },
    { 'x-0': 1 },
  ],
  ['names that are allowed', { minProperties: 2, propertyNames: { enum: ['a', 'b'] } }, { a: {}, b: {} }],
  ['other members', { required: ['a'], additionalProperties: { type: 'null' } }, { a: null }],
  [
    'a number that is whole in all',
    { allOf: [{ type: 'number' }, { type: ['integer', 'null'] }], minimum: 0.5 },
    1,
  ],
])('%s', (_, schema, payload) => {
  expect(example(schema)).toEqual(payload)
})

test.each([
  ['^[a-z][a-z0-9_]{2,}$', 'aaa'],
  ['^(request|accept)$', 'request'],
  ['^\\d{4}-\\d{2}$', '0000-00'],
  ['^\\p{Lu}\\p{Ll}\\p{L}\\p{Nd}$', 'AaA0'],
  ['^[^a-z]é+$', 'Aé'],
  ['^(a|b)+@[\\w.]+\\.(org|net)$', 'a@a.org'],
  ['\\bword\\b', 'word'],
])('a text that matches %s', (pattern, text) => {
  const found = example({ type: 'string', pattern }) as string
  expect(new RegExp(pattern, 'u').test(found)).toBe(true)
  expect(found.length).toBe(text.length)
  expect((example({ type: 'string', pattern: '^a+b{0,3}$', minLength: 9 }) as string).length).toBe(9)
})

test('a format shows what is meant', () => {
  for (const format of ['date-time', 'date', 'time', 'email', 'uri', 'uuid', 'ipv4', 'hostname'])
    expect(example({ type: 'string', format })).not.toBe('text')
  expect(example({ type: 'string', format: 'toString' })).toBe('text')
})

describe('there is none', () => {
  test.each([
    ['if nothing fits', false],
    ['if the parts rule each other out', { allOf: [{ type: 'string' }, { type: 'null' }] }],
    ['if it has no end', { required: ['a'], properties: { a: { $ref: '#' } } }],
    ['if it is too large', { type: 'string', minLength: 5000 }],
    ['if there are too many items', { type: 'array', minItems: 100_000, items: { type: 'integer' } }],
    ['if there are too many members', { type: 'object', minProperties: 100_000 }],
    ['if no name is left', { minProperties: 3, propertyNames: { enum: ['a', 'b'] } }],
  ])('%s', (_, schema) => {
    expect(example(schema)).toBeUndefined()
  })
})

test('a payload may be named __proto__', () => {
  const schema = JSON.parse('{"required":["__proto__"],"properties":{"__proto__":{"const":1}}}')
  expect(JSON.stringify(example(schema))).toBe('{"__proto__":1}')
})

test('the work is bounded', () => {
  const wide = {
    anyOf: Array.from({ length: 12 }, (_, at) => ({
      enum: Array.from({ length: 40 }, (_, one) => `${at} ${one}`),
    })),
  }
  const names = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`n${at}`, wide]))
  const $defs = { part: { type: 'object', required: Object.keys(names), properties: names } }
  const properties = { a: { $ref: '#/$defs/part' }, b: { $ref: '#/$defs/part' } }
  const admitted = admitSchema({ $defs, required: ['a', 'b'], properties })
  let asked = 0
  const start = performance.now()
  const never = exampleOf(admitted.schema, () => {
    asked++
    return false
  })
  expect(never).toBeUndefined()
  expect(asked).toBeWithin(1, 121)
  expect(performance.now() - start).toBeLessThan(1000)
})

test('an example always fits, is small, and is the same each time', () => {
  let found = 0
  let admitted_count = 0
  holds(400, fc.tuple(schemas), ([schema]) => {
    let admitted: AdmittedSchema
    try {
      admitted = admitSchema(schema)
    } catch (thrown) {
      if (thrown instanceof BrokerError) return
      throw thrown
    }
    admitted_count++
    const { check } = compileSchema(admitted)
    const made = exampleOf(admitted.schema, check)
    if (made === undefined) return
    found++
    expect(check(made.payload)).toBe(true)
    expect(check(JSON.parse(JSON.stringify(made.payload)))).toBe(true)
    expect(JSON.stringify(made.payload).length).toBeLessThanOrEqual(4096)
    expect(exampleOf(admitted.schema, check)).toEqual(made)
  })
  expect(found).toBeGreaterThan(admitted_count / 3)
})

test('most schemas of the official suite that accept anything have one', () => {
  const groups = suiteCases('2020-12').filter(({ cases }) => cases.some(({ valid }) => valid))
  const without = groups.filter(({ schema }) => example(schema) === undefined)
  expect(without.length).toBeLessThan(groups.length / 20)
})

import { expect, test } from 'bun:test'
import { admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { descendsOnce } from '../../../../src/core/protocol/schema/descent.ts'
import { weightOf } from '../../../../src/core/protocol/schema/weight.ts'

const once = (schema: unknown): boolean => descendsOnce(admitSchema(schema).schema)
const self = { $ref: '#' }
const list = { type: 'array', items: self }

test.each([
  ['nothing recursive', { allOf: [{ properties: { a: true } }, { properties: { a: true } }] }],
  ['a tree', { properties: { title: { type: 'string' }, children: list } }],
  ['a tree with two lists', { properties: { left: self, right: self, others: list } }],
  ['any value of JSON', { type: ['object', 'array', 'string'], additionalProperties: self, items: self }],
  ['a list that ends in null', { properties: { next: { anyOf: [self, { type: 'null' }] } } }],
  ['two parts in turn', { properties: { a: { properties: { b: self } } } }],
  [
    'a part beside others that are not recursive',
    { allOf: [{ properties: { a: self } }, { required: ['a'] }] },
  ],
  ['first items and the others', { prefixItems: [self, self], items: self }],
  ['a dynamic reference', { $dynamicAnchor: 'a', items: { $dynamicRef: '#a' } }],
])('%s goes down a payload once', (_, schema) => {
  expect(once(schema)).toBeTrue()
})

test.each([
  ['two branches', { anyOf: [{ properties: { a: self } }, { properties: { a: self } }] }],
  ['a branch and the schema itself', { properties: { a: self }, not: { properties: { a: self } } }],
  ['a condition', { if: { properties: { a: self } }, else: { properties: { a: self } } }],
  ['two patterns', { patternProperties: { '^a': self, '^[a-z]': self } }],
  ['a pattern and a name', { properties: { a: self }, patternProperties: { '^a': self } }],
  ['what nobody evaluates', { additionalProperties: self, unevaluatedProperties: self }],
  ['items and contains', { items: self, contains: self }],
  ['contains that is counted', { contains: self, maxContains: 3 }],
  ['a name that depends', { properties: { a: self }, dependentSchemas: { a: { properties: { a: self } } } }],
  ['whole items compared at each level', { uniqueItems: true, items: self }],
  ['two ways inside one', { properties: { a: { allOf: [self, { properties: { b: self } }] } } }],
  [
    'two ways in a definition that is reached late',
    {
      items: { $ref: '#/$defs/n' },
      $defs: { n: { allOf: [{ items: { $ref: '#/$defs/n' } }, { items: { $ref: '#/$defs/n' } }] } },
    },
  ],
])('%s may go down twice', (_, schema) => {
  expect(once(schema)).toBeFalse()
})

test('without the way back, a recursive schema weighs as much as what it has once', () => {
  const { schema, patterns, weight } = admitSchema({
    properties: { title: { maxLength: 9 }, children: list },
  })
  expect(weight).toBe(Number.POSITIVE_INFINITY)
  expect(weightOf(schema, patterns, 0)).toBeLessThan(20)
})

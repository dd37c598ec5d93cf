import { describe, expect, test } from 'bun:test'
import { requiredMembers, shapesOf } from '../../../src/core/protocol/card/shapes.ts'
import type { JsonSchema, SchemaObject } from '../../../src/core/protocol/json-schema.ts'

/** The only shape's fields, one line each. */
function lines(schema: JsonSchema): string[] {
  const shapes = shapesOf(schema)
  expect(shapes).toHaveLength(1)
  return shapes[0]!.fields.map(
    ({ path, type, required }) => `${path}: ${type}${required ? ', required' : ''}`,
  )
}

describe('the words for a member', () => {
  test.each([
    [{ type: 'string' }, 'text'],
    [{ type: 'string', minLength: 1, maxLength: 32768 }, 'text, 1–32,768'],
    [{ type: 'string', maxLength: 5 }, 'text, at most 5'],
    [{ type: 'integer', minimum: 1 }, 'whole number, at least 1'],
    [{ type: 'number', minimum: 0, maximum: 100 }, 'number, 0–100'],
    [{ type: 'boolean' }, 'true or false'],
    [{ type: ['string', 'null'] }, 'text or null'],
    [{ type: 'object' }, 'object'],
    [{ properties: { a: true } }, 'object'],
    [{}, 'any JSON'],
    [true, 'any JSON'],
    [{ const: 'a' }, '"a"'],
    [{ enum: ['a', 1, null] }, '"a" or 1 or null'],
    [{ enum: Array.from({ length: 23 }, () => 0) }, '0 or 3 more'],
    [{ const: 'x'.repeat(100) }, `"${'x'.repeat(79)}…`],
    [{ type: 'array', items: { type: 'string', maxLength: 9 } }, 'list of text, at most 9'],
    [{ type: 'array', items: { type: 'integer' }, maxItems: 5 }, 'list of whole number; at most 5 items'],
    [{ anyOf: [{ type: 'string' }, { $ref: '#/$defs/n' }] }, 'text or number'],
    [{ $ref: '#/$defs/n' }, 'number'],
    [{ $ref: '#/$defs/a~1b%20c' }, 'true or false'],
    [{ $ref: '#/$defs/%' }, 'null'],
    [{ $ref: '#/$defs/gone' }, 'any JSON'],
    [{ $ref: '#/$defs/toString' }, 'any JSON'],
    [{ $ref: 'https://elsewhere.example/schema' }, 'any JSON'],
    [{ $ref: '#/properties/m' }, 'any JSON'],
    [{ $ref: '#anchor' }, 'any JSON'],
    [{ allOf: [{ $ref: '#/$defs/n' }], maximum: 9 }, 'number, at most 9'],
  ])('%j', (m, words) => {
    const $defs = { n: { type: 'number' }, 'a/b c': { type: 'boolean' }, '%': { type: 'null' } }
    expect(lines({ properties: { m }, $defs })[0]).toBe(`m: ${words}`)
  })
})

test('members of members, of items, and which are required', () => {
  const author = { type: 'object', required: ['name'], properties: { name: { type: 'string' } } }
  expect(
    lines({
      required: ['authors'],
      properties: { authors: { type: 'array', items: author }, editor: { $ref: '#/$defs/author' } },
      $defs: { author },
    }),
  ).toEqual([
    'authors: list of object, required',
    'authors[].name: text, required',
    'editor: object',
    'editor.name: text, required',
  ])
})

describe('the members of a payload', () => {
  const $defs = { base: { type: 'object', required: ['a'], properties: { a: { type: 'string' } } } }
  const b = { type: 'integer' }

  test.each<[string, SchemaObject, string[]]>([
    ['a reference', { $ref: '#/$defs/base' }, ['a: text, required']],
    [
      'a reference beside properties',
      { $ref: '#/$defs/base', properties: { b } },
      ['a: text, required', 'b: whole number'],
    ],
    [
      'parts of allOf',
      { allOf: [{ $ref: '#/$defs/base' }, { required: ['b'], properties: { b } }] },
      ['a: text, required', 'b: whole number, required'],
    ],
    [
      'a member of such an object',
      { properties: { m: { allOf: [{ $ref: '#/$defs/base' }] } } },
      ['m: object', 'm.a: text, required'],
    ],
    [
      'without one that must not be there',
      { $ref: '#/$defs/base', properties: { old: false } },
      ['a: text, required'],
    ],
  ])('%s', (_, schema, expected) => {
    expect(lines({ ...schema, $defs })).toEqual(expected)
  })

  test('those that every payload must have, wherever the schema says so', () => {
    const required = { allOf: [{ $ref: '#/$defs/base' }, { required: ['b'] }], $defs }
    expect(requiredMembers(required)).toEqual(['a', 'b'])
    expect(requiredMembers(true)).toEqual([])
  })

  test('a union behind a reference', () => {
    const branch = (kind: string) => ({ properties: { kind: { const: kind } } })
    const union = { $ref: '#/$defs/u', $defs: { u: { oneOf: [branch('a'), branch('b')] } } }
    expect(shapesOf(union).map(({ kind }) => kind?.value)).toEqual(['"a"', '"b"'])
  })
})

test('a union that one member tells apart is a shape for each branch', () => {
  const shapes = shapesOf({
    required: ['kind', 'id'],
    properties: { kind: { enum: ['a', 'b'] }, id: { type: 'string', description: 'which one' } },
    oneOf: [
      { description: 'The first.', properties: { kind: { const: 'a' }, id: true } },
      { properties: { kind: { const: 'b' }, n: { type: 'integer' } }, required: ['n'] },
    ],
  })
  expect(shapes).toEqual([
    {
      kind: { member: 'kind', value: '"a"' },
      description: 'The first.',
      fields: [
        { path: 'kind', type: '"a"', required: true },
        { path: 'id', type: 'text', required: true, description: 'which one' },
      ],
    },
    {
      kind: { member: 'kind', value: '"b"' },
      fields: [
        { path: 'kind', type: '"b"', required: true },
        { path: 'id', type: 'text', required: true, description: 'which one' },
        { path: 'n', type: 'whole number', required: true },
      ],
    },
  ])
})

test.each([
  ['one branch', [{ properties: { kind: { const: 'a' } } }]],
  ['the same constant twice', Array(2).fill({ properties: { kind: { const: 'a' } } })],
  ['a branch without it', [{ properties: { kind: { const: 'a' } } }, {}]],
])('no member tells it apart: %s', (_, oneOf) => {
  expect(lines({ properties: { n: { type: 'number' } }, oneOf })).toEqual(['n: number'])
})

test.each([true, false, {}, { type: 'string' }, { properties: [] }])('no members: %j', (schema) => {
  expect(shapesOf(schema as JsonSchema)).toEqual([{ fields: [] }])
})

describe('a schema that is made to take long', () => {
  test('one that goes round, and round in wide unions', () => {
    const round = { $ref: '#/$defs/wide' }
    const wide = { anyOf: Array(500).fill(round), properties: { a: round, b: round }, items: round }
    const properties = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`m${n}`, round]))
    const before = performance.now()
    const [{ fields } = { fields: [] }] = shapesOf({ properties, $defs: { wide } })
    expect(fields).toHaveLength(100)
    expect(performance.now() - before).toBeLessThan(1000)
  })

  test('parts that hold parts', () => {
    const $defs: Record<string, JsonSchema> = { d0: { properties: { a: true } } }
    for (let i = 1; i <= 30; i++)
      $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] }
    const before = performance.now()
    expect(shapesOf({ $ref: '#/$defs/d30', $defs })).toHaveLength(1)
    expect(performance.now() - before).toBeLessThan(100)
  })

  test('a reference to itself', () => {
    expect(lines({ properties: { m: { $ref: '#/properties/m' } } })).toEqual(['m: any JSON'])
  })
})

import type { SchemaObject } from '../../../../src/core/protocol/json-schema.ts'
import { member, object, type Row, TEXT, testRows, WHOLE } from './rows.ts'

function when(condition: SchemaObject, then: SchemaObject): SchemaObject {
  return Object.fromEntries([
    ['if', condition],
    ['then', then],
  ])
}

const branch = (kind: string, more: SchemaObject = {}, required: string[] = []): SchemaObject => ({
  properties: { kind: { const: kind }, ...more },
  required: ['kind', ...required],
})

const ROWS: readonly Row[] = [
  [
    'a branch of anyOf added, and all in another order',
    { anyOf: [TEXT, object({ a: WHOLE })] },
    { anyOf: [object({ a: WHOLE }), { type: 'null' }, TEXT] },
    'backward',
    'backward',
    'forward anyOf ',
  ],
  [
    'a branch of oneOf added that a kind tells apart',
    { type: 'object', oneOf: [branch('x'), branch('y')] },
    { type: 'object', oneOf: [branch('x'), branch('y'), branch('z')] },
    'backward',
    'backward',
    'forward oneOf ',
  ],
  [
    'a branch of oneOf added that only the type tells apart',
    { oneOf: [TEXT, WHOLE] },
    { oneOf: [TEXT, WHOLE, { type: 'null' }] },
    'backward',
    'backward',
    'forward oneOf ',
  ],
  [
    'a branch of oneOf added that overlaps',
    { oneOf: [TEXT, WHOLE] },
    { oneOf: [TEXT, WHOLE, { type: 'number', minimum: 5 }] },
    'breaking',
    'breaking',
    'backward oneOf , forward oneOf ',
  ],
  [
    'an optional member in one branch',
    { type: 'object', oneOf: [branch('x'), branch('y', { v: WHOLE })] },
    { type: 'object', oneOf: [branch('x', { v: TEXT }), branch('y', { v: WHOLE })] },
    'full',
    'forward',
    ' | backward type /v',
  ],
  [
    'a required member in one branch',
    { type: 'object', oneOf: [branch('x'), branch('y')] },
    { type: 'object', oneOf: [branch('x', { v: TEXT }, ['v']), branch('y')] },
    'forward',
    'forward',
    'backward required /v | backward type /v',
  ],
  [
    'a list of kinds told apart',
    object({ kind: { enum: ['x', 'y'] } }, ['kind']),
    { type: 'object', oneOf: [branch('x'), branch('y')] },
    'full',
    'full',
    '',
  ],
  [
    'a part of allOf added',
    { allOf: [object({ a: TEXT })] },
    { allOf: [object({ a: TEXT }), { required: ['a'] }] },
    'forward',
    'forward',
    'backward required /a',
  ],
  [
    'parts of allOf made one',
    { allOf: [object({ a: TEXT }), object({ a: { maxLength: 5 }, b: WHOLE }, ['b'])] },
    object({ a: { ...TEXT, maxLength: 5 }, b: WHOLE }, ['b']),
    'full',
    'full',
    '',
  ],
  [
    'a type of two to branches',
    { type: ['string', 'integer'] },
    { anyOf: [TEXT, WHOLE] },
    'full',
    'full',
    '',
  ],
  [
    'closed over parts',
    { allOf: [object({ a: TEXT })], properties: { b: TEXT }, unevaluatedProperties: false },
    { allOf: [object({ a: TEXT })], properties: { b: TEXT, c: TEXT }, unevaluatedProperties: false },
    'backward',
    'backward',
    'forward unevaluatedProperties /c',
  ],
  [
    'what is excluded, unchanged',
    member({ not: TEXT, title: 'x' }),
    member({ not: TEXT }),
    'full',
    'full',
    '',
  ],
  [
    'what is excluded widened, to what may be the same',
    { not: { ...TEXT, pattern: '^a+$' } },
    { not: { ...TEXT, pattern: '^(a|aa)+$' } },
    'breaking',
    'breaking',
    'backward not_decidable , forward not_decidable ',
  ],
  [
    'something excluded',
    member(TEXT),
    member({ ...TEXT, not: { const: 'a' } }),
    'forward',
    'forward',
    'backward not /a',
  ],
  [
    'a condition added',
    object({ a: TEXT, b: TEXT }),
    {
      ...object({ a: TEXT, b: TEXT }),
      ...when({ properties: { a: { const: 'a' } }, required: ['a'] }, { required: ['b'] }),
    },
    'forward',
    'forward',
    'backward required /b',
  ],
  [
    'a condition unchanged beside a change',
    { ...object({ a: TEXT }), ...when({ required: ['a'] }, { required: ['b'] }) },
    { ...object({ a: TEXT, c: TEXT }), ...when({ required: ['a'] }, { required: ['b'] }) },
    'full',
    'forward',
    ' | backward type /c',
  ],
  [
    'a list of kinds that need not be there',
    object({ kind: { enum: ['x', 'y'] } }),
    { type: 'object', oneOf: [branch('x'), branch('y')] },
    'forward',
    'forward',
    'backward oneOf ',
  ],
  [
    'a condition with two ends',
    object({ a: TEXT, b: TEXT, c: TEXT }),
    {
      ...object({ a: TEXT, b: TEXT, c: TEXT }),
      ...when({ properties: { a: { const: 'a' } }, required: ['a'] }, { required: ['b'] }),
      else: { required: ['c'] },
    },
    'forward',
    'forward',
    'backward required /b, backward required /c',
  ],
  [
    'more branches than are told apart',
    {
      type: 'object',
      allOf: ['x', 'y', 'z'].map((name) => ({
        anyOf: [1, 2, 3, 4, 5].map((minLength) => ({ properties: { [name]: { ...TEXT, minLength } } })),
      })),
    },
    object({ z: WHOLE }),
    'breaking',
    'breaking',
    'backward type /z, forward anyOf ',
  ],
]

testRows(ROWS)

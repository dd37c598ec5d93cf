import { deepArrays, deepObjects, deepSchema, members, times } from './build.ts'
import type { Case } from './case.ts'

const LARGE: Case[] = [
  { name: 'depth 40', schema: deepSchema(40), answer: 'schema_too_large' },
  { name: 'depth 1,000', schema: deepSchema(1000), answer: 'schema_too_large' },
  {
    name: 'depth 10,000',
    schema: undefined,
    schema_text: deepObjects(10_000, 'not'),
    answer: 'schema_too_large',
  },
  {
    name: 'arrays 10,000 deep',
    schema: undefined,
    schema_text: `{"const":${deepArrays(10_000)}}`,
    answer: 'schema_too_large',
  },
  {
    name: 'arrays 150,000 deep',
    schema: undefined,
    schema_text: `{"const":${deepArrays(150_000)}}`,
    answer: 'schema_too_large',
  },
  {
    name: '1,000 properties',
    schema: { properties: members(1000, () => ({ type: 'string' })) },
    answer: 'schema_too_large',
  },
  {
    name: '30,000 properties',
    schema: { properties: members(30_000, () => ({})) },
    answer: 'schema_too_large',
  },
  {
    name: '100,000 properties',
    schema: {
      properties: members(
        100_000,
        () => true,
        (n) => n.toString(36),
      ),
    },
    answer: 'body_too_large',
  },
  {
    name: '512 properties of long names',
    schema: {
      properties: members(
        500,
        () => true,
        (n) => `${n}${'x'.repeat(110)}`,
      ),
    },
    answer: 'created',
    sends: [
      {
        payload: members(
          10_000,
          () => 1,
          (n) => `${n}y`,
        ),
        answer: 'sent',
      },
    ],
  },
  {
    name: 'an enum of 1 MB',
    schema: { enum: times(90_000, (n) => `value ${n}`).slice(0, 70_000) },
    answer: 'schema_too_large',
  },
  {
    name: 'an enum of 1 MB in one value',
    schema: { enum: ['x'.repeat(1_000_000)] },
    answer: 'schema_too_large',
  },
  { name: 'an enum of 1,001', schema: { enum: times(1001, (n) => n) }, answer: 'schema_too_large' },
  { name: 'a description of 1 MB', schema: { description: 'é'.repeat(500_000) }, answer: 'schema_too_large' },
  {
    name: '100,000 unknown keywords',
    schema: members(
      60_000,
      () => 1,
      (n) => `requird${n}`,
    ),
    answer: 'schema_too_large',
  },
  {
    name: '4,000 unknown keywords',
    schema: members(
      4000,
      () => 1,
      (n) => `requird${n}`,
    ),
    answer: 'created',
    sends: [{ payload: {}, answer: 'sent' }],
  },
  {
    name: '2,000 definitions with ids',
    schema: { $defs: members(2000, (n) => ({ $id: `d${n}` })) },
    answer: 'schema_too_large',
  },
  {
    name: '400 ids and 120 references',
    schema: {
      $defs: members(380, (n) => ({ $id: `http://a.example/${n}/` })),
      allOf: times(120, (n) => ({ $ref: `http://a.example/${n}/` })),
    },
    answer: 'created',
    sends: [{ payload: 1, answer: 'sent' }],
  },
  {
    name: '250 references',
    schema: { $defs: { a: {} }, allOf: times(250, () => ({ $ref: '#/$defs/a' })) },
    answer: 'schema_too_large',
  },
  {
    name: '10,000 references',
    schema: { allOf: times(10_000, () => ({ $ref: '#' })) },
    answer: 'schema_too_large',
  },
  {
    name: 'a list of 400,000 numbers',
    schema: { examples: times(400_000, () => 1) },
    answer: 'schema_too_large',
  },
]

const LOOPS: Case[] = [
  { name: 'a reference to itself', schema: { $ref: '#' }, answer: 'schema_invalid' },
  {
    name: 'a pair of references',
    schema: { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
    answer: 'schema_invalid',
  },
  ...['anyOf', 'allOf', 'oneOf'].map((keyword) => ({
    name: `${keyword} of itself`,
    schema: { [keyword]: [{ $ref: '#' }, true] },
    answer: 'schema_invalid',
  })),
  ...['not', 'if', 'then', 'else'].map((keyword) => ({
    name: `${keyword} of itself`,
    schema: { if: true, [keyword]: { $ref: '#' } },
    answer: 'schema_invalid',
  })),
  {
    name: 'dependentSchemas of itself',
    schema: { dependentSchemas: { a: { $ref: '#' } } },
    answer: 'schema_invalid',
  },
  {
    name: 'a dynamic reference to itself',
    schema: { $dynamicAnchor: 'a', $dynamicRef: '#a' },
    answer: 'schema_invalid',
  },
  {
    name: 'a loop through an id',
    schema: {
      $id: 'http://a.example/',
      $ref: 'http://a.example/#/$defs/b',
      $defs: { b: { $ref: 'http://a.example/' } },
    },
    answer: 'schema_invalid',
  },
  { name: 'a reference to nothing', schema: { $ref: '#/$defs/nothing' }, answer: 'schema_invalid' },
  { name: 'a reference out', schema: { $ref: 'http://127.0.0.1:1/schema.json' }, answer: 'schema_invalid' },
  { name: 'a reference to a file', schema: { $ref: 'file:///etc/passwd' }, answer: 'schema_invalid' },
  { name: 'a reference that cannot be decoded', schema: { $ref: '#/%E0%A4%A' }, answer: 'schema_invalid' },
  {
    name: 'a reference into Object.prototype',
    schema: { $ref: '#/__proto__/constructor' },
    answer: 'schema_invalid',
  },
  {
    name: 'a reference 60,000 long',
    schema: { $ref: `#/${'~0/'.repeat(20_000)}` },
    answer: 'schema_invalid',
  },
]

/** Definitions that are too large, or that lead back to themselves. */
export const SCHEMA_CASES: readonly Case[] = [...LARGE, ...LOOPS]

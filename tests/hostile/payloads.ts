import { deepObjects, members, times } from './build.ts'
import type { Case } from './case.ts'

const LATE = ['payload_invalid', 'validation_timeout', 'sent']
const any = { type: 'object' }

/** Definitions that are within bounds, with payloads that make the most of them. */
export const PAYLOAD_CASES: readonly Case[] = [
  {
    name: '1,000 texts in an enum, 19,000 items',
    schema: { items: { enum: times(1000, (n) => `value ${n}`) } },
    answer: 'created',
    sends: [{ payload: times(19_000, () => 'value'), answer: LATE }],
  },
  {
    name: '1,000 objects in an enum, 9,000 items',
    schema: { items: { enum: times(1000, (n) => ({ n })) } },
    answer: 'created',
    sends: [{ payload: times(9000, () => ({ n: -1 })), answer: LATE }],
  },
  {
    name: 'a large constant',
    schema: { items: { const: times(3000, (n) => n) } },
    answer: 'created',
    sends: [{ payload: times(6, () => times(3000, (n) => n)), answer: LATE }],
  },
  {
    name: '19,000 equal items',
    schema: { uniqueItems: true },
    answer: 'created',
    sends: [
      { payload: times(19_000, () => 1), answer: LATE },
      { payload: times(19_000, (n) => n), answer: LATE },
      { payload: times(4000, () => ({ a: [1, 2] })), answer: LATE },
      { payload: times(50_000, () => 1), answer: 'payload_too_complex' },
    ],
  },
  {
    name: 'unique items inside unique items',
    schema: { $ref: '#/$defs/n', $defs: { n: { uniqueItems: true, items: { $ref: '#/$defs/n' } } } },
    answer: 'created',
    sends: [{ payload: times(130, () => times(130, () => [])), answer: LATE }],
  },
  {
    name: 'an item of 500 kinds',
    schema: { items: { oneOf: times(500, (n) => ({ const: n })) } },
    answer: 'created',
    sends: [{ payload: times(19_000, () => -1), answer: LATE }],
  },
  {
    name: 'items that are evaluated by nobody',
    schema: { anyOf: times(40, () => ({ prefixItems: [true] })), unevaluatedItems: false },
    answer: 'created',
    sends: [{ payload: times(19_000, () => 1), answer: LATE }],
  },
  {
    name: 'members that are evaluated by nobody',
    schema: { anyOf: times(40, (n) => ({ properties: { [`p${n}`]: true } })), unevaluatedProperties: false },
    answer: 'created',
    sends: [{ payload: members(15_000, () => 1), answer: LATE }],
  },
  {
    name: '500 schemas for each item of contains',
    schema: { allOf: times(240, (n) => ({ contains: { const: n }, minContains: 5 })) },
    answer: 'created',
    sends: [{ payload: times(19_000, (n) => n % 7), answer: LATE }],
  },
  {
    name: 'names that depend on each other',
    schema: { dependentRequired: members(400, (n) => times(20, (m) => `p${n + m}`)) },
    answer: 'created',
    sends: [{ payload: members(15_000, () => 1), answer: LATE }],
  },
  {
    name: 'required names by the thousand',
    schema: { required: times(1000, (n) => `p${n}`) },
    answer: 'created',
    sends: [
      { payload: {}, answer: 'payload_invalid' },
      { payload: members(999, () => 1), answer: 'payload_invalid' },
    ],
  },
  {
    name: 'more required names than compile',
    schema: { required: times(5000, (n) => `p${n}`) },
    answer: ['created', 'schema_too_large'],
  },
  {
    name: 'thousands of names that are nearly right',
    schema: {
      properties: members(
        400,
        () => true,
        (n) => `member_${n}`,
      ),
      additionalProperties: false,
    },
    answer: 'created',
    sends: [
      {
        payload: members(
          15_000,
          () => 1,
          (n) => `membr_${n}`,
        ),
        answer: LATE,
      },
    ],
  },
  {
    name: 'names of Object.prototype',
    schema: {
      properties: {
        toString: { type: 'string' },
        __proto__: null,
        valueOf: { type: 'number' },
        constructor: { type: 'string' },
      },
      required: ['hasOwnProperty'],
    },
    answer: ['created', 'schema_invalid'],
  },
  {
    name: '__proto__ as a name of the schema',
    schema: undefined,
    schema_text: '{"type":"object","properties":{"__proto__":{"type":"string"}},"required":["__proto__"]}',
    answer: 'created',
    sends: [
      { payload_text: '{"__proto__":"a"}', answer: 'sent' },
      { payload_text: '{"__proto__":{"polluted":1}}', answer: 'payload_invalid' },
      { payload_text: '{}', answer: 'payload_invalid' },
    ],
  },
  {
    name: '__proto__ where keywords are',
    schema: undefined,
    schema_text: '{"__proto__":{"type":"string"},"constructor":{"prototype":{"type":"string"}}}',
    answer: 'created',
    sends: [{ payload: 1, answer: 'sent' }],
  },
  {
    name: '__proto__ deep in a payload of inherited names',
    schema: { properties: { toString: { type: 'string' } } },
    answer: 'created',
    sends: [{ payload_text: deepObjects(60, '__proto__'), answer: 'sent' }],
  },
  {
    name: 'a payload 100,000 deep',
    schema: any,
    answer: 'created',
    sends: [{ payload_text: deepObjects(100_000), answer: 'nesting_too_deep' }],
  },
  {
    name: 'a payload of 21,000 members',
    schema: any,
    answer: 'created',
    sends: [{ payload: members(21_000, () => 1), answer: 'payload_too_complex' }],
  },
  {
    name: 'a payload of 300,000 items',
    schema: any,
    answer: 'created',
    sends: [{ payload: times(300_000, () => 1), answer: 'payload_too_complex' }],
  },
  {
    name: 'a number beyond all',
    schema: { type: 'number' },
    answer: 'created',
    sends: [{ payload_text: '1e400', answer: 'invalid_params' }],
  },
  {
    name: 'a number nearly nothing',
    schema: { multipleOf: 1e-300 },
    answer: 'created',
    sends: [{ payload: 1e300, answer: LATE }],
  },
  { name: 'a length beyond 32 bits', schema: { minLength: 2 ** 31 }, answer: 'schema_invalid' },
  {
    name: 'the metaschema itself',
    schema: { $ref: 'https://json-schema.org/draft/2020-12/schema' },
    answer: 'created',
    sends: [
      { payload: { properties: members(2000, () => ({ type: 'object' })) }, answer: LATE },
      { payload_text: deepObjects(60, 'not'), answer: LATE },
    ],
  },
  {
    name: 'the metaschema of draft-07',
    schema: {
      $ref: 'http://json-schema.org/draft-07/schema#',
      $schema: 'http://json-schema.org/draft-07/schema#',
    },
    answer: 'created',
    sends: [{ payload: { properties: members(2000, () => ({ type: 'object' })) }, answer: LATE }],
  },
  { name: 'no schema but a text', schema: 'true', answer: 'schema_invalid' },
  { name: 'no schema but a list', schema: times(1000, () => ({})), answer: 'schema_invalid' },
  {
    name: 'another dialect',
    schema: { $schema: 'http://json-schema.org/draft-04/schema#' },
    answer: 'schema_invalid',
  },
  { name: 'wrongly typed keywords', schema: { type: 'strng', minLength: '5' }, answer: 'schema_invalid' },
  {
    name: 'examples that take long',
    schema: { items: { enum: times(1000, (n) => ({ n })) } },
    more: {
      metadata: {
        examples: times(32, (n) => ({ name: `e${n}`, payload: times(35, (m) => ({ n: 900 + m })) })),
      },
    },
    answer: ['created', 'invalid_params'],
  },
  {
    name: 'examples that do not fit and take long',
    schema: {
      $ref: '#/$defs/n',
      $defs: {
        n: {
          anyOf: [
            { required: ['n'], properties: { n: { $ref: '#/$defs/n' } }, type: 'object' },
            { type: 'object', required: ['n'], properties: { n: { $ref: '#/$defs/n' } } },
          ],
        },
      },
    },
    more: { metadata: { examples_invalid: times(32, (n) => JSON.parse(deepObjects(30 + n))) } },
    answer: ['validation_timeout', 'validation_busy'],
  },
  {
    name: 'metadata of 1 MB',
    schema: {},
    more: { metadata: { examples: times(30, (n) => ({ name: `e${n}`, payload: 'x'.repeat(30_000) })) } },
    answer: 'invalid_params',
  },
  {
    name: 'metadata of 400,000 items',
    schema: {},
    more: { metadata: { examples: [{ name: 'a', payload: times(400_000, () => 1) }] } },
    answer: 'invalid_params',
  },
  {
    name: 'adapters of 1 MB',
    schema: {},
    more: { adapters: times(9000, () => ({ from: '1.x', up: [{ op: 'remove', path: '/a' }], down: [] })) },
    answer: 'invalid_params',
  },
  {
    name: 'an adapter of 1 MB',
    schema: {},
    more: { adapters: [{ from: '0.x', up: times(20_000, () => ({ op: 'remove', path: '/a' })) }] },
    answer: 'invalid_params',
  },
]

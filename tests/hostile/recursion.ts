import { BY_MEMBER, deepArrays, deepObjects, laughs, members, TREE, twoWays } from './build.ts'
import type { Case } from './case.ts'

/** Whether it takes too long depends on the machine. */
const LATE = ['payload_invalid', 'validation_timeout']
const COSTLY = ['created', 'schema_too_large']

/** Each level two ways; the last is a string, and the payload none. */
const laughing: Case[] = [
  ...['allOf', 'anyOf', 'oneOf'].map(
    (keyword): Case => ({
      name: `a billion laughs in ${keyword}`,
      schema: laughs(keyword, 25),
      answer: COSTLY,
      sends: [{ payload: 1, answer: [...LATE, 'unknown_protocol'] }],
    }),
  ),
  {
    name: 'a billion laughs in properties',
    schema: {
      $ref: '#/$defs/l9',
      $defs: members(
        10,
        (n) =>
          n === 0 ? { type: 'string' } : { properties: members(10, () => ({ $ref: `#/$defs/l${n - 1}` })) },
        (n) => `l${n}`,
      ),
    },
    answer: 'created',
    sends: [{ payload: { p0: { p1: { p2: {} } } }, answer: 'sent' }],
  },
  {
    name: 'a billion laughs in not',
    schema: {
      $ref: '#/$defs/l30',
      $defs: members(
        31,
        (n) =>
          n === 0
            ? { type: 'string' }
            : { not: { allOf: [{ $ref: `#/$defs/l${n - 1}` }, { $ref: `#/$defs/l${n - 1}` }] } },
        (n) => `l${n}`,
      ),
    },
    answer: COSTLY,
    sends: [{ payload: 1, answer: [...LATE, 'unknown_protocol'] }],
  },
]

const deep24 = deepObjects(24)
const deep60 = deepObjects(60)
const down = (schema: object) => ({ ...schema, properties: { n: { $ref: '#/$defs/n' } } })
const runaways: Case[] = [
  ['anyOf', twoWays(BY_MEMBER, (a, b) => ({ anyOf: [a, b] })), '1'],
  ['oneOf', twoWays(BY_MEMBER, (a, b) => ({ oneOf: [a, b] })), '1'],
  ['allOf', twoWays(down({}), (a, b) => ({ allOf: [a, b] })), '1'],
  ['not', twoWays(down({}), (a, b) => ({ allOf: [a, { not: { not: b } }] })), '1'],
  ['if', twoWays(BY_MEMBER, (a, b) => ({ if: a, else: b })), '1'],
  ['dependentSchemas', twoWays(down({}), (a, b) => ({ ...(a as object), dependentSchemas: { n: b } })), '1'],
  [
    'additionalProperties',
    twoWays({ $ref: '#/$defs/n' }, (a, b) => ({
      allOf: [{ additionalProperties: a }, { additionalProperties: b }],
    })),
    '1',
  ],
  [
    'patternProperties',
    twoWays({ $ref: '#/$defs/n' }, (a, b) => ({ patternProperties: { '^n': a, '^[a-z]': b } })),
    '1',
  ],
  [
    'unevaluatedProperties',
    twoWays({ $ref: '#/$defs/n' }, (a, b) => ({
      not: { not: { unevaluatedProperties: a } },
      unevaluatedProperties: b,
    })),
    '1',
  ],
  [
    '$dynamicRef',
    {
      $dynamicAnchor: 'n',
      allOf: [{ properties: { n: { $dynamicRef: '#n' } } }, { properties: { n: { $dynamicRef: '#n' } } }],
    },
    '1',
  ],
].map(
  ([keyword, schema]): Case => ({
    name: `two ways down by ${keyword}`,
    schema,
    answer: 'created',
    sends: [
      { payload_text: deepObjects(3), answer: ['sent', 'payload_invalid'] },
      { payload_text: deep60, answer: 'validation_timeout' },
    ],
  }),
)

/** Definitions with many ways through a few parts, or that lead down each payload by two ways. */
export const RECURSION_CASES: readonly Case[] = [
  ...laughing,
  ...runaways,
  {
    name: 'two ways down by items',
    schema: twoWays({ type: 'array', minItems: 1, items: { $ref: '#/$defs/n' } }, (a, b) => ({
      anyOf: [a, b],
    })),
    answer: 'created',
    sends: [{ payload_text: deepArrays(60), answer: 'validation_timeout' }],
  },
  {
    name: 'two ways down by contains',
    schema: twoWays({ contains: { $ref: '#/$defs/n' } }, (a, b) => ({
      anyOf: [a, b],
      type: 'array',
      maxItems: 0,
    })),
    answer: 'created',
    sends: [{ payload_text: deepArrays(60), answer: LATE }],
  },
  {
    name: 'a tree',
    schema: TREE,
    answer: 'created',
    sends: [
      {
        payload_text: `{"title":"a","children":${'[{"title":"b","children":'.repeat(30)}[]${'}]'.repeat(30)}}`,
        answer: 'sent',
      },
      {
        payload_text: `{"title":"a","children":${'[{"title":"b","children":'.repeat(10_000)}[]${'}]'.repeat(10_000)}}`,
        answer: 'nesting_too_deep',
      },
    ],
  },
  {
    name: 'two ways down, 24 deep',
    schema: twoWays(BY_MEMBER, (a, b) => ({ anyOf: [a, b], $comment: '24' })),
    answer: 'created',
    sends: [{ payload_text: deep24, answer: LATE }],
  },
]

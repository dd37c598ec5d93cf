import { members, times } from './build.ts'
import type { Case } from './case.ts'

/** A pattern, what its registration answers, and texts that it takes long to find wrong. */
const PATTERNS: readonly [pattern: string, answer: string, text?: string][] = [
  ['^(a+)+$', 'created', `${'a'.repeat(60)}!`],
  ['^(a|a)*$', 'created', `${'a'.repeat(60)}!`],
  ['^(a|aa)+$', 'created', `${'a'.repeat(200_000)}!`],
  ['^(a?){50}a{50}$', 'created', 'a'.repeat(49)],
  ['^(([a-z])+.)+[A-Z]([a-z])+$', 'created', 'a'.repeat(200_000)],
  ['^.*.*.*=.*$', 'created', 'a'.repeat(200_000)],
  ['\\s+$', 'created', `${' '.repeat(200_000)}!`],
  ['(.*a){20}', 'created', 'b'.repeat(200_000)],
  ['(a*)*b', 'created', 'a'.repeat(200_000)],
  ['[a-z]*[a-z]*[a-z]*[0-9]', 'created', 'a'.repeat(200_000)],
  ['^(?:a{0,10}){0,10}$', 'created', `${'a'.repeat(200_000)}!`],
  ['(x{1,40}){1,40}y', 'pattern_refused'],
  ['(x{1,30}){1,30}y', 'created', 'x'.repeat(200_000)],
  ['^[^=]*=[^=]*;[^=]*$', 'created', '='.repeat(200_000)],
  ['a.{900}b', 'created', 'a'.repeat(200_000)],
  ['(a{1000}){1000}', 'pattern_refused'],
  ['a{1,100000}', 'pattern_refused'],
  ['^(a)\\1$', 'pattern_refused'],
  ['^(?=(a+))\\1b$', 'pattern_refused'],
  ['(?<!a+)b', 'pattern_refused'],
  ['^\\-$', 'pattern_refused'],
  ['(', 'pattern_refused'],
  ['[z-a]', 'pattern_refused'],
  ['('.repeat(500), 'pattern_refused'],
  [`${'('.repeat(250)}a${')'.repeat(250)}`, 'created', 'b'.repeat(200_000)],
  ['a'.repeat(513), 'schema_too_large'],
  ['\\p{L}+\\p{N}+$', 'created', 'é'.repeat(100_000)],
  ['(?:(?:(?:a*)*)*)*$', 'created', `${'a'.repeat(100_000)}!`],
  ['a?'.repeat(250), 'created', 'a'.repeat(200_000)],
  [times(100, (n) => `.*${n}`).join('|'), 'created', 'x'.repeat(200_000)],
]

const UNFIT = ['payload_invalid', 'validation_timeout', 'sent']

export const PATTERN_CASES: readonly Case[] = [
  ...PATTERNS.map(
    ([pattern, answer, text]): Case => ({
      name: `the pattern ${pattern.slice(0, 40)}`,
      schema: { pattern },
      answer,
      sends: text === undefined ? [] : [{ payload: text, answer: UNFIT }],
    }),
  ),
  {
    name: '300 patterns of letters of all scripts',
    schema: { anyOf: times(300, (n) => ({ pattern: `(\\p{L}|b)*${n}x\\P{Lu}*` })) },
    answer: ['created', 'schema_too_large'],
    sends: [{ payload: 'é'.repeat(1000), answer: UNFIT }],
  },
  {
    name: '400 patterns of the linear engine',
    schema: { anyOf: times(400, (n) => ({ pattern: `(a|b)*${n}x(c|d)*` })) },
    answer: ['created', 'schema_too_large'],
    sends: [{ payload: 'é'.repeat(1000), answer: UNFIT }],
  },
  {
    name: 'a pattern of 1,900 states on a long text',
    schema: { pattern: `(${'ab'.repeat(150)}|c.){6}` },
    answer: 'created',
    sends: [{ payload: 'ab'.repeat(120_000), answer: UNFIT }],
  },
  {
    name: 'an evil pattern of names',
    schema: { patternProperties: { '^(a+)+$': true }, additionalProperties: false },
    answer: 'created',
    sends: [
      {
        payload: members(
          5000,
          () => 1,
          (n) => `${'a'.repeat(40)}${n}`,
        ),
        answer: UNFIT,
      },
    ],
  },
  {
    name: 'an evil pattern in propertyNames',
    schema: { propertyNames: { pattern: '^(a+)+$' } },
    answer: 'created',
    sends: [
      {
        payload: members(
          5000,
          () => 1,
          (n) => `${'a'.repeat(40)}${n}`,
        ),
        answer: UNFIT,
      },
    ],
  },
  {
    name: '1,000 patterns of names',
    schema: {
      patternProperties: members(
        1000,
        () => true,
        (n) => `^p${n}`,
      ),
    },
    answer: 'schema_too_large',
  },
  {
    name: '500 patterns of names, 10,000 names',
    schema: {
      patternProperties: members(
        500,
        () => true,
        (n) => `^p${n}x`,
      ),
      additionalProperties: false,
    },
    answer: ['created', 'pattern_refused'],
    sends: [
      {
        payload: members(
          10_000,
          () => 1,
          (n) => `p${n}`,
        ),
        answer: [...UNFIT, 'payload_too_complex', 'unknown_protocol'],
      },
    ],
  },
  {
    name: '60 patterns on each of many texts',
    schema: { items: { allOf: times(60, (n) => ({ pattern: `(a|b)*${n}(c|d)*` })) } },
    answer: 'created',
    sends: [{ payload: times(3000, () => 'ab'.repeat(30)), answer: UNFIT }],
  },
]

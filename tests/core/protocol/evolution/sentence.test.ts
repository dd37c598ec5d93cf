import { expect, test } from 'bun:test'
import { describeComparison } from '../../../../src/core/protocol/evolution/sentence.ts'
import { compare } from './schemas.ts'

const NAMES = { name: 'note', from: '1.0.0', to: '1.1.0' }
const TEXT = { type: 'string' }

function described(older: object, newer: object): string[] {
  return describeComparison(compare(older as never, newer as never), NAMES)
}

test('a change that breaks nothing is one line', () => {
  expect(described({ ...TEXT, title: 'a' }, TEXT)).toEqual([
    'note 1.0.0 → 1.1.0: full (readers of either version accept messages of the other)',
  ])
})

test('each reason has its direction, rule, sentence and payload; the strict ones come where the relation differs', () => {
  const older = { type: 'object', properties: { text: TEXT } }
  const newer = { type: 'object', properties: { text: TEXT, author: TEXT }, required: ['author'] }
  expect(described(older, newer)).toEqual([
    'note 1.0.0 → 1.1.0: forward (old readers accept new messages, new readers refuse some old ones)',
    '  backward, required: At /author the new version requires the member, ' +
      'and the old version does not have it: new readers refuse some old messages.',
    '    for example {}',
  ])
  const optional = { type: 'object', properties: { text: TEXT, author: TEXT } }
  expect(described(older, optional)).toEqual([
    'note 1.0.0 → 1.1.0: full (readers of either version accept messages of the other)',
    'Read strictly, with members that are not declared: forward',
    '  backward, type: At /author the new version takes "string", and the old version takes any value: ' +
      'new readers refuse some old messages.',
    '    for example {"author":null}',
  ])
})

test('what was not decided says so, without a payload', () => {
  const lines = described({ ...TEXT, pattern: '^a+$' }, { ...TEXT, pattern: '^(a|aa)+$' })
  expect(lines[0]).toStartWith('note 1.0.0 → 1.1.0: breaking')
  expect(lines[1]).toBe(
    '  backward, not_decidable: In the payload it could not be decided whether the new version accepts all ' +
      'that the old version does (pattern).',
  )
  expect(lines).toHaveLength(3)
})

test('a long payload is cut in the middle', () => {
  const lines = described({ ...TEXT, maxLength: 9000 }, { ...TEXT, maxLength: 8000 })
  expect(lines[2]!.length).toBeLessThan(450)
  expect(lines[2]).toEndWith('aaaaaaaa" (8003 characters)')
})

test.each([
  [
    'type',
    TEXT,
    { type: ['integer', 'null'] },
    'takes "integer", "null", and the old version takes "string"',
  ],
  [
    'enum',
    { enum: ['x', 'y'] },
    { enum: ['x'] },
    'the old version takes "y", and the new version does not: ',
  ],
  ['false', TEXT, false, 'the new version takes nothing, and the old version does'],
  [
    'not',
    TEXT,
    { ...TEXT, not: { const: 'a' } },
    'the new version excludes some of what the old version takes',
  ],
  [
    'anyOf',
    { anyOf: [TEXT, { type: 'integer' }] },
    { anyOf: [TEXT, { type: 'null' }] },
    'the old version takes "number", and no branch of anyOf in the new version',
  ],
  [
    'items',
    { type: 'array' },
    { type: 'array', items: false },
    'takes no such item, and the old version does',
  ],
  ['minLength', TEXT, { ...TEXT, minLength: 2 }, 'has minLength 2, and the old version has none'],
  [
    'dependentRequired',
    { type: 'object', properties: { a: TEXT, b: TEXT } },
    { type: 'object', properties: { a: TEXT, b: TEXT }, dependentRequired: { a: ['b'] } },
    'requires the member where another one is present',
  ],
])('the sentence of %s', (_, older, newer, words) => {
  expect(described(older as object, newer as object)[1]).toContain(words)
})

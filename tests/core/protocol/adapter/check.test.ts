import { describe, expect, test } from 'bun:test'
import { BrokerError } from '../../../../src/core/errors.ts'
import { checkAdapters } from '../../../../src/core/protocol/adapter/check.ts'

/** What is refused, with the words that say so. */
function refusal(adapters: unknown, version = '2.0.0'): BrokerError {
  try {
    checkAdapters(adapters, version, '/adapters')
  } catch (thrown) {
    if (thrown instanceof BrokerError) return thrown
    throw thrown
  }
  throw new Error('It was taken.')
}

const up = (...operations: unknown[]) => [{ from: '1.x', up: operations }]
const remove = { op: 'remove', path: '/a' }

test('all thirteen operations are taken', () => {
  const adapters = [
    {
      from: '>=1.0.0 <2.0.0',
      up: [
        { op: 'add', path: '/a/-', value: null },
        { op: 'remove', path: '/a/*/b' },
        { op: 'replace', path: '', value: [], optional: true },
        { op: 'move', from: '/a/*/b', path: '/a/*/c', optional: false },
        { op: 'copy', from: '', path: '/whole' },
        { op: 'test', path: '/a~1b~0~2', value: 1 },
        { op: 'rename', path: '/a', to: 'b' },
        { op: 'default', path: '/a', value: 0 },
        { op: 'map', path: '/state', values: { open: 'submitted' }, otherwise: 'x' },
        { op: 'split', path: '/a', separator: ' ', into: ['b', 'c'], last: true, rest: 'd' },
        { op: 'join', path: '/a', from: ['b', 'c'], separator: '' },
        { op: 'wrap', path: '' },
        { op: 'unwrap', path: '/a/*' },
      ],
    },
    { from: '1.0.0', down: [] },
  ]
  expect(checkAdapters(adapters, '2.0.0', '/adapters')).toEqual(adapters as never)
})

test('no adapters are none', () => {
  expect(checkAdapters(undefined, '1.0.0', '/adapters')).toEqual([])
  expect(checkAdapters([], '1.0.0', '/adapters')).toEqual([])
})

describe('a wrong adapter is refused', () => {
  test.each<[string, unknown, string, string]>([
    ['no array', {}, '/adapters', 'an array'],
    ['no object', [null], '/adapters/0', 'an object'],
    ['a mistyped member', [{ form: '1.x', up: [] }], '/adapters/0/form', 'Did you mean from?'],
    ['an unknown member', [{ from: '1.x', 'a/b': [] }], '/adapters/0/a~1b', 'no such member.'],
    ['neither up nor down', [{ from: '1.x' }], '/adapters/0', 'up, down or both'],
    ['operations in no array', [{ from: '1.x', up: {} }], '/adapters/0/up', 'an array of operations'],
    ['no from', [{ up: [] }], '/adapters/0/from', 'starts from'],
    ['an empty from', [{ from: ' ', up: [] }], '/adapters/0/from', 'starts from'],
    ['a tag', [{ from: 'latest', up: [] }], '/adapters/0/from', 'neither'],
    ['a long range', [{ from: `1.0.0${' '.repeat(130)}`, up: [] }], '/adapters/0/from', '128'],
    ['many alternatives', [{ from: Array(17).fill('1').join('||'), up: [] }], '/adapters/0/from', 'than 16'],
    ['its own version', [{ from: '2.0.0', up: [] }], '/adapters/0/from', 'no version below 2.0.0'],
    ['a range above it', [{ from: '>=2.1', up: [] }], '/adapters/0/from', 'no version below 2.0.0'],
    ['a range of nothing', [{ from: '>1 <1', up: [] }], '/adapters/0/from', 'no version below 2.0.0'],
    ['many adapters', Array(65).fill({ from: '1.x', up: [] }), '/adapters', 'at most 64'],
    ['large ones', up({ op: 'add', path: '/a', value: 'ä'.repeat(8200) }), '/adapters', '16384'],
    ['deep ones', up({ op: 'add', path: '/a', value: nested(80) }), '/adapters', '64 deep'],
  ])('%s', (_, adapters, field, words) => {
    const { detail, message } = refusal(adapters)
    expect([detail.field, message]).toEqual([field, expect.stringContaining(words)])
    expect(detail.next).toBeString()
  })

  test('64 operations are taken in all, and not one more', () => {
    const two = (more: number) => [
      { from: '1.0.0', up: Array(32).fill(remove) },
      { from: '1.1.0', up: Array(16).fill(remove), down: Array(16 + more).fill(remove) },
    ]
    expect(checkAdapters(two(0), '2.0.0', '/adapters')).toHaveLength(2)
    expect(refusal(two(1)).detail.field).toBe('/adapters/1')
  })

  test('the fix of a range names the version', () => {
    expect(refusal([{ from: 'latest', up: [] }], '3.1.0').detail.next).toContain('such as "<3.1.0"')
  })
})

describe('a wrong operation is refused', () => {
  const long = `/${'a'.repeat(512)}`
  const split = { op: 'split', path: '/a', separator: ' ', into: ['b', 'c'] }
  test.each<[string, unknown, string, string]>([
    ['no object', 7, '', 'an object'],
    ['no name', { path: '/a' }, '/op', 'no such operation.'],
    ['a mistyped name', { op: 'renmae', path: '/a' }, '/op', 'Did you mean rename?'],
    ['a name of the language', { op: 'constructor', path: '/a' }, '/op', 'no such operation'],
    ['a mistyped member', { op: 'remove', pathh: '/a' }, '/pathh', 'Did you mean path?'],
    ['a member of another', { ...remove, value: 1 }, '/value', 'no such member'],
    ['a missing path', { op: 'remove' }, '/path', 'needs path'],
    ['a missing value', { op: 'add', path: '/a' }, '/value', 'needs value'],
    ['an undefined value', { op: 'add', path: '/a', value: undefined }, '/value', 'no value'],
    ['a path of a kind', { op: 'remove', path: 1 }, '/path', 'not a text'],
    ['no slash', { op: 'remove', path: 'a' }, '/path', 'begins with'],
    ['a wrong escape', { op: 'remove', path: '/a~3' }, '/path', 'After ~'],
    ['17 parts', { op: 'remove', path: '/a'.repeat(17) }, '/path', '16 parts'],
    ['a long pointer', { op: 'remove', path: long }, '/path', '512'],
    ['__proto__', { op: 'remove', path: '/a/__proto__/b' }, '/path', '__proto__'],
    ['constructor', { op: 'copy', from: '/constructor', path: '/a' }, '/from', 'constructor'],
    ['prototype', { op: 'rename', path: '/a', to: 'prototype' }, '/to', 'prototype'],
    ['a pointer as a name', { op: 'rename', path: '/a', to: '/b' }, '/to', 'a pointer, not a name'],
    ['an empty name', { op: 'rename', path: '/a', to: '' }, '/to', 'not empty'],
    ['a long name', { op: 'rename', path: '/a', to: long.slice(1) }, '/to', '128'],
    ['no flag', { op: 'move', from: '/a', path: '/b', optional: 'yes' }, '/optional', 'true nor false'],
    ['no values', { op: 'map', path: '/a', values: ['b'] }, '/values', 'not an object'],
    ['no separator', { ...split, separator: 1 }, '/separator', 'not a text'],
    ['an empty separator', { ...split, separator: '' }, '/separator', 'everywhere'],
    ['a long separator', { ...split, separator: '-'.repeat(65) }, '/separator', 'too long'],
    ['no names', { ...split, into: [] }, '/into', '1 to 16'],
    ['a name twice', { ...split, into: ['b', 'b'] }, '/into', 'twice'],
    ['a bad name among them', { ...split, into: ['b', '__proto__'] }, '/into', '__proto__'],
    ['one name alone', { ...split, into: ['b'] }, '/into', 'splits nothing'],
    ['rest among them', { ...split, rest: 'b' }, '/rest', 'in into'],
    ['removing all', { op: 'remove', path: '' }, '/path', 'whole payload'],
    ['renaming all', { op: 'rename', path: '', to: 'b' }, '/path', 'whole payload'],
    ['adding at *', { op: 'add', path: '/a/*', value: 1 }, '/path', '* at the end'],
    ['splitting items', { ...split, path: '/a/*' }, '/path', '* at the end'],
    ['unequal *', { op: 'copy', from: '/a', path: '/b/*/c' }, '/path', 'numbers of *'],
    ['into itself', { op: 'move', from: '/a/*', path: '/a/*/b' }, '/path', 'into itself'],
  ])('%s', (_, operation, field, words) => {
    const { code, detail, message } = refusal(up(remove, operation))
    expect([code, detail.field, message]).toEqual([
      'invalid_params',
      `/adapters/0/up/1${field}`,
      expect.stringContaining(words),
    ])
    expect(detail.next).toBeString()
  })

  test('a pointer of 16 parts is taken, and a name that only begins like a refused one', () => {
    expect(checkAdapters(up({ op: 'remove', path: '/__proto'.repeat(16) }), '2.0.0', '')).toHaveLength(1)
  })
})

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

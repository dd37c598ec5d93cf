import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { applyOperations } from '../../../../src/core/protocol/adapter/apply.ts'
import { checkAdapters } from '../../../../src/core/protocol/adapter/check.ts'
import { AdapterFailure } from '../../../../src/core/protocol/adapter/failure.ts'
import type { Operation } from '../../../../src/core/protocol/adapter/operations.ts'
import { check } from '../../property.ts'

/** Applies operations that a definition may have. */
function apply(payload: unknown, ...operations: Operation[]): unknown {
  checkAdapters([{ from: '1.x', up: operations }], '2.0.0', '/adapters')
  return applyOperations(payload, operations)
}

function failure(payload: unknown, ...operations: Operation[]): AdapterFailure {
  try {
    apply(payload, ...operations)
  } catch (thrown) {
    if (thrown instanceof AdapterFailure) return thrown
    throw thrown
  }
  throw new Error('It went through.')
}

describe('each item of an array', () => {
  const files = { files: [{ path: 'a' }, { name: 'b' }, { path: 'c' }] }
  test.each<[string, unknown, Operation, unknown]>([
    [
      'is removed',
      { a: [1, 2], b: [[3], [4, 5]] },
      { op: 'remove', path: '/b/*/*' },
      { a: [1, 2], b: [[], []] },
    ],
    [
      'loses an index',
      [
        [1, 2],
        [3, 4],
      ],
      { op: 'remove', path: '/*/0' },
      [[2], [4]],
    ],
    ['is replaced', { a: [1, 2] }, { op: 'replace', path: '/a/*', value: {} }, { a: [{}, {}] }],
    [
      'gets a member',
      [{}, { kind: 1 }],
      { op: 'add', path: '/*/kind', value: 2 },
      [{ kind: 2 }, { kind: 2 }],
    ],
    [
      'has one renamed',
      files,
      { op: 'rename', path: '/files/*/path', to: 'uri' },
      { files: [{ uri: 'a' }, { name: 'b' }, { uri: 'c' }] },
    ],
    [
      'has one moved, where it is',
      files,
      { op: 'move', from: '/files/*/path', path: '/files/*/uri', optional: true },
      { files: [{ uri: 'a' }, { name: 'b' }, { uri: 'c' }] },
    ],
    [
      'goes to the same index elsewhere',
      { a: [1, 2, 3], b: [9] },
      { op: 'move', from: '/a/*', path: '/b/*' },
      { a: [], b: [1, 2, 3, 9] },
    ],
    [
      'goes to the same index of several arrays',
      { a: [{ b: [1, 2] }, { b: [3] }], c: [[], []] },
      { op: 'move', from: '/a/*/b/*', path: '/c/*/*' },
      { a: [{ b: [] }, { b: [] }], c: [[1, 2], [3]] },
    ],
    ['is copied', { a: [1, 2] }, { op: 'copy', from: '/a/*', path: '/a/*' }, { a: [1, 2, 1, 2] }],
    ['is tested', { a: [1, 1] }, { op: 'test', path: '/a/*', value: 1 }, { a: [1, 1] }],
    ['gets a default', [{}, { a: null }], { op: 'default', path: '/*/a', value: 0 }, [{ a: 0 }, { a: null }]],
    [
      'is mapped',
      { a: ['x', 'y', 1] },
      { op: 'map', path: '/a/*', values: { x: 'z' } },
      { a: ['z', 'y', 1] },
    ],
    ['is wrapped', [1, [2]], { op: 'wrap', path: '/*' }, [[1], [[2]]]],
    ['is unwrapped, or is gone', [[1, 2], [], [3], []], { op: 'unwrap', path: '/*' }, [1, 3]],
    [
      'is split',
      [{ a: 'x y' }, {}],
      { op: 'split', path: '/*/a', separator: ' ', into: ['b', 'c'] },
      [{ b: 'x', c: 'y' }, {}],
    ],
    [
      'is joined',
      [{ b: 'x', c: 'y' }, { b: 'z' }],
      { op: 'join', path: '/*/a', from: ['b', 'c'], separator: ' ' },
      [{ a: 'x y' }, { a: 'z' }],
    ],
    [
      'of an empty array is none, so nothing is missing',
      { a: [] },
      { op: 'replace', path: '/a/*/b', value: 1 },
      { a: [] },
    ],
    ['is not a member named *', { '*': 1, a: [1] }, { op: 'remove', path: '/~2' }, { a: [1] }],
  ])('%s', (_, payload, operation, result) => {
    expect(apply(payload, operation)).toEqual(result)
  })
})

describe('a missing source', () => {
  test.each<Operation>([
    { op: 'remove', path: '/a/b' },
    { op: 'remove', path: '/list/7' },
    { op: 'remove', path: '/list/-' },
    { op: 'remove', path: '/list/01' },
    { op: 'remove', path: '/text/*/b' },
    { op: 'rename', path: '/a/*/b', to: 'c' },
    { op: 'rename', path: '/text', to: 'text' },
    { op: 'default', path: '/a/b', value: 1 },
    { op: 'default', path: '/list/3', value: 1 },
    { op: 'map', path: '/a', values: {}, otherwise: 1 },
    { op: 'split', path: '/a', separator: ' ', into: ['b', 'c'] },
    { op: 'split', path: '/none', separator: ' ', into: ['b', 'c'] },
    { op: 'join', path: '/a', from: ['b', 'none'], separator: '' },
    { op: 'join', path: '/a/b', from: ['b', 'c'], separator: '' },
    { op: 'wrap', path: '/a' },
    { op: 'unwrap', path: '/a' },
    { op: 'unwrap', path: '/none' },
    { op: 'replace', path: '/a', value: 1, optional: true },
    { op: 'move', from: '/a', path: '/b', optional: true },
    { op: 'copy', from: '/a/b', path: '/b', optional: true },
  ])('is nothing to do for %j', (operation) => {
    const payload = { list: [1, 2], text: 'x y', none: null }
    expect(apply(payload, operation)).toEqual(payload)
  })

  test.each<[Operation, string]>([
    [{ op: 'replace', path: '/files/*/a', value: 1 }, '/files/1/a'],
    [{ op: 'move', from: '/files/*/a', path: '/files/*/b' }, '/files/1/a'],
    [{ op: 'copy', from: '/text/0', path: '/b' }, '/text/0'],
    [{ op: 'test', path: '/none/a', value: null }, '/none/a'],
    [{ op: 'move', from: '/a/*/c', path: '/b/*/c' }, '/a/*/c'],
    [{ op: 'add', path: '/a/b', value: 1 }, '/a/b'],
    [{ op: 'add', path: '/files/3', value: 1 }, '/files/3'],
    [{ op: 'add', path: '/files/x', value: 1 }, '/files/x'],
    [{ op: 'copy', from: '/text', path: '/none/text' }, '/none/text'],
    [{ op: 'copy', from: '/files/*', path: '/none/*' }, '/none/0'],
  ])('stops %j', (operation, path) => {
    const failed = failure(
      { files: [{ a: 1 }, {}], text: 'x', none: null },
      { op: 'wrap', path: '/text/no' },
      operation,
    )
    expect([failed.op, failed.op_name, failed.path]).toEqual([1, operation.op, path])
    expect(failed.sentence).toContain(path)
  })
})

describe('a value of the wrong kind', () => {
  test.each<[Operation, string, string]>([
    [{ op: 'split', path: '/n', separator: ' ', into: ['b', 'c'] }, '/n', 'a number'],
    [{ op: 'join', path: '/a', from: ['t', 'o'], separator: ' ' }, '/o', 'an object'],
    [{ op: 'unwrap', path: '/t' }, '/t', 'a text'],
    [{ op: 'unwrap', path: '' }, '', 'The payload is an object'],
    [{ op: 'rename', path: '/l/0', to: 'x' }, '/l/0', 'an item of an array'],
    [{ op: 'join', path: '/l/0', from: ['x', 'y'], separator: '' }, '/l/0', 'an item of an array'],
    [{ op: 'test', path: '/l', value: [] }, '/l', 'an array'],
    [{ op: 'test', path: '/b', value: 1 }, '/b', 'a boolean'],
    [{ op: 'test', path: '', value: null }, '', 'The payload is not'],
  ])('stops %j', (operation, path, words) => {
    const failed = failure({ n: 5, t: 'secret', o: {}, l: ['secret'], b: true }, operation)
    expect([failed.path, failed.sentence]).toEqual([path, expect.stringContaining(words)])
    expect(failed.sentence).not.toContain('secret')
  })

  test('an empty array has no first item to be the payload', () => {
    expect(failure([], { op: 'unwrap', path: '' }).path).toBe('')
    expect(failure({ a: null }, { op: 'test', path: '/a', value: 0 }).sentence).toContain('null')
  })
})

describe('the further operations', () => {
  test.each<[string, unknown, Operation, unknown]>([
    ['rename replaces', { a: 1, b: 2 }, { op: 'rename', path: '/a', to: 'b' }, { b: 1 }],
    ['default fills the end', [1], { op: 'default', path: '/1', value: 2 }, [1, 2]],
    ['map knows no names of the language', 'toString', { op: 'map', path: '', values: {} }, 'toString'],
    ['map to null', { a: 'x' }, { op: 'map', path: '/a', values: { x: null } }, { a: null }],
    ['map of others', { a: 1 }, { op: 'map', path: '/a', values: {}, otherwise: false }, { a: false }],
    ['wrap all', 1, { op: 'wrap', path: '' }, [1]],
    ['unwrap all', [{}, 2], { op: 'unwrap', path: '' }, {}],
    [
      'join skips null',
      { b: 'x', c: null },
      { op: 'join', path: '/b', from: ['b', 'c'], separator: '-' },
      { b: 'x' },
    ],
  ])('%s', (_, payload, operation, result) => {
    expect(apply(payload, operation)).toEqual(result)
  })

  test.each<[string, Partial<Extract<Operation, { op: 'split' }>>, unknown]>([
    ['1', {}, { a: '1' }],
    ['1/2', {}, { a: '1', b: '2' }],
    ['1/2/3/4', {}, { a: '1', b: '2/3/4' }],
    ['1/2/3/4', { last: true }, { a: '1/2/3', b: '4' }],
    ['1/2/3/4', { rest: 'c' }, { a: '1', b: '2', c: '3/4' }],
    ['1/2/3/4', { rest: 'c', last: true }, { c: '1/2', a: '3', b: '4' }],
    ['1/2', { rest: 'c', last: true }, { a: '1', b: '2' }],
    ['1', { last: true }, { a: '1' }],
    ['/1/', { last: true }, { a: '/1', b: '' }],
    ['', {}, { a: '' }],
  ])('split of "%s" with %j', (text, more, result) => {
    const operation = { op: 'split', path: '/text', separator: '/', into: ['a', 'b'], ...more } as const
    expect(apply({ text }, operation)).toEqual(result)
  })

  test('split may keep the name', () => {
    const operation = { op: 'split', path: '/a', separator: ' ', into: ['a', 'b'] } as const
    expect(apply({ a: 'x y' }, operation)).toEqual({ a: 'x', b: 'y' })
  })
})

const object = (members: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record(members, { requiredKeys: [], noNullPrototype: true })

test('a text that is split is the same when it is joined again', () => {
  const words = fc.array(fc.constantFrom('', 'Ada', ' ', 'King', '-', '- ', 'é'), { maxLength: 8 })
  const cases = fc.tuple(words, fc.constantFrom(' ', '-', '- '), fc.boolean(), fc.boolean())
  check(500, cases, ([text, separator, last, has_rest]) => {
    const into = ['a', 'b', 'c']
    const rest = has_rest ? { rest: 'r' } : {}
    const from = has_rest && last ? ['r', ...into] : [...into, 'r']
    const payload = { list: [{ author: text.join('') }, { other: 1 }] }
    const path = '/list/*/author'
    const split = apply(payload, { op: 'split', path, separator, into, last, ...rest })
    expect(apply(split, { op: 'join', path, from, separator })).toEqual(payload)
  })
})

test('what is renamed in each item is the same when it is renamed back', () => {
  const items = fc.array(object({ path: fc.jsonValue(), other: fc.jsonValue() }), { maxLength: 5 })
  check(200, items, (files) => {
    const renamed = apply({ files }, { op: 'rename', path: '/files/*/path', to: 'uri' })
    expect(JSON.stringify(renamed)).not.toContain('"path":')
    expect(apply(renamed, { op: 'rename', path: '/files/*/uri', to: 'path' })).toEqual({ files })
  })
})

describe('three real changes', () => {
  test('chat: the author in two, and a priority', () => {
    const old = { text: 'hello', author: 'Ada King Lovelace' }
    const changed = apply(
      old,
      {
        op: 'split',
        path: '/author',
        separator: ' ',
        last: true,
        into: ['given_name', 'family_name'],
      },
      { op: 'default', path: '/priority', value: 'normal' },
    )
    expect(changed).toEqual({
      text: 'hello',
      given_name: 'Ada King',
      family_name: 'Lovelace',
      priority: 'normal',
    })
    const back: Operation[] = [
      { op: 'join', path: '/author', from: ['given_name', 'family_name'], separator: ' ' },
      { op: 'remove', path: '/priority' },
    ]
    expect(apply(changed, ...back)).toEqual(old)
  })

  test('task: other states, and the uri of files', () => {
    const old = { state: 'done', files: [{ path: 'src/a.ts' }, { path: 'src/b.ts' }] }
    const changed = apply(
      old,
      { op: 'map', path: '/state', values: { open: 'submitted', done: 'completed' } },
      { op: 'rename', path: '/files/*/path', to: 'uri' },
    )
    expect(changed).toEqual({ state: 'completed', files: [{ uri: 'src/a.ts' }, { uri: 'src/b.ts' }] })
    const back: Operation[] = [
      {
        op: 'map',
        path: '/state',
        values: { submitted: 'open', completed: 'done' },
        otherwise: 'open',
      },
      { op: 'rename', path: '/files/*/uri', to: 'path' },
    ]
    expect(apply(changed, ...back)).toEqual(old)
    expect(apply({ state: 'working' }, ...back)).toEqual({ state: 'open' })
  })

  test('lease: one path becomes many, and many become one', () => {
    const changed = apply(
      { path: 'src' },
      { op: 'rename', path: '/path', to: 'paths' },
      { op: 'wrap', path: '/paths' },
    )
    expect(changed).toEqual({ paths: ['src'] })
    const back: Operation[] = [
      { op: 'unwrap', path: '/paths' },
      { op: 'rename', path: '/paths', to: 'path' },
    ]
    expect(apply(changed, ...back)).toEqual({ path: 'src' })
    expect(apply({ paths: ['src', 'docs'] }, ...back)).toEqual({ path: 'src' })
  })
})

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { applyOperations } from '../../../../src/core/protocol/adapter/apply.ts'
import { checkAdapters } from '../../../../src/core/protocol/adapter/check.ts'
import { AdapterFailure } from '../../../../src/core/protocol/adapter/failure.ts'
import type { Operation } from '../../../../src/core/protocol/adapter/operations.ts'
import { check } from '../../property.ts'

/** What the operations are bounded by is a few milliseconds of work; the machine may be busy. */
const MS_MAX = 250

/** What stopped it; undefined when nothing did. Fails when it took long. */
function failure(payload: unknown, operations: readonly Operation[]): AdapterFailure | undefined {
  const start = performance.now()
  try {
    applyOperations(payload, operations)
    return undefined
  } catch (thrown) {
    if (thrown instanceof AdapterFailure) return thrown
    throw thrown
  } finally {
    expect(performance.now() - start).toBeLessThan(MS_MAX)
  }
}

const times = (count: number, ...operations: Operation[]) => Array(count).fill(operations).flat()
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('what grows without end is stopped', () => {
  test.each<[string, unknown, Operation[], string]>([
    [
      'values copied into themselves',
      { a: [1] },
      times(32, { op: 'copy', from: '/a', path: '/a/-' }),
      'more than 20000 values',
    ],
    [
      'an array copied into itself, item by item',
      { a: [1] },
      times(64, { op: 'copy', from: '/a/*', path: '/a/*' }),
      'more than 20000 values',
    ],
    [
      'a text joined with itself',
      { a: 'x' },
      times(
        32,
        { op: 'copy', from: '/a', path: '/b' },
        { op: 'join', path: '/a', from: ['a', 'b'], separator: '' },
      ),
      'KiB',
    ],
    [
      'a text that is joined from long ones',
      { a: text(200_000), b: text(100_000) },
      [{ op: 'join', path: '/c', from: ['a', 'b'], separator: '' }],
      'writes more than 256 KiB',
    ],
    ['a text put into each item', numbers(1000), [{ op: 'replace', path: '/*', value: text(300) }], 'KiB'],
    [
      'an object put into each item',
      numbers(1000),
      [{ op: 'replace', path: '/*', value: nodes(30) }],
      'more than 20000 values',
    ],
    [
      'a name given to each item',
      numbers(4000).map(() => ({ a: 1 })),
      [{ op: 'rename', path: '/*/a', to: text(128) }],
      'KiB',
    ],
    [
      'items moved before many others',
      { a: numbers(9000), b: numbers(9000) },
      [{ op: 'move', from: '/a/*', path: '/b/*' }],
      'more than 20000 values',
    ],
    [
      'empty arrays taken out from between others',
      numbers(9999).map((i) => (i % 2 === 0 ? [] : [1])),
      [{ op: 'unwrap', path: '/*' }],
      'more than 20000 values',
    ],
    [
      'a test of each item',
      numbers(500).map(() => nodes(30)),
      [{ op: 'test', path: '/*', value: nodes(30) }, ...times(10, { op: 'test', path: '/*/3', value: 3 })],
      'more than 20000 values',
    ],
    ['wraps in wraps', 1, times(65, { op: 'wrap', path: '' }), '64 deep'],
    [
      'deep values in deep ones',
      deep(60),
      times(2, { op: 'copy', from: '', path: '/0/0/0/0/0/0/0/0/0/0/0/0' }),
      'deep',
    ],
    ['a text of 256 KiB with a byte more', text(256 * 1024 - 1), [], 'result has more than 256 KiB'],
    ['a text that JSON makes longer', '\u0001'.repeat(50_000), [], 'result has more than 256 KiB'],
    ['a payload of many values', numbers(20_000), [], 'more than 20000 values'],
    ['a payload nested deeply', deep(65), [], 'The payload is nested more than 64 deep'],
  ])('%s', (_, payload, operations, words) => {
    expect(failure(payload, operations)?.sentence).toContain(words)
  })

  test('what is within the bounds goes through', () => {
    expect(failure(text(256 * 1024 - 2), [])).toBeUndefined()
    expect(failure(numbers(19_999), [{ op: 'move', from: '/0', path: '/-' }])).toBeUndefined()
    expect(failure(deep(64), [])).toBeUndefined()
    expect(failure(numbers(9000), times(1, { op: 'wrap', path: '/*' }))).toBeUndefined()
  })

  test('the operation that passes a bound is named, and the whole payload is not', () => {
    const bomb = failure({ a: [1] }, times(32, { op: 'copy', from: '/a', path: '/a/-' }))
    expect([bomb?.op_name, bomb?.path]).toEqual(['copy', '/a/-'])
    expect(bomb?.op).toBeLessThan(20)
    expect(failure(deep(65), [])).toMatchObject({ op: undefined, op_name: undefined, path: '' })
  })
})

describe('any operations', () => {
  const name = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', 'toString', '0', '-', '*')
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join('/')}`)
  const value = fc.jsonValue({ maxDepth: 2 })
  const operation = fc.oneof(
    fc.record({ op: fc.constantFrom('add', 'replace', 'test', 'default'), path, value }),
    fc.record({ op: fc.constantFrom('remove', 'wrap', 'unwrap'), path }),
    fc.record({ op: fc.constantFrom('move', 'copy'), from: path, path, optional: fc.boolean() }),
    fc.record({ op: fc.constant('rename'), path, to: name }),
    fc.record({ op: fc.constant('map'), path, values: fc.dictionary(name, value), otherwise: value }),
    fc.record({ op: fc.constant('split'), path, separator: name, into: fc.array(name), last: fc.boolean() }),
    fc.record({ op: fc.constant('join'), path, separator: name, from: fc.array(name) }),
  )
  const { payload } = fc.letrec<{ payload: unknown }>((tie) => ({
    payload: fc.oneof(
      { maxDepth: 4, depthSize: 'max' },
      fc.constantFrom(null, 1, 'a b', 'b'),
      fc.array(tie('payload'), { maxLength: 4 }),
      fc.dictionary(name, tie('payload'), { maxKeys: 4 }),
    ),
  }))
  const builtins = () =>
    [Object.prototype, Array.prototype, String.prototype, Function.prototype].map((proto) =>
      Object.getOwnPropertyNames(proto).map((own) => [own, Object.getOwnPropertyDescriptor(proto, own)]),
    )

  test('end soon, change neither the payload nor themselves, and reach no prototype', () => {
    const before = builtins()
    check(3000, fc.tuple(payload, fc.array(operation, { maxLength: 12 })), ([drawn, operations]) => {
      // As from the wire: `__proto__` is a member like any other.
      const input = JSON.parse(JSON.stringify(drawn))
      const [text, list] = [JSON.stringify(input), JSON.stringify(operations)]
      failure(freeze(input), freeze(operations) as readonly Operation[])
      expect([JSON.stringify(input), JSON.stringify(operations)]).toEqual([text, list])
    })
    expect(builtins()).toEqual(before)
  })

  test('share nothing of the result with the payload or themselves', () => {
    const input = { a: { b: [1] }, c: [{}] }
    const [added, mapped] = [{ deep: [1] }, { deep: [2] }]
    const result = applyOperations(input, [
      { op: 'add', path: '/added', value: added },
      { op: 'default', path: '/c/0/d', value: added },
      { op: 'add', path: '/state', value: 'x' },
      { op: 'map', path: '/state', values: { x: mapped } },
    ])
    scribble(result)
    expect(input).toEqual({ a: { b: [1] }, c: [{}] })
    expect([added, mapped]).toEqual([{ deep: [1] }, { deep: [2] }])
  })
})

test('members named __proto__ stay members', () => {
  const input = JSON.parse(
    '{"__proto__":{"admin":true},"list":[{"__proto__":1}],"constructor":{"prototype":2}}',
  )
  const value = JSON.parse('{"__proto__":{"admin":true}}')
  const operations: Operation[] = [
    { op: 'add', path: '/new', value },
    { op: 'copy', from: '/list', path: '/copied' },
  ]
  const result = applyOperations(input, operations) as Record<string, unknown>
  expect(JSON.stringify(result)).toBe(
    '{"__proto__":{"admin":true},"list":[{"__proto__":1}],"constructor":{"prototype":2},' +
      '"new":{"__proto__":{"admin":true}},"copied":[{"__proto__":1}]}',
  )
  expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
  expect(result.admin).toBeUndefined()
  expect(({} as Record<string, unknown>).admin).toBeUndefined()
  expect(failure(input, [{ op: 'test', path: '', value: input }])).toBeUndefined()
})

test('a fault of the broker is not one of the adapter', () => {
  expect(() => applyOperations({}, [{ op: 'none', path: '' } as never])).toThrow(TypeError)
})

test('a definition as large as allowed is checked soon', () => {
  const start = performance.now()
  const adapters = Array(64).fill({
    from: Array(16).fill('1.x').join('||'),
    up: [{ op: 'remove', path: '/a' }],
  })
  expect(checkAdapters(adapters, '2.0.0', '')).toHaveLength(64)
  expect(performance.now() - start).toBeLessThan(MS_MAX)
})

function text(length: number): string {
  return 'x'.repeat(length)
}

function nodes(count: number): unknown {
  return numbers(count)
}

function deep(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) freeze(inner)
  return Object.freeze(value)
}

/** Changes every array and object in a value. */
function scribble(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const inner of Object.values(value)) scribble(inner)
  if (Array.isArray(value)) value.push('scribbled')
  else (value as Record<string, unknown>).scribbled = true
}

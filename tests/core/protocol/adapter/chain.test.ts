import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import semver from 'semver'
import {
  type AdaptedVersion,
  adapt,
  chainBetween,
  type Step,
} from '../../../../src/core/protocol/adapter/chain.ts'
import { AdapterFailure } from '../../../../src/core/protocol/adapter/failure.ts'
import type { Adapter } from '../../../../src/core/protocol/adapter/operations.ts'
import { check } from '../../property.ts'

/** An adapter of a range, `up`, `down` or both. */
function adapter(from: string, directions = 'up down'): Adapter {
  return {
    from,
    ...(directions.includes('up') ? { up: [] } : {}),
    ...(directions.includes('down') ? { down: [] } : {}),
  }
}

function versions(given: Record<string, readonly Adapter[]>): AdaptedVersion[] {
  return Object.entries(given).map(([version, adapters]) => ({ version, adapters }))
}

/** A chain as the versions that it goes over. */
function over(steps: readonly Step[] | undefined): string | undefined {
  return steps && [steps[0]?.from, ...steps.map(({ to }) => to)].join(' ')
}

describe('the chain between two versions', () => {
  const both = versions({ '1.0.0': [], '2.0.0': [adapter('1.x')], '3.0.0': [adapter('2.0.0')] })
  test.each<[string, AdaptedVersion[], string, string, string | undefined]>([
    ['up', both, '1.0.0', '3.0.0', '1.0.0 2.0.0 3.0.0'],
    ['down', both, '3.0.0', '1.0.0', '3.0.0 2.0.0 1.0.0'],
    ['from nowhere', both, '1.1.0', '3.0.0', undefined],
    ['to nowhere', both, '1.0.0', '4.0.0', undefined],
    [
      'in one direction',
      versions({ '1.0.0': [], '2.0.0': [adapter('1.0.0', 'up')] }),
      '2.0.0',
      '1.0.0',
      undefined,
    ],
    [
      'the shortest',
      versions({ '1.0.0': [], '2.0.0': [adapter('1.x')], '3.0.0': [adapter('2.x'), adapter('1.x')] }),
      '1.0.0',
      '3.0.0',
      '1.0.0 3.0.0',
    ],
    [
      'with fewer downs',
      versions({
        '1.0.0': [],
        '1.5.0': [adapter('1.0.0', 'up')],
        '2.0.0': [adapter('1.5.0', 'up')],
        '3.0.0': [adapter('1.0.0', 'up'), adapter('2.0.0', 'down')],
      }),
      '1.0.0',
      '2.0.0',
      '1.0.0 1.5.0 2.0.0',
    ],
    [
      'over the higher version',
      versions({
        '1.0.0': [],
        '1.9.0': [adapter('1.0.0')],
        '1.10.0': [adapter('1.0.0')],
        '2.0.0': [adapter('1.9.0 || 1.10.0')],
      }),
      '1.0.0',
      '2.0.0',
      '1.0.0 1.10.0 2.0.0',
    ],
    [
      'over the higher version, registered in the other order',
      versions({
        '2.0.0': [adapter('>=1.9.0 <2')],
        '1.10.0': [adapter('1.0.0')],
        '1.9.0': [adapter('1.0.0')],
        '1.0.0': [],
      }),
      '2.0.0',
      '1.0.0',
      '2.0.0 1.10.0 1.0.0',
    ],
    [
      'not over a range above',
      versions({ '1.0.0': [], '2.0.0': [adapter('>=1.0.0')], '3.0.0': [] }),
      '3.0.0',
      '2.0.0',
      undefined,
    ],
    [
      'not from a prerelease that no range names',
      versions({ '1.1.0-rc.1': [], '2.0.0': [adapter('1.x')] }),
      '1.1.0-rc.1',
      '2.0.0',
      undefined,
    ],
    [
      'from a prerelease that is named',
      versions({ '1.1.0-rc.1': [], '2.0.0': [adapter('1.1.0-rc.1')] }),
      '1.1.0-rc.1',
      '2.0.0',
      '1.1.0-rc.1 2.0.0',
    ],
  ])('%s', (_, registered, from, to, way) => {
    expect(over(chainBetween(registered, from, to))).toBe(way)
  })

  test('from a version to itself has no steps', () => {
    expect(chainBetween(both, '2.0.0', '2.0.0')).toEqual([])
    expect(chainBetween(both, '9.0.0', '9.0.0')).toBeUndefined()
  })

  test('has eight steps at most', () => {
    const long = Array.from({ length: 10 }, (_, i) => ({
      version: `1.${i}.0`,
      adapters: i === 0 ? [] : [adapter(`1.${i - 1}.0`)],
    }))
    expect(chainBetween(long, '1.0.0', '1.8.0')).toHaveLength(8)
    expect(chainBetween(long, '1.0.0', '1.9.0')).toBeUndefined()
    expect(chainBetween(long, '1.9.0', '1.1.0')).toHaveLength(8)
  })

  test('takes the first adapter that fits and has the direction', () => {
    const [first, second]: Adapter[] = [
      { from: '1.x', up: [{ op: 'remove', path: '/first' }] },
      { from: '1.0.0', up: [], down: [{ op: 'remove', path: '/second' }] },
    ]
    const registered = versions({ '1.0.0': [], '2.0.0': [first!, second!] })
    expect(chainBetween(registered, '1.0.0', '2.0.0')).toEqual([
      { from: '1.0.0', to: '2.0.0', operations: first!.up!, direction: 'up' },
    ])
    expect(chainBetween(registered, '2.0.0', '1.0.0')).toEqual([
      { from: '2.0.0', to: '1.0.0', operations: second!.down!, direction: 'down' },
    ])
  })

  test('is given up soon among thousands of ranges', () => {
    const many = Array.from({ length: 1000 }, (_, i) => ({
      version: `1.${i}.0`,
      adapters: Array.from({ length: 60 }, (_, k) => adapter(`<0.${k}.${i} || >9.1.${i}`)),
    }))
    const start = performance.now()
    expect(chainBetween(many, '1.0.0', '1.999.0')).toBeUndefined()
    expect(performance.now() - start).toBeLessThan(500)
  })
})

describe('of any versions and adapters', () => {
  const NUMBERS = ['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0', '3.0.0']
  const from = fc.constantFrom(...NUMBERS, '1.x', '2.x', '>=1.1.0', '<3')
  const adapters = fc.array(fc.tuple(from, fc.constantFrom('up', 'down', 'up down')), { maxLength: 2 })
  const registered = fc
    .tuple(fc.shuffledSubarray(NUMBERS, { minLength: 2 }), fc.array(adapters, { minLength: 6, maxLength: 6 }))
    .map(([numbers, all]) =>
      numbers.map((version, i) => ({
        version,
        adapters: all[i]!.map(([from, directions]) => adapter(from, directions)),
      })),
    )

  /** All ways without a version twice, each step by the meaning of adapters. */
  function* ways(all: AdaptedVersion[], path: AdaptedVersion[], to: string): Generator<string[]> {
    const here = path.at(-1)!
    if (here.version === to) yield path.map(({ version }) => version)
    for (const next of here.version === to ? [] : all) {
      const [older, newer] = semver.lt(here.version, next.version) ? [here, next] : [next, here]
      const direction = newer === next ? 'up' : 'down'
      const leads = newer.adapters.some((one) => one[direction] && semver.satisfies(older.version, one.from))
      if (leads && !path.includes(next)) yield* ways(all, [...path, next], to)
    }
  }

  const downs = (way: string[]) => way.filter((one, i) => i > 0 && semver.lt(one, way[i - 1]!)).length

  function order(one: string[], other: string[]): number {
    if (one.length !== other.length) return one.length - other.length
    if (downs(one) !== downs(other)) return downs(one) - downs(other)
    const at = one.findIndex((version, i) => version !== other[i])
    return at === -1 ? 0 : semver.rcompare(one[at]!, other[at]!)
  }

  test('the chain is the best of all ways', () => {
    check(400, registered, (all) => {
      const [from, to] = [all[0]!, all[1]!.version]
      const best = [...ways(all, [from], to)].sort(order)[0]
      expect(over(chainBetween(all, from.version, to))).toBe(best?.join(' '))
    })
  })
})

describe('a payload goes along a chain', () => {
  const registered = versions({
    '1.0.0': [],
    '2.0.0': [
      { from: '1.x', up: [{ op: 'rename', path: '/a', to: 'b' }], down: [{ op: 'unwrap', path: '/b' }] },
    ],
    '3.0.0': [
      { from: '2.x', up: [{ op: 'wrap', path: '/b' }], down: [{ op: 'test', path: '/ok', value: true }] },
    ],
  })

  test('step by step', () => {
    const payload = Object.freeze({ a: 1 })
    expect(adapt(payload, chainBetween(registered, '1.0.0', '3.0.0')!)).toEqual({
      payload: { b: [1] },
      steps: ['1.0.0→2.0.0', '2.0.0→3.0.0'],
    })
    expect(adapt(payload, [])).toEqual({ payload: { a: 1 }, steps: [] })
  })

  test('and what stops it says at which step', () => {
    const down = chainBetween(registered, '3.0.0', '1.0.0')!
    const stop = (payload: unknown): unknown => {
      try {
        return adapt(payload, down)
      } catch (thrown) {
        return thrown
      }
    }
    expect(stop({ b: 1 })).toBeInstanceOf(AdapterFailure)
    expect(stop({ b: 1 })).toMatchObject({ step: '3.0.0→2.0.0', op: 0, op_name: 'test', path: '/ok' })
    expect(stop({ b: 1, ok: true })).toMatchObject({ step: '2.0.0→1.0.0', op: 0, path: '/b' })
    const large = Array(20_000).fill(1)
    expect(stop(large)).toMatchObject({ step: '3.0.0→2.0.0', op: undefined, path: '' })
    const long = { ok: true, b: ['x'.repeat(256 * 1024)] }
    expect(stop(long)).toMatchObject({ step: '2.0.0→1.0.0', op: undefined, path: '' })
  })

  /** Wraps each item, so often. */
  const wraps = (count: number): Step[] =>
    Array.from({ length: count }, (_, i) => ({
      from: `${i}.0.0`,
      to: `${i + 1}.0.0`,
      operations: [{ op: 'wrap', path: '/*' }],
      direction: 'up',
    }))

  test('each step may do as much as one alone', () => {
    expect(adapt(Array(15_000).fill(1), wraps(2)).payload).toHaveLength(15_000)
  })

  test('but the result may not be larger', () => {
    expect(() => adapt(Array(15_000).fill(''), wraps(8))).toThrow('The result has more than 256 KiB')
  })
})

import { describe, expect, test } from 'bun:test'
import { checkExamples, type Fit } from '../../../../src/core/protocol/adapter/examples.ts'
import { lossInWords } from '../../../../src/core/protocol/adapter/loss.ts'
import type { Adapter } from '../../../../src/core/protocol/adapter/operations.ts'

const lease: Adapter = {
  from: '1.x',
  up: [
    { op: 'rename', path: '/path', to: 'paths' },
    { op: 'wrap', path: '/paths' },
  ],
  down: [
    { op: 'unwrap', path: '/paths' },
    { op: 'rename', path: '/paths', to: 'path' },
  ],
}
const one = { name: 'one', payload: { paths: ['src'] } }
const two = { name: 'two', payload: { paths: ['src', 'docs'] } }
const old = { version: '1.0.0', examples: [{ name: 'old', payload: { path: 'src' } }] }

/** Version 1 has a path, version 2 has paths. */
function accepts(version: string, payload: unknown): boolean {
  const { path, paths } = payload as { path?: unknown; paths?: unknown }
  return version.startsWith('1.') ? typeof path === 'string' : Array.isArray(paths)
}

function newer(adapters: Adapter[], ...examples: { name: string; payload: unknown }[]) {
  return { version: '2.0.0', adapters, examples }
}

describe('adapters are tried on examples', () => {
  test('and all is well', async () => {
    expect(await checkExamples(newer([lease], one), [old], accepts)).toEqual({ problems: [], warnings: [] })
    expect(await checkExamples(newer([]), [old], accepts)).toEqual({ problems: [], warnings: [] })
  })

  test('and none is missing', async () => {
    const { problems } = await checkExamples(newer([lease]), [old], accepts)
    expect(problems).toEqual([{ sentence: expect.stringContaining('2.0.0 has adapters and no example') }])
  })

  test('and each goes up and down to all versions that an adapter starts from', async () => {
    const tried: string[] = []
    const record = async (version: string, payload: unknown) => {
      tried.push(`${version} ${JSON.stringify(payload)}`)
      return true
    }
    const others = [
      old,
      { ...old, version: '1.2.0' },
      { ...old, version: '3.0.0' },
      { ...old, version: '0.9.0' },
    ]
    await checkExamples(newer([lease], one), others, record)
    expect(tried).toEqual([
      '2.0.0 {"paths":["src"]}',
      '1.2.0 {"path":"src"}',
      '2.0.0 {"paths":["src"]}',
      '1.0.0 {"path":"src"}',
    ])
  })

  test.each<[string, Fit, Record<string, unknown>]>([
    ['without a reason', false, { sentence: expect.stringContaining('does not fit it.') }],
    [
      'with a reason',
      { path: '/paths', sentence: 'It is short.' },
      { path: '/paths', sentence: expect.stringContaining('does not fit it: It is short.') },
    ],
  ])('and what does not fit is a problem, %s', async (_, fit, words) => {
    const unfit = (version: string) => (version === '2.0.0' ? fit : true)
    const { problems } = await checkExamples(newer([lease], one), [old], unfit)
    expect(problems).toEqual([
      { field: '/0/up', example: 'old', step: '1.0.0→2.0.0', ...words, sentence: words.sentence as string },
    ])
  })

  test('and what fails is a problem, with its operation', async () => {
    const wrong: Adapter = {
      from: '1.0.0',
      down: [
        { op: 'remove', path: '/a' },
        { op: 'unwrap', path: '' },
      ],
    }
    const { problems } = await checkExamples(newer([{ from: '0.x', up: [] }, wrong], one), [old], accepts)
    expect(problems).toEqual([
      {
        field: '/1/down/1',
        op: 1,
        path: '',
        example: 'one',
        step: '2.0.0→1.0.0',
        sentence: expect.stringContaining('cannot be taken to 1.0.0: The payload is an object'),
      },
    ])
  })

  test('and a payload that is too large is a problem of no single operation', async () => {
    const large = { name: 'large', payload: Array(20_000).fill(1) }
    const { problems } = await checkExamples(newer([lease], large), [old], accepts)
    expect(problems).toMatchObject([{ field: '/0/down', path: '', example: 'large' }])
    expect(problems[0]).not.toHaveProperty('op')
  })

  test('and what is lost there and back is a warning', async () => {
    const { problems, warnings } = await checkExamples(newer([lease], one, two), [old], accepts)
    expect(problems).toEqual([])
    expect(warnings).toEqual(['Example "two" of 2.0.0 loses /paths/1 on the way to 1.0.0 and back.'])
  })

  test('and what does not come back is a warning', async () => {
    const stuck: Adapter = { ...lease, up: [{ op: 'test', path: '/path', value: 'docs' }, ...lease.up!] }
    const { warnings } = await checkExamples(newer([stuck], one), [{ ...old, examples: [] }], accepts)
    expect(warnings).toEqual([
      '1.0.0 has no examples, so the way up from it was not tried.',
      expect.stringContaining('Example "one" of 2.0.0 does not come back from 1.0.0: /path is not'),
    ])
  })

  test('and adapters that are used for nothing are a warning', async () => {
    const shadowed: Adapter = { from: '1.0.0', up: [] }
    const up: Adapter = { from: '1.0.0', up: lease.up! }
    const { warnings } = await checkExamples(
      newer([up, shadowed, { from: '0.1.x', down: [] }], one),
      [old],
      accepts,
    )
    expect(warnings).toEqual([
      'Adapter 1 (from 1.0.0) is used for no registered version.',
      'Adapter 2 (from 0.1.x) is used for no registered version.',
    ])
  })

  test('and problems, warnings and tries have a bound', async () => {
    const many = Array.from({ length: 30 }, (_, i) => ({ name: `${i}`, payload: two.payload }))
    const others = Array.from({ length: 10 }, (_, i) => ({ ...old, version: `1.${i}.0` }))
    const refused = await checkExamples(newer([lease], ...many), others, () => false)
    expect(refused.problems).toHaveLength(10)
    let asked = 0
    const taken = await checkExamples(newer([lease], ...many), others, () => {
      asked++
      return true
    })
    expect([asked, taken.problems.length, taken.warnings.length]).toEqual([200, 0, 20])
    const fine = Array.from({ length: 210 }, (_, i) => ({ name: `${i}`, payload: one.payload }))
    const { warnings } = await checkExamples(newer([lease], ...fine), [old], accepts)
    expect(warnings).toEqual(['11 more examples were not tried.'])
  })

  test('and a fault of the caller is not a problem of the adapter', () => {
    const broken = () => {
      throw new TypeError('broken')
    }
    expect(checkExamples(newer([lease], one), [old], broken)).rejects.toThrow('broken')
  })
})

describe('losses in words', () => {
  test.each<[unknown, unknown, string | undefined]>([
    [{ a: [1, { b: null }] }, { a: [1, { b: null }] }, undefined],
    [{ a: 1, 'b/c': 2 }, { a: 1 }, 'loses /b~1c'],
    [[1, 2, 3], [1], 'loses /1, /2'],
    [{ a: 1, b: { c: 1 } }, { a: 2, b: [1], d: 1 }, 'changes /a, /b and gains /d'],
    [1, 2, 'changes the whole payload'],
    [null, {}, 'changes the whole payload'],
    [{ a: 1, b: 1, c: 1, d: 1, e: 1 }, {}, 'loses /a, /b, /c and 2 more'],
    [{ ['n'.repeat(200)]: 1 }, {}, `loses /${'n'.repeat(79)}…`],
    [{}, { toString: 1 }, 'gains /toString'],
  ])('%j → %j', (before, after, words) => {
    expect(lossInWords(before, after)).toBe(words)
  })

  test('of many differences are counted up to a hundred', () => {
    const rows = Array.from({ length: 1000 }, () => ({ a: 1 }))
    const words = lossInWords(
      rows,
      rows.map(() => ({})),
    )
    expect(words).toBe('loses /0/a, /1/a, /2/a and 97 more')
  })
})

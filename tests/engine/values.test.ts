import { describe, expect, test } from 'bun:test'
import type { Engine } from '../../src/engine/engine.ts'
import { engineContract } from '../contracts/engine.ts'
import { PROJECT, Rig } from '../contracts/rig.ts'
import { makeMemoryEngine } from './make.ts'
import { expectPlain, plainEngine } from './plain.ts'

engineContract('memory, of plain values', async (options) => plainEngine(await makeMemoryEngine(options)))

class Point {
  constructor(readonly x: number) {}
}

describe('a value that crosses the seam', () => {
  test.each([
    ['a class instance', { at: [new Point(1)] }, 'v.at.0: an instance of Point'],
    ['a date', new Date(0), 'v: an instance of Date'],
    ['a function', { f: () => 1 }, 'v.f: a function'],
    ['a symbol', [Symbol('s')], 'v.0: a symbol'],
    ['a symbol as a name', { [Symbol('s')]: 1 }, 'v.Symbol(s): named by a symbol'],
    ['an accessor', Object.defineProperty({}, 'x', { get: () => 1 }), 'v.x: an accessor'],
    ['no prototype', Object.create(null), 'v: an instance of undefined'],
    ['a member of a set', new Set([{ point: new Point(1) }]), 'v has.0.point: an instance of Point'],
    ['a value in a map', new Map([['k', new Point(1)]]), 'v has.0.1: an instance of Point'],
    ['an array with a name', Object.assign([1], { more: 2 }), 'v: an array with holes or names'],
  ])('is not %s', (_, value, fault) => {
    expect(() => expectPlain(value, 'v')).toThrow(fault)
  })

  test('is a primitive, a plain object, an array, a set or a map', () => {
    const plain = [
      1,
      'a',
      null,
      undefined,
      true,
      2n,
      { a: undefined },
      [[]],
      new Set([1]),
      new Map([[1, {}]]),
    ]
    expect(() => expectPlain(plain, 'v')).not.toThrow()
  })

  test('is refused as an argument, as an answer and in an event, and frozen else', async () => {
    const point = new Point(1) as unknown
    let answer: unknown = point
    const make = async (options: Parameters<typeof makeMemoryEngine>[0]) => {
      const engine = await makeMemoryEngine(options)
      engine.stats = () => answer as Awaited<ReturnType<Engine['stats']>>
      const start = engine.start.bind(engine)
      engine.start = (events) =>
        start({
          ...events,
          wants_each: true,
          announced: (told) => events.announced({ ...told, in_reply_to: point as string }),
        })
      return plainEngine(engine)
    }
    await using rig = await Rig.start(make)
    expect(() => rig.engine.client(point as string, { client_id: 'r' })).toThrow('arguments of client.0')
    expect(() => rig.engine.stats()).toThrow('answer of stats: an instance of Point')
    expect(() => rig.engine.append(PROJECT, rig.message(), 'r')).toThrow('event announced.0.in_reply_to')
    answer = { clients: [1] }
    expect(Object.isFrozen((rig.engine.stats() as unknown as { clients: number[] }).clients)).toBeTrue()
    answer = Promise.resolve(point)
    expect(Promise.resolve(rig.engine.stats())).rejects.toThrow('answer of stats')
  })
})

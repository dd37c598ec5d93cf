import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { DEFAULT_LIMITS, type Limits } from '../../../../src/core/limits.ts'
import type { DeadLetter } from '../../../../src/core/mailbox/entry.ts'
import { deadKeys } from '../../../../src/engine/redis/dead-letters/keys.ts'
import { OUTBOX, SCAN } from '../../../../src/engine/redis/dead-letters/scripts.ts'
import { mailboxKeys } from '../../../../src/engine/redis/mailbox/keys.ts'
import { type Run, script } from '../../../../src/engine/redis/script.ts'
import { Random } from '../../../simulation/random.ts'
import { Bench } from '../bench.ts'
import { Cut, delayed, failing } from './faults.ts'
import { Instance, PROJECT } from './instances.ts'

let bench: Bench
let prefixes = 0
let now = 1_700_000_000_000

beforeAll(async () => {
  bench = await Bench.start()
})

afterAll(() => bench[Symbol.asyncDispose]())

/** Makes instances that share all keys, with nothing in them yet. */
function cluster(limits: Partial<Limits> = {}) {
  const prefix = `t${prefixes++}:`
  return (name: string, run: Run = bench.run, generation = 'g') =>
    new Instance(run, {
      prefix,
      name,
      limits: { ...DEFAULT_LIMITS, attempts_max: 1, ...limits },
      now: () => now,
      generation,
    })
}

const senders = (letters: readonly DeadLetter[]) => letters.map(({ message }) => message.sender_id)
const ids = (letters: readonly DeadLetter[]) => letters.map(({ message }) => message.message_id)
const told = (...instances: readonly Instance[]) =>
  instances.flatMap((instance) => instance.told.map(({ letter }) => letter.message.message_id)).toSorted()

test('letters are listed in the order in which they died, bounced, and told', async () => {
  const a = cluster()('a')
  await a.kill('r', 's', 't', 's')
  await a.drain('r')
  expect(senders(await a.listed())).toEqual(['s', 't', 's'])
  expect(a.told.map(({ letter, bounced }) => [letter.message.sender_id, bounced])).toEqual([
    ['s', true],
    ['t', true],
    ['s', true],
  ])
  const dead = ids(await a.listed())
  expect((await a.waiting('s')).map(({ message }) => message.in_reply_to)).toEqual([dead[0], dead[2]])
  expect((await a.waiting('t')).map(({ message }) => message.in_reply_to)).toEqual([dead[1]])
  expect((await a.dead.find(PROJECT, dead[1]!)).map(({ recipient_id }) => recipient_id)).toEqual(['r'])
})

test('a bounce without room, or without an address, is dropped and holds up no other', async () => {
  const a = cluster({ mailbox_messages_max: 2 })('a')
  await a.kill('r', 'full', 'full', 'full', 'new', 's')
  a.crowded.add('new')
  await a.drain('r')
  expect(a.told.map(({ bounced }) => bounced)).toEqual([true, true, false, false, true])
  expect(await a.waiting('full')).toHaveLength(2)
  expect(await a.waiting('s')).toHaveLength(1)
})

test('what a bounce has had die elsewhere is buried, too', async () => {
  const a = cluster({ mailbox_messages_max: 1 })('a')
  await a.send('s', 'q')
  now += 3_600_000
  // The mailbox is full of what has expired.
  await a.kill('r', 's')
  await a.drain('r')
  expect(senders(await a.listed())).toEqual(['s', 'q'])
  expect(await a.waiting('q')).toHaveLength(1)
})

test('a mailbox that has lost deaths in a failover counts on above them', async () => {
  const instance = cluster()
  const a = instance('a')
  await a.kill('r', 's', 's')
  await a.drain('r')
  await a.run(script('lose', `redis.call('HSET', KEYS[1], 'died', 1)`), 'r')
  const b = instance('b', bench.run, 'another')
  await b.kill('r', 't')
  await b.drain('r')
  expect(senders(await b.listed())).toEqual(['s', 's', 't'])
})

test('calls for the same outbox share a run, and the last one finds what came last', async () => {
  const instance = cluster()
  let looks = 0
  let second: Promise<void> | undefined
  const a = instance('a', async (script, keys, args) => {
    const answer = await bench.run(script, keys, args)
    if (script === OUTBOX && ++looks === 2) {
      // It has seen an empty outbox, and does not know it yet.
      await instance('b').kill('r', 't')
      second = a.drain('r')
    }
    return answer
  })
  await a.kill('r', 's')
  await a.drain('r')
  await second
  expect(senders(await a.listed())).toEqual(['s', 't'])
  expect(a.told).toHaveLength(2)
  // Two for the first letter, two for the second; its senders' outboxes are looked at by none.
  expect(looks).toBe(4)
})

describe('a mailbox that begins anew counts its dead from 1 again', () => {
  const begin = (by: Instance) => by.run(BEGIN_ANEW, 'r')

  test('and they are stored beside the earlier ones', async () => {
    const a = cluster()('a')
    await a.kill('r', 's', 't')
    await begin(a)
    await a.kill('r', 's')
    await a.drain('r')
    expect(senders(await a.listed())).toEqual(['s', 't', 's'])
    expect(await a.waiting('s')).toHaveLength(2)
  })

  test('and a late instance does not remove them for the earlier ones', async () => {
    const instance = cluster()
    const b = instance('b')
    let looks = 0
    const a = instance('a', async (script, keys, args) => {
      if (script === OUTBOX && ++looks === 2) {
        await b.drain('r')
        await begin(b)
        await b.kill('r', 'u')
      }
      return bench.run(script, keys, args)
    })
    await b.kill('r', 's', 't')
    await a.drain('r')
    expect(senders(await a.listed())).toEqual(['s', 't', 'u'])
  })
})

/** What forgetting an address and making it again does. */
const BEGIN_ANEW = script('anew', `redis.call('HSET', KEYS[1], 'epoch', 'f', 'died', 0)`)

describe('a drain that fails at any call', () => {
  const CALLS = [1, 2, 3, 4, 5, 6, 7, 8]
  for (const when of ['before', 'after'] as const)
    for (const at of CALLS) {
      test(`${at}, ${when} it is carried out, goes on`, async () => {
        const instance = cluster()
        let run = bench.run
        const a = instance('a', (...call) => run(...call))
        await a.kill('r', 's', 't', 's')
        run = failing(bench.run, at, when)
        const failed = await a.drain('r').then(
          () => false,
          (error) => error instanceof Cut,
        )
        run = bench.run
        await a.drain('r')
        await everythingOnce(a, ['s', 't', 's'])
        expect(told(a)).toEqual(ids(await a.listed()).toSorted())
        expect(a.told.map(({ bounced }) => bounced)).toEqual([true, true, true])
        expect(failed).toBe(at <= 6)
      })

      test(`${at}, ${when} it is carried out, is finished by another instance`, async () => {
        const instance = cluster()
        const a = instance('a', failing(bench.run, at, when))
        const b = instance('b')
        await b.kill('r', 's', 't', 's')
        await a.drain('r').catch(() => undefined)
        await b.drain('r')
        await everythingOnce(b, ['s', 't', 's'])
        const all = told(a, b)
        expect(new Set(all).size).toBe(all.length)
        expect(await b.drain('r')).toBeUndefined()
      })
    }
})

/** Each letter is listed once, in order, and has bounced once. */
async function everythingOnce(by: Instance, from: readonly string[]): Promise<void> {
  const letters = await by.listed()
  expect(senders(letters)).toEqual([...from])
  for (const sender of new Set(from)) {
    const own = letters.filter(({ message }) => message.sender_id === sender)
    const bounces = await by.waiting(sender)
    expect(bounces.map(({ message }) => message.in_reply_to)).toEqual(ids(own))
  }
}

test('an instance whose answer was lost tells what it has stored, and no more', async () => {
  const instance = cluster()
  const z = instance('z')
  await z.kill('r', 's')
  const a = instance('a', failing(bench.run, 4, 'before'))
  await a.drain('r').catch(() => undefined)
  await z.kill('r', 't')
  let run = failing(bench.run, 2, 'after')
  const b = instance('b', (...call) => run(...call))
  await b.drain('r').catch(() => undefined)
  run = bench.run
  await b.drain('r')
  expect(senders(a.told.map(({ letter }) => letter))).toEqual(['s'])
  expect(senders(b.told.map(({ letter }) => letter))).toEqual(['t'])
})

test('a list of large letters is read in several calls', async () => {
  let scans = 0
  const a = cluster({ mailbox_bytes_max: 1e7 })('a', (script, keys, args) => {
    if (script === SCAN) scans++
    return bench.run(script, keys, args)
  })
  for (let i = 0; i < 5; i++) {
    await a.send('r', `s${i}`, 400_000)
    await a.fail('r')
  }
  await a.drain('r')
  expect(senders(await a.listed())).toEqual(['s0', 's1', 's2', 's3', 's4'])
  expect(scans).toBe(2)
})

test('a server without memory lets letters go from an outbox to the list', async () => {
  const a = cluster()('a')
  await a.kill('r', 'mcp-broker', 'mcp-broker')
  await bench.redis.config('SET', 'maxmemory', '1')
  try {
    await a.drain('r')
    expect(senders(await a.listed())).toEqual(['mcp-broker', 'mcp-broker'])
    await expect(a.send('r', 's')).rejects.toThrow('OOM')
  } finally {
    await bench.redis.config('SET', 'maxmemory', '0')
  }
})

test('no key of a project is one of a mailbox, or moves to another slot', () => {
  const keys = deadKeys('x:', 'p}{:dead')
  for (const key of keys) expect(key).toMatch(/^x:\{[^{}]+:dead\}:[a-z]+$/)
  const mailbox = mailboxKeys('x:', { project: 'p', client_id: 'dead' })
  expect(deadKeys('x:', 'p').filter((key) => mailbox.includes(key))).toEqual([])
  expect(deadKeys('x:', 'p:q')[0]).not.toBe(deadKeys('x:', 'p%3Aq')[0])
})

test('several instances drain one outbox at once: one letter, one bounce, told once', async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const random = new Random(seed)
    const instance = cluster()
    const from = Array.from({ length: random.between(1, 150) }, () => random.pick(['s', 't', 'u']))
    await instance('z').kill('r', ...from)
    const all = ['a', 'b', 'c'].map((name) => instance(name, delayed(bench.run, random)))
    await Promise.all(all.map((one) => one.drain('r')))
    await everythingOnce(all[0]!, from)
    expect(told(...all)).toEqual(ids(await all[0]!.listed()).toSorted())
  }
}, 60_000)

test('marks of mailboxes are kept for a week, and then forgotten', async () => {
  const a = cluster()('a')
  await a.kill('r', 's')
  await a.drain('r')
  const marks = () => a.dead.run(COUNT_MARKS, PROJECT, [])
  const week_ms = 7 * 24 * 3_600_000
  now += week_ms
  expect(await a.dead.forget(PROJECT)).toBe(now + 1)
  expect(await marks()).toBe(1)
  now += 1
  expect(await a.dead.forget(PROJECT)).toBe(Number.POSITIVE_INFINITY)
  expect(await marks()).toBe(0)
})

const COUNT_MARKS = script('marks', `return redis.call('HLEN', KEYS[4])`)

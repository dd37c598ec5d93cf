import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { DEFAULT_LIMITS } from '../../../../src/core/limits.ts'
import { createMessage } from '../../../../src/core/message.ts'
import type { EngineEvents } from '../../../../src/engine/engine.ts'
import type { RedisEngine } from '../../../../src/engine/redis/redis.ts'
import { until } from '../../../harness.ts'
import { Bench } from '../bench.ts'
import { newRedisEngine } from '../instance.ts'

const READER = { project: 'p', client_id: 'r' }
const LIMITS = { ...DEFAULT_LIMITS, attempts_max: 1, mailbox_messages_max: 3, lease_seconds: 600 }
const DAY_MS = 24 * 3_600_000

let bench: Bench
let engines: RedisEngine[] = []
let prefixes = 0
let prefix = ''
let now = 1_700_000_000_000
/** What any engine has told of deaths. */
let died: string[] = []

beforeAll(async () => {
  bench = await Bench.start()
})
beforeEach(() => {
  prefix = `t${++prefixes}:`
  died = []
})
afterEach(async () => {
  for (const engine of engines) await engine.stop()
  engines = []
})
afterAll(() => bench[Symbol.asyncDispose]())

/** One of several instances. @param dies at which call of which script its process ends */
async function start(dies?: readonly [script: string, at: number]): Promise<RedisEngine> {
  let calls = 0
  const engine: RedisEngine = newRedisEngine(bench.server.url, prefix, {
    now: () => now,
    limits: () => LIMITS,
    through: (run) => (script, keys, args) => {
      if (dies && script.name === dies[0] && ++calls === dies[1]) engine.stop()
      return run(script, keys, args)
    },
  })
  engines.push(engine)
  const ignore = () => undefined
  const events: EngineEvents = {
    wants_each: true,
    announced: ignore,
    acknowledged: ignore,
    died: ({ message }, bounced, elsewhere) => {
      if (!elsewhere) died.push(`${message.sender_id} ${bounced}`)
    },
    session: ignore,
    record: ignore,
    missed: ignore,
  }
  await engine.start(events)
  return engine
}

async function send(engine: RedisEngine, sender: string): Promise<void> {
  const content = { payload: 1, ttl_seconds: 100_000 }
  const message = createMessage(content, sender, 'r', Bun.randomUUIDv7(), now, 60)
  await engine.append('p', message, 'r')
}

/** Has messages of these senders fail. @throws Error where the engine ends meanwhile */
async function kill(engine: RedisEngine, ...senders: readonly string[]): Promise<void> {
  for (const sender of senders) await send(engine, sender)
  await engine.read(READER, undefined, { limit: 100, bytes_max: 1e6, ack: 'manual' })
  await engine.settle(READER, { failed_delay_ms: 0 })
}

/** The senders of what waits, in order. */
async function waiting(engine: RedisEngine, client_id: string): Promise<string[]> {
  const take = { limit: 100, bytes_max: 1e6, ack: 'none' } as const
  const read = await engine.read({ project: 'p', client_id }, undefined, take)
  return typeof read === 'string' ? [read] : read.due.map(({ message }) => message.sender_id)
}

async function listed(engine: RedisEngine): Promise<string[]> {
  const { items } = await engine.dead('p', {}, { limit: 100 })
  return items.map(({ message }) => message.sender_id).toReversed()
}

/** What is noted to be due. @param until_ms milliseconds since the epoch, or all */
async function due(until_ms: number | '+inf'): Promise<string[]> {
  const parts = Array.from({ length: 16 }, (_, part) => `${prefix}0:{due:${part}}`)
  return (await Promise.all(parts.map((key) => bench.redis.zrangebyscore(key, '-inf', until_ms)))).flat()
}

/** A message waits, and nothing is due before it expires. */
async function sendAndSweep(engine: RedisEngine, sender: string): Promise<void> {
  await send(engine, sender)
  await until('all that is due to be done', async () => {
    await engine.sweep()
    return (await due(now + 10_000)).length === 0 || undefined
  })
}

/** Everything that is noted to be due under no client's address. */
async function noted(): Promise<string[]> {
  const names = await due('+inf')
  return names.filter((name) => name.includes('#')).map((name) => name.replace(/:.*/, ''))
}

/** Sweeps, a second apart, until something holds. @throws Error where that takes too long by the clock */
function sweepUntil(engine: RedisEngine, what: string, holds: () => Promise<boolean>): Promise<unknown> {
  const latest = now + 40_000
  return until(what, async () => {
    if (now > latest) throw new Error(`swept for 40 seconds for ${what}`)
    now += 1000
    await engine.sweep()
    return (await holds()) || undefined
  })
}

for (const [script, at] of [
  ['append', 1],
  ['append', 2],
  ['append', 3],
  ['dead-finish', 1],
] as const)
  test(`a requeue whose instance ends at ${script} ${at} is finished by the sweeps of another`, async () => {
    const other = await start()
    await kill(other, 'a', 'b', 'c')
    await send(other, 'earlier')
    const one = await start([script, at])
    await expect(one.requeue('p', {})).rejects.toThrow('the connection is closed')
    expect(await listed(other)).toEqual([])
    expect(await noted()).toContain('p/#requeue')
    await sweepUntil(other, 'the claim to be taken over', async () => !(await noted()).includes('p/#requeue'))
    expect(await waiting(other, 'r')).toEqual(['earlier', 'a', 'b'])
    expect(await listed(other)).toEqual(['c'])
  })

test('a requeue that is over leaves nothing to look at', async () => {
  const engine = await start()
  await kill(engine, 'a', 'b')
  expect(await engine.requeue('p', {})).toMatchObject({ refused: [], next: undefined })
  expect(await waiting(engine, 'r')).toEqual(['a', 'b'])
  await until('the note to be removed', async () => (await noted()).join() === 'p/#marks' || undefined)
})

for (const [script, at] of [
  ['dead-add', 1],
  ['append', 3],
  ['append', 7],
  ['outbox', 2],
] as const)
  test(`what dies at an instance that ends at ${script} ${at} is buried by another`, async () => {
    const other = await start()
    const one = await start([script, at])
    await sendAndSweep(other, 'a')
    await kill(one, 'b', 'a')
    expect(await bench.redis.llen(`${prefix}0:{p:r}:outbox`)).toBe(3)
    await sweepUntil(other, 'the outbox to be emptied', async () => {
      return (await bench.redis.exists(`${prefix}0:{p:r}:outbox`)) === 0
    })
    expect(await listed(other)).toEqual(['a', 'b', 'a'])
    expect(await waiting(other, 'a')).toEqual(['mcp-broker', 'mcp-broker'])
    expect(await waiting(other, 'b')).toEqual(['mcp-broker'])
    // The one that stored them tells, and it may have ended before it could.
    const told = script === 'append' ? [] : ['a true', 'b true', 'a true']
    expect(died).toEqual(told)
  })

test('what two instances in turn could not bury is buried by a third', async () => {
  const third = await start()
  await sendAndSweep(third, 'b')
  await kill(await start(['dead-add', 1]), 'a')
  const second = await start(['dead-add', 1])
  const outbox = `${prefix}0:{p:r}:outbox`
  now += 6000
  // It looks at a part of the index each time.
  for (let sweeps = 0; sweeps < 8; sweeps++) await second.sweep()
  await sweepUntil(third, 'the outbox to be emptied', async () => (await bench.redis.exists(outbox)) === 0)
  expect(await listed(third)).toEqual(['b', 'a'])
})

test('an address whose outbox was emptied is forgotten at once', async () => {
  const engine = await start()
  await sendAndSweep(engine, 'mcp-broker')
  await kill(engine)
  await until('the address to be forgotten', async () => {
    await engine.sweep()
    return (await engine.client('p', READER)) === undefined || undefined
  })
  expect(await listed(engine)).toEqual(['mcp-broker'])
})

test('marks are forgotten by a sweep after a week', async () => {
  const engine = await start()
  await kill(engine, 'mcp-broker')
  const marks = () => bench.redis.hlen(`${prefix}0:{p:dead}:marks`)
  now += 6 * DAY_MS
  await engine.sweep()
  expect(await marks()).toBe(1)
  now += 2 * DAY_MS
  await sweepUntil(engine, 'the marks to be forgotten', async () => (await marks()) === 0)
  expect(await noted()).toEqual([])
})

test('what dead letters take counts as stored, wherever they are', async () => {
  const engine = await start()
  const counted = async () => Number(await bench.redis.hget(`${prefix}0:usage`, 'bytes'))
  await kill(engine, 'a', 'b', 'mcp-broker')
  await send(engine, 'earlier')
  await send(engine, 'earlier')
  await engine.requeue('p', {})
  expect(await listed(engine)).toEqual(['b', 'mcp-broker'])
  const { stored_bytes } = await engine.stats()
  await until('the count to be told', async () => {
    await engine.sweep()
    return (await counted()) === stored_bytes || undefined
  })
})

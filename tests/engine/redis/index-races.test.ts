import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import type { EngineEvents } from '../../../src/engine/engine.ts'
import type { EngineConnection } from '../../../src/engine/redis/connection/redis-connection.ts'
import type { RedisEngine } from '../../../src/engine/redis/redis.ts'
import { RedisServer } from '../../redis/redis-server.ts'
import { newRedisEngine } from './instance.ts'

const CLIENT = { project: 'p', client_id: 'c' }
const CHECKIN = {
  ...CLIENT,
  resume: undefined,
  join: undefined,
  key_id: undefined,
  name: undefined,
  capabilities: undefined,
}
const FORGET_MS = 1000
const LIMITS = { ...DEFAULT_LIMITS, forget_seconds: FORGET_MS / 1000 }
const NOTHING = () => undefined
const EVENTS: EngineEvents = {
  wants_each: true,
  announced: NOTHING,
  acknowledged: NOTHING,
  died: NOTHING,
  session: NOTHING,
  record: NOTHING,
  missed: NOTHING,
}

let server: RedisServer
/** What one takes out of an index is held up. */
let one: RedisEngine
let other: RedisEngine
let held: { readonly reached: PromiseWithResolvers<void>; readonly goes_on: PromiseWithResolvers<void> }
let now = 0
let prefixes = 0

beforeAll(async () => {
  server = await RedisServer.start()
})
beforeEach(async () => {
  now = 1_000_000
  held = { reached: Promise.withResolvers(), goes_on: Promise.withResolvers() }
  const options = { now: () => now, limits: () => LIMITS }
  const prefix = `t${++prefixes}:`
  one = newRedisEngine(server.url, prefix, { ...options, around: holding })
  other = newRedisEngine(server.url, prefix, options)
  await Promise.all([one.start(EVENTS), other.start(EVENTS)])
})
afterEach(() => {
  one.stop()
  other.stop()
})
afterAll(() => server[Symbol.asyncDispose]())

function holding(connection: EngineConnection): EngineConnection {
  const command: EngineConnection['command'] = async (name, ...args) => {
    if (name === 'ZREM' && String(args[0]).includes(':addresses}:')) {
      held.reached.resolve()
      await held.goes_on.promise
    }
    return connection.command(name, ...args)
  }
  return new Proxy(connection, {
    get(target, name) {
      if (name === 'command') return command
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  })
}

/** The client checks in through the other while one is about to take it out of the index. */
async function checksInMeanwhile(leaving: Promise<unknown>): Promise<void> {
  await held.reached.promise
  expect(await other.checkin(CHECKIN)).toMatchObject({ outcome: 'ok', resumed: false })
  held.goes_on.resolve()
  await leaving
}

test('a client whose session ends, and who is back at once elsewhere, is listed', async () => {
  const checked = await one.checkin(CHECKIN)
  if (checked.outcome !== 'ok') throw new Error(checked.outcome)
  await checksInMeanwhile(one.end(CLIENT, checked.session.session_id, 'closed'))
  for (const of of ['sessions', 'readers'] as const) {
    const listed = await other.clients('p', { of, by: 'last_heard', limit: 10 })
    expect(listed).toMatchObject({ items: [{ client_id: CLIENT.client_id }], total: 1 })
  }
})

test('an address that is forgotten, and made anew at once elsewhere, is listed', async () => {
  const checked = await one.checkin(CHECKIN)
  if (checked.outcome !== 'ok') throw new Error(checked.outcome)
  held.goes_on.resolve()
  await one.end(CLIENT, checked.session.session_id, 'closed')
  held = { reached: Promise.withResolvers(), goes_on: Promise.withResolvers() }
  now += FORGET_MS
  await checksInMeanwhile(one.sweep())
  for (const of of ['addresses', 'sessions'] as const) {
    const listed = await other.clients('p', { of, by: 'last_heard', limit: 10 })
    expect(listed).toMatchObject({ items: [{ client_id: CLIENT.client_id }], total: 1 })
  }
})

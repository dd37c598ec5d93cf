import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { createMessage } from '../../../src/core/message.ts'
import type { EngineEvents } from '../../../src/engine/engine.ts'
import { RedisFailed } from '../../../src/engine/redis/connection/failures.ts'
import { APPEND, SETTLE } from '../../../src/engine/redis/mailbox/scripts.ts'
import type { RedisEngine } from '../../../src/engine/redis/redis.ts'
import type { Run, Script } from '../../../src/engine/redis/script.ts'
import { CHECKIN } from '../../../src/engine/redis/sessions/scripts.ts'
import type { CheckedIn, Read, Sent } from '../../../src/engine/values.ts'
import { RedisServer } from '../../redis/redis-server.ts'
import { newRedisEngine } from './instance.ts'

const READER = { project: 'p', client_id: 'r' }
const AUTO = { limit: 10, bytes_max: 1e9, ack: 'auto' } as const
const KEY = { key: 'k', digest: 'd' }
const NOTHING = () => undefined
const EVENTS: EngineEvents = {
  wants_each: true,
  announced: NOTHING,
  acknowledged: NOTHING,
  died: NOTHING,
  session: ({ session_id }, status) => told.push(`${session_id} ${status}`),
  record: NOTHING,
  missed: NOTHING,
}

let server: RedisServer
let engine: RedisEngine
let prefixes = 0
/** Calls of this script are carried out, and their answers are lost for good. */
let lost: Script | undefined
/** Happens between a check-in and its repetition, as its first answer is lost. */
let between: (() => unknown) | undefined
/** What the engine told of sessions. */
let told: string[] = []

beforeAll(async () => {
  server = await RedisServer.start()
})
beforeEach(async () => {
  lost = undefined
  between = undefined
  told = []
  engine = newRedisEngine(server.url, `t${++prefixes}:`, { through: losing })
  await engine.start(EVENTS)
})
afterEach(() => engine.stop())
afterAll(() => server[Symbol.asyncDispose]())

const losing =
  (run: Run): Run =>
  async (script, keys, args) => {
    const answer = await run(script, keys, args)
    if (script === CHECKIN && between && Array.isArray(answer)) {
      const meanwhile = between
      between = undefined
      await meanwhile()
      return run(script, keys, args)
    }
    if (script === lost) throw new RedisFailed('unknown', 'Redis did not answer', true)
    return answer
  }

function message(id: string) {
  return createMessage({ payload: 'words' }, 's', 'r', id, Date.now(), 60)
}

test('a read with auto is answered, though nobody knows whether it acknowledged', async () => {
  await engine.append('p', message('m1'), 'r')
  lost = SETTLE
  const read = await engine.read(READER, undefined, AUTO)
  expect(read).toMatchObject({ due: [{ offset: 1, acknowledged: true }] })
  lost = undefined
  expect(await engine.read(READER, undefined, AUTO)).toMatchObject({ due: [] })
})

test('a send that may be stored is repeated under the id that it began with', async () => {
  lost = APPEND
  await expect(engine.append('p', message('m1'), 'r', KEY)).rejects.toThrow('did not answer')
  lost = undefined
  expect(await engine.append('p', message('m2'), 'r', KEY)).toMatchObject({
    outcome: 'repeated',
    first: { message_id: 'm1', deliveries: [{ outcome: 'stored' }] },
  })
})

test('a key under which something else may be stored is taken', async () => {
  lost = APPEND
  await expect(engine.append('p', message('m1'), 'r', KEY)).rejects.toThrow('did not answer')
  lost = undefined
  const other = await engine.append('p', message('m2'), 'r', { ...KEY, digest: 'another' })
  expect(other).toMatchObject({ outcome: 'repeated', digest: KEY.digest })
  expect(await engine.append('p', message('m3'), 'r', KEY)).toMatchObject({ first: { message_id: 'm1' } })
})

test('a send that was cut off midway goes on under its first id, and stores what is missing', async () => {
  const { recipients, ...first } = { recipients: ['r', 'other'], message: message('m1') }
  // It stored the message for one recipient, and has not ended.
  lost = APPEND
  const begun = engine.appendToMany('p', [{ ...first, recipients: ['r'] }], KEY)
  await expect(begun).rejects.toThrow('did not answer')
  lost = undefined
  const again = await engine.appendToMany('p', [{ message: message('m2'), recipients }], KEY)
  const { first: sent } = again as { first: Sent }
  expect(again).toMatchObject({ outcome: 'repeated', digest: 'd' })
  expect(sent).toMatchObject({ message_id: 'm1', recipients: ['r', 'other'] })
  for (const client_id of recipients) {
    const read = await engine.read({ project: 'p', client_id }, undefined, AUTO)
    expect(read).toMatchObject({ due: [{ message: { message_id: 'm1', sender_id: 's' } }] })
    expect((read as Read).due).toHaveLength(1)
  }
})

const CLIENT = {
  ...READER,
  resume: undefined,
  join: undefined,
  key_id: undefined,
  name: 'n',
  capabilities: undefined,
}

function sessionOf(checked: CheckedIn) {
  if (checked.outcome !== 'ok') throw new Error(checked.outcome)
  return checked.session
}

test('a check-in that is made again answers its own session, though another has replaced it', async () => {
  const other = newRedisEngine(server.url, `t${prefixes}:`)
  await other.start(EVENTS)
  let successor: CheckedIn | undefined
  between = async () => {
    successor = await other.checkin(CLIENT)
  }
  const session = sessionOf(await engine.checkin(CLIENT))
  const { session_id } = sessionOf(successor!)
  expect(session).toMatchObject({ client_id: 'r', name: 'n', sender_only: false })
  expect(session.session_id).not.toBe(session_id)
  expect(told).toContain(`${session.session_id} replaced`)
  expect(await engine.client('p', READER)).toMatchObject({ session: { session_id } })
  other.stop()
})

test('a check-in that is made again when its session has ended says so', async () => {
  const other = newRedisEngine(server.url, `t${prefixes}:`)
  await other.start(EVENTS)
  between = async () => {
    const client = await other.client('p', READER)
    await other.end(READER, client!.session!.session_id, 'closed')
    told = []
  }
  const session = sessionOf(await engine.checkin(CLIENT))
  expect(told).toContain(`${session.session_id} closed`)
  expect(await engine.client('p', READER)).toMatchObject({ session: undefined })
  expect(await engine.clients('p', { of: 'sessions', by: 'last_heard', limit: 1 })).toMatchObject({
    total: 0,
  })
  other.stop()
})

import { expect, test } from 'bun:test'
import type { JSONRPCMessage } from '@modelcontextprotocol/server'
import { EventLog, type SessionEvents, streamOf } from '../../../src/transports/mcp/event-store.ts'

const note = (text: string): JSONRPCMessage => ({ jsonrpc: '2.0', method: 'note', params: { text } })

async function replayed(events: SessionEvents, after: string): Promise<string[]> {
  const ids: string[] = []
  await events.replayEventsAfter(after, { send: async (id) => void ids.push(id) })
  return ids
}

test('what came after an event on its stream is replayed, and nothing of other streams', async () => {
  const events = new EventLog(() => 0).open()
  const first = await events.storeEvent('a', note('1'))
  await events.storeEvent('b', note('2'))
  const third = await events.storeEvent('a', note('3'))
  expect(await replayed(events, first)).toEqual([third])
  expect(await replayed(events, third)).toEqual([])
  expect(await events.getStreamIdForEventId(third)).toBe('a')
  expect(streamOf(third)).toBe('a')
})

test('the event that only carries an id is not replayed', async () => {
  const events = new EventLog(() => 0).open()
  const first = await events.storeEvent('a', note('1'))
  await events.storeEvent('a', {} as JSONRPCMessage)
  expect(await replayed(events, first)).toEqual([])
})

test('an event id of another session names nothing', async () => {
  const log = new EventLog(() => 0)
  const [one, other] = [log.open(), log.open()]
  const id = await one.storeEvent('a', note('secret'))
  await other.storeEvent('a', note('own'))
  expect(await other.getStreamIdForEventId(id)).toBeUndefined()
  await expect(replayed(other, id)).rejects.toThrow()
  for (const nonsense of ['', 'x', `${id}/../b`, '00000000.-1.a'])
    expect(await one.getStreamIdForEventId(nonsense)).toBeUndefined()
})

test('a session keeps a bounded number of events and bytes', async () => {
  const log = new EventLog(() => 0)
  const events = log.open()
  const first = await events.storeEvent('a', note('first'))
  for (let i = 0; i < 1000; i++) await events.storeEvent('a', note('x'))
  expect((await replayed(events, first)).length).toBe(256)
  for (let i = 0; i < 10; i++) await events.storeEvent('a', note('x'.repeat(100_000)))
  expect(log.bytes).toBeLessThanOrEqual(256 * 1024)
  for (let i = 0; i < 2; i++) {
    const before = await events.storeEvent('a', note('before'))
    const huge = await events.storeEvent('a', note('x'.repeat(1_000_000)))
    expect(await replayed(events, before)).toEqual([huge])
    expect(log.bytes).toBeLessThan(1_001_000)
  }
  await events.storeEvent('a', note('after'))
  expect(log.bytes).toBeLessThanOrEqual(256 * 1024)
  events.clear()
  expect(log.bytes).toBe(0)
})

test('all sessions together keep a bounded number of bytes, and nothing for ever', async () => {
  let now = 0
  const log = new EventLog(() => now, 10_000)
  const sessions = Array.from({ length: 100 }, () => log.open())
  const ids: string[] = []
  for (const session of sessions) {
    ids.push(await session.storeEvent('a', {} as JSONRPCMessage))
    await session.storeEvent('a', note('x'.repeat(500)))
  }
  expect(log.bytes).toBeLessThanOrEqual(10_000)
  expect(await replayed(sessions[0]!, ids[0]!)).toEqual([])
  expect(await replayed(sessions[99]!, ids[99]!)).toHaveLength(1)
  now = 1000
  await sessions[0]!.storeEvent('a', note('young'))
  log.expire(500)
  expect(await replayed(sessions[99]!, ids[99]!)).toEqual([])
  expect(await replayed(sessions[0]!, ids[0]!)).toHaveLength(1)
})

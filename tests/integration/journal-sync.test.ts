import { expect, test } from 'bun:test'
import { pino } from 'pino'
import { type App, startApp } from '../../src/app.ts'
import type { JournalLevel } from '../../src/engine/journal/journal.ts'
import { journalIn, MemoryDisk } from '../engine/journal/memory-disk.ts'
import { testConfig, until } from '../harness.ts'
import { postModern } from '../transports/mcp/raw.ts'
import { openStream } from '../transports/sse/reader.ts'
import { WsClient } from '../ws-client.ts'
import { silent, watched } from './disk.ts'

/** A disk whose syncs wait while it is held. */
class HeldDisk extends MemoryDisk {
  #gate = Promise.withResolvers<void>()
  waiting = 0

  constructor() {
    super()
    this.#gate.resolve()
  }

  hold(): void {
    this.#gate = Promise.withResolvers()
  }

  release(): void {
    this.#gate.resolve()
  }

  override async sync(): Promise<void> {
    this.waiting++
    await this.#gate.promise
    this.waiting--
  }
}

async function onJournal(disk: HeldDisk, level: JournalLevel): Promise<App & AsyncDisposable> {
  const app = await startApp(testConfig(), pino({ level: 'silent' }), (options) =>
    journalIn(disk, options, { level }),
  )
  return {
    ...app,
    [Symbol.asyncDispose]: () => {
      disk.release()
      return app.stop()
    },
  }
}

const send = (recipient_id: string, payload: unknown) => ({ recipient_id, sender_id: 'sender', payload })

function post(app: App, path: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return fetch(`${app.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

test('under full, no door tells of a message before it is synced; what is read and acknowledged goes on', async () => {
  const disk = new HeldDisk()
  await using app = await onJournal(disk, 'full')
  const sender = await WsClient.checkedIn(app.url, 'sender')
  const reader = await WsClient.checkedIn(app.url, 'reader')
  const lease = await WsClient.checkedIn(app.url, 'lease')
  await sender.call('send_message', { recipient_id: 'lease', payload: 'before' })
  await reader.call('subscribe')
  await using events = await openStream(app.url, 'streamed')
  disk.hold()
  const { result } = await lease.request({
    jsonrpc: '2.0',
    id: 'read',
    method: 'get_messages',
    params: { ack: 'manual' },
  })
  expect(result).toMatchObject({ messages: [{ payload: 'before' }] })
  expect(await lease.call('ack_messages', {})).toMatchObject({ acknowledged: 1 })
  const answers = [
    post(app, '/v1/messages', send('reader', 'http')),
    postModern(app, 'tools/call', { name: 'send_message', arguments: send('streamed', 'mcp') }),
  ].map(watched)
  await silent(app, [reader, sender], () => {
    sender.send({ jsonrpc: '2.0', id: 'ws', method: 'send_message', params: send('reader', 'ws') })
  })
  await until('the sync', () => disk.waiting || undefined)
  expect(answers.map(({ settled }) => settled)).toEqual([false, false])
  const streamed = () => events.events.filter(({ event }) => event === 'message')
  expect(streamed()).toEqual([])
  disk.release()
  for (const { promise } of answers) expect((await promise).ok).toBe(true)
  await until('the event', () => streamed()[0])
  expect((await reader.received(2)).map(({ message }) => message.payload).sort()).toEqual(['http', 'ws'])
})

test('under normal, nothing waits for the disk', async () => {
  const disk = new HeldDisk()
  await using app = await onJournal(disk, 'normal')
  const reader = await WsClient.checkedIn(app.url, 'reader')
  await reader.call('subscribe')
  disk.hold()
  expect((await post(app, '/v1/messages', send('reader', 'http'))).ok).toBe(true)
  expect((await reader.received(1)).map(({ message }) => message.payload)).toEqual(['http'])
})

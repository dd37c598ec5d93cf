import { describe, expect, test } from 'bun:test'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { type CallToolResult, CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import type { App } from '../../../src/app.ts'
import { startBroker, until } from '../../harness.ts'
import { agent, type CallOptions, outputOf } from './client.ts'
import { rawSession, SseReader } from './raw.ts'

interface Counted extends AsyncDisposable {
  /** Of each GET its status, and whether it resumed a stream. */
  readonly gets: string[]
  call(name: string, input: object, options?: CallOptions): Promise<CallToolResult>
}

/** Counts a client's GETs. */
function counting(gets: string[]) {
  return async (url: string | URL, init?: RequestInit): Promise<Response> => {
    const response = await fetch(url, init)
    const resumes = new Headers(init?.headers).has('last-event-id')
    if (init?.method === 'GET') gets.push(`${resumes ? 'resume' : 'open'} ${response.status}`)
    return response
  }
}

const INFO = { name: 'test', version: '1.0.0' }

const CLIENTS: Record<string, (app: App) => Promise<Counted>> = {
  async 'SDK 1.x'(app) {
    const gets: string[] = []
    const client = new LegacyClient(INFO)
    const transport = new LegacyTransport(new URL('/mcp', app.url), { fetch: counting(gets) })
    await client.connect(transport as Transport)
    return {
      gets,
      call: (name, input, options) =>
        client.callTool(
          { name, arguments: { ...input } },
          CallToolResultSchema,
          options,
        ) as Promise<CallToolResult>,
      [Symbol.asyncDispose]: () => client.close(),
    }
  },
  async 'SDK 2.x in a session'(app) {
    const gets: string[] = []
    const client = new ModernClient(INFO)
    await client.connect(new ModernTransport(new URL('/mcp', app.url), { fetch: counting(gets) }))
    return {
      gets,
      call: (name, input, options) =>
        client.callTool({ name, arguments: { ...input } }, options) as Promise<CallToolResult>,
      [Symbol.asyncDispose]: () => client.close(),
    }
  },
}

for (const [name, connect] of Object.entries(CLIENTS))
  describe(`the ${name}`, () => {
    test('stops after one GET for each call that timed out or was cancelled, and none for others', async () => {
      await using app = await startBroker()
      await using client = await connect(app)
      await client.call('checkin_client', { client_id: 'alice' })
      await until('its stream for notifications', () => client.gets[0])
      for (let i = 0; i < 2; i++)
        await expect(client.call('get_messages', { wait_seconds: 30 }, { timeout: 100 })).rejects.toThrow()
      const giveUp = new AbortController()
      const cancelled = client.call('get_messages', { wait_seconds: 30 }, { signal: giveUp.signal })
      await until('the wait', () => (app.broker.waiters.count === 1 ? true : undefined))
      giveUp.abort()
      await expect(cancelled).rejects.toThrow()
      expect(outputOf(await client.call('get_messages', { wait_seconds: 0.1 }))).toMatchObject({
        messages: [],
      })
      await expect(client.call('get_mesages', {})).rejects.toThrow()
      // Of the one that was cancelled, a client may not have had the id to resume from.
      await until('the resumes', () => (client.gets.length >= 3 ? true : undefined))
      // A client that was given another stream, and not this answer, opens the next after the same second.
      await client.call('get_messages', { wait_seconds: 2 })
      expect(client.gets[0]).toBe('open 200')
      expect(client.gets.slice(1)).toEqual(client.gets.slice(1).fill('resume 405'))
      expect(client.gets.length).toBeWithin(3, 6)
    })
  })

test('the resume of a stream that is over is told so, whether or not its answer is still kept', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  const answered = new SseReader(
    await session.call(5, 'get_messages', { client_id: 'a', wait_seconds: 0.05 }),
  )
  const priming = (await answered.next())!
  const answer = (await answered.next())!
  expect(await answered.next()).toBeUndefined()

  const again = new SseReader(await session.get({ 'last-event-id': priming.id! }))
  expect(await again.message()).toEqual(JSON.parse(answer.data))
  expect(await again.next()).toBeUndefined()
  const over = await session.get({ 'last-event-id': answer.id! })
  expect(over.status).toBe(405)
  expect(over.headers.get('allow')).toBe('POST')
  expect(await over.json()).toMatchObject({
    error: {
      data: { code: 'method_not_allowed', detail: expect.stringContaining('over'), next: expect.any(String) },
    },
  })
})

test('a stream that is resumed says its id first, and leaves the one for notifications alone', async () => {
  await using app = await startBroker()
  await using bob = await agent('2026', app, 'bob')
  const session = await rawSession(app)
  const standalone = new SseReader(await session.get())
  const body = { jsonrpc: '2.0', id: 3, method: 'resources/subscribe', params: { uri: 'inbox://bob' } }
  await (await session.post(body)).text()
  await bob.call('send_message', { recipient_id: 'big', message: '\n'.repeat(400_000) })
  // What is long is still being sent when its connection goes.
  const cut = new SseReader(await session.call(5, 'get_messages', { client_id: 'big', wait_seconds: 1 }))
  const { id } = (await cut.next())!
  await cut.cancel()
  const resumed = new SseReader(await session.get({ 'last-event-id': id! }))
  expect(await resumed.next()).toEqual({ id, data: '' })
  expect(await resumed.message()).toMatchObject({ id: 5 })
  await bob.call('send_message', { recipient_id: 'bob', message: 'x' })
  expect(await standalone.message()).toMatchObject({ params: { uri: 'inbox://bob' } })
  await standalone.cancel()
})

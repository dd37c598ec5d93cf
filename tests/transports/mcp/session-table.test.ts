import { expect, test } from 'bun:test'
import { pino } from 'pino'
import { Keys } from '../../../src/auth/identity.ts'
import { Housekeeping } from '../../../src/broker/housekeeping.ts'
import { ConnectionCount } from '../../../src/transports/door.ts'
import { Endpoint } from '../../../src/transports/mcp/endpoint.ts'
import { startBroker, testConfig, until } from '../../harness.ts'
import { agent, legacyClient } from './client.ts'
import { ACCEPT, answerOf, INITIALIZE, post, type RawSession, rawSession, SseReader } from './raw.ts'

const PING = { jsonrpc: '2.0', id: 9, method: 'ping' }

async function checkedIn(session: RawSession, client_id: string): Promise<void> {
  const answer = await answerOf(await session.call(1, 'checkin_client', { client_id }))
  expect(answer.result).toMatchObject({ structuredContent: { client_id } })
}

async function subscribed(session: RawSession, uri: string): Promise<void> {
  const body = { jsonrpc: '2.0', id: 2, method: 'resources/subscribe', params: { uri } }
  expect(await answerOf(await session.post(body))).toMatchObject({ result: {} })
}

test('a session ends by DELETE, and is unknown after', async () => {
  await using app = await startBroker()
  const { client, transport } = await legacyClient(app)
  expect(transport.sessionId).toBeString()
  const headers = { 'mcp-session-id': transport.sessionId! }
  await transport.terminateSession()
  const gone = await post(app, PING, headers)
  expect(gone.status).toBe(404)
  expect(await gone.json()).toMatchObject({ error: { data: { code: 'unknown_mcp_session' } } })
  expect((await fetch(`${app.url}/mcp`, { method: 'DELETE', headers })).status).toBe(404)
  await client.close()
})

test('a session is needed for whatever is not a beginning', async () => {
  await using app = await startBroker()
  const response = await post(app, PING)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: { data: { code: 'mcp_session_required' } } })
  for (const method of ['GET', 'DELETE', 'PUT']) {
    const refused = await fetch(`${app.url}/mcp`, { method, headers: { accept: 'text/event-stream' } })
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toBe('POST')
  }
})

test('what a client says of itself is kept, so it is bounded', async () => {
  await using app = await startBroker()
  const icons = [{ src: `data:image/png;base64,${'A'.repeat(50_000)}` }]
  const initialize = (name: string, capabilities: object) => {
    const params = { ...INITIALIZE.params, capabilities, clientInfo: { name, version: '1', icons } }
    return post(app, { ...INITIALIZE, params })
  }
  expect((await initialize('x'.repeat(8000), {})).status).toBe(200)
  const large = { experimental: { x: { y: 'x'.repeat(20_000) } } }
  for (const refused of [await initialize('x'.repeat(20_000), {}), await initialize('x', large)]) {
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({ error: { data: { code: 'body_too_large' } } })
  }
})

test('a session that is idle expires; one with an open stream does not', async () => {
  await using app = await startBroker({ mcp_session_idle_seconds: 0.3, mcp_sessions_max: 2 })
  const listening = await rawSession(app)
  const stream = new SseReader(await listening.get())
  const quiet = await rawSession(app)
  expect((await post(app, INITIALIZE)).status).toBe(503)
  await until('the quiet one to make room', async () => {
    const response = await post(app, INITIALIZE)
    await response.text()
    return response.status === 200 ? true : undefined
  })
  expect((await quiet.post(PING)).status).toBe(404)
  expect((await listening.post(PING)).status).toBe(200)
  await stream.cancel()
})

test('sessions are bounded: those used a moment ago are not given up for a new one', async () => {
  await using app = await startBroker({ mcp_sessions_max: 2 })
  const first = await rawSession(app)
  await rawSession(app)
  const refused = await post(app, INITIALIZE)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await refused.json()).toMatchObject({ error: { data: { code: 'too_many_mcp_sessions' } } })
  expect((await first.post(PING)).status).toBe(200)
})

test('a beginning that is itself invalid leaves no session behind', async () => {
  await using app = await startBroker({ mcp_sessions_max: 1 })
  for (let i = 0; i < 3; i++) {
    const response = await post(app, {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { nothing: true },
    })
    await response.text()
    expect(response.status).toBe(400)
  }
  await rawSession(app)
})

test('a session belongs to the key that began it', async () => {
  const admin_key = 'an-operator-key-of-some-length'
  await using app = await startBroker({ admin_key })
  const none = await post(app, INITIALIZE)
  expect(none.status).toBe(401)
  expect(none.headers.get('www-authenticate')).toBe('Bearer')
  const session = await rawSession(app, { authorization: `Bearer ${admin_key}` })
  expect((await session.post(PING)).status).toBe(200)
  expect((await session.post(PING, { authorization: 'Bearer something-else-entirely' })).status).toBe(401)
})

test('a session does not exist for another key, nor for another project', async () => {
  await using app = await startBroker()
  const config = testConfig()
  const endpoint = new Endpoint({
    broker: app.broker,
    config,
    keys: new Keys(undefined),
    log: pino({ level: 'silent' }),
    housekeeping: new Housekeeping(Date.now, () => {}),
    connections: new ConnectionCount(1),
  })
  const ask = async (
    identity: { project: string; key_id: string | undefined },
    body: unknown,
    headers = {},
  ) => {
    const response = await endpoint.serve({
      request: new Request(`${app.url}/mcp`, {
        method: 'POST',
        headers: { accept: ACCEPT, 'content-type': 'application/json', ...headers },
      }),
      identity: { ...identity, scopes: new Set(['read', 'write']), session: undefined },
      body,
      timeout: () => {},
    })
    await response.text()
    return response
  }
  const begun = await ask({ project: 'one', key_id: 'a' }, INITIALIZE)
  const headers = { 'mcp-session-id': begun.headers.get('mcp-session-id')! }
  expect((await ask({ project: 'one', key_id: 'a' }, PING, headers)).status).toBe(200)
  for (const stranger of [
    { project: 'one', key_id: 'b' },
    { project: 'two', key_id: 'a' },
    { project: 'one', key_id: undefined },
  ])
    await expect(ask(stranger, PING, headers)).rejects.toMatchObject({ code: 'unknown_mcp_session' })
  await endpoint.close(0)
})

test('hints that were missed are told again from Last-Event-ID, to their own session alone', async () => {
  await using app = await startBroker()
  await using bob = await agent('2026', app, 'bob')
  const session = await rawSession(app)
  const other = await rawSession(app)
  await checkedIn(session, 'alice')
  await checkedIn(other, 'eve')
  await subscribed(session, 'inbox://alice')
  const send = () => bob.call('send_message', { recipient_id: 'alice', message: 'x' })

  const stream = new SseReader(await session.get())
  await send()
  const first = await stream.next()
  await send()
  await stream.next()
  await stream.cancel()

  const headers = { 'last-event-id': first!.id! }
  expect((await other.get(headers)).status).toBe(400)
  const resumed = new SseReader(await session.get(headers))
  const again = await resumed.next()
  expect(JSON.parse(again!.data)).toMatchObject({ method: 'notifications/resources/updated' })
  expect(again!.id).not.toBe(first!.id)
  await send()
  expect(await resumed.message()).toMatchObject({ params: { uri: 'inbox://alice' } })
  await resumed.cancel()
})

test('what came while no stream was open is one hint when one opens', async () => {
  await using app = await startBroker()
  await using bob = await agent('2026', app, 'bob')
  const session = await rawSession(app)
  await checkedIn(session, 'alice')
  await subscribed(session, 'inbox://alice')
  for (let i = 0; i < 5; i++) await bob.call('send_message', { recipient_id: 'alice', message: 'x' })
  const stream = new SseReader(await session.get())
  expect(await stream.message()).toMatchObject({ params: { uri: 'inbox://alice' } })
  await session.call(3, 'get_messages', {})
  await bob.call('send_message', { recipient_id: 'alice', message: 'x' })
  expect(await stream.message()).toMatchObject({ params: { uri: 'inbox://alice' } })
  await stream.cancel()
})

test('the newest stream of a session wins: the one before may be dead', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  const before = new SseReader(await session.get())
  const after = await session.get()
  expect(after.status).toBe(200)
  expect(await before.next()).toBeUndefined()
  await after.body?.cancel()
})

test('an answer that was cut off is had again by its event id', async () => {
  await using app = await startBroker()
  await using bob = await agent('2026', app, 'bob')
  const session = await rawSession(app)
  await checkedIn(session, 'alice')
  const waiting = new SseReader(await session.call(5, 'get_messages', { wait_seconds: 30 }))
  const priming = await waiting.next()
  expect(priming!.data).toBe('')
  await waiting.cancel()
  await until('the wait to end with its connection', () =>
    app.broker.waiters.count === 0 ? true : undefined,
  )
  await bob.call('send_message', { recipient_id: 'alice', message: 'later' })
  const resumed = new SseReader(await session.get({ 'last-event-id': priming!.id! }))
  // The mail stays for whoever lives to read it: the answer of the dead connection is empty.
  expect(await resumed.message()).toMatchObject({ id: 5, result: { structuredContent: { messages: [] } } })
  expect(await resumed.next()).toBeUndefined()
  const again = await answerOf(await session.call(6, 'get_messages', {}))
  expect(again.result).toMatchObject({ structuredContent: { messages: [{ payload: 'later' }] } })
})

test('an answer that is long is had again too', async () => {
  await using app = await startBroker()
  await using bob = await agent('2026', app, 'bob')
  const session = await rawSession(app)
  await checkedIn(session, 'alice')
  const waiting = new SseReader(await session.call(5, 'get_messages', { wait_seconds: 30 }))
  const { id } = (await waiting.next())!
  await bob.call('send_message', { recipient_id: 'alice', message: 'x'.repeat(200_000) })
  await until('the answer to be kept', async () => {
    const resumed = await session.get({ 'last-event-id': id! })
    const kept = resumed.status === 200
    if (!kept) await resumed.body?.cancel()
    else expect(await resumed.text()).toContain('x'.repeat(200_000))
    return kept || undefined
  })
  await waiting.cancel()
})

test('sessions forget their broker session when another takes the address over', async () => {
  await using app = await startBroker()
  await using first = await agent('2025', app, 'alice')
  await using _second = await agent('2025', app, 'alice')
  const result = await first.call('get_messages')
  expect(result.isError).toBe(true)
  expect(result._meta).toMatchObject({ 'mcp-broker/error': { code: 'session_replaced' } })
  await expect(first.client.readResource({ uri: 'inbox://alice' })).rejects.toThrow('session_replaced')
})

test('an id that is being answered is not taken twice', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  const wait = {
    jsonrpc: '2.0',
    id: 7,
    method: 'tools/call',
    params: { name: 'get_messages', arguments: { client_id: 'a', wait_seconds: 30 } },
  }
  const first = await session.post(wait)
  const second = await session.post(wait)
  expect(second.status).toBe(400)
  expect(await second.json()).toMatchObject({ error: { data: { code: 'invalid_request', field: '/id' } } })
  await first.body?.cancel()
})

test('what one session has under way is bounded', async () => {
  await using app = await startBroker()
  const session = await rawSession(app, {}, '2025-03-26')
  const wait = (id: number) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'get_messages', arguments: { client_id: 'a', wait_seconds: 30 } },
  })
  const batch = (from: number) => session.post(Array.from({ length: 16 }, (_, i) => wait(from + i)))
  const open = await Promise.all(Array.from({ length: 16 }, (_, i) => batch(i * 16)))
  const refused = await batch(256)
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ error: { data: { code: 'too_many_waiting' } } })
  for (const { body } of open) await body?.cancel()
})

test('a batch is bounded', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  const refused = await session.post(Array.from({ length: 17 }, (_, id) => ({ ...PING, id })))
  expect(refused.status).toBe(400)
  expect(await refused.json()).toMatchObject({ error: { data: { code: 'invalid_request' } } })
})

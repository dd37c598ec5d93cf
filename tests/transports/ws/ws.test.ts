import { describe, expect, test } from 'bun:test'
import type { Engine } from '../../../src/engine/engine.ts'
import { startBroker, until } from '../../harness.ts'
import { RawWs } from '../../raw-ws.ts'
import { slowEngine } from '../../slow-engine.ts'
import { refusal, WsClient } from '../../ws-client.ts'

const ENGINES: [string, (engine: Engine) => Engine][] = [
  ['that answers at once', (engine) => engine],
  ['that answers later', (engine) => slowEngine(engine, { turns: () => 2 })],
]

describe.each(ENGINES)('a conversation over the WebSocket, with an engine %s', (_, around) => {
  test('a message goes from one to the other, live', async () => {
    await using broker = await startBroker({}, around)
    const frontend = await WsClient.checkedIn(broker.url, 'frontend')
    const backend = await WsClient.checkedIn(broker.url, 'backend')
    const { cursor } = await backend
      .call('heartbeat')
      .then(() => backend.call<{ cursor: string }>('checkin_client', { client_id: 'backend' }))
    const subscribed = await backend.call('subscribe', { after: cursor, ack: 'manual', batch: true })
    expect(subscribed).toMatchObject({ recovered: true, cursor, unread: 0 })

    const receipt = await frontend.call('send_message', {
      recipient_id: 'backend',
      payload: { q: 1 },
      priority: 'high',
    })
    expect(receipt).toMatchObject({
      status: 'queued',
      stored: 'memory',
      recipient_status: 'active',
      warnings: [],
    })
    const [arrived] = await backend.received(1)
    expect(arrived!.message).toMatchObject({
      sender_id: 'frontend',
      recipient_id: 'backend',
      payload: { q: 1 },
      priority: 'high',
    })
    expect(arrived!.message).not.toHaveProperty('attempt')
    expect(arrived!.cursor).toBe(`${cursor.split(':')[0]}:1`)

    expect(await backend.call('ack_messages', { message_ids: [arrived!.message.message_id] })).toEqual({
      acknowledged: 1,
      unknown: [],
    })
    const status = await frontend.call('get_message_status', { message_id: receipt.message_id })
    expect(status).toMatchObject({
      status: 'acknowledged',
      recipients: [{ recipient_id: 'backend', attempts: 1 }],
    })
  })

  test('auto acknowledges once the socket has shown that the message arrived', async () => {
    await using broker = await startBroker({}, around)
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const reader = await WsClient.checkedIn(broker.url, 'b')
    await reader.call('subscribe')
    const { message_id } = await sender.call('send_message', { recipient_id: 'b', message: 'hello' })
    await reader.received(1)
    await until('the acknowledgement', async () => {
      const { status } = await sender.call('get_message_status', { message_id })
      return status === 'acknowledged' ? true : undefined
    })
  })

  test('a pong that answers no ping proves nothing: what was not taken comes again', async () => {
    await using broker = await startBroker({}, around)
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const raw = await RawWs.connect(broker.url)
    raw.send({ jsonrpc: '2.0', id: 1, method: 'subscribe', params: { client_id: 'b' } })
    await until('the subscription', () => raw.frames().texts.find((text) => text.includes('recovered')))
    const { message_id } = await sender.call('send_message', { recipient_id: 'b', message: 'hello' })
    await until('the message', () => raw.frames().texts.find((text) => text.includes('hello')))
    raw.pong()
    raw.send({ jsonrpc: '2.0', id: 2, method: 'list_sessions' })
    await until('the answer', () => raw.frames().texts.find((text) => text.includes('"id":2')))
    expect(await sender.call('get_message_status', { message_id })).toMatchObject({ status: 'delivered' })
    raw.tcp.destroy()
    const reader = await WsClient.checkedIn(broker.url, 'b')
    expect(await reader.call('get_messages')).toMatchObject({ messages: [{ payload: 'hello', attempt: 2 }] })
  })

  test('a socket is closed for the address that it reads, and not for one that it has read', async () => {
    await using broker = await startBroker({}, around)
    const reader = await WsClient.connect(broker.url)
    await reader.call('subscribe', { client_id: 'first' })
    await reader.call('unsubscribe')
    await reader.call('subscribe', { client_id: 'second' })
    await WsClient.checkedIn(broker.url, 'first')
    const sender = await WsClient.checkedIn(broker.url, 'a')
    await sender.call('send_message', { recipient_id: 'second', message: 'still read' })
    await reader.received(1)
    await WsClient.checkedIn(broker.url, 'second')
    expect(await reader.close_code()).toBe(3503)
  })

  test('a batch in is answered by a batch, and batch: true gathers messages into one frame', async () => {
    await using broker = await startBroker({}, around)
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const reader = await WsClient.checkedIn(broker.url, 'b')
    await reader.call('subscribe', { batch: true })
    const before = reader.frames.length
    sender.send(
      [1, 2, 3].map((n) => ({
        jsonrpc: '2.0',
        id: `b${n}`,
        method: 'send_message',
        params: { recipient_id: 'b', payload: n },
      })),
    )
    await reader.received(3)
    expect(reader.messages.map(({ message }) => message.payload)).toEqual([1, 2, 3])
    expect(reader.frames.length - before).toBe(1)
    const answers = await until('the batch of answers', () =>
      sender.frames.find((frame) => frame.startsWith('[')),
    )
    expect((JSON.parse(answers) as { id: string }[]).map(({ id }) => id)).toEqual(['b1', 'b2', 'b3'])
  })

  test('a request without id is carried out without an answer, right or wrong', async () => {
    await using broker = await startBroker({}, around)
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const before = sender.frames.length
    sender.send({ jsonrpc: '2.0', method: 'send_message', params: { recipient_id: 'b', message: 'x' } })
    sender.send({ jsonrpc: '2.0', method: 'send_message', params: { nonsense: true } })
    const reader = await WsClient.checkedIn(broker.url, 'b')
    expect(await reader.call('get_messages')).toMatchObject({ remaining: 0, messages: [{ payload: 'x' }] })
    await sender.call('heartbeat')
    expect(sender.frames.length).toBe(before + 1)
  })

  test('several connections of one session are each sent every message', async () => {
    await using broker = await startBroker({}, around)
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const one = await WsClient.checkedIn(broker.url, 'b')
    const two = await WsClient.connect(broker.url)
    await one.call('subscribe', { ack: 'manual' })
    await two.call('subscribe', { client_id: 'b', ack: 'manual' })
    for (let n = 0; n < 5; n++) await sender.call('send_message', { recipient_id: 'b', payload: n })
    await Promise.all([one.received(5), two.received(5)])
    for (const { messages } of [one, two]) {
      expect(messages.map(({ message }) => message.payload)).toEqual([0, 1, 2, 3, 4])
      expect(messages.every(({ message }) => message.attempt === undefined)).toBe(true)
    }
  })

  test('a newer session takes the address over: the older socket is closed with 3503, its leases come again', async () => {
    await using broker = await startBroker({}, around)
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const older = await WsClient.checkedIn(broker.url, 'b')
    await older.call('subscribe', { ack: 'manual' })
    await sender.call('send_message', { recipient_id: 'b', message: 'work' })
    await older.received(1)
    const newer = await WsClient.checkedIn(broker.url, 'b')
    expect(await older.close_code()).toBe(3503)
    await newer.call('subscribe', { ack: 'manual' })
    const [again] = await newer.received(1)
    expect(again!.message).toMatchObject({ payload: 'work', attempt: 2 })
  })

  test('checking in with the session_id resumes, on another connection too', async () => {
    await using broker = await startBroker({}, around)
    const first = await WsClient.connect(broker.url)
    const { session_id } = await first.call('checkin_client', { client_id: 'b', name: 'B' })
    const second = await WsClient.connect(broker.url)
    expect(await second.call('checkin_client', { client_id: 'b', session_id })).toMatchObject({
      session_id,
      resumed: true,
    })
    expect(await first.call('heartbeat')).toMatchObject({ session_id, status: 'active' })
  })

  test('checking in again on the same socket resumes, even with the session_id of an older session', async () => {
    await using broker = await startBroker({}, around)
    const client = await WsClient.connect(broker.url)
    const { session_id } = await client.call('checkin_client', { client_id: 'a' })
    const stale = { client_id: 'a', session_id: crypto.randomUUID() }
    expect(await client.call('checkin_client', stale)).toMatchObject({ session_id, resumed: true })
  })

  test('receipts and sessions arrive as notifications where asked for', async () => {
    await using broker = await startBroker({}, around)
    const watcher = await WsClient.checkedIn(broker.url, 'a')
    await watcher.call('subscribe', { receipts: true, sessions: true })
    const other = await WsClient.checkedIn(broker.url, 'b')
    const { message_id } = await watcher.call('send_message', { recipient_id: 'b', message: 'x' })
    await other.call('get_messages')
    const receipt = await until('the receipt', () =>
      watcher.notifications.find(({ method }) => method === 'receipt'),
    )
    expect(receipt.params).toEqual({ message_id, recipient_id: 'b', status: 'acknowledged' })
    await other.call('disconnect_session')
    const gone = await until('the session', () =>
      watcher.notifications.find(
        ({ method, params }) =>
          method === 'session' && (params as { status: string }).status === 'disconnected',
      ),
    )
    expect(gone.params).toMatchObject({ client_id: 'b' })
  })

  test('ask and wait: the reply that names the message, and a late one is not lost', async () => {
    await using broker = await startBroker({}, around)
    const asker = await WsClient.checkedIn(broker.url, 'a')
    const other = await WsClient.checkedIn(broker.url, 'b')
    await other.call('subscribe')
    const asking = asker.call('send_message_and_wait', { recipient_id: 'b', payload: { q: 1 }, timeout: 10 })
    const [question] = await other.received(1)
    await other.call('send_message', {
      recipient_id: 'a',
      payload: { a: 1 },
      in_reply_to: question!.message.message_id,
    })
    expect(await asking).toMatchObject({ timed_out: false, reply: { payload: { a: 1 }, sender_id: 'b' } })
    expect(await asker.call('get_messages')).toMatchObject({ messages: [] })

    const late = await asker.call('send_message_and_wait', {
      recipient_id: 'b',
      payload: { q: 2 },
      timeout: 0.05,
    })
    expect(late).toMatchObject({ timed_out: true, status: 'delivered' })
    await other.call('send_message', {
      recipient_id: 'a',
      payload: 'late',
      in_reply_to: late.message_id as string,
    })
    expect(await asker.call('get_messages')).toMatchObject({
      messages: [{ payload: 'late', in_reply_to: late.message_id }],
    })
  })
})

describe('keys and closing', () => {
  const admin_key = 'an-operator-key-of-some-length'

  test('a browser gives its key as a subprotocol; a wrong one is closed with 3500, none in time with 3502', async () => {
    await using broker = await startBroker({ admin_key })
    const good = await WsClient.connect(broker.url, ['mcp-broker.v1', `bearer.${admin_key}`])
    expect(good.socket.protocol).toBe('mcp-broker.v1')
    expect(await good.call('get_my_identity')).toMatchObject({ project: 'default' })
    const bad = await WsClient.connect(broker.url, ['mcp-broker.v1', 'bearer.wrong'])
    expect(await bad.close_code()).toBe(3500)
    const late = await WsClient.connect(broker.url)
    expect(await refusal(late.call('list_sessions'))).toBe('unauthenticated')
    expect(await late.call('authenticate', { key: admin_key })).toMatchObject({ project: 'default' })
    expect(await late.call('list_sessions')).toMatchObject({ sessions: [] })
    const silent = await WsClient.connect(broker.url)
    const talker = await WsClient.connect(broker.url)
    const talked = until(
      'the close',
      () => {
        if (talker.closed) return talker.closed.code
        talker.send({ jsonrpc: '2.0', method: 'heartbeat' })
      },
      10_000,
    )
    expect(await silent.close_code(10_000)).toBe(3502)
    expect(await talked).toBe(3502)
  }, 15_000)

  test('subprotocols without its own are refused, and none of them is said back', async () => {
    await using broker = await startBroker({ admin_key })
    const upgrade = (subprotocol: string) =>
      fetch(`${broker.url}/v1/ws`, {
        headers: {
          connection: 'upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          'sec-websocket-protocol': subprotocol,
        },
      })
    for (const subprotocol of ['graphql-ws', `bearer.${admin_key}`]) {
      const answer = await upgrade(subprotocol)
      expect(answer.status).toBe(426)
      expect(answer.headers.get('sec-websocket-protocol')).toBeNull()
      expect(await answer.json()).toMatchObject({ next: 'Offer "mcp-broker.v1" besides, or none.' })
    }
  })

  test('a broker that shuts down answers who waits and closes with 3001', async () => {
    const broker = await startBroker({ drain_seconds: 0.1 })
    const client = await WsClient.checkedIn(broker.url, 'a')
    const waiting = client.call('get_messages', { wait_seconds: 60 })
    await until('the wait to begin', () => (broker.broker.waiters.count === 1 ? true : undefined))
    await broker.stop()
    expect(await waiting).toMatchObject({ messages: [] })
    expect(await client.close_code()).toBe(3001)
  })

  test('connections beyond connections_max are closed with 3504', async () => {
    await using broker = await startBroker({ connections_max: 2 })
    await WsClient.connect(broker.url)
    const second = await WsClient.connect(broker.url)
    const third = await WsClient.connect(broker.url)
    expect(await third.close_code()).toBe(3504)
    second.close()
    await second.close_code()
    const next = await WsClient.connect(broker.url)
    expect(await next.call('list_sessions')).toMatchObject({ total: 0 })
  })
})

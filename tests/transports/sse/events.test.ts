import { expect, test } from 'bun:test'
import { connect, createServer } from 'node:net'
import { EventSource } from 'eventsource'
import { startBroker, until } from '../../harness.ts'
import { call } from '../http/client.ts'
import { openStream, type StreamReader } from './reader.ts'

async function send(url: string, recipient_id: string, payload: unknown, more: object = {}): Promise<string> {
  const message = { sender_id: 'frontend', recipient_id, payload, ...more }
  const { status, body } = await call(url, 'POST', '/v1/messages', message)
  expect(status).toBe(201)
  return body.message_id as string
}

async function payloads(stream: StreamReader, count: number): Promise<unknown[]> {
  const got: unknown[] = []
  while (got.length < count) {
    const { json } = await stream.next('message')
    got.push((json.message as { payload: unknown }).payload)
  }
  return got
}

test('the first event says what was recovered, and messages follow with their cursors', async () => {
  await using broker = await startBroker()
  await using stream = await openStream(broker.url, 'backend')
  const { status, headers } = stream.response
  expect(status).toBe(200)
  expect(headers.get('content-type')).toBe('text/event-stream')
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('x-accel-buffering')).toBe('no')
  const recovery = await stream.next('recovery')
  expect(stream.retry_ms).toBeWithin(2000, 5000)
  expect(recovery.json).toEqual({
    recovered: true,
    cursor: recovery.id,
    unread: 0,
    session_id: expect.any(String),
  })
  const message_id = await send(broker.url, 'backend', { q: 1 })
  const message = await stream.next('message')
  expect(message.json).toEqual({
    cursor: message.id,
    message: {
      message_id,
      sender_id: 'frontend',
      recipient_id: 'backend',
      payload: { q: 1 },
      sent_at: expect.any(String),
    },
  })
})

test('no payload can break out of its event', async () => {
  await using broker = await startBroker()
  await using stream = await openStream(broker.url, 'backend')
  await stream.next('recovery')
  const hostile = ['a\n\nevent: close\ndata: {}\n\n', 'b\r\rid: x\r\r', '\u2028\u2029\u0000\ufeff', 'ü😀']
  for (const payload of hostile) await send(broker.url, 'backend', payload)
  expect(await payloads(stream, hostile.length)).toEqual(hostile)
  expect(stream.events).toHaveLength(hostile.length + 1)
})

test('a stream opened late gets what waited, and every stream of a mailbox gets every message', async () => {
  await using broker = await startBroker()
  await send(broker.url, 'backend', 1)
  await using first = await openStream(broker.url, 'backend', 'ack=none')
  expect((await first.next('recovery')).json.unread).toBe(1)
  await using second = await openStream(broker.url, 'backend', 'ack=none')
  await second.next('recovery')
  await send(broker.url, 'backend', 2)
  expect(await payloads(first, 2)).toEqual([1, 2])
  expect(await payloads(second, 2)).toEqual([1, 2])
})

test('after a cut, the last id resumes with nothing missing', async () => {
  await using broker = await startBroker()
  let last_id: string
  {
    await using stream = await openStream(broker.url, 'backend')
    await stream.next('recovery')
    for (const payload of [1, 2, 3]) await send(broker.url, 'backend', payload)
    expect(await payloads(stream, 3)).toEqual([1, 2, 3])
    last_id = stream.events[2]!.id!
  }
  for (const payload of [4, 5]) await send(broker.url, 'backend', payload)
  // What was written after that id, acknowledged or not, comes again: here 3.
  await using stream = await openStream(broker.url, 'backend', `after=wrong:0`, { 'last-event-id': last_id })
  expect((await stream.next('recovery')).json).toMatchObject({ recovered: true, cursor: last_id })
  expect(await payloads(stream, 3)).toEqual([3, 4, 5])
})

test('a cursor whose history is lost says so, and gives what there is', async () => {
  await using broker = await startBroker({ history_messages_max: 2 })
  const { url } = broker
  const { body } = await call(url, 'POST', '/v1/sessions', { client_id: 'backend' })
  const start = body.cursor as string
  for (const payload of [1, 2, 3, 4, 5]) await send(url, 'backend', payload)
  await call(url, 'GET', '/v1/mailboxes/backend/messages')
  await until('what came before to be overwritten', async () => {
    const { body } = await call(url, 'GET', `/v1/mailboxes/backend/history?after=${start}`)
    return body.recovered ? undefined : true
  })
  await using evicted = await openStream(url, 'backend', `after=${start}`)
  const recovery = await evicted.next('recovery')
  expect(recovery.json.recovered).toBe(false)
  expect(recovery.id).toBe(start.replace(/:0$/, ':3'))
  expect(await payloads(evicted, 2)).toEqual([4, 5])
  await using foreign = await openStream(url, 'backend', 'after=anotherepoch:7')
  expect((await foreign.next('recovery')).json.recovered).toBe(false)
  expect(await payloads(foreign, 2)).toEqual([4, 5])
})

test('auto acknowledges what is written, manual leases it, none leaves it', async () => {
  await using broker = await startBroker()
  const { url } = broker
  const statusAfter = async (ack: string, expected: string) => {
    await using stream = await openStream(url, `reader-${ack}`, `ack=${ack}`)
    await stream.next('recovery')
    const id = await send(url, `reader-${ack}`, ack)
    await stream.next('message')
    const status = async () => (await call(url, 'GET', `/v1/messages/${id}`)).body.status
    await until(`${ack} to be ${expected}`, async () => (await status()) === expected || undefined)
    return id
  }
  await statusAfter('auto', 'acknowledged')
  await statusAfter('none', 'queued')
  const leased = await statusAfter('manual', 'delivered')
  const acked = await call(url, 'POST', '/v1/mailboxes/reader-manual/ack', { message_ids: [leased] })
  expect(acked.body).toEqual({ acknowledged: 1, unknown: [] })
})

test('receipts and sessions are told to whoever asked for them', async () => {
  await using broker = await startBroker()
  const { url } = broker
  await using stream = await openStream(url, 'frontend', 'receipts=true&sessions=true')
  await stream.next('recovery')
  await call(url, 'POST', '/v1/sessions', { client_id: 'backend', name: 'B' })
  expect((await stream.next('session')).json).toMatchObject({ client_id: 'backend', status: 'active' })
  const message_id = await send(url, 'backend', 1)
  await call(url, 'GET', '/v1/mailboxes/backend/messages')
  const receipt = await stream.next('receipt')
  expect(receipt.json).toEqual({ message_id, recipient_id: 'backend', status: 'acknowledged' })
  expect(receipt.id).toBeUndefined()
})

test('a quiet stream gets comments, and its session stays active by them', async () => {
  await using broker = await startBroker({
    stream_comment_seconds: 0.3,
    stale_seconds: 0.5,
    disconnected_seconds: 1,
  })
  await using stream = await openStream(broker.url, 'backend')
  await using watcher = await openStream(broker.url, 'watcher', 'sessions=true')
  await stream.next('recovery')
  await stream.until('five comments', () => stream.comments.length >= 5 || undefined)
  expect(watcher.events.filter(({ event, json }) => event === 'session' && json.status !== 'active')).toEqual(
    [],
  )
  await send(broker.url, 'backend', 'still here')
  expect(await payloads(stream, 1)).toEqual(['still here'])
})

test('when the client goes, its place is free and its mailbox read by nobody, at once', async () => {
  await using broker = await startBroker({ connections_max: 2 })
  const { hub } = broker.broker
  for (let round = 0; round < 20; round++) {
    await using one = await openStream(broker.url, 'a')
    await using two = await openStream(broker.url, 'b')
    await one.next('recovery')
    await two.next('recovery')
    expect(hub.subscription_count).toBe(2)
    const refused = await openStream(broker.url, 'c')
    expect(refused.response.status).toBe(503)
    expect(refused.response.headers.get('retry-after')).toBe('1')
    one.close()
    two.close()
    await until('both to be gone', () => hub.subscription_count === 0 || undefined)
  }
})

test('a stream whose client has gone while it was being opened leaves nothing', async () => {
  await using broker = await startBroker()
  const opened = Array.from({ length: 200 }, async (_, i) => {
    const leaving = new AbortController()
    const opening = fetch(`${broker.url}/v1/mailboxes/c${i % 7}/events`, { signal: leaving.signal })
    setTimeout(() => leaving.abort(), i % 10)
    await opening.then((response) => response.body?.cancel()).catch(() => undefined)
  })
  await Promise.all(opened)
  await until('all to be gone', async () => {
    const status = await fetch(`${broker.url}/v1/status`, { headers: { accept: 'application/json' } })
    const { connections, subscriptions } = (await status.json()) as Record<string, number>
    return (connections === 0 && subscriptions === 0) || undefined
  })
})

test('a newer session takes the address: the stream says so and ends', async () => {
  await using broker = await startBroker()
  await using stream = await openStream(broker.url, 'backend')
  await stream.next('recovery')
  await call(broker.url, 'POST', '/v1/sessions', { client_id: 'backend' })
  expect((await stream.next('close')).json).toMatchObject({ code: 'session_replaced', retryable: false })
  await stream.until('the end', () => stream.ended || undefined)
})

test('a stream whose session is ended says so and ends', async () => {
  await using broker = await startBroker({ stream_comment_seconds: 0.3 })
  await using stream = await openStream(broker.url, 'backend')
  const { json } = await stream.next('recovery')
  await call(broker.url, 'DELETE', `/v1/sessions/${json.session_id}`)
  expect((await stream.next('close')).json).toMatchObject({ code: 'session_ended' })
  await stream.until('the end', () => stream.ended || undefined)
})

test('a broker that stops tells every stream, spread over its drain time', async () => {
  await using broker = await startBroker({ drain_seconds: 0.4 })
  const streams = await Promise.all(Array.from({ length: 8 }, (_, i) => openStream(broker.url, `c${i}`)))
  for (const stream of streams) await stream.next('recovery')
  const began = performance.now()
  const ended = streams.map(async (stream) => {
    expect((await stream.next('close')).json).toMatchObject({ code: 'shutting_down', retryable: true })
    return performance.now() - began
  })
  await broker.stop()
  const times = await Promise.all(ended)
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(150)
})

test("a browser's EventSource reads it, and comes back by itself where it was", async () => {
  await using broker = await startBroker()
  // A relay, so that the cut is one of the network, which neither end meant.
  const { port } = new URL(broker.url)
  const relayed = new Set<() => void>()
  const relay = createServer((near) => {
    const far = connect(Number(port), '127.0.0.1')
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
    relayed.add(() => near.destroy())
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => relay.once('listening', resolve))
  const address = relay.address() as { port: number }
  const source = new EventSource(`http://127.0.0.1:${address.port}/v1/mailboxes/backend/events?ack=manual`)
  try {
    const recoveries: { recovered: boolean; cursor: string }[] = []
    const messages: { id: string; payload: unknown }[] = []
    source.addEventListener('recovery', ({ data }) => recoveries.push(JSON.parse(data)))
    source.onmessage = ({ data, lastEventId }) =>
      messages.push({ id: lastEventId, payload: JSON.parse(data).message.payload })
    await until('the stream', () => recoveries.length === 1 || undefined)
    for (const payload of [1, 2]) await send(broker.url, 'backend', payload)
    await until('two messages', () => messages.length === 2 || undefined)
    for (const cut of relayed) cut()
    await send(broker.url, 'backend', 3)
    await until('the stream again', () => recoveries.length === 2 || undefined, 8000)
    expect(recoveries[1]).toMatchObject({ recovered: true, cursor: messages[1]!.id })
    await until('the third', () => messages.find(({ payload }) => payload === 3))
    expect(new Set(messages.map(({ payload }) => payload))).toEqual(new Set([1, 2, 3]))
  } finally {
    source.close()
    relay.close()
  }
}, 15_000)

test('the first event is whole: no block of an event stream is a field alone', async () => {
  await using broker = await startBroker()
  const abort = new AbortController()
  const { body } = await fetch(`${broker.url}/v1/mailboxes/b/events`, { signal: abort.signal })
  const reader = body!.getReader()
  const text = new TextDecoder().decode((await reader.read()).value)
  abort.abort()
  const [first, rest] = text.split('\n\n')
  expect(first).toMatch(/^retry: \d{4}\nid: [a-z0-9]+:0\nevent: recovery\ndata: \{.*\}$/)
  expect(rest).toBe('')
})

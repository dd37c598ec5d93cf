import { expect, test } from 'bun:test'
import { startBroker, until } from '../../harness.ts'
import { openStream } from '../sse/reader.ts'
import { answerOf, call, RawSocket } from './client.ts'

test('health says live and ready, and leaves nothing behind', async () => {
  await using broker = await startBroker()
  const live = await call(broker.url, 'GET', '/health/live')
  expect(live.status).toBe(200)
  expect(live.body).toEqual({ status: 'live' })
  for (let asked = 0; asked < 50; asked++) {
    const ready = await call(broker.url, 'GET', '/health/ready')
    expect(ready.status).toBe(200)
    expect(ready.body).toEqual({ status: 'ready' })
  }
  expect(await broker.broker.engine.stats()).toEqual({
    clients: 0,
    pending: 0,
    leased: 0,
    history: 0,
    dead_letters: 0,
    stored_bytes: 0,
  })
  expect(broker.broker.counters).toMatchObject({ accepted: 0, acknowledged: 0 })
})

test('a broker that can store nothing more is live, not ready, and says why', async () => {
  await using broker = await startBroker({ stored_bytes_max: 300 })
  expect((await call(broker.url, 'GET', '/health/ready')).status).toBe(200)
  const payload = 'x'.repeat(100)
  await call(broker.url, 'POST', '/v1/messages', { sender_id: 'a', recipient_id: 'b', payload })
  const ready = await call(broker.url, 'GET', '/health/ready')
  expect(ready.status).toBe(503)
  expect(ready.body).toEqual({ status: 'not ready', detail: expect.stringContaining('stored_bytes_max') })
  expect((await call(broker.url, 'GET', '/health/live')).status).toBe(200)
})

test('a broker that has let go of those who wait is not ready, and begins no stream', async () => {
  await using broker = await startBroker()
  broker.broker.release()
  const ready = await call(broker.url, 'GET', '/health/ready')
  expect(ready.status).toBe(503)
  expect(ready.body).toEqual({ status: 'not ready', detail: 'The broker is shutting down.' })
  const stream = await call(broker.url, 'GET', '/v1/mailboxes/b/events')
  expect([stream.status, stream.body.code]).toEqual([503, 'shutting_down'])
})

test('a request on its way when the broker stops is answered, but begins no new wait', async () => {
  await using broker = await startBroker({ drain_seconds: 0.5 })
  await using stream = await openStream(broker.url, 'a')
  await stream.next('recovery')
  await using socket = await RawSocket.open(broker.url)
  const body = JSON.stringify({ sender_id: 'a', recipient_id: 'b', payload: 1, timeout: 60 })
  socket.write(
    `POST /v1/messages/wait HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 9)}`,
  )
  await call(broker.url, 'GET', '/health/ready')
  const stopped = broker.stop()
  socket.write(body.slice(9))
  await socket.until('the answer', () => socket.received.endsWith('}\n') || socket.closed)
  expect(socket.received).toStartWith('HTTP/1.1 503')
  expect(socket.received).toContain('"code":"shutting_down"')
  expect(socket.received.toLowerCase()).toContain('retry-after: 2\r\n')
  await stopped
})

test('a refusal is kept for one who is still writing when the broker stops', async () => {
  await using broker = await startBroker({ drain_seconds: 5 })
  await using socket = await RawSocket.open(broker.url)
  socket.write('POST /nowhere HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n')
  await call(broker.url, 'GET', '/health/ready')
  const stopped = broker.stop()
  socket.write('0\r\n\r\n')
  await socket.until('the answer', () => socket.received.endsWith('}\n') || socket.closed)
  expect(socket.received).toStartWith('HTTP/1.1 404')
  await stopped
})

test('health needs no key and no known name; everything else does', async () => {
  await using broker = await startBroker({ admin_key: 'a-key-of-the-operator' })
  const probe = { headers: { host: 'pod-7.cluster.example' } }
  for (const path of ['/health/live', '/health/ready'])
    expect((await fetch(broker.url + path, probe)).status).toBe(200)
  for (const path of ['/', '/metrics', '/openapi', '/openapi/json', '/v1/status', '/v1/identity', '/none']) {
    const response = await fetch(broker.url + path)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
    expect((await answerOf(response)).body.code).toBe('unauthenticated')
  }
})

test('the metrics count what has happened', async () => {
  await using broker = await startBroker()
  const { url } = broker
  const scrape = async () => {
    const response = await fetch(`${url}/metrics`)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
    )
  }
  for (const payload of [1, 2, 3])
    await call(url, 'POST', '/v1/messages', { sender_id: 'a', recipient_id: 'b', payload })
  await call(url, 'GET', '/v1/mailboxes/b/messages?limit=1')
  await call(url, 'GET', '/v1/mailboxes/b/messages?limit=1&ack=manual')
  await using stream = await openStream(url, 'c')
  await stream.next('recovery')
  const polling = fetch(`${url}/v1/mailboxes/d/messages?wait_seconds=30`)
  await until('the poll to wait', () => broker.broker.waiters.count === 1 || undefined)

  const metrics = await scrape()
  const expected: Record<string, number> = {
    mcp_broker_messages_accepted_total: 3,
    mcp_broker_messages_delivered_total: 2,
    mcp_broker_messages_acknowledged_total: 1,
    'mcp_broker_mailbox_messages{state="pending"}': 1,
    'mcp_broker_mailbox_messages{state="leased"}': 1,
    'mcp_broker_mailbox_messages{state="history"}': 1,
    'mcp_broker_messages_dead_total{reason="expired"}': 0,
    mcp_broker_connections: 1,
    mcp_broker_subscriptions: 1,
    mcp_broker_waiting_calls: 1,
    mcp_broker_clients: 4,
    'mcp_broker_info{version="0.1.0",stored="memory"}': 1,
  }
  for (const [name, value] of Object.entries(expected))
    expect([name, metrics.get(name)]).toEqual([name, value])
  expect(metrics.get('mcp_broker_process_resident_memory_bytes')).toBeGreaterThan(10_000_000)
  expect(metrics.get('mcp_broker_process_cpu_seconds_total{mode="user"}')).toBeGreaterThan(0)

  const again = await scrape()
  expect(again.get('mcp_broker_messages_accepted_total')).toBe(3)
  expect(again.size).toBe(metrics.size)
  await broker.stop()
  await polling
})

test('the status page comes as whoever asks likes it', async () => {
  await using broker = await startBroker()
  const { url } = broker
  await call(url, 'POST', '/v1/sessions', { client_id: 'evil', name: '<script>\u001b[31m\n' })
  const get = async (accept?: string) => {
    const response = await fetch(`${url}/v1/status`, accept === undefined ? {} : { headers: { accept } })
    expect(response.status).toBe(200)
    return { type: response.headers.get('content-type'), text: await response.text() }
  }
  const plain = await get()
  expect(plain.type).toBe('text/plain; charset=utf-8')
  expect(plain.text).toContain('mcp-broker 0.1.0')
  expect(plain.text).toContain('Sessions in project default: 1')
  expect(plain.text).toContain('evil')
  expect(plain.text).not.toContain('\u001b')

  const page = await get('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8')
  expect(page.type).toBe('text/html; charset=utf-8')
  expect(page.text).toContain('&lt;script&gt;')
  expect(page.text).not.toContain('<script')

  const json = JSON.parse((await get('application/json')).text) as Record<string, unknown>
  expect(json).toMatchObject({
    status: 'running',
    version: '0.1.0',
    stored: 'memory',
    sessions_total: 1,
    mailboxes: { clients: 1, pending: 0 },
  })
})

test('every answer in JSON ends its line, errors too', async () => {
  await using broker = await startBroker()
  const paths = [
    ...['/health/live', '/health/ready', '/v1/sessions', '/v1/status', '/openapi', '/openapi/json'],
    ...['/nowhere', '/v1/messages', '/v1/ws', '/v1/mailboxes/a%20b/events', '/v1/messages/none'],
  ]
  for (const path of paths) {
    const answer = await fetch(broker.url + path, { headers: { accept: 'application/json' } })
    expect(answer.headers.get('content-type')).toMatch(/^application\/(problem\+)?json$/)
    expect([path, (await answer.text()).slice(-2)]).toEqual([path, '}\n'])
  }
  const created = await fetch(`${broker.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"client_id":"a"}',
  })
  expect([created.status, (await created.text()).slice(-2)]).toEqual([201, '}\n'])
})

test('the root points to the doors, with links for a browser, and says how long mail is kept', async () => {
  await using broker = await startBroker({ ttl_seconds: 77 })
  const doors = ['/mcp', '/v1/ws', '/v1/mailboxes/{client_id}/events', '/openapi', '/health/ready']
  const text = await (await fetch(broker.url)).text()
  for (const door of doors) expect(text).toContain(door)
  const page = await (await fetch(broker.url, { headers: { accept: 'text/html' } })).text()
  for (const door of doors) expect(page).toContain(door)
  for (const shown of [text, page])
    expect(shown).toMatch(/is kept for 77 s,.* sent as .*message.* arrives as .*payload/)
  const links = [...page.matchAll(/href="([^"]+)"/g)].map((match) => match[1]!)
  expect(links).toContain('/openapi')
  for (const link of links) expect((await fetch(broker.url + link)).status).toBe(200)
})

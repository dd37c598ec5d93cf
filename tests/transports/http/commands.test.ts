import { expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import { COMMANDS_BY_NAME } from '../../../src/broker/commands/index.ts'
import { here, startBroker, until } from '../../harness.ts'
import { call, RawSocket } from './client.ts'

function expectOutput(command: string, body: unknown): void {
  expect([...Value.Errors(COMMANDS_BY_NAME.get(command)!.output, body)]).toEqual([])
}

test('a message goes round by plain HTTP: check in, send, read, acknowledge, ask', async () => {
  await using broker = await startBroker()
  const { url } = broker
  const checkin = await call(url, 'POST', '/v1/sessions', { client_id: 'backend', name: 'Backend' })
  expect(checkin.status).toBe(201)
  expectOutput('checkin_client', checkin.body)

  const sent = await call(url, 'POST', '/v1/messages', {
    sender_id: 'frontend',
    recipient_id: 'backend',
    payload: { q: [1, null, 'ü'] },
    headers: { trace: 'a' },
  })
  expect(sent.status).toBe(201)
  expectOutput('send_message', sent.body)
  expect(sent.body).toMatchObject({ status: 'queued', recipient_status: 'active', stored: 'memory' })

  const read = await call(url, 'GET', '/v1/mailboxes/backend/messages?ack=manual&limit=10')
  expect(read.status).toBe(200)
  expectOutput('get_messages', read.body)
  expect(read.headers.get('content-type')).toBe('application/json')
  expect(read.headers.get('cache-control')).toBe('no-store')
  const { message_id } = sent.body
  expect(read.body.messages).toEqual([
    {
      message_id,
      sender_id: 'frontend',
      recipient_id: 'backend',
      payload: { q: [1, null, 'ü'] },
      headers: { trace: 'a' },
      sent_at: expect.any(String),
    },
  ])

  const acked = await call(url, 'POST', '/v1/mailboxes/backend/ack', { message_ids: [message_id] })
  expect(acked.body).toEqual({ acknowledged: 1, unknown: [] })
  const found = await call(url, 'GET', `/v1/messages/${message_id}`)
  expectOutput('get_message_status', found.body)
  expect(found.body).toMatchObject({ message_id, status: 'acknowledged' })

  const ended = await call(url, 'DELETE', `/v1/sessions/${checkin.body.session_id}`)
  expect(ended.body).toMatchObject({ client_id: 'backend', status: 'disconnected' })
})

test('a POST without a body has no parameters but those of its path', async () => {
  await using broker = await startBroker()
  const { body } = await call(broker.url, 'POST', '/v1/sessions', { client_id: 'a' })
  const beat = await call(broker.url, 'POST', `/v1/sessions/${body.session_id}/heartbeat`)
  expect(beat.status).toBe(200)
  expectOutput('heartbeat', beat.body)
})

test('query parameters become what the schema wants, and lists are repeated names', async () => {
  await using broker = await startBroker()
  const { url } = broker
  await call(url, 'POST', '/v1/sessions', {
    client_id: 'a',
    capabilities: { features: ['review', 'build'] },
  })
  await call(url, 'POST', '/v1/sessions', { client_id: 'b', capabilities: { features: ['review'] } })
  const clients = async (query: string) => {
    const { status, body } = await call(url, 'GET', `/v1/sessions?${query}`)
    expect(status).toBe(200)
    return (body.sessions as { client_id: string }[]).map(({ client_id }) => client_id).sort()
  }
  expect(await clients('capability_filter=review&limit=1')).toHaveLength(1)
  expect(await clients('capability_filter=review')).toEqual(['a', 'b'])
  expect(await clients('capability_filter=review&capability_filter=build')).toEqual(['a'])
  expect(await clients('status_filter=active&status_filter=stale')).toEqual(['a', 'b'])
  expect(await clients('status_filter=stale&project=default')).toEqual([])
  const json = (filter: unknown) => `capability_filter=${encodeURIComponent(JSON.stringify(filter))}`
  expect(await clients(json({ features: ['build'] }))).toEqual(['a'])
  expect(await clients(json(['review']))).toEqual(['a', 'b'])
  await call(url, 'POST', '/v1/sessions', { client_id: 'c', capabilities: { features: ['[wip]'] } })
  expect(await clients('capability_filter=[wip]')).toEqual(['c'])
})

test('what a client can do is bounded', async () => {
  await using broker = await startBroker()
  const checkin = (chars: number) => {
    const features = Array.from({ length: 40 }, () => 'x'.repeat(chars / 40))
    return call(broker.url, 'POST', '/v1/sessions', { client_id: 'a', capabilities: { features } })
  }
  const refused = await checkin(4800)
  expect([refused.status, refused.body.field]).toEqual([400, '/capabilities'])
  expect((await checkin(3600)).status).toBe(201)
})

test('an address with signs that URLs escape is the same address', async () => {
  await using broker = await startBroker()
  await call(broker.url, 'POST', '/v1/messages', { sender_id: 'x', recipient_id: 'a:b@c', payload: 1 })
  const { body } = await call(broker.url, 'GET', '/v1/mailboxes/a%3Ab%40c/messages')
  expect(body.messages).toHaveLength(1)
})

test('a long poll ends with the message it waited for', async () => {
  await using broker = await startBroker()
  const polling = call(broker.url, 'GET', '/v1/mailboxes/backend/messages?wait_seconds=30')
  await until('the poll to wait', () => broker.broker.waiters.count === 1 || undefined)
  await call(broker.url, 'POST', '/v1/messages', { sender_id: 'x', recipient_id: 'backend', payload: 'hi' })
  const { body } = await polling
  expect(body.messages).toMatchObject([{ payload: 'hi' }])
})

test('an ask over HTTP is answered by the reply', async () => {
  await using broker = await startBroker()
  const { url } = broker
  const asking = call(url, 'POST', '/v1/messages/wait', {
    sender_id: 'asker',
    recipient_id: 'oracle',
    message: '6 × 7?',
    timeout: 30,
  })
  const { body: mail } = await call(url, 'GET', '/v1/mailboxes/oracle/messages?wait_seconds=5')
  const [question] = mail.messages as { message_id: string }[]
  await call(url, 'POST', '/v1/messages', {
    sender_id: 'oracle',
    recipient_id: 'asker',
    in_reply_to: question!.message_id,
    payload: 42,
  })
  const answer = await asking
  expectOutput('send_message_and_wait', answer.body)
  expect(answer.body).toMatchObject({ timed_out: false, reply: { payload: 42 } })
})

test('a caller that has gone from its long poll takes no message with it', async () => {
  await using broker = await startBroker()
  const leaving = new AbortController()
  const polling = fetch(`${broker.url}/v1/mailboxes/backend/messages?wait_seconds=60`, {
    signal: leaving.signal,
  }).catch((error: Error) => error.name)
  await until('the poll to wait', () => broker.broker.waiters.count === 1 || undefined)
  leaving.abort()
  expect(await polling).toBe('AbortError')
  await until('the broker to notice', () => broker.broker.waiters.count === 0 || undefined)
  await call(broker.url, 'POST', '/v1/messages', { sender_id: 'x', recipient_id: 'backend', payload: 1 })
  const { body } = await call(broker.url, 'GET', '/v1/mailboxes/backend/messages')
  expect(body.messages).toMatchObject([{ payload: 1 }])
})

test('HEAD does not read a mailbox', async () => {
  await using broker = await startBroker()
  await call(broker.url, 'POST', '/v1/messages', { sender_id: 'x', recipient_id: 'backend', payload: 1 })
  const head = await fetch(`${broker.url}/v1/mailboxes/backend/messages`, { method: 'HEAD' })
  expect(head.status).toBe(405)
  expect(head.headers.get('allow')).toBe('GET')
  const { body } = await call(broker.url, 'GET', '/v1/mailboxes/backend/messages')
  expect(body.messages).toHaveLength(1)
})

test('whoever waits when the broker stops gets an answer', async () => {
  await using broker = await startBroker()
  const polling = call(broker.url, 'GET', '/v1/mailboxes/backend/messages?wait_seconds=60')
  await until('the poll to wait', () => broker.broker.waiters.count === 1 || undefined)
  await broker.stop()
  const { status, body } = await polling
  expect(status).toBe(200)
  expect(body.messages).toEqual([])
})

test('pipelined requests are answered in their order', async () => {
  // Bun does not take a request while an earlier one of its connection is unanswered.
  await using broker = await startBroker({}, here)
  await using socket = await RawSocket.open(broker.url)
  const payloads = [1, 2, 3, 4, 5]
  const requests = payloads.map((payload) => {
    const body = JSON.stringify({ sender_id: 'x', recipient_id: 'y', payload })
    return `POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  })
  socket.write(requests.join(''))
  await socket.until('five answers', () => socket.received.split('HTTP/1.1 201').length === 6)
  const { body } = await call(broker.url, 'GET', '/v1/mailboxes/y/messages')
  expect((body.messages as { payload: number }[]).map(({ payload }) => payload)).toEqual(payloads)
})

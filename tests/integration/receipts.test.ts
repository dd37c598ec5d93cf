import { expect, test } from 'bun:test'
import { startBroker, until } from '../harness.ts'
import { call } from '../transports/http/client.ts'
import { WsClient } from '../ws-client.ts'

/** Asks over HTTP, and waits for a reply. */
function ask(url: string, message: string, timeout = 5) {
  return call(url, 'POST', '/v1/messages/wait', { sender_id: 'asker', recipient_id: 'b', message, timeout })
}

test('beside a reply the receipt says that the question was delivered, or acknowledged', async () => {
  await using broker = await startBroker()
  const b = await WsClient.checkedIn(broker.url, 'b')
  const statuses: unknown[] = []
  for (const ack of ['auto', 'manual', 'none']) {
    const asking = ask(broker.url, ack)
    const read = await b.call<{ messages: { message_id: string }[] }>('get_messages', {
      ack,
      wait_seconds: 5,
    })
    const in_reply_to = read.messages[0]!.message_id
    await b.call('send_message', { recipient_id: 'asker', message: 'yes', in_reply_to })
    const { body } = await asking
    expect(body).toMatchObject({ message_id: in_reply_to, timed_out: false, reply: { payload: 'yes' } })
    statuses.push(body.status)
    await b.call('ack_messages', { message_ids: [in_reply_to] })
  }
  expect(statuses).toEqual(['acknowledged', 'delivered', 'delivered'])
})

test('a reply that was handed over counts as delivered once', async () => {
  await using broker = await startBroker()
  const b = await WsClient.checkedIn(broker.url, 'b')
  const asking = ask(broker.url, 'q')
  const read = await b.call<{ messages: { message_id: string }[] }>('get_messages', { wait_seconds: 5 })
  const in_reply_to = read.messages[0]!.message_id
  const { message_id } = await b.call('send_message', { recipient_id: 'asker', message: 'yes', in_reply_to })
  await asking
  expect(await b.call('get_message_status', { message_id })).toMatchObject({
    recipients: [{ status: 'acknowledged', attempts: 1 }],
  })
})

test('where no reply came the receipt says whether the question was read, or has bounced', async () => {
  await using broker = await startBroker()
  expect((await ask(broker.url, 'unread', 0.01)).body).toMatchObject({ timed_out: true, status: 'queued' })
  const b = await WsClient.connect(broker.url)
  const asking = ask(broker.url, 'read', 0.3)
  await until('the wait', () => (broker.broker.waiters.count === 1 ? true : undefined))
  await b.call('get_messages', { client_id: 'b' })
  expect((await asking).body).toMatchObject({ timed_out: true, status: 'acknowledged' })
  const dies = { sender_id: 'asker', recipient_id: 'c', message: 'x', ttl_seconds: 0.05, timeout: 0.4 }
  expect((await call(broker.url, 'POST', '/v1/messages/wait', dies)).body).toMatchObject({
    status: 'queued',
    timed_out: false,
    reply: { sender_id: 'mcp-broker', payload: { bounce: 'expired' } },
  })
})

test('what is read live is not bounced as expired, however soon it expires', async () => {
  await using broker = await startBroker()
  const sender = await WsClient.checkedIn(broker.url, 'a')
  const reader = await WsClient.checkedIn(broker.url, 'b')
  await reader.call('subscribe')
  // The first is probed at once; those that follow would have to wait their turn.
  const ids: unknown[] = []
  for (let n = 1; n <= 10; n++) {
    const { message_id } = await sender.call('send_message', {
      recipient_id: 'b',
      payload: n,
      ttl_seconds: 0.25,
    })
    ids.push(message_id)
    await reader.received(n)
  }
  for (const message_id of ids)
    await until('its acknowledgement', async () => {
      const { status } = await sender
        .call('get_message_status', { message_id })
        .catch(() => ({ status: 'gone' }))
      return status === 'acknowledged' || status === 'gone' || undefined
    })
  expect(await sender.call('list_dead_letters')).toMatchObject({ total: 0 })
  expect(broker.broker.counters.dead.expired).toBe(0)
})

test('a number that cannot be kept as it was written is refused by name, at every door', async () => {
  await using broker = await startBroker()
  const body = '{"sender_id": "a", "recipient_id": "b", "payload": {"ids": [1, 12345678901234567890]}}'
  const headers = { 'content-type': 'application/json' }
  const http = await fetch(`${broker.url}/v1/messages`, { method: 'POST', headers, body })
  expect([http.status, await http.json()]).toMatchObject([
    400,
    { code: 'invalid_params', field: '/payload/ids/1', next: 'Write it as a text.' },
  ])
  const socket = await WsClient.connect(broker.url)
  socket.send(
    `{"jsonrpc":"2.0","id":"n","method":"send_message","params":${body.replace(/\d{20}/, '1e999')}}`,
  )
  const frame = await until('the refusal', () => socket.notifications.find(({ id }) => id === 'n'))
  expect(frame.error?.data).toMatchObject({ code: 'invalid_params', field: '/payload/ids/1' })
  expect(await socket.call('get_messages', { client_id: 'b' })).toMatchObject({ messages: [] })
})

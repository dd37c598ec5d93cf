import { describe, expect, test } from 'bun:test'
import type { ErrorCode } from '../../src/core/errors.ts'
import { here, startBroker, until } from '../harness.ts'
import { RawWs } from '../raw-ws.ts'
import { agent } from '../transports/mcp/client.ts'
import { refusal, WsClient } from '../ws-client.ts'

test('a poll that only looks does not keep another from the message', async () => {
  // Elsewhere the other may be first, and nothing is left to look at.
  await using broker = await startBroker({}, here)
  const sender = await WsClient.checkedIn(broker.url, 'a')
  const looker = await WsClient.connect(broker.url)
  const taker = await WsClient.connect(broker.url)
  const looking = looker.call('get_messages', { client_id: 'b', ack: 'none', wait_seconds: 5 })
  const taking = taker.call('get_messages', { client_id: 'b', wait_seconds: 5 })
  await until('both to wait', () => (broker.broker.waiters.count === 2 ? true : undefined))
  await sender.call('send_message', { recipient_id: 'b', message: 'x' })
  expect(await looking).toMatchObject({ messages: [{ payload: 'x' }] })
  expect(await taking).toMatchObject({ messages: [{ payload: 'x' }] })
})

test('asking again with the same idempotency_key finds the reply that came meanwhile', async () => {
  await using broker = await startBroker()
  const asker = await WsClient.checkedIn(broker.url, 'a')
  const other = await WsClient.checkedIn(broker.url, 'b')
  const ask = { recipient_id: 'b', message: 'q', idempotency_key: 'once', timeout: 0.01 }
  const first = await asker.call('send_message_and_wait', ask)
  expect(first).toMatchObject({ timed_out: true })
  await other.call('send_message', { recipient_id: 'a', message: 'r', in_reply_to: first.message_id })
  const again = await asker.call('send_message_and_wait', { ...ask, timeout: 5 })
  expect(again).toMatchObject({ timed_out: false, message_id: first.message_id, reply: { payload: 'r' } })
  expect(await other.call('get_messages')).toMatchObject({ messages: [{ payload: 'q' }], remaining: 0 })
  const third = asker.call('send_message_and_wait', { ...ask, timeout: 5 })
  await until('the wait', () => (broker.broker.waiters.count === 1 ? true : undefined))
  await other.call('send_message', { recipient_id: 'a', message: 's', in_reply_to: first.message_id })
  expect(await third).toMatchObject({ timed_out: false, reply: { payload: 's' } })
})

test('a reader whose mail another acknowledged, and history lost, is told so and not skipped ahead', async () => {
  await using broker = await startBroker({ history_messages_max: 2 })
  const sender = await WsClient.checkedIn(broker.url, 'a')
  const slow = await RawWs.connect(broker.url)
  slow.send({ jsonrpc: '2.0', id: 1, method: 'subscribe', params: { client_id: 'b', ack: 'none' } })
  await until('the subscription', () => slow.frames().texts.find((text) => text.includes('recovered')))
  slow.pause()
  const payload = 'x'.repeat(100_000)
  const fast = await WsClient.connect(broker.url)
  for (let n = 0; n < 200; n++) {
    await sender.call('send_message', { recipient_id: 'b', payload })
    await fast.call('get_messages', { client_id: 'b' })
  }
  slow.resume()
  expect(await until('the close', () => slow.frames().close_code)).toBe(3008)
})

test('a session that lost the address while it waited takes nothing that is for the newer one', async () => {
  await using broker = await startBroker()
  await using older = await agent('2025', broker, 'a')
  const waiting = older.call('get_messages', { wait_seconds: 20 })
  await until('the wait', () => (broker.broker.waiters.count === 1 ? true : undefined))
  const newer = await WsClient.checkedIn(broker.url, 'a')
  await newer.call('send_message', { recipient_id: 'a', message: 'for the newer' })
  expect((await waiting).isError).toBe(true)
  expect(await newer.call('get_messages')).toMatchObject({ messages: [{ payload: 'for the newer' }] })
})

test('a message that comes again is no reply to what was asked after it was sent', async () => {
  await using broker = await startBroker()
  const asker = await WsClient.checkedIn(broker.url, 'a')
  const other = await WsClient.checkedIn(broker.url, 'b')
  await other.call('send_message', { recipient_id: 'a', message: 'from before' })
  await asker.call('get_messages', { ack: 'manual' })
  const asking = asker.call('send_message_and_wait', { recipient_id: 'b', message: 'q', timeout: 20 })
  await until('the wait', () => (broker.broker.waiters.count === 1 ? true : undefined))
  expect(await asker.call('nack_messages')).toMatchObject({ returned: 1 })
  await other.call('send_message', { recipient_id: 'a', message: 'the reply' })
  expect(await asking).toMatchObject({ timed_out: false, reply: { payload: 'the reply' } })
  expect(await asker.call('get_messages')).toMatchObject({ messages: [{ payload: 'from before' }] })
})

test('where the oldest is dropped, one new message drops one, however full the mailbox of its sender', async () => {
  await using broker = await startBroker({ mailbox_overflow: 'drop_oldest', mailbox_messages_max: 3 })
  const a = await WsClient.checkedIn(broker.url, 'a')
  const b = await WsClient.checkedIn(broker.url, 'b')
  for (let payload = 0; payload < 3; payload++) {
    await a.call('send_message', { recipient_id: 'b', payload })
    await b.call('send_message', { recipient_id: 'a', payload })
  }
  await b.call('send_message', { recipient_id: 'a', payload: 3 })
  for (let payload = 0; payload < 4; payload++)
    await a.call('send_message', { sender_id: 'a', recipient_id: 'a', payload: payload + 4 })
  expect(await a.call('get_messages')).toMatchObject({ messages: [5, 6, 7].map((payload) => ({ payload })) })
  expect(await b.call('get_messages')).toMatchObject({ messages: [0, 1, 2].map((payload) => ({ payload })) })
  expect(await a.call('list_dead_letters')).toMatchObject({ total: 5 })
})

test('an idempotency_key is for one message: the same gets its first receipt, any other is refused', async () => {
  await using broker = await startBroker()
  const sender = await WsClient.checkedIn(broker.url, 'a')
  const said = { recipient_id: 'b', payload: { x: 1, y: [{ p: 1, q: 2 }] }, idempotency_key: 'k' }
  const first = await sender.call('send_message', said)
  const same = [
    said,
    { ...said, payload: { y: [{ q: 2, p: 1 }], x: 1 } },
    { ...said, headers: {}, priority: 'normal', ttl_seconds: 300 },
  ]
  for (const again of same)
    expect(await sender.call('send_message', again)).toEqual({
      ...first,
      warnings: expect.arrayContaining(['This idempotency_key was used before: nothing was sent anew.']),
    })
  const others = [
    { payload: { x: 2, y: [{ p: 1, q: 2 }] } },
    { payload: { x: 1, y: [{ p: 1, q: 2 }, 3] } },
    { headers: { trace: '1' } },
    { priority: 'high' },
    { ttl_seconds: 299 },
    { in_reply_to: 'm1' },
    { protocol_name: 'chat' },
    { protocol_version: '1.0.0' },
  ]
  for (const other of others)
    expect(await refusal(sender.call('send_message', { ...said, ...other }))).toBe('idempotency_conflict')
  const reader = await WsClient.connect(broker.url)
  expect(await reader.call('get_messages', { client_id: 'b' })).toMatchObject({
    messages: [{ payload: { x: 1 } }],
    remaining: 0,
  })

  const all = { message: 'all', capability_filter: 'review', idempotency_key: 'all' }
  await reader.call('checkin_client', { client_id: 'r', capabilities: { features: ['review'] } })
  const sent = await sender.call('broadcast_message', all)
  const spelled = { ...all, capability_filter: { features: ['review'] } }
  expect(await sender.call('broadcast_message', spelled)).toMatchObject({ message_id: sent.message_id })
  for (const capability_filter of [undefined, 'test', { features: ['review', 'test'] }])
    expect(await refusal(sender.call('broadcast_message', { ...spelled, capability_filter }))).toBe(
      'idempotency_conflict',
    )
})

test('an idempotency_key used for one recipient is refused for another, and for a broadcast', async () => {
  await using broker = await startBroker()
  const sender = await WsClient.checkedIn(broker.url, 'a')
  await WsClient.checkedIn(broker.url, 'b')
  const { message_id } = await sender.call('send_message', {
    recipient_id: 'b',
    message: 'x',
    idempotency_key: 'k',
  })
  const again = sender.call('send_message', { recipient_id: 'b', message: 'x', idempotency_key: 'k' })
  expect(await again).toMatchObject({ message_id, warnings: [expect.stringContaining('used before')] })
  const other = sender.call('send_message', { recipient_id: 'c', message: 'x', idempotency_key: 'k' })
  expect(await refusal(other)).toBe('idempotency_conflict')
  const toAll = sender.call('broadcast_message', { message: 'x', idempotency_key: 'k' })
  expect(await refusal(toAll)).toBe('idempotency_conflict')
  await sender.call('broadcast_message', { message: 'to all', idempotency_key: 'all' })
  const direct = sender.call('send_message', { recipient_id: 'b', message: 'x', idempotency_key: 'all' })
  expect(await refusal(direct)).toBe('idempotency_conflict')
})

test('what one asks oneself is no answer to itself', async () => {
  await using broker = await startBroker()
  const own = await WsClient.checkedIn(broker.url, 'a')
  const asking = own.call('send_message_and_wait', { recipient_id: 'a', message: 'me?', timeout: 20 })
  const asked = await until('the question', async () => {
    const { messages } = await own.call<{ messages: { message_id: string }[] }>('get_messages')
    return messages[0]
  })
  await own.call('send_message', { recipient_id: 'a', message: 'yes', in_reply_to: asked.message_id })
  expect(await asking).toMatchObject({ timed_out: false, reply: { payload: 'yes' } })
})

test('one who asked, and lost the address while it waited, takes nothing that is for the newer one', async () => {
  await using broker = await startBroker()
  await using older = await agent('2025', broker, 'a')
  const other = await WsClient.checkedIn(broker.url, 'b')
  const asking = older.call('send_message_and_wait', { recipient_id: 'b', message: 'q', timeout: 3000 })
  await until('the wait', () => (broker.broker.waiters.count === 1 ? true : undefined))
  const newer = await WsClient.checkedIn(broker.url, 'a')
  await other.call('send_message', { recipient_id: 'a', message: 'for the newer' })
  expect((await asking).isError).toBe(true)
  expect(await newer.call('get_messages')).toMatchObject({ messages: [{ payload: 'for the newer' }] })
})

describe.each(['get_messages', 'send_message_and_wait'])('one who waits in %s', (method) => {
  const waiting = { get_messages: { wait_seconds: 3000 }, send_message_and_wait: { timeout: 3000 } }[method]
  const ask = method === 'get_messages' ? {} : { recipient_id: 'b', message: 'q' }

  test.each([
    ['has another address by now', 'checkin_client', { client_id: 'elsewhere' }, 'session_replaced'],
    ['has left', 'disconnect_session', {}, 'session_ended'],
  ])('and %s takes nothing that is for the newer holder', async (_, leave, params, code) => {
    await using broker = await startBroker()
    const older = await WsClient.checkedIn(broker.url, 'a')
    const other = await WsClient.checkedIn(broker.url, 'b')
    const wait = refusal(older.call(method, { ...ask, ...waiting }))
    await until('the wait', () => (broker.broker.waiters.count === 1 ? true : undefined))
    await older.call(leave, params)
    const newer = await WsClient.checkedIn(broker.url, 'a')
    expect(await wait).toBe(code as ErrorCode)
    expect(broker.broker.waiters.count).toBe(0)
    await other.call('send_message', { recipient_id: 'a', message: 'for the newer' })
    expect(await newer.call('get_messages')).toMatchObject({ messages: [{ payload: 'for the newer' }] })
  })
})

test('one who asks and leaves in the same frame does not wait', async () => {
  await using broker = await startBroker()
  await WsClient.checkedIn(broker.url, 'b')
  const raw = await RawWs.connect(broker.url)
  raw.send([
    { jsonrpc: '2.0', id: 1, method: 'checkin_client', params: { client_id: 'a' } },
    { jsonrpc: '2.0', id: 2, method: 'send_message_and_wait', params: { recipient_id: 'b', message: 'q' } },
    { jsonrpc: '2.0', id: 3, method: 'disconnect_session', params: {} },
  ])
  await until('the refusal', () => raw.frames().texts.join().includes('session_ended') || undefined)
  expect(broker.broker.waiters.count).toBe(0)
})

test('a receipt names what is near to a name that nobody has; a flood of such names goes without', async () => {
  await using broker = await startBroker()
  await WsClient.checkedIn(broker.url, 'backend')
  const sender = await WsClient.checkedIn(broker.url, 'a')
  const send = async (recipient_id: string) => {
    const { warnings } = await sender.call<{ warnings: string[] }>('send_message', {
      recipient_id,
      message: 'x',
    })
    return warnings.join()
  }
  const waits = 'Nobody has checked in as "bakcend" yet; the message waits there.'
  for (let i = 0; i < 2; i++) expect(await send('bakcend')).toBe(`${waits} Near names: backend.`)
  const floods = await Promise.all(Array.from({ length: 500 }, (_, i) => send(`backend-${i}`)))
  const hinted = floods.filter((warning) => warning.includes('Near names: '))
  expect(hinted.length).toBeWithin(90, 301)
})

test('every message that is stored is counted, and every one that is read', async () => {
  await using broker = await startBroker()
  const a = await WsClient.checkedIn(broker.url, 'a')
  const b = await WsClient.checkedIn(broker.url, 'b')
  const { counters } = broker.broker
  await a.call('send_message', { recipient_id: 'b', message: 'x', ttl_seconds: 0.001 })
  await until('the bounce', () => (counters.dead.expired === 1 ? true : undefined))
  expect(counters).toMatchObject({ accepted: 2, delivered: 0 })
  expect(await a.call('requeue_dead_letters')).toMatchObject({ requeued: 1 })
  expect(counters.accepted).toBe(3)
  const asking = a.call('send_message_and_wait', { recipient_id: 'b', message: 'q', timeout: 20 })
  await until('the wait', () => (broker.broker.waiters.count === 1 ? true : undefined))
  await b.call('send_message', { recipient_id: 'a', message: 'r' })
  await asking
  expect(counters.delivered).toBe(1)
})

test('a stateless caller that names itself is told who it is', async () => {
  await using broker = await startBroker()
  const nobody = await WsClient.connect(broker.url)
  expect(await nobody.call('get_my_identity')).not.toHaveProperty('client_id')
  await WsClient.checkedIn(broker.url, 'b')
  expect(await nobody.call('get_my_identity', { client_id: 'b' })).toMatchObject({
    client_id: 'b',
    status: 'active',
  })
})

test('a project that does not exist closes with 3500', async () => {
  await using broker = await startBroker()
  const socket = new WebSocket(`${broker.url.replace('http', 'ws')}/v1/ws?project=other`)
  const closed = await new Promise<CloseEvent>((resolve) => {
    socket.onclose = resolve
  })
  expect([closed.code, closed.reason]).toEqual([3500, 'forbidden'])
})

test('one that only looks goes on seeing what comes after a message was given back', async () => {
  await using broker = await startBroker()
  const owner = await WsClient.checkedIn(broker.url, 'r')
  const looker = await WsClient.connect(broker.url)
  await looker.call('subscribe', { client_id: 'r', ack: 'none' })
  const sender = await WsClient.checkedIn(broker.url, 'a')
  await sender.call('send_message', { recipient_id: 'r', message: '1' })
  await looker.received(1)
  await owner.call('get_messages', { ack: 'manual' })
  await owner.call('nack_messages')
  for (const message of ['2', '3']) await sender.call('send_message', { recipient_id: 'r', message })
  expect((await looker.received(3)).map(({ message }) => message.payload)).toEqual(['1', '2', '3'])
})

test('without any history, who asks is still sent the reply on its own subscription', async () => {
  await using broker = await startBroker({ history_messages_max: 0 })
  const asker = await WsClient.checkedIn(broker.url, 'asker')
  await asker.call('subscribe')
  const helper = await WsClient.checkedIn(broker.url, 'helper')
  await helper.call('subscribe')
  for (let round = 1; round <= 20; round++) {
    const asked = asker.call('send_message_and_wait', { recipient_id: 'helper', message: 'q', timeout: 5 })
    const [{ message }] = (await helper.received(round)).slice(-1) as [(typeof helper.messages)[number]]
    await helper.call('send_message', {
      recipient_id: 'asker',
      message: 'a',
      in_reply_to: message.message_id,
    })
    expect(await asked).toMatchObject({ timed_out: false, reply: { payload: 'a' } })
    await asker.received(round)
  }
})

test('without any history, an event stream leaves what it reads to others who look', async () => {
  await using broker = await startBroker({ history_messages_max: 0 })
  const sender = await WsClient.checkedIn(broker.url, 'a')
  await WsClient.checkedIn(broker.url, 'r')
  const events = await fetch(`${broker.url}/v1/mailboxes/r/events`)
  const looker = await WsClient.connect(broker.url)
  await looker.call('subscribe', { client_id: 'r', ack: 'none' })
  for (let n = 1; n <= 50; n++) await sender.call('send_message', { recipient_id: 'r', message: String(n) })
  expect((await looker.received(50)).length).toBe(50)
  await events.body?.cancel()
})

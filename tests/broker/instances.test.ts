import { expect, test } from 'bun:test'
import { startBroker, until } from '../harness.ts'
import { SharedEngine } from '../shared-engine.ts'
import { slowEngine } from '../slow-engine.ts'
import { WsClient } from '../ws-client.ts'

/** Two looks a second apart, and time for a machine that is busy. */
const FOUND_MS = 8000

/** Two brokers over one engine that is elsewhere. @param forgets which events the second one never hears of */
async function twoBrokers(forgets: (event: string) => boolean) {
  const shared = new SharedEngine()
  let calls = 0
  const turns = () => calls++ % 3
  const first = await startBroker({}, () => slowEngine(shared.join(), { turns, forgets: () => false }))
  const second = await startBroker({}, () => slowEngine(shared.join(), { turns, forgets }))
  return {
    first,
    second,
    async [Symbol.asyncDispose]() {
      await first.stop()
      await second.stop()
    },
  }
}

const settled = (client: WsClient, count: number) =>
  until(`${count} messages`, () => (client.messages.length >= count ? true : undefined), FOUND_MS)

test('a message whose announcement was lost comes by the second look', async () => {
  await using brokers = await twoBrokers((event) => event === 'announced')
  const reader = await WsClient.checkedIn(brokers.second.url, 'reader')
  await reader.call('subscribe', {})
  const sender = await WsClient.checkedIn(brokers.first.url, 'sender')
  // The first look at an address has its readers look, whatever was lost.
  await until('a first look', () => brokers.second.broker.following.of(AT)?.told && true, FOUND_MS)
  await sender.call('send_message', { recipient_id: 'reader', message: 'one' })
  await settled(reader, 1)
  expect(brokers.second.broker.lookout.found).toBe(1)
  await sender.call('send_message', { recipient_id: 'reader', message: 'two' })
  await settled(reader, 2)
  expect(reader.messages.map(({ message }) => message.payload)).toEqual(['one', 'two'])
}, 20_000)

const AT = { project: 'default', client_id: 'reader' }

test('a connection whose session was replaced elsewhere is closed, though nobody has said so', async () => {
  await using brokers = await twoBrokers((event) => event === 'session')
  const before = await WsClient.checkedIn(brokers.second.url, 'worker')
  await WsClient.checkedIn(brokers.first.url, 'worker')
  const { code } = await until('the older one to be closed', () => before.closed, FOUND_MS)
  expect(code).toBe(3503)
}, 20_000)

test('a question is answered on one broker by a reply on the other, though its announcement was lost', async () => {
  await using brokers = await twoBrokers((event) => event === 'announced')
  const answers = await WsClient.checkedIn(brokers.first.url, 'answers')
  await answers.call('subscribe', {})
  const asks = await WsClient.checkedIn(brokers.second.url, 'asks')
  const answer = asks.call<{ timed_out: boolean; reply: { payload: unknown } }>('send_message_and_wait', {
    recipient_id: 'answers',
    message: 'how?',
    timeout: 30,
  })
  await settled(answers, 1)
  const { message_id } = answers.messages[0]!.message
  await answers.call('send_message', { recipient_id: 'asks', message: 'so', in_reply_to: message_id })
  expect(await answer).toMatchObject({ timed_out: false, reply: { payload: 'so' } })
}, 20_000)

test('what one broker did is counted by that one alone', async () => {
  await using brokers = await twoBrokers(() => false)
  const { first, second } = brokers
  const reader = await WsClient.checkedIn(second.url, 'reader')
  await reader.call('subscribe', { ack: 'manual' })
  const sender = await WsClient.checkedIn(first.url, 'sender')
  for (const message of ['one', 'two']) await sender.call('send_message', { recipient_id: 'reader', message })
  await settled(reader, 2)
  await reader.call('nack_messages', { message_ids: [reader.messages[0]!.message.message_id] })
  await settled(reader, 3)
  await reader.call('ack_messages', {})
  await sender.call('send_message', { recipient_id: 'away', message: 'x', ttl_seconds: 0.01 })
  const sum = (count: (of: typeof first.broker.counters) => number) =>
    count(first.broker.counters) + count(second.broker.counters)
  await until('the death', () => sum(({ dead }) => dead.expired) > 0 || undefined)
  // Whatever was told late has been told by the time that this comes back.
  await sender.call('list_sessions')
  await reader.call('list_sessions')
  expect([
    sum(({ acknowledged }) => acknowledged),
    sum(({ redelivered }) => redelivered),
    sum(({ dead }) => dead.expired),
    // With the bounce.
    sum(({ accepted }) => accepted),
  ]).toEqual([2, 1, 1, 4])
})

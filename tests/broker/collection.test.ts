import { expect, test } from 'bun:test'
import { collectsWhenQuiet } from '../../src/broker/collection.ts'
import { startBroker, until } from '../harness.ts'
import { WsClient } from '../ws-client.ts'

test('garbage is collected once when much was let go of, and not under load', async () => {
  await using app = await startBroker({ dead_letters_max: 1 })
  const { broker } = app
  const client = await WsClient.checkedIn(app.url, 'sender')
  const stored = async () => (await broker.engine.stats()).stored_bytes
  const send = async (messages: number, payload: string, ttl_seconds: number) => {
    for (let i = 0; i < messages; i++)
      await client.call('send_message', { recipient_id: `reader-${i}`, payload, ttl_seconds })
  }
  const burst = () => send(20, 'x'.repeat(600_000), 1)
  const expired = () => until('the burst to expire', async () => (await stored()) < 2e6 || undefined)
  let collected = 0
  const look = collectsWhenQuiet(broker, () => collected++)

  await burst()
  await look()
  expect(collected).toBe(0)
  await expired()
  await look()
  await look()
  expect(collected).toBe(1)

  await burst()
  await look()
  await expired()
  await send(101, 'small', 60)
  await look()
  expect(collected).toBe(1)
  await look()
  expect(collected).toBe(2)
})

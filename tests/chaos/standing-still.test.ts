import { expect, test } from 'bun:test'
import { until } from '../harness.ts'
import { RedisServer } from '../redis/redis-server.ts'
import { WsClient } from '../ws-client.ts'
import { Fleet } from './fleet.ts'
import { ROUNDS } from './rounds.ts'

const PAIRS = 20
const EACH = ROUNDS > 1 ? 10_000 : 250
/** Calls in a frame. */
const FRAME = 50
const STOPPED_MS = 2000
const DEGRADED_MS_MAX = 1000
/** Two of the probes by which this is seen, and what the pause has kept waiting. */
const BACK_MS_MAX = 1500

test(`Redis stands still in the midst of ${PAIRS * EACH} messages: none is lost, none comes twice`, async () => {
  await using redis = await RedisServer.start()
  // What was read before is acknowledged after it, in time.
  await using fleet = await Fleet.start(2, redis.url, [], { '--lease-seconds': '30' })
  const [near, far] = fleet.brokers
  const ready = async () => (await fetch(`${near!.url}/health/ready`)).ok
  await fleet.ready()
  const readers = await Promise.all(
    Array.from({ length: PAIRS }, async (_, at) => {
      const reader = await WsClient.checkedIn(far!.url, `reader-${at}`)
      await reader.call('subscribe', { ack: 'auto' })
      return reader
    }),
  )
  let answered = 0
  const sending = Promise.all(
    readers.map(async (_, at) => {
      const sender = await WsClient.checkedIn(near!.url, `sender-${at}`)
      for (let sent = 0; sent < EACH; sent += FRAME) {
        const calls = Array.from({ length: FRAME }, (_, n) =>
          sender.call('send_message', { recipient_id: `reader-${at}`, payload: sent + n }),
        )
        await Promise.all(calls)
        answered += FRAME
      }
    }),
  )
  await until('a third to be sent', () => (answered > (PAIRS * EACH) / 3 ? true : undefined), 60_000)
  redis.process.kill('SIGSTOP')
  const stopped = performance.now()
  await until('it to be degraded', async () => ((await ready()) ? undefined : true))
  const degraded_ms = performance.now() - stopped
  await Bun.sleep(STOPPED_MS - degraded_ms)
  redis.process.kill('SIGCONT')
  const released = performance.now()
  await until('it to be ready', async () => ((await ready()) ? true : undefined))
  const back_ms = performance.now() - released
  await sending
  for (const [at, reader] of readers.entries()) {
    await until(`all of ${at}`, () => (reader.messages.length >= EACH ? true : undefined), 60_000)
    const seen = reader.messages.map(({ message }) => message.payload as number)
    expect(seen).toEqual(Array.from({ length: EACH }, (_, n) => n))
  }
  expect({
    degraded_ms: degraded_ms < DEGRADED_MS_MAX || degraded_ms,
    back_ms: back_ms < BACK_MS_MAX || back_ms,
  }).toEqual({
    degraded_ms: true,
    back_ms: true,
  })
}, 300_000)

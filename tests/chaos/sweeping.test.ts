import { expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { until } from '../harness.ts'
import { RedisServer } from '../redis/redis-server.ts'
import { Fleet } from './fleet.ts'
import { ROUNDS } from './rounds.ts'

const MAILBOXES = ROUNDS > 1 ? 1000 : 100
const EACH = 10
const TTL_MS = 4000
/** All are dead by then, counted from when the last expired. */
const DEAD_MS_MAX = 9000

test('what expires dies once and bounces once, though the broker that buries is killed midway', async () => {
  await using redis = await RedisServer.start()
  await using fleet = await Fleet.start(3, redis.url)
  const [first, second, third] = fleet.brokers
  const admin = new Redis(redis.url)
  const call = async (url: string, path: string, body?: object) => {
    const response = await fetch(`${url}${path}`, {
      ...(body && {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    if (!response.ok) throw new Error(await response.text())
    return (await response.json()) as Record<string, unknown>
  }
  const began = performance.now()
  for (let at = 0; at < MAILBOXES; at += 50)
    await Promise.all(
      Array.from({ length: 50 * EACH }, (_, n) =>
        call(first!.url, '/v1/messages', {
          sender_id: 'sender',
          recipient_id: `quiet-${at + Math.floor(n / EACH)}`,
          message: 'x',
          ttl_seconds: TTL_MS / 1000,
        }),
      ),
    )
  const sent = performance.now()
  const dead = async () => Number((await call(second!.url, '/v1/dead-letters?limit=1')).total)
  await until('some to die', async () => ((await dead()) > 0 ? true : undefined), TTL_MS + DEAD_MS_MAX)
  await first!.kill()
  await until(
    'all to die',
    async () => ((await dead()) === MAILBOXES * EACH ? true : undefined),
    sent + TTL_MS + DEAD_MS_MAX - performance.now(),
  )
  expect(performance.now() - began).toBeGreaterThan(TTL_MS)
  // Each of those that live counted what it did itself.
  const counts = await Promise.all(
    [second!, third!].map(async ({ url }) => {
      const text = await (await fetch(`${url}/metrics`)).text()
      return Number(/mcp_broker_messages_dead_total\{reason="expired"\} (\d+)/.exec(text)![1])
    }),
  )
  const counted = counts.reduce((sum, count) => sum + count)
  expect(counted).toBeGreaterThan(0)
  expect(counted).toBeLessThanOrEqual(MAILBOXES * EACH)
  const bounces = () => admin.zcard('mcp-broker:0:{default:sender}:pending')
  await until(
    'all bounces',
    async () => ((await bounces()) >= MAILBOXES * EACH ? true : undefined),
    DEAD_MS_MAX,
  )
  expect([await bounces(), await dead()]).toEqual([MAILBOXES * EACH, MAILBOXES * EACH])
  admin.disconnect()
}, 60_000)

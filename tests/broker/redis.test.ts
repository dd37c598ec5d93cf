import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { App } from '../../src/app.ts'
import type { MemoryEngineOptions } from '../../src/engine/memory/memory.ts'
import type { RedisEngine } from '../../src/engine/redis/redis.ts'
import { newRedisEngine } from '../engine/redis/instance.ts'
import { startOn, until } from '../harness.ts'
import { CutProxy } from '../redis/cut-proxy.ts'
import { RedisServer } from '../redis/redis-server.ts'
import { WsClient } from '../ws-client.ts'

/** Two looks a second apart, and time for a machine that is busy. */
const FOUND_MS = 4000

let server: RedisServer
let prefixes = 0

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

interface Instance extends App, AsyncDisposable {
  readonly engine: RedisEngine
}

/** Brokers that share the server. @param url the server's, or that of a proxy before it */
function cluster(url = server.url) {
  const prefix = `b${++prefixes}:`
  return async (overrides: Parameters<typeof startOn>[0] = {}): Promise<Instance> => {
    let engine: RedisEngine | undefined
    const app = await startOn(overrides, (options: MemoryEngineOptions) => {
      engine = newRedisEngine(url, prefix, options)
      return engine
    })
    return { ...app, engine: engine! }
  }
}

/** From here on it hears nothing of what others publish, and nothing says so. */
function deafen({ engine }: Instance): void {
  engine.received = () => undefined
}

const messages = (client: WsClient, count: number) =>
  until(`${count} messages`, () => (client.messages.length >= count ? true : undefined), FOUND_MS)

test('messages and given back messages come, though nothing is heard of them', async () => {
  const start = cluster()
  await using near = await start()
  await using far = await start({ lease_seconds: 1 })
  const reader = await WsClient.checkedIn(far.url, 'reader')
  await reader.call('subscribe', { ack: 'manual' })
  const sender = await WsClient.checkedIn(near.url, 'sender')
  deafen(far)
  const sent = performance.now()
  await sender.call('send_message', { recipient_id: 'reader', message: 'one' })
  await messages(reader, 1)
  expect(performance.now() - sent).toBeLessThan(2500)
  // The lease runs out, and the other broker may be the one that notices.
  await messages(reader, 2)
  expect(reader.messages.map(({ message }) => [message.payload, message.attempt])).toEqual([
    ['one', undefined],
    ['one', 2],
  ])
}, 20_000)

test('a takeover closes the older socket at once, and within two seconds if nobody hears of it', async () => {
  const start = cluster()
  await using near = await start()
  await using far = await start()
  const first = await WsClient.checkedIn(far.url, 'worker')
  let begun = performance.now()
  const second = await WsClient.checkedIn(near.url, 'worker')
  expect(await first.close_code()).toBe(3503)
  expect(performance.now() - begun).toBeLessThan(500)
  deafen(near)
  begun = performance.now()
  await WsClient.checkedIn(far.url, 'worker')
  expect(await second.close_code()).toBe(3503)
  expect(performance.now() - begun).toBeLessThan(2500)
}, 20_000)

test('a question at one broker is answered at the other', async () => {
  const start = cluster()
  await using near = await start()
  await using far = await start()
  const answers = await WsClient.checkedIn(near.url, 'answers')
  await answers.call('subscribe', {})
  const asks = await WsClient.checkedIn(far.url, 'asks')
  const answer = asks.call<{ reply: { payload: unknown } }>('send_message_and_wait', {
    recipient_id: 'answers',
    message: 'how many?',
    timeout: 10,
  })
  await messages(answers, 1)
  const { sender_id, message_id } = answers.messages[0]!.message
  await answers.call('send_message', { recipient_id: sender_id, message: 'two', in_reply_to: message_id })
  expect((await answer).reply.payload).toBe('two')
}, 20_000)

test('while Redis stands still: not ready within a second, sends refused, connections stay; then all goes on', async () => {
  await using proxy = await CutProxy.start(server.port)
  const start = cluster(proxy.url)
  await using app = await start()
  const client = await WsClient.checkedIn(app.url, 'client')
  await client.call('subscribe', { ack: 'auto' })
  const ready = async () => (await fetch(`${app.url}/health/ready`)).status
  await until('it to be ready', async () => ((await ready()) === 200 ? true : undefined))
  proxy.hold(true)
  const held = performance.now()
  await until('it to be not ready', async () => ((await ready()) === 503 ? true : undefined))
  expect(performance.now() - held).toBeLessThan(1500)
  expect((await fetch(`${app.url}/health/live`)).status).toBe(200)
  const refused = client.call('send_message', { recipient_id: 'client', message: 'lost?' })
  await expect(refused).rejects.toMatchObject({ code: 'storage_unavailable' })
  const scrape = await (await fetch(`${app.url}/metrics`)).text()
  expect(scrape).toContain('mcp_broker_redis_up 0\n')
  proxy.hold(false)
  const released = performance.now()
  await until('it to be ready again', async () => ((await ready()) === 200 ? true : undefined))
  expect(performance.now() - released).toBeLessThan(3000)
  expect(client.closed).toBeUndefined()
  await client.call('send_message', { recipient_id: 'client', message: 'here' })
  await messages(client, 1)
  expect(await (await fetch(`${app.url}/metrics`)).text()).toContain('mcp_broker_redis_up 1\n')
  expect(await (await fetch(`${app.url}/v1/status`, { headers: { accept: 'text/plain' } })).text()).toContain(
    '1 on this Redis',
  )
}, 30_000)

test('a broker that does not hear itself is not ready', async () => {
  const start = cluster()
  await using app = await start()
  const ready = async () => (await fetch(`${app.url}/health/ready`)).json() as Promise<{ detail?: string }>
  await until('it to be ready', async () => ((await ready()).detail === undefined ? true : undefined))
  const admin = new Bun.RedisClient(server.url)
  // Subscribers alone: calls go on.
  const killing = setInterval(() => void admin.send('CLIENT', ['KILL', 'TYPE', 'pubsub']), 5)
  try {
    await until(
      'it to be deaf',
      async () => ((await ready()).detail?.includes('does not hear') ? true : undefined),
      10_000,
    )
  } finally {
    clearInterval(killing)
    admin.close()
  }
  await until('it to hear', async () => ((await ready()).detail === undefined ? true : undefined), 10_000)
}, 30_000)

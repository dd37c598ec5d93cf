import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { parseTarget } from '../../../../src/core/redis-target.ts'
import { connectionOptions } from '../../../../src/engine/redis/connection/servers/options.ts'
import { Feed } from '../../../../src/engine/redis/connection/subscriber/feed.ts'
import { until } from '../../../harness.ts'
import { CutProxy } from '../../../redis/cut-proxy.ts'
import { RedisServer } from '../../../redis/redis-server.ts'
import { clientOf, isReady, subscriberOf } from './clients.ts'

let server: RedisServer
let admin: Redis

beforeAll(async () => {
  server = await RedisServer.start()
  admin = new Redis(server.url)
})

afterAll(async () => {
  admin.disconnect()
  await server[Symbol.asyncDispose]()
})

test('a channel is heard from when it is followed until it is left', async () => {
  using client = clientOf(server.url)
  using subscriber = subscriberOf(client)
  await subscriber.follow('a')
  await admin.spublish('a', '1')
  await until('the message', () => (subscriber.heard.length === 1 ? true : undefined))
  expect(subscriber.heard).toEqual(['a 1'])
  await subscriber.follow('a')
  subscriber.unfollow('a')
  void subscriber.follow('b')
  subscriber.unfollow('b')
  await subscriber.follow('c')
  expect(await admin.spublish('a', '2')).toBe(0)
  expect(await admin.spublish('b', '2')).toBe(0)
  expect(subscriber.missed).toBe(0)
  subscriber.unfollow('c')
  await until('an end of the connection', async () =>
    String(await admin.client('LIST')).includes('ssub=1') ? undefined : true,
  )
})

test('the channels of one turn are subscribed together', async () => {
  await using proxy = await CutProxy.start(server.port)
  using client = clientOf(proxy.url)
  await isReady(client)
  using subscriber = subscriberOf(client)
  await subscriber.follow('first')
  const before = proxy.requests
  await Promise.all(Array.from({ length: 200 }, (_, at) => subscriber.follow(`together:${at}`)))
  // A ping may come between.
  expect(proxy.requests - before).toBeLessThanOrEqual(2)
  expect(await admin.spublish('together:199', '')).toBe(1)
})

test('after each loss of the connection all is subscribed again, and told once', async () => {
  await using proxy = await CutProxy.start(server.port)
  using client = clientOf(proxy.url)
  using subscriber = subscriberOf(client)
  await Promise.all(['x', 'y', 'z'].map((channel) => subscriber.follow(channel)))
  for (let cut = 1; cut <= 3; cut++) {
    proxy.cut()
    await until('the news', () => (subscriber.missed === cut ? true : undefined))
    expect(subscriber.complete).toBe(true)
    for (const channel of ['x', 'y', 'z']) expect(await admin.spublish(channel, `${cut}`)).toBe(1)
    await until('the messages', () => (subscriber.heard.length === cut * 3 ? true : undefined))
  }
  expect(subscriber.missed).toBe(3)
}, 20_000)

test('a server that stands still is noticed, though nobody sends anything', async () => {
  await using own = await RedisServer.start()
  using client = clientOf(own.url)
  using subscriber = subscriberOf(client)
  await subscriber.follow('quiet')
  own.process.kill('SIGSTOP')
  const stopped = performance.now()
  await until('the loss', () => (subscriber.complete ? undefined : true))
  expect(performance.now() - stopped).toBeLessThan(1800)
  own.process.kill('SIGCONT')
  await until('the news', () => (subscriber.missed === 1 ? true : undefined))
}, 20_000)

test('a channel that the user may not follow is asked for again', async () => {
  await admin.call('ACL', 'SETUSER', 'deaf', 'on', '>pw', '~*', '+@all', 'resetchannels', '&mine:*')
  using client = clientOf(`redis://deaf:pw@127.0.0.1:${server.port}`)
  using subscriber = subscriberOf(client)
  const heard = subscriber.follow('other')
  await subscriber.follow('mine:1')
  expect(subscriber.complete).toBe(false)
  await admin.call('ACL', 'SETUSER', 'deaf', 'resetchannels', '&mine:*', '&other')
  await heard
  expect(subscriber.complete).toBe(true)
})

test('a server without channels in slots is subscribed as usual', async () => {
  const heard: string[] = []
  let subscribed = 0
  const feed = new Feed(connectionOptions(parseTarget(server.url)), {
    sharded: false,
    message: (channel, text) => heard.push(`${channel} ${text}`),
    subscribed: () => subscribed++,
    missed() {},
    moved() {},
  })
  feed.follow('plain', false)
  await until('the subscription', () => (subscribed === 1 ? true : undefined))
  expect(await admin.publish('plain', '1')).toBe(1)
  await until('the message', () => (heard.length === 1 ? true : undefined))
  feed.unfollow('plain')
  await until('its end', async () => ((await admin.publish('plain', '2')) === 0 ? true : undefined))
  feed.stop()
  expect(heard[0]).toBe('plain 1')
})

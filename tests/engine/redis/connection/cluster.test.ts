import { afterAll, beforeAll, expect, test } from 'bun:test'
import { slotOf } from '../../../../src/engine/redis/connection/servers/slot.ts'
import { script } from '../../../../src/engine/redis/script.ts'
import { until } from '../../../harness.ts'
import { RedisCluster } from '../../../redis/redis-cluster.ts'
import { RedisServer } from '../../../redis/redis-server.ts'
import { COUNT, clientOf, failureOf, isReady, readyClient, subscriberOf } from './clients.ts'

let cluster: RedisCluster

beforeAll(async () => {
  cluster = await RedisCluster.start()
}, 30_000)

afterAll(() => cluster[Symbol.asyncDispose]())

/** The node after the one that has a slot. */
async function nextNode(slot: number) {
  const owner = await cluster.ownerOf(slot)
  return cluster.nodes[(cluster.nodes.indexOf(owner) + 1) % cluster.nodes.length]!
}

async function evalshaCalls(): Promise<number[]> {
  const stats = await Promise.all(cluster.nodes.map(({ admin }) => admin.info('commandstats')))
  return stats.map((text) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(text)?.[1] ?? 0))
}

test('slots are counted as the server counts them', async () => {
  for (const key of ['a', 'test:0:{p:c}:s', '{}x', 'x{y', '{{a}b}', 'ä€😀', 'a}{b}'])
    expect([key, slotOf(key)]).toEqual([key, await cluster.slotOf(key)])
})

test('calls of one turn go to all nodes that have their slots', async () => {
  using client = await readyClient(cluster.url)
  const before = await evalshaCalls()
  const calls = Array.from({ length: 100 }, (_, at) => client.run(COUNT, [`test:0:{many:${at}}`], [1]))
  expect(await Promise.all(calls)).toEqual(calls.map(() => [1, 1]))
  const after = await evalshaCalls()
  const each = after.map((count, at) => count - before[at]!)
  expect(each.every((count) => count > 10)).toBe(true)
  expect(each.reduce((sum, count) => sum + count)).toBe(100)
  const places = calls.map((_, at) => client.placeOf(`test:0:{many:${at}}`).generation)
  expect(new Set(places).size).toBe(3)
})

test('a slot is moved, key by key, while calls go on: each is carried out once', async () => {
  using client = await readyClient(cluster.url)
  using other = await readyClient(cluster.url)
  const keys = ['a', 'b', 'c'].map((name) => `test:0:{moves}:${name}`)
  const all = script(
    'all',
    "for at = 1, 3 do if redis.call('HINCRBY', KEYS[at], ARGV[1], 1) == 1 then",
    "  redis.call('HINCRBY', KEYS[at], 'count', 1) end end",
    "return redis.call('HGET', KEYS[1], 'count')",
  )
  let number = 0
  let going = true
  let answered = 0
  const writing = (async () => {
    while (going) {
      await Promise.all([client.run(all, keys, [number++]), client.run(all, keys, [number++])])
      answered += 2
    }
  })()
  const slot = slotOf(keys[0]!)
  await until('calls', () => (answered > 10 ? true : undefined))
  for (let move = 0; move < 3; move++) {
    await cluster.moveSlot(slot, await nextNode(slot), () => Bun.sleep(20))
    const then = answered
    await until('calls after the move', () => (answered > then + 10 ? true : undefined))
  }
  going = false
  await writing
  for (const key of keys) expect(await other.command('HGET', key, 'count')).toBe(String(number))
  expect(client.counts.unknown_outcomes).toBe(0)
  expect(client.placeOf(keys[0]!)).toEqual(
    expect.objectContaining({ generation: expect.stringMatching(/^\w{8}\/\w{8}\/0{8}$/) }),
  )
}, 30_000)

test('a subscriber hears a channel after its slot has moved, and is told of the gap', async () => {
  using client = await readyClient(cluster.url)
  using subscriber = subscriberOf(client)
  const channels = Array.from({ length: 20 }, (_, at) => `test:0:{heard:${at}}`)
  await Promise.all(channels.map((channel) => subscriber.follow(channel)))
  const publish = script('publish', "return redis.call('SPUBLISH', KEYS[1], ARGV[1])")
  for (const channel of channels) expect(await client.run(publish, [channel], ['before'])).toBe(1)
  const slot = slotOf(channels[7]!)
  for (let move = 1; move <= 3; move++) {
    await cluster.moveSlot(slot, await nextNode(slot))
    await until('the news', () => (subscriber.missed >= move && subscriber.complete ? true : undefined))
    for (const channel of channels) expect(await client.run(publish, [channel], [`${move}`])).toBe(1)
  }
  await until('the messages', () => (subscriber.heard.length === 80 ? true : undefined))
  expect(subscriber.missed).toBe(3)
}, 30_000)

test('a node that is away fails the calls for its slots, and is used again when it is back', async () => {
  using client = await readyClient(cluster.url, { call_ms: 1000 })
  const keys = Array.from({ length: 20 }, (_, at) => `test:0:{away:${at}}`)
  const there = keys.find((key) => client.placeOf(key).generation !== client.placeOf(keys[0]!).generation)!
  const owner = await cluster.ownerOf(slotOf(there))
  owner.server.process.kill('SIGSTOP')
  await until('the loss', async () => {
    void client.command('GET', there).catch(() => {})
    return client.state === 'down' ? true : undefined
  })
  expect((await failureOf(client.command('SET', there, '1'))).name).toBe('RedisFailed')
  owner.server.process.kill('SIGCONT')
  await isReady(client)
  // The nodes take a moment to believe that it is back.
  using patient = await readyClient(cluster.url, { call_ms: 10_000 })
  expect(await patient.command('SET', there, '2')).toBe('OK')
}, 30_000)

test('a server alone is no cluster, and a node of a cluster is no server alone', async () => {
  await using alone = await RedisServer.start()
  using wrong = clientOf(alone.url.replace('redis:', 'redis+cluster:'))
  using node = clientOf(cluster.nodes[0]!.server.url)
  await until('both answers', () => (wrong.state === 'unfit' && node.state === 'unfit' ? true : undefined))
  expect(wrong.faults.join()).toMatch(/write redis:\/\//)
  expect(node.faults.join()).toMatch(/write redis\+cluster:\/\//)
})

test('a master that is killed: its replica takes over, and calls and channels go on there', async () => {
  await using own = await RedisCluster.start(1)
  using client = await readyClient(own.url, { call_ms: 15_000 })
  using subscriber = subscriberOf(client)
  const keys = Array.from({ length: 12 }, (_, at) => `test:0:{over:${at}}`)
  await Promise.all(keys.map((key) => subscriber.follow(key)))
  await Promise.all(keys.map((key) => client.command('SET', key, '1')))
  const before = client.placeOf(keys[0]!).generation
  expect(client.places.map(({ replicas }) => replicas)).toEqual([1, 1, 1])
  const owner = await own.ownerOf(slotOf(keys[0]!))
  owner.server.process.kill('SIGKILL')
  expect(await Promise.all(keys.map((key) => client.command('SET', key, '2')))).toEqual(keys.map(() => 'OK'))
  expect(client.placeOf(keys[0]!).generation).not.toBe(before)
  await isReady(client)
  await until('the news', () => (subscriber.missed > 0 && subscriber.complete ? true : undefined))
  const publish = script('publish', "return redis.call('SPUBLISH', KEYS[1], 'x')")
  for (const key of keys) expect(await client.run(publish, [key], [])).toBe(1)
}, 60_000)

test('what is new in a slot that is being moved is stored at once, where the slot goes', async () => {
  using client = await readyClient(cluster.url)
  const slot = slotOf('test:0:{new}')
  const to = await nextNode(slot)
  await client.command('SET', 'test:0:{new}:old', 'old')
  let asked = false
  await cluster.moveSlot(slot, to, async () => {
    if (asked) return
    asked = true
    expect(await client.command('SET', 'test:0:{new}', 'new')).toBe('OK')
  })
  expect(await client.command('GET', 'test:0:{new}')).toBe('new')
  expect(await client.command('GET', 'test:0:{new}:old')).toBe('old')
})

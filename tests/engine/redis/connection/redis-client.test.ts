import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { RedisFailed } from '../../../../src/engine/redis/connection/failures.ts'
import { script } from '../../../../src/engine/redis/script.ts'
import { until } from '../../../harness.ts'
import { CutProxy } from '../../../redis/cut-proxy.ts'
import { freePort, RedisServer } from '../../../redis/redis-server.ts'
import { COUNT, clientOf, ECHO, failureOf, isReady, readyClient } from './clients.ts'

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

test('the calls of one turn go out as one pipeline, in their order', async () => {
  await using proxy = await CutProxy.start(server.port)
  using client = await readyClient(proxy.url)
  const before = proxy.requests
  const calls = Array.from({ length: 50 }, (_, at) => [
    client.run(COUNT, ['test:0:{turn}'], [at]),
    client.command('HGET', 'test:0:{turn}', 'count'),
  ]).flat()
  const answers = await Promise.all(calls)
  expect(answers).toEqual(Array.from({ length: 50 }, (_, at) => [[at + 1, 1], `${at + 1}`]).flat())
  expect(proxy.requests - before).toBe(1)
})

test('arguments can be made for the server that they go to', async () => {
  using client = await readyClient(server.url)
  const [generation, offset] = (await client.run(ECHO, ['k'], (place) => [
    place.generation,
    place.clock_offset_ms,
  ])) as string[]
  expect(await admin.info('replication')).toContain(`master_replid:${generation}`)
  expect(generation).toHaveLength(8)
  expect(client.placeOf('k').generation).toBe(generation!)
  expect(Math.abs(Number(offset))).toBeLessThan(50)
})

test('a script that the server has forgotten, or never knew, is loaded', async () => {
  using client = await readyClient(server.url)
  await admin.script('FLUSH')
  const answers = await Promise.all([client.run(ECHO, ['a'], [1]), client.run(ECHO, ['b'], [2])])
  expect(answers).toEqual([['1'], ['2']])
  const unheard = script('unheard', 'return 7')
  expect(await client.run(unheard, ['a'], [])).toBe(7)
})

test('a server that comes back has the scripts, and gets the calls that waited', async () => {
  const port = await freePort()
  let changes = 0
  using client = clientOf(`redis://127.0.0.1:${port}`)
  client.onChange(() => changes++)
  expect(client.state).toBe('connecting')
  await until('a first try', () => (client.state === 'down' ? true : undefined))
  const early = client.run(ECHO, ['k'], ['early'])
  await using first = await RedisServer.start({ port })
  expect(await early).toEqual(['early'])
  const generation = client.placeOf('k').generation
  await first[Symbol.asyncDispose]()
  await until('the loss', () => (client.state === 'down' ? true : undefined))
  expect(client.faults.join()).toMatch(/connection to Redis is lost|cannot be reached/)
  const calls = [client.run(ECHO, ['k'], ['late']), client.command('GET', 'nothing')]
  await using _ = await RedisServer.start({ port })
  expect(await Promise.all(calls)).toEqual([['late'], null])
  expect(client.placeOf('k').generation).not.toBe(generation)
  expect(changes).toBeGreaterThan(2)
}, 20_000)

test('a call whose answer is cut off is made again, and is the same call', async () => {
  await using proxy = await CutProxy.start(server.port)
  using client = await readyClient(proxy.url)
  let number = 0
  for (let cut = 0; cut < 20; cut++) {
    await isReady(client)
    proxy.cutInAnswer()
    const calls = Array.from({ length: 30 }, () => client.run(COUNT, ['test:0:{cut}'], [number++]))
    await Promise.all(calls)
  }
  expect(proxy.halved).toBe(20)
  expect(await admin.hget('test:0:{cut}', 'count')).toBe(String(number))
  const seen = Object.entries(await admin.hgetall('test:0:{cut}')).filter(([name]) => name !== 'count')
  expect(seen.length).toBe(number)
  expect(seen.some(([, times]) => Number(times) > 1)).toBe(true)
  expect(client.counts.unknown_outcomes).toBeGreaterThanOrEqual(20)
}, 30_000)

test('a server that stands still for two seconds loses no call', async () => {
  await using own = await RedisServer.start()
  using client = await readyClient(own.url)
  own.process.kill('SIGSTOP')
  const stopped = performance.now()
  const calls = Array.from({ length: 20 }, (_, at) => client.run(COUNT, ['test:0:{stop}'], [at]))
  await until('the loss', () => (client.state === 'down' ? true : undefined))
  await until('two seconds', () => (performance.now() - stopped > 2000 ? true : undefined))
  own.process.kill('SIGCONT')
  const answers = (await Promise.all(calls)) as [number, number][]
  expect(answers.every(([, seen]) => seen > 1)).toBe(true)
  expect(answers.at(-1)?.[0]).toBe(20)
}, 20_000)

describe('a call that fails says why', () => {
  test('unsent: it has never been tried; unknown: it may have been done', async () => {
    await using proxy = await CutProxy.start(server.port)
    using client = await readyClient(proxy.url, { call_ms: 1000 })
    proxy.hold(true)
    const sent = failureOf(client.run(ECHO, ['k'], ['secret']))
    await until('the loss', () => (client.state === 'down' ? true : undefined))
    const unsent = failureOf(client.command('SET', 'test:0:k', 'secret'))
    expect(await sent).toMatchObject({ name: 'RedisFailed', kind: 'unknown', may_have_run: true })
    expect(await unsent).toMatchObject({ kind: 'unsent', may_have_run: false })
    expect((await unsent).message).toStartWith('SET on test:0:k: it was not done: ')
    expect((await unsent).message).not.toContain('secret')
  }, 20_000)

  test('full: the server has no memory for it', async () => {
    await using own = await RedisServer.start()
    using client = await readyClient(own.url)
    const operator = new Redis(own.url)
    await operator.config('SET', 'maxmemory', '1')
    expect(await failureOf(client.run(COUNT, ['k'], [1]))).toMatchObject({ kind: 'full' })
    expect(await failureOf(client.command('SET', 'k', 'v'))).toMatchObject({ kind: 'full' })
    expect(await client.command('GET', 'k')).toBe(null)
    operator.disconnect()
  })

  test('refused: the message names the command or the key', async () => {
    await admin.call('ACL', 'SETUSER', 'narrow', 'on', '>pw', '~mine:*', '+@all', '-hget', '-zadd')
    using client = await readyClient(`redis://narrow:pw@127.0.0.1:${server.port}`)
    const key = await failureOf(client.command('SET', 'other:k', '1'))
    expect(key).toMatchObject({ kind: 'refused' })
    expect(key.message).toMatch(/^SET on other:k: NOPERM/)
    const command = await failureOf(client.command('ZADD', 'mine:k', 1, 'm'))
    expect(command).toMatchObject({ kind: 'refused' })
    expect(command.message).toMatch(/zadd/i)
    const inside = await failureOf(client.run(COUNT, ['mine:k'], [1]))
    expect(inside).toMatchObject({ kind: 'refused' })
    expect(inside.message).toStartWith('the script count on mine:k: ')
  })

  test('refused: a wrong password, which no message repeats', async () => {
    await admin.call('ACL', 'SETUSER', 'somebody', 'on', '>right', '~*', '+@all')
    using client = clientOf(`redis://somebody:wrong@127.0.0.1:${server.port}`, { call_ms: 300 })
    const failure = await failureOf(client.command('GET', 'k'))
    expect(failure).toMatchObject({ kind: 'refused' })
    expect(failure.message).toContain('WRONGPASS')
    expect(failure.message).not.toContain('wrong')
    expect(client.state).toBe('down')
  })

  test('script: the call itself is wrong', async () => {
    using client = await readyClient(server.url)
    const broken = script('broken', "return redis.call('NOSUCH')")
    const failure = await failureOf(client.run(broken, ['k'], []))
    expect(failure).toBeInstanceOf(RedisFailed)
    expect(failure).toMatchObject({ kind: 'script' })
  })
})

describe('a server is unfit', () => {
  test('while it evicts: calls fail at once, and go on once that is mended', async () => {
    await using own = await RedisServer.start({ flags: ['--maxmemory-policy', 'allkeys-lru'] })
    using client = clientOf(own.url)
    await until('its answer', () => (client.state === 'unfit' ? true : undefined))
    expect(client.faults).toEqual([
      'This Redis may evict messages (maxmemory-policy allkeys-lru): set it to noeviction.',
    ])
    expect(await failureOf(client.command('GET', 'k'))).toMatchObject({ kind: 'unfit' })
    const operator = new Redis(own.url)
    await operator.config('SET', 'maxmemory-policy', 'noeviction')
    operator.disconnect()
    await isReady(client)
    expect(await client.command('GET', 'k')).toBe(null)
  })

  test('if it is a replica, and not behind sentinels', async () => {
    await using replica = await RedisServer.start({
      flags: ['--replicaof', '127.0.0.1', String(server.port)],
    })
    using client = clientOf(replica.url)
    await until('its answer', () => (client.state === 'unfit' ? true : undefined))
    expect(client.faults).toEqual(['This Redis is a replica (role slave): the URL has to name the master.'])
  })

  test('if its user may not ask what it is', async () => {
    await admin.call('ACL', 'SETUSER', 'blind', 'on', '>pw', '~*', '+@all', '-info')
    using client = clientOf(`redis://blind:pw@127.0.0.1:${server.port}`)
    await until('its answer', () => (client.state === 'unfit' ? true : undefined))
    expect(client.faults.join()).toMatch(/does not let this user.*info/)
  })
})

test('what replicas have not stored is unknown', async () => {
  await using master = await RedisServer.start({ flags: ['--repl-diskless-sync-delay', '0'] })
  await using replica = await RedisServer.start({ flags: ['--replicaof', '127.0.0.1', String(master.port)] })
  const operator = new Redis(master.url)
  using client = await readyClient(master.url, { wait_replicas: 1, call_ms: 2500 })
  const { process } = replica
  await until('the replica', async () =>
    (await operator.info('replication')).includes('state=online') ? true : undefined,
  )
  expect(await client.run(COUNT, ['test:0:{wait}'], [1])).toEqual([1, expect.any(Number)])
  const before = client.counts.wait_unmet
  process.kill('SIGSTOP')
  const alone = client.run(COUNT, ['test:0:{wait}'], [2])
  await until('a WAIT that is not met', () => (client.counts.wait_unmet > before ? true : undefined))
  process.kill('SIGCONT')
  const [count, seen] = (await alone) as [number, number]
  expect(count).toBe(2)
  expect(seen).toBeGreaterThan(1)
  expect(await operator.exists('test:0:written:{0}')).toBe(1)
  process.kill('SIGSTOP')
  expect(await failureOf(client.run(COUNT, ['test:0:{wait}'], [3]))).toMatchObject({ kind: 'unknown' })
  process.kill('SIGCONT')
  operator.disconnect()
}, 20_000)

test('a stopped client fails what is open, takes nothing more, and has no connection', async () => {
  await using proxy = await CutProxy.start(server.port)
  using client = await readyClient(proxy.url)
  proxy.hold(true)
  const open = failureOf(client.run(ECHO, ['k'], []))
  await until('its request', () => (client.waiting === 1 ? true : undefined))
  client.stop()
  expect(await open).toMatchObject({ name: 'RedisFailed' })
  expect(await failureOf(client.command('GET', 'k'))).toMatchObject({ kind: 'unsent' })
  proxy.hold(false)
  await until('the end', () => (proxy.connections === 0 ? true : undefined))
})

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { parseTarget } from '../../../../src/core/redis-target.ts'
import { RedisFailed } from '../../../../src/engine/redis/connection/failures.ts'
import { RedisClient, type RedisClientOptions } from '../../../../src/engine/redis/connection/redis-client.ts'
import { script } from '../../../../src/engine/redis/script.ts'
import { until } from '../../../harness.ts'
import { CutProxy } from '../../../redis/cut-proxy.ts'
import { freePort, RedisServer } from '../../../redis/redis-server.ts'

/** Counts each call once, however often it is made. */
const COUNT = script(
  'count',
  "if redis.call('SADD', KEYS[2], ARGV[1]) == 1 then redis.call('INCR', KEYS[1]) end return redis.call('GET', KEYS[1])",
)
const ECHO = script('echo', 'return ARGV[1]')

let server: RedisServer
let admin: Redis
const clients: RedisClient[] = []

beforeAll(async () => {
  server = await RedisServer.start()
  admin = new Redis(server.url)
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.stop()
  await admin.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction')
  await admin.flushall()
})
afterAll(async () => {
  admin.disconnect()
  await server[Symbol.asyncDispose]()
})

function clientOf(port: number, options: Partial<RedisClientOptions> = {}, user = ''): RedisClient {
  const target = parseTarget(`redis://${user}127.0.0.1:${port}`)
  const client = new RedisClient({ target, scripts: [ECHO], ...options })
  clients.push(client)
  client.start()
  return client
}

const ready = (client: RedisClient) =>
  until('the client to be ready', () => (client.state === 'ready' ? true : undefined))

/** Why a call failed. */
async function failure(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof RedisFailed)) throw new Error(`not a RedisFailed: ${error}`)
  return `${error.kind}: ${error.message}`
}

const calls = async () => Number(/total_commands_processed:(\d+)/.exec(await admin.info('stats'))![1])

describe('a connection to Redis', () => {
  test('calls that are made before it is ready are carried out when it is', async () => {
    const client = clientOf(server.port)
    expect(await client.run(ECHO, [], ['a'])).toBe('a')
    expect(client.state).toBe('ready')
    expect(client.facts).toMatchObject({ sharded: true, unfit: undefined, replicas: 0 })
    expect(client.facts!.generation).toMatch(/^[0-9a-f]{8}$/)
    expect(Math.abs(client.clock_offset_ms)).toBeLessThan(100)
  })

  test('scripts and commands of one turn are answered each', async () => {
    const client = clientOf(server.port)
    const answers = await Promise.all([
      client.run(ECHO, [], [1]),
      client.command('SET', 'k', 'v'),
      client.command('GET', 'k'),
      client.run(COUNT, ['n', 'seen'], ['x']),
    ])
    expect(answers).toEqual(['1', 'OK', 'v', '1'])
  })

  test('a script that the server has forgotten is sent with its text, once', async () => {
    const client = clientOf(server.port)
    await client.run(ECHO, [], ['a'])
    await admin.script('FLUSH')
    expect(await Promise.all([client.run(ECHO, [], ['b']), client.run(COUNT, ['n', 's'], ['y'])])).toEqual([
      'b',
      '1',
    ])
    const before = await calls()
    await client.run(ECHO, [], ['c'])
    // One call, and the question of how many there were.
    expect((await calls()) - before).toBe(2)
  })

  test('calls whose connection is cut are made again, as they were', async () => {
    await using proxy = await CutProxy.to(server.port)
    const client = clientOf(proxy.port)
    await ready(client)
    const sent: Promise<unknown>[] = []
    for (let n = 0; n < 400; n++) {
      sent.push(client.run(COUNT, ['n', 'seen'], [n]))
      if (n % 20 === 10) await new Promise((resolve) => setImmediate(resolve))
      if (n % 40 === 20) proxy.cut()
    }
    await Promise.all(sent)
    expect(await admin.get('n')).toBe('400')
  })

  test('a server that answers no more is left, and what it did is not done twice', async () => {
    await using proxy = await CutProxy.to(server.port)
    const client = clientOf(proxy.port)
    await ready(client)
    proxy.swallows = true
    const call = client.run(COUNT, ['n', 'seen'], ['once'])
    await until('the connection to be left', () => (client.state === 'ready' ? undefined : true), 4000)
    proxy.swallows = false
    expect(await call).toBe('1')
    expect(await admin.get('n')).toBe('1')
  })

  test('a call that was sent and is never answered is unknown; one that was not is unsent', async () => {
    await using proxy = await CutProxy.to(server.port)
    const client = clientOf(proxy.port, { call_ms: 1200 })
    await ready(client)
    proxy.swallows = true
    expect(await failure(client.run(COUNT, ['n', 'seen'], ['a']))).toStartWith('unknown: ')
    const nobody = clientOf(await freePort(), { call_ms: 200 })
    expect(await failure(nobody.run(COUNT, ['n', 'seen'], ['b']))).toStartWith('unsent: ')
    client.stop()
    expect(await failure(client.run(ECHO, [], ['c']))).toBe('unsent: Redis did not answer: the broker stops')
  })

  test('a server that comes back on its port is used again', async () => {
    const port = await freePort()
    const states: string[] = []
    const first = await RedisServer.start({ port })
    const client = clientOf(port, { changed: (state) => states.push(state) })
    await ready(client)
    await first[Symbol.asyncDispose]()
    await until('the loss to be seen', () => (client.state === 'down' ? true : undefined))
    const call = client.run(ECHO, [], ['later'])
    await using _ = await RedisServer.start({ port })
    expect(await call).toBe('later')
    expect(states).toEqual(['ready', 'down', 'ready'])
  })

  test('without memory, what writes is refused', async () => {
    const client = clientOf(server.port)
    await ready(client)
    await admin.config('SET', 'maxmemory', '1')
    expect(await failure(client.run(COUNT, ['n', 'seen'], ['a']))).toStartWith('full: OOM')
    expect(await client.run(ECHO, [], ['a'])).toBe('a')
  })

  test('what the user of the connection may not do is refused at once, and says what', async () => {
    await admin.call('ACL', 'SETUSER', 'limited', 'on', '>secret', '~mine:*', '+@all', '-incr')
    const client = clientOf(server.port, {}, 'limited:secret@')
    await ready(client)
    expect(await failure(client.run(COUNT, ['mine:n', 'mine:s'], ['a']))).toMatch(
      /^refused: .*can't run this command/,
    )
    expect(await failure(client.run(COUNT, ['n', 's'], ['a']))).toMatch(/^refused: .*keys? /)
    expect(await failure(client.command('GET', 'other'))).toStartWith('refused: NOPERM')
  })

  test('a wrong password is said, and the client goes on trying', async () => {
    await admin.call('ACL', 'SETUSER', 'known', 'on', '>right', '~*', '+@all')
    const client = clientOf(server.port, { call_ms: 300 }, 'known:wrong@')
    expect(await failure(client.run(ECHO, [], ['a']))).toContain('WRONGPASS')
    await admin.call('ACL', 'SETUSER', 'known', '>wrong')
    await ready(client)
  })

  test('a server that would delete messages is unfit, and used once it is mended', async () => {
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const client = clientOf(server.port, { call_ms: 300 })
    await until('it to be looked at', () => (client.state === 'unfit' ? true : undefined))
    expect(client.trouble).toContain('its maxmemory-policy is allkeys-lru, and must be noeviction')
    expect(await failure(client.run(ECHO, [], ['a']))).toStartWith('unsent: ')
  })

  test('a wrong call is a fault, and is not tried again', async () => {
    const client = clientOf(server.port)
    await admin.set('text', 'x')
    expect(await failure(client.command('LPUSH', 'text', 'y'))).toStartWith('fault: WRONGTYPE')
  })

  test('fewer replicas than are asked for: the outcome is unknown', async () => {
    const client = clientOf(server.port, { wait_replicas: 1, call_ms: 700 })
    await ready(client)
    expect(await failure(client.run(COUNT, ['n', 'seen'], ['a']))).toContain('fewer than 1 replicas have it')
    expect(await admin.get('n')).toBe('1')
  })
})

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { createMessage } from '../../../src/core/message.ts'
import type { EngineEvents } from '../../../src/engine/engine.ts'
import type { RedisEngine } from '../../../src/engine/redis/redis.ts'
import type { Read } from '../../../src/engine/values.ts'
import { until } from '../../harness.ts'
import { RedisServer } from '../../redis/redis-server.ts'
import { newRedisEngine } from './instance.ts'

const READER = { project: 'p', client_id: 'r' }
const ANYBODY = {
  resume: undefined,
  join: undefined,
  key_id: undefined,
  name: undefined,
  capabilities: undefined,
}
const EVERYTHING = { limit: 1000, bytes_max: 1e9, ack: 'manual' } as const
const LIMITS = { ...DEFAULT_LIMITS, lease_seconds: 1, attempts_max: 2 }

let server: RedisServer
let instances: Instance[] = []
let prefixes = 0
let prefix = ''

beforeAll(async () => {
  server = await RedisServer.start()
})
beforeEach(() => {
  prefix = `t${++prefixes}:`
})
afterEach(async () => {
  for (const { engine } of instances) await engine.stop()
  instances = []
})
afterAll(() => server[Symbol.asyncDispose]())

/** One of several brokers on the same Redis, and what its engine has told. */
class Instance implements EngineEvents {
  readonly wants_each = true
  readonly told: string[] = []
  misses = 0

  private constructor(
    readonly engine: RedisEngine,
    private readonly clock: { now: number },
  ) {}

  static async start(clock = { now: Date.now() }): Promise<Instance> {
    const engine = newRedisEngine(server.url, prefix, { now: () => clock.now, limits: () => LIMITS })
    const instance = new Instance(engine, clock)
    instances.push(instance)
    await engine.start(instance)
    // Told once its channels are subscribed; before that, nothing of others is heard.
    await until('the instance to listen', () => (instance.misses > 0 ? true : undefined))
    return instance
  }

  announced({ client_id, offset, redelivery }: Parameters<EngineEvents['announced']>[0]): void {
    this.told.push(`${client_id} ${redelivery ? 'again' : 'has'} ${offset}`)
  }
  acknowledged(...[{ client_id }, messages]: Parameters<EngineEvents['acknowledged']>): void {
    for (const { sender_id } of messages) this.told.push(`${client_id} read what ${sender_id} sent`)
  }
  died({ recipient_id }: Parameters<EngineEvents['died']>[0], bounced: boolean, elsewhere = false): void {
    this.told.push(
      `${recipient_id} lost one, ${bounced ? 'told' : 'not told'}${elsewhere ? ' elsewhere' : ''}`,
    )
  }
  session(...[{ client_id }, status]: Parameters<EngineEvents['session']>): void {
    this.told.push(`${client_id} ${status}`)
  }
  record(kind: string, project: string, id: string, version: number): void {
    this.told.push(`${kind} ${project} ${id} ${version}`)
  }
  missed(): void {
    this.misses++
  }

  async follow(client_id: string): Promise<void> {
    this.engine.follow({ project: 'p', client_id }, true)
    await until('the channel to be subscribed', async () => (await subscribed(client_id)) || undefined)
  }

  send(client_id = 'r', ttl_seconds = 60, sender_id = 'sender') {
    const id = Bun.randomUUIDv7()
    const message = createMessage({ payload: 1, ttl_seconds }, sender_id, client_id, id, this.clock.now, 60)
    return this.engine.append('p', message, client_id)
  }

  async read(): Promise<Read> {
    const read = await this.engine.read(READER, undefined, EVERYTHING)
    if (typeof read === 'string') throw new Error(read)
    return read
  }

  hears(what: string): Promise<unknown> {
    return until(`"${what}" to be told, beside ${this.told}`, () => this.told.includes(what) || undefined)
  }
}

/** Whether anybody listens at a mailbox. */
async function subscribed(client_id: string): Promise<boolean> {
  const redis = new Redis(server.url)
  const counts = (await redis.call('PUBSUB', 'SHARDNUMSUB', `${prefix}0:{p:${client_id}}`)) as [
    string,
    number,
  ]
  redis.disconnect()
  return counts[1] > 0
}

const two = async () => {
  const clock = { now: Date.now() }
  return [await Instance.start(clock), await Instance.start(clock), clock] as const
}

/** An engine whose process ends when it calls a script. @param events is told what it tells */
async function dyingAt(name: string, events: EngineEvents, clock: { now: number }): Promise<RedisEngine> {
  const engine: RedisEngine = newRedisEngine(server.url, prefix, {
    now: () => clock.now,
    limits: () => LIMITS,
    through: (run) => (script, keys, args) => {
      if (script.name === name) engine.stop()
      return run(script, keys, args)
    },
  })
  await engine.start(events)
  return engine
}

describe('two instances on one Redis', () => {
  test('one announces what the other stores, and says nothing twice of what it stores itself', async () => {
    const [one, other] = await two()
    await one.follow('r')
    await other.send()
    await one.hears('r has 1')
    await one.send()
    await one.hears('r has 2')
    await other.send()
    await one.hears('r has 3')
    expect(one.told.filter((what) => what.startsWith('r has'))).toEqual(['r has 1', 'r has 2', 'r has 3'])
    // What nobody here follows is not heard of.
    expect(other.told).toEqual(['r has 1', 'r has 3'])
  })

  test('each message is leased by one of them', async () => {
    const [one, other] = await two()
    await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 ? one : other).send()))
    const reads = await Promise.all([one.read(), other.read(), one.read(), other.read()])
    const offsets = reads.flatMap(({ due }) => due.map(({ offset }) => offset))
    expect(offsets.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
  })

  test('a takeover through one is told by the other, whose calls are refused', async () => {
    const [one, other] = await two()
    await one.follow('r')
    const checked = await one.engine.checkin({ ...READER, ...ANYBODY })
    if (checked.outcome !== 'ok') throw new Error(checked.outcome)
    const { session_id } = checked.session
    await other.engine.checkin({ ...READER, ...ANYBODY })
    await one.hears('r replaced')
    expect(await one.engine.read(READER, undefined, { ...EVERYTHING, session_id })).toBe('replaced')
    expect(await one.engine.settle(READER, { session_id })).toBe('replaced')
  })

  test('a sender hears from one of what was read through the other', async () => {
    const [one, other] = await two()
    await one.follow('sender')
    await one.send()
    await other.read()
    await other.engine.settle(READER, {})
    await one.hears('r read what sender sent')
  })

  test('a record that one changes is told by the other', async () => {
    const [one, other] = await two()
    await one.engine.records.put('protocol', 'p', 'chat', { a: 1 }, 0)
    await other.hears('protocol p chat 1')
    expect(await other.engine.records.get('protocol', 'p', 'chat')).toMatchObject({ value: { a: 1 } })
  })

  test('a sender hears from one of what died at the other, and that counts once', async () => {
    const [one, other, clock] = await two()
    await one.follow('sender')
    await other.send('r', 1)
    clock.now += 2000
    await other.engine.sweep()
    await one.hears('r lost one, told elsewhere')
    expect(other.told).toContain('r lost one, told')
  })

  test('what a mailbox has come to is asked for many at once', async () => {
    const [one, other] = await two()
    await other.send()
    await other.send()
    const checked = await one.engine.checkin({ ...READER, client_id: 'held', ...ANYBODY })
    if (checked.outcome !== 'ok') throw new Error(checked.outcome)
    const asked = ['r', 'held', 'none'].map((client_id) => ({ project: 'p', client_id }))
    const { epoch } = (await one.engine.client('p', READER))!
    expect(await one.engine.latest(asked)).toEqual([
      { epoch, changes: 2, session_id: undefined },
      { epoch: expect.any(String), changes: 0, session_id: checked.session.session_id },
      { epoch: '0', changes: 0, session_id: undefined },
    ])
  })

  test('a send that one began under a key, and did not end, is ended by the other as the same message', async () => {
    const clock = { now: Date.now() }
    const other = await Instance.start(clock)
    const engine = await dyingAt('finish', other, clock)
    const key = { key: 'once', digest: 'the same' }
    const message = (n: number) =>
      createMessage({ payload: 1, ttl_seconds: 50 }, 'sender', 'r', Bun.randomUUIDv7(), clock.now + n, 60)
    const first = message(1)
    await expect(engine.append('p', first, 'r', key)).rejects.toThrow('the connection is closed')
    const again = await other.engine.append('p', message(2), 'r', key)
    const { message_id, expires_ms } = first
    expect(again).toMatchObject({
      outcome: 'repeated',
      digest: 'the same',
      first: { message_id, expires_ms, recipients: ['r'], deliveries: [{ outcome: 'stored' }] },
    })
    expect(await other.engine.append('p', message(3), 'r', key)).toEqual(again)
    expect((await other.read()).due.map(({ message }) => message.json)).toEqual([first.json])
  })

  test('a send that was begun, and stored nothing yet, is stored as it was begun', async () => {
    const clock = { now: Date.now() }
    const other = await Instance.start(clock)
    const engine = await dyingAt('append', other, clock)
    const key = { key: 'once', digest: 'the same' }
    const message = (payload: number) =>
      createMessage({ payload, ttl_seconds: 50 }, 'sender', 'r', Bun.randomUUIDv7(), clock.now + payload, 60)
    const first = message(1)
    await expect(engine.append('p', first, 'r', key)).rejects.toThrow('the connection is closed')
    const { message_id } = first
    // Another content is no repetition, also while nothing is known of the first.
    expect(await other.engine.append('p', message(2), 'r', { ...key, digest: 'another' })).toMatchObject({
      outcome: 'repeated',
      digest: 'the same',
    })
    const same = createMessage({ payload: 1, ttl_seconds: 50 }, 'sender', 'r', 'other-id', clock.now + 9, 60)
    expect(await other.engine.append('p', same, 'r', key)).toMatchObject({ first: { message_id } })
    expect((await other.read()).due.map(({ message }) => message.json)).toEqual([first.json])
  })

  test('an address keeps nothing of instances that have long gone', async () => {
    const [one, other, clock] = await two()
    await one.send('r', 3600)
    await other.send('r', 10_000)
    const redis = new Redis(server.url)
    const calls = async () =>
      (await redis.hkeys(`${prefix}0:{p:r}:state`)).filter((field) => field.startsWith('call:')).length
    expect(await calls()).toBe(2)
    clock.now += 3_600_000
    await one.engine.sweep()
    expect(await calls()).toBe(0)
    redis.disconnect()
    expect((await other.read()).due).toMatchObject([{ offset: 2, attempt: 1 }])
  })

  test('what an instance had leased that died is read through the other, with a higher attempt', async () => {
    const [one, other, clock] = await two()
    await one.send()
    expect((await one.read()).due).toMatchObject([{ attempt: 1 }])
    await one.engine.stop()
    expect((await other.read()).due).toEqual([])
    clock.now += 1500
    expect((await other.read()).due).toMatchObject([{ attempt: 2 }])
  })

  test('a message that dies is counted once and bounces once, whoever sees it', async () => {
    const [one, other, clock] = await two()
    for (let n = 0; n < 30; n++) await one.send('r', 1)
    clock.now += 2000
    await Promise.all([one.engine.sweep(), other.engine.sweep(), one.read(), other.read()])
    await Promise.all([one.engine.sweep(), other.engine.sweep()])
    const deaths = [...one.told, ...other.told].filter((what) => what === 'r lost one, told')
    expect(deaths).toHaveLength(30)
    expect((await one.engine.dead('p', {}, { limit: 1 })).total).toBe(30)
    expect(await other.engine.client('p', { client_id: 'sender' })).toMatchObject({ pending: 30 })
  })

  test('what died with nobody left to bury it is buried by a sweep of another', async () => {
    const clock = { now: Date.now() }
    const one = await Instance.start(clock)
    await one.send('r', 1)
    await one.engine.stop()
    clock.now += 60_000
    const other = await Instance.start(clock)
    await until('the sweeps to come to it', async () => {
      clock.now += 1000
      await other.engine.sweep()
      return other.told.includes('r lost one, told') || undefined
    })
    expect((await other.engine.dead('p', {}, { limit: 1 })).total).toBe(1)
  })

  test('without memory in Redis senders are refused, and readers go on', async () => {
    const [one] = await two()
    for (let n = 0; n < 3; n++) await one.send()
    const redis = new Redis(server.url)
    try {
      await redis.config('SET', 'maxmemory', '1')
      expect(await one.send()).toMatchObject({ outcome: 'storage_full' })
      expect((await one.read()).due).toHaveLength(3)
      expect(await one.engine.settle(READER, {})).toMatchObject({ settled: 3 })
    } finally {
      await redis.config('SET', 'maxmemory', '0')
      redis.disconnect()
    }
    expect(await one.send()).toMatchObject({ outcome: 'stored' })
  })

  test('a user with the rights that the documentation names is enough', async () => {
    const page = await Bun.file(new URL('../../../docs/redis.md', import.meta.url)).text()
    const rights = /needs `(.*)`/.exec(page)![1]!.replaceAll('PREFIX', prefix).split(' ')
    const redis = new Redis(server.url)
    await redis.call(
      'ACL',
      'SETUSER',
      'broker',
      'reset',
      'on',
      '>secret',
      ...rights.filter((right) => right !== 'and'),
    )
    redis.disconnect()
    const engine = newRedisEngine(server.url.replace('//', '//broker:secret@'), prefix, {
      limits: () => LIMITS,
    })
    const [one] = await two()
    await engine.start(one)
    engine.follow(READER, true)
    await one.send()
    expect(await engine.read(READER, undefined, EVERYTHING)).toMatchObject({ due: [{ attempt: 1 }] })
    await engine.checkin({ ...READER, ...ANYBODY })
    await engine.records.put('k', 'p', 'a', 1, 0)
    await engine.sweep()
    expect(await engine.health()).toEqual({ ok: true })
    await engine.stop()
  })
})

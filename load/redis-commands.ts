import { DEFAULT_LIMITS } from '../src/core/limits.ts'
import type { Lease } from '../src/core/mailbox/entry.ts'
import type { Position } from '../src/core/mailbox/position.ts'
import { createMessage, type StoredMessage } from '../src/core/message.ts'
import { parseTarget } from '../src/core/redis-target.ts'
import { RedisConnection } from '../src/engine/redis/connection/redis-connection.ts'
import { openRedis } from '../src/engine/redis/open.ts'
import type { RedisEngine } from '../src/engine/redis/redis.ts'
import type { Address } from '../src/engine/values.ts'
import { NOBODY } from '../tests/engine/journal/nobody.ts'
import { payloadJson } from './open-loop.ts'
import type { MeasuredRedis } from './redis.ts'

/** Messages of one turn: in one call each, for as many mailboxes, or all in one call for one mailbox. */
export const TURN = 64
/** Addresses that a broker asks about in one question. */
const LOOK = 500
const PREFIX = 'load:'

/** What one item costs, in microseconds of CPU: of this process, and of Redis. */
export interface Cost {
  readonly client_us: number
  readonly redis_us: number
}

/** What a message costs in each step of its way. */
export interface Way {
  readonly append: Cost
  readonly read: Cost
  readonly ack: Cost
  /** Messages that a step did not do as it should. */
  readonly lost: number
}

/** A mailbox, and how far it has been read. */
interface Reader {
  readonly address: Address
  position: Position
  epoch: string
  /** What is read and not acknowledged. */
  leases: Lease[]
}

/** An engine on Redis in this process, whose calls are measured. Nobody listens to what it announces. */
export class MeasuredEngine implements Disposable {
  private constructor(
    private readonly redis: MeasuredRedis,
    private readonly engine: RedisEngine,
    private readonly readers: readonly Reader[],
  ) {}

  /** Makes an engine with as many mailboxes as a turn has messages. */
  static async open(redis: MeasuredRedis): Promise<MeasuredEngine> {
    let ids = 0
    const engine = openRedis(
      { url: redis.url, prefix: PREFIX, note: console.error },
      {
        limits: () => DEFAULT_LIMITS,
        now: Date.now,
        newId: () => Bun.randomUUIDv7(),
        newEpoch: () => `e${++ids}`,
        report: console.error,
      },
    )
    await engine.start(NOBODY)
    const readers: Reader[] = []
    for (let i = 0; i < TURN; i++) {
      const address = { project: 'default', client_id: `reader-${i}` }
      const given = { resume: undefined, join: undefined, key_id: undefined, name: undefined }
      await engine.checkin({ ...address, ...given, capabilities: undefined })
      const opened = await engine.open(address, undefined, 'manual', undefined)
      if (typeof opened === 'string') throw new Error(`${address.client_id} is ${opened}`)
      readers.push({ address, position: opened.position, epoch: opened.position.epoch, leases: [] })
    }
    return new MeasuredEngine(redis, engine, readers)
  }

  /**
   * Has messages appended, read under a lease and acknowledged, one step for all of them after the other.
   *
   * @param depth messages of each mailbox: a multiple of {@link TURN}
   * @param per_call 1 or {@link TURN}
   */
  async way(depth: number, per_call: number): Promise<Way> {
    const messages = this.readers.length * depth
    // Made before: what a message costs to make is not looked at.
    const made = this.readers.map(({ address }) => Array.from({ length: depth }, () => newMessage(address)))
    let done = 0
    const append = await this.#cost(messages, () =>
      this.#turns(depth, per_call, async (reader, i, from) => {
        const { project, client_id } = reader.address
        const some = made[i]!.slice(from, from + per_call)
        const answers = await Promise.all(some.map((one) => this.engine.append(project, one, client_id)))
        done += answers.filter(({ outcome }) => outcome === 'stored').length
      }),
    )
    const read = await this.#cost(messages, () =>
      this.#turns(depth, per_call, async (reader) => {
        const take = { limit: per_call, bytes_max: Number.MAX_SAFE_INTEGER, ack: 'manual' } as const
        const answer = await this.engine.read(reader.address, reader.position, take)
        if (typeof answer === 'string') return
        reader.position = answer.position!
        reader.leases.push(...answer.due)
        done += answer.due.length
      }),
    )
    const ack = await this.#cost(messages, () =>
      this.#turns(depth, per_call, async (reader) => {
        const leases = { epoch: reader.epoch, of: reader.leases.splice(0, per_call) }
        const answer = await this.engine.settle(reader.address, { leases })
        if (typeof answer !== 'string') done += answer.settled
      }),
    )
    return { append, read, ack, lost: 3 * messages - done }
  }

  /** Asks what mailboxes have come to, as a broker does of all that are live. @returns the cost of one of them */
  async look(looks: number): Promise<Cost> {
    const asked = Array.from({ length: LOOK }, (_, i) => this.readers[i % this.readers.length]!.address)
    return this.#cost(looks * LOOK, async () => {
      for (let look = 0; look < looks; look++) await this.engine.latest(asked)
    })
  }

  /** Calls each mailbox's step, as many times as it takes, with {@link TURN} messages in a turn. */
  async #turns(
    depth: number,
    per_call: number,
    step: (reader: Reader, i: number, from: number) => Promise<void>,
  ): Promise<void> {
    for (let from = 0; from < depth; from += per_call)
      if (per_call === 1) await Promise.all(this.readers.map((reader, i) => step(reader, i, from)))
      else for (const [i, reader] of this.readers.entries()) await step(reader, i, from)
  }

  #cost(items: number, work: () => Promise<void>): Promise<Cost> {
    return costOf(this.redis, items, work)
  }

  [Symbol.dispose](): void {
    this.engine.stop()
  }
}

/** What a PING costs, with as many of them in a turn as messages; by the engine's own client. */
export async function pingCost(redis: MeasuredRedis, turns: number): Promise<Cost> {
  const target = parseTarget(redis.url)
  const ours = { target, prefix: PREFIX, instance: 'load', scripts: [], note: console.error }
  const connection = new RedisConnection(ours)
  try {
    await connection.start()
    return await costOf(redis, turns * TURN, async () => {
      for (let turn = 0; turn < turns; turn++)
        await Promise.all(Array.from({ length: TURN }, () => connection.command('PING', '')))
    })
  } finally {
    connection.stop()
  }
}

async function costOf(redis: MeasuredRedis, items: number, work: () => Promise<void>): Promise<Cost> {
  const redis_before_us = await redis.cpuMicroseconds()
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  const redis_us = (await redis.cpuMicroseconds()) - redis_before_us
  return { client_us: (user + system) / items, redis_us: redis_us / items }
}

const PAYLOAD: unknown = JSON.parse(payloadJson(0, 0))

function newMessage({ client_id }: Address): StoredMessage {
  return createMessage({ payload: PAYLOAD }, 'sender', client_id, Bun.randomUUIDv7(), Date.now(), 300)
}

import { StartRefused } from '../../../core/errors.ts'
import { describeTarget, keyPrefix, type Target } from '../../../core/redis-target.ts'
import type { RedisStats } from '../../values.ts'
import type { Args, Command, Place, Run, Script } from '../script.ts'
import { CallCounts } from './counts.ts'
import type { RedisClient, RedisClientOptions } from './redis-client.ts'
import type { RedisSubscriber } from './subscriber/subscriber.ts'

export interface RedisConnectionOptions {
  readonly target: Target
  /** PEM of the authority that the server's certificate is checked against, where that is a private one. */
  readonly ca?: string | undefined
  /** Of all keys and channels; the number of the database is added. */
  readonly prefix: string
  readonly scripts: readonly Script[]
  /**
   * Replicas that must have what was written before it counts as stored. If left out: 1 behind sentinels, and
   * where a master has a replica at the start, else 0.
   */
  readonly wait_replicas?: number | undefined
  /** Names this process. */
  readonly instance: string
  /** Told in a sentence when the connection is lost, or there again. */
  readonly note: (sentence: string) => void
}

/** Who hears what is published. */
export interface Listener {
  received(channel: string, text: string): void
  /** What was published for a while was lost. */
  missed(): void
}

/** What the engine has of Redis. */
export type EngineConnection = Pick<
  RedisConnection,
  | 'prefix'
  | 'listener'
  | 'start'
  | 'stop'
  | 'tick'
  | 'run'
  | 'command'
  | 'publish'
  | 'listen'
  | 'faults'
  | 'stats'
>

/** A call that was never sent is given up sooner than one that may have been carried out. */
const UNSENT_MS = 1000
/** How often this process publishes to itself, and after which silence it does not count as hearing. */
const ECHO_EVERY_MS = 1000
const ECHO_MS_MAX = 3000

/** Commands that change nothing, or whose loss the next one mends: they wait for no replica. */
const UNKEPT = new Set([
  ...['GET', 'HGET', 'HMGET', 'LRANGE', 'SMEMBERS', 'ZCARD', 'ZRANGE', 'ZRANGEBYLEX', 'ZREVRANGEBYSCORE'],
  ...['PUBLISH', 'SPUBLISH', 'HINCRBY'],
])

/**
 * What one process has to do with Redis. Calls go over one connection to each server, and where replicas have
 * to have what is written, over two: WAIT holds up all that comes behind it. What is published is heard over
 * another one.
 */
export class RedisConnection {
  readonly prefix: string
  listener: Listener | undefined
  /** For what waits for no replica, and the same one for the rest where none has to have it. */
  #client: RedisClient | undefined
  #keeping: RedisClient | undefined
  #subscriber: RedisSubscriber | undefined
  /** Channels that are to be subscribed once there is a subscriber. */
  readonly #wanted = new Set<string>()
  readonly #counts = new CallCounts()
  /** When this process last heard itself, by `performance.now()`; by channel, one on each server. */
  #echoes = new Map<string, number>()
  #echoed_ms = 0
  /** That it does not answer was told. */
  #lost = false
  #stopped = false
  #settled = Promise.withResolvers<void>()

  constructor(private readonly options: RedisConnectionOptions) {
    this.prefix = keyPrefix(options.prefix, options.target)
  }

  /**
   * Ends when the server was reached, however long that takes.
   *
   * @throws StartRefused where it answers and cannot be used as it is
   */
  async start(): Promise<void> {
    // Loaded only here: most processes do without the library.
    const [{ RedisClient }, { RedisSubscriber }] = await Promise.all([
      import('./redis-client.ts'),
      import('./subscriber/subscriber.ts'),
    ])
    const { target, ca, scripts } = this.options
    const { prefix } = this
    const counts = this.#counts
    const make = (more: Partial<RedisClientOptions>) => {
      const client = new RedisClient({ target, prefix, ca, scripts, counts, unsent_ms: UNSENT_MS, ...more })
      client.onChange(() => this.#changed())
      return client
    }
    this.#client = make({})
    await this.#settled.promise
    if (this.#stopped) return
    if (this.#client.state === 'unfit') {
      const { faults } = this.#client
      this.stop()
      throw new StartRefused(`${describeTarget(target)}: ${faults.join(' ')}`)
    }
    const wait_replicas = this.options.wait_replicas ?? this.#replicasToWaitFor(this.#client)
    this.#keeping = wait_replicas === 0 ? this.#client : make({ wait_replicas })
    this.#subscriber = new RedisSubscriber(this.#client, {
      message: (channel, text) => this.#received(channel, text),
      missed: () => this.listener?.missed(),
    })
    const heard = [...this.#wanted].map((channel) => this.#subscriber!.follow(channel))
    // What others published until now was not heard.
    void Promise.all(heard).then(() => this.listener?.missed())
    this.#echo()
  }

  #replicasToWaitFor({ places }: RedisClient): number {
    return this.options.target.form === 'sentinel' || places.some(({ replicas }) => replicas > 0) ? 1 : 0
  }

  stop(): void {
    this.#stopped = true
    this.#subscriber?.stop()
    this.#client?.stop()
    this.#keeping?.stop()
    this.#settled.resolve()
  }

  /** To be called several times a second. */
  tick(): void {
    if (performance.now() - this.#echoed_ms >= ECHO_EVERY_MS) this.#echo()
  }

  /** @throws RedisFailed as {@link RedisClient.run} */
  readonly run: Run = (script: Script, keys: readonly string[], args: Args) =>
    (script.kept ? this.#keeping! : this.#client!).run(script, keys, args)

  /** @throws RedisFailed as {@link RedisClient.command} */
  readonly command: Command = (name, ...words) =>
    (UNKEPT.has(name) ? this.#client! : this.#keeping!).command(name, ...words)

  /** How the server is told to announce. */
  get publish(): 'PUBLISH' | 'SPUBLISH' {
    return this.#client?.sharded ? 'SPUBLISH' : 'PUBLISH'
  }

  /** Milliseconds that the servers' clocks are ahead of this one: the middle of them. */
  get clock_offset_ms(): number {
    const offsets = this.#places.map(({ clock_offset_ms }) => clock_offset_ms).sort((a, b) => a - b)
    return offsets[offsets.length >> 1] ?? 0
  }

  get #places(): readonly Place[] {
    return this.#client?.places ?? []
  }

  /** Subscribes a channel, or ends that. */
  listen(channel: string, on: boolean): void {
    if (on) this.#wanted.add(channel)
    else this.#wanted.delete(channel)
    if (on) void this.#subscriber?.follow(channel)
    else this.#subscriber?.unfollow(channel)
  }

  /** Why messages cannot be stored, read or announced at present: one sentence for each reason. */
  get faults(): readonly string[] {
    const faults = new Set([...(this.#client?.faults ?? []), ...(this.#keeping?.faults ?? [])])
    if (faults.size > 0 || !this.#subscriber) return [...faults]
    const now = performance.now()
    const deaf = [...this.#echoes.values()].some((heard_ms) => now - heard_ms > ECHO_MS_MAX)
    return deaf ? ['This broker does not hear what it publishes in Redis.'] : []
  }

  get stats(): Omit<RedisStats, 'instances'> {
    const { faults } = this
    const { calls, unknown_outcomes, wait_unmet } = this.#counts
    return {
      up: this.#subscriber !== undefined && faults.length === 0,
      trouble: faults.length === 0 ? undefined : faults.join(' '),
      wait_replicas: this.#keeping?.wait_replicas ?? 0,
      calls: calls.timings,
      unknown_outcomes,
      wait_unmet,
    }
  }

  /** Publishes to itself on each server: a subscription can be dead while all calls are answered. */
  #echo(): void {
    const now = performance.now()
    this.#echoed_ms = now
    const client = this.#client
    if (!client || !this.#subscriber || client.state !== 'ready') return
    const channels = client.marks(`${this.prefix}echo:${this.options.instance}`)
    for (const channel of this.#echoes.keys())
      if (!channels.includes(channel)) this.#subscriber.unfollow(channel)
    this.#echoes = new Map(channels.map((channel) => [channel, this.#echoes.get(channel) ?? now]))
    for (const channel of channels) {
      void this.#subscriber.follow(channel)
      // What fails here is said by the connection.
      client.command(this.publish, channel, '').catch(() => undefined)
    }
  }

  #received(channel: string, text: string): void {
    if (this.#echoes.has(channel)) this.#echoes.set(channel, performance.now())
    else this.listener?.received(channel, text)
  }

  #changed(): void {
    const states = [this.#client, this.#keeping].flatMap((client) => client?.state ?? [])
    const unfit = states.includes('unfit')
    const ready = states.every((state) => state === 'ready')
    const faults = [this.#client, this.#keeping].flatMap((client) => client?.faults ?? [])
    if (!ready && !this.#lost && faults.length > 0) {
      this.#lost = true
      const what = unfit ? 'Redis cannot be used' : 'Redis does not do its work'
      this.options.note(`${what}: ${[...new Set(faults)].join(' ')}`)
    }
    if (ready && this.#lost) {
      this.#lost = false
      this.options.note('Redis answers again')
    }
    if (ready || unfit) this.#settled.resolve()
  }
}

import { Redis } from 'ioredis'
import type { Target } from '../../../core/redis-target.ts'
import { optionsOf } from './options.ts'

/** Channels of one command. */
const CHANNELS_MAX = 500
/** A server that stands still is noticed by what it does not answer. */
const PING_EVERY_MS = 300
const SILENT_MS_MAX = 1000
const AGAIN_MS = 25

export interface RedisSubscriberOptions {
  readonly target: Target
  readonly ca?: string | undefined
  /** The server has sharded pub/sub. */
  readonly sharded: () => boolean
  readonly received: (channel: string, text: string) => void
  /** All channels are subscribed again, after a time in which what was published was lost. */
  readonly missed: () => void
}

/** A connection on which this process hears what is published. */
export class RedisSubscriber {
  readonly #redis: Redis
  readonly #wanted = new Set<string>()
  /** On the connection there is, or asked for there. */
  readonly #subscribed = new Set<string>()
  #changed = new Set<string>()
  #ready = false
  #stopped = false
  #pinged_ms = 0

  constructor(private readonly options: RedisSubscriberOptions) {
    const { target, ca, received } = options
    this.#redis = new Redis({
      ...optionsOf(target, ca),
      socketTimeout: SILENT_MS_MAX,
      // Done here, so that it is known when all is heard again.
      autoResubscribe: false,
    })
    // Each is followed by `close`.
    this.#redis.on('error', () => undefined)
    this.#redis.on('message', received)
    this.#redis.on('smessage', received)
    this.#redis.on('ready', () => void this.#begin())
    this.#redis.on('close', () => {
      this.#ready = false
    })
    this.#redis.on('end', () => {
      if (!this.#stopped) setTimeout(() => this.start(), AGAIN_MS)
    })
  }

  /** Begins to connect. */
  start(): void {
    this.#redis.connect().catch(() => undefined)
  }

  /** To be called several times a second: a server that does not answer is left. */
  tick(): void {
    const now = performance.now()
    if (!this.#ready || now - this.#pinged_ms < PING_EVERY_MS) return
    this.#pinged_ms = now
    this.#redis.ping().catch(() => undefined)
  }

  stop(): void {
    this.#stopped = true
    this.#redis.disconnect()
  }

  follow(channel: string): void {
    this.#wanted.add(channel)
    this.#change(channel)
  }

  unfollow(channel: string): void {
    this.#wanted.delete(channel)
    this.#change(channel)
  }

  /** Changes of one turn go in one command each way. */
  #change(channel: string): void {
    this.#changed.add(channel)
    if (this.#changed.size === 1) queueMicrotask(() => this.#apply())
  }

  #apply(): void {
    const changed = this.#changed
    this.#changed = new Set()
    if (!this.#ready) return
    const on = [...changed].filter((channel) => this.#wanted.has(channel) && !this.#subscribed.has(channel))
    const off = [...changed].filter((channel) => !this.#wanted.has(channel) && this.#subscribed.has(channel))
    this.#subscribe(on).catch(this.#lost)
    this.#unsubscribe(off).catch(this.#lost)
  }

  async #begin(): Promise<void> {
    try {
      this.#subscribed.clear()
      this.#ready = true
      await this.#subscribe([...this.#wanted])
      this.options.missed()
    } catch {
      this.#lost()
    }
  }

  /** Begins anew: what is subscribed and what is wanted may differ. */
  readonly #lost = (): void => {
    if (!this.#stopped) this.#redis.disconnect(true)
  }

  async #subscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.#subscribed.add(channel)
    for (let from = 0; from < channels.length; from += CHANNELS_MAX) {
      const some = channels.slice(from, from + CHANNELS_MAX)
      if (this.options.sharded()) await this.#redis.ssubscribe(...some)
      else await this.#redis.subscribe(...some)
    }
  }

  async #unsubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.#subscribed.delete(channel)
    for (let from = 0; from < channels.length; from += CHANNELS_MAX) {
      const some = channels.slice(from, from + CHANNELS_MAX)
      if (this.options.sharded()) await this.#redis.sunsubscribe(...some)
      else await this.#redis.unsubscribe(...some)
    }
  }
}

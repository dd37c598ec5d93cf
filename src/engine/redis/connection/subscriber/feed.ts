import { Redis } from 'ioredis'
import type { ConnectionOptions } from '../servers/options.ts'

/** What the owner of a feed gives it, and hears of it. */
export interface FeedOwner {
  /** `SSUBSCRIBE` is there. */
  readonly sharded: boolean
  message(channel: string, text: string): void
  /** A channel is subscribed: from here on nothing is lost. */
  subscribed(channel: string): void
  /** Something may have been lost; all channels are subscribed again. */
  missed(): void
  /** Another server has a channel. */
  moved(channel: string, answer: Error): void
}

/** A subscribed connection without traffic would not notice that its server stands still. */
const PING_MS = 300
const SILENT_MS = 1000

/** How long to wait before a channel that was refused is asked for again, in milliseconds. */
const AGAIN_MS = 250

/** One connection that is subscribed to channels of one server. Subscriptions of one turn go out together. */
export class Feed {
  readonly #redis: Redis
  readonly #owner: FeedOwner
  readonly #wanted = new Set<string>()
  /** What the server was asked for, and whether it has answered. */
  readonly #asked = new Map<string, 'asked' | 'subscribed'>()
  /** Channels that may have to be subscribed or left. */
  #changed = new Set<string>()
  #turn: NodeJS.Immediate | undefined
  #again: NodeJS.Timeout | undefined
  #ping: NodeJS.Timeout | undefined
  /** Channels of which something may have been lost. */
  readonly #gaps = new Set<string>()
  #stopped = false

  constructor(options: ConnectionOptions, owner: FeedOwner) {
    this.#owner = owner
    const { commandTimeout: _, ...rest } = options
    this.#redis = new Redis({ ...rest, socketTimeout: SILENT_MS })
    // What cannot be reached here cannot be reached by the connection for commands either, which says so.
    this.#redis.on('error', () => {})
    this.#redis.on('ready', () => this.#ready())
    this.#redis.on('close', () => this.#lost())
    this.#redis.on('end', () => this.#ended())
    this.#redis.on('moved', () => this.#dropped())
    this.#redis.on('message', (channel: string, text: string) => owner.message(channel, text))
    this.#redis.on('smessage', (channel: string, text: string) => owner.message(channel, text))
    this.#connect()
  }

  /** While it is connected. An answer that does not come ends the connection. */
  #pingLater(): void {
    this.#ping = setTimeout(() => {
      this.#redis.ping().catch(() => {})
      this.#pingLater()
    }, PING_MS)
  }

  /** Nobody wants anything of it. */
  get idle(): boolean {
    return this.#wanted.size === 0
  }

  /** All that is wanted is subscribed. */
  get complete(): boolean {
    if (this.#redis.status !== 'ready') return this.idle
    for (const channel of this.#wanted) if (this.#asked.get(channel) !== 'subscribed') return false
    return true
  }

  /** @param gap some of it may have been lost already, since it was subscribed elsewhere */
  follow(channel: string, gap: boolean): void {
    this.#wanted.add(channel)
    if (gap) this.#gaps.add(channel)
    this.#change(channel)
  }

  unfollow(channel: string): void {
    if (this.#wanted.delete(channel)) this.#change(channel)
    this.#gaps.delete(channel)
    this.#settle()
  }

  #change(channel: string): void {
    this.#changed.add(channel)
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      this.#flush()
    })
  }

  #ready(): void {
    if (this.#stopped) return
    this.#pingLater()
    for (const channel of this.#wanted) this.#change(channel)
  }

  #flush(): void {
    if (this.#redis.status !== 'ready') return
    const s = this.#owner.sharded ? 's' : ''
    const pipeline = this.#redis.pipeline()
    const asked: string[] = []
    for (const channel of this.#changed) {
      if (this.#wanted.has(channel) === this.#asked.has(channel)) continue
      if (this.#asked.delete(channel)) {
        pipeline.call(`${s}unsubscribe`, channel)
        asked.push('')
      } else {
        pipeline.call(`${s}subscribe`, channel)
        this.#asked.set(channel, 'asked')
        asked.push(channel)
      }
    }
    this.#changed = new Set()
    if (asked.length === 0) return
    pipeline.exec().then(
      (answers) => {
        for (const [at, channel] of asked.entries()) this.#answered(channel, answers?.[at]?.[0] ?? undefined)
        this.#settle()
      },
      () => {},
    )
  }

  #answered(channel: string, error: Error | undefined): void {
    if (this.#asked.get(channel) !== 'asked') return
    if (!error) {
      this.#asked.set(channel, 'subscribed')
      this.#owner.subscribed(channel)
      return
    }
    this.#asked.delete(channel)
    if (error.message.startsWith('MOVED ')) this.#owner.moved(channel, error)
    // A connection that is lost asks for everything once it is back.
    if (this.#redis.status !== 'ready' || this.#stopped) return
    this.#again ??= setTimeout(() => {
      this.#again = undefined
      for (const channel of this.#wanted) if (!this.#asked.has(channel)) this.#change(channel)
    }, AGAIN_MS)
  }

  #settle(): void {
    if (this.#gaps.size === 0 || !this.complete) return
    this.#gaps.clear()
    this.#owner.missed()
  }

  /** The server has ended subscriptions of a slot that moved away. */
  #dropped(): void {
    const left = new Set(
      this.#redis.condition?.subscriber ? this.#redis.condition.subscriber.channels('ssubscribe') : [],
    )
    for (const [channel, state] of this.#asked) {
      if (state !== 'subscribed' || left.has(channel)) continue
      this.#asked.delete(channel)
      this.#gaps.add(channel)
      this.#change(channel)
    }
  }

  #lost(): void {
    clearTimeout(this.#ping)
    for (const [channel, state] of this.#asked) if (state === 'subscribed') this.#gaps.add(channel)
    this.#asked.clear()
  }

  /** ioredis gives up on some faults; this does not. */
  #ended(): void {
    if (this.#stopped) return
    clearTimeout(this.#again)
    this.#again = setTimeout(() => {
      this.#again = undefined
      this.#connect()
    }, AGAIN_MS)
  }

  #connect(): void {
    this.#redis.connect().catch(() => {})
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#ping)
    clearTimeout(this.#again)
    clearImmediate(this.#turn)
    this.#redis.disconnect()
    this.#redis.stream?.destroy()
  }
}

import { StartRefused } from '../../../core/errors.ts'
import type { Command, Run, Script } from '../script.ts'
import { type ClientState, RedisClient } from './redis-client.ts'
import { RedisSubscriber } from './redis-subscriber.ts'
import { describeTarget, keyPrefix, type Target } from './target.ts'

export interface RedisConnectionOptions {
  readonly target: Target
  /** PEM of the authority that the server's certificate is checked against, where that is a private one. */
  readonly ca?: string | undefined
  /** Of all keys and channels; the number of the database is added. */
  readonly prefix: string
  readonly scripts: readonly Script[]
  /** Replicas that must have what was written before it counts as stored. */
  readonly wait_replicas?: number | undefined
  /** Told in a sentence when the connection is lost, or there again. */
  readonly note: (sentence: string) => void
}

/** Who hears what is published. */
export interface Listener {
  received(channel: string, text: string): void
  /** What was published for a while was lost. */
  missed(): void
}

/** What one process has to do with Redis: one connection for calls, and one to hear what is published. */
export class RedisConnection {
  readonly prefix: string
  readonly run: Run
  readonly command: Command
  listener: Listener | undefined
  readonly #client: RedisClient
  readonly #subscriber: RedisSubscriber
  #settled: ((state: ClientState) => void) | undefined

  constructor(private readonly options: RedisConnectionOptions) {
    const { target, ca, prefix, scripts, wait_replicas = 0 } = options
    this.prefix = keyPrefix(prefix, target)
    this.#client = new RedisClient({
      target,
      ca,
      scripts,
      wait_replicas,
      changed: (state) => this.#changed(state),
    })
    this.#subscriber = new RedisSubscriber({
      target,
      ca,
      sharded: () => this.#client.facts?.sharded === true,
      received: (channel, text) => this.listener?.received(channel, text),
      missed: () => this.listener?.missed(),
    })
    this.run = this.#client.run
    this.command = (name, ...args) => this.#client.command(name, ...args)
  }

  /**
   * Ends when the server was reached, however long that takes.
   *
   * @throws StartRefused where it answers and cannot be used as it is
   */
  async start(): Promise<void> {
    const settled = new Promise<ClientState>((resolve) => {
      this.#settled = (state) => {
        if (state === 'ready' || state === 'unfit' || state === 'stopped') resolve(state)
      }
    })
    this.#client.start()
    const state = await settled
    if (state !== 'ready') {
      this.stop()
      throw new StartRefused(`${describeTarget(this.options.target)}: ${this.#client.trouble}`)
    }
    this.#subscriber.start()
  }

  stop(): void {
    this.#client.stop()
    this.#subscriber.stop()
  }

  /** How the server is told to announce. */
  get publish(): 'PUBLISH' | 'SPUBLISH' {
    return this.#client.facts?.sharded ? 'SPUBLISH' : 'PUBLISH'
  }

  /** Names the history of the server: another one may have lost what was written. */
  get generation(): string {
    return this.#client.facts?.generation ?? 'unknown'
  }

  /** Milliseconds that the server's clock is ahead of this one. */
  get clock_offset_ms(): number {
    return this.#client.clock_offset_ms
  }

  /** Subscribes a channel, or ends that. */
  listen(channel: string, on: boolean): void {
    if (on) this.#subscriber.follow(channel)
    else this.#subscriber.unfollow(channel)
  }

  #changed(state: ClientState): void {
    this.#settled?.(state)
    if (state === 'down') this.options.note(`the connection to Redis is lost: ${this.#client.trouble}`)
    if (state === 'ready') this.options.note('Redis answers')
    if (state === 'unfit') this.options.note(this.#client.trouble)
  }
}

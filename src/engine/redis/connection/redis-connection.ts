import { StartRefused } from '../../../core/errors.ts'
import { describeTarget, keyPrefix, type Target } from '../../../core/redis-target.ts'
import type { Command, Run, Script } from '../script.ts'
import type { ClientState, RedisClient } from './redis-client.ts'
import type { RedisSubscriber } from './redis-subscriber.ts'

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

/** What the engine has of Redis. */
export type EngineConnection = Pick<
  RedisConnection,
  'prefix' | 'listener' | 'start' | 'stop' | 'tick' | 'run' | 'command' | 'publish' | 'generation' | 'listen'
>

/** What one process has to do with Redis: one connection for calls, and one to hear what is published. */
export class RedisConnection {
  readonly prefix: string
  listener: Listener | undefined
  #client: RedisClient | undefined
  #subscriber: RedisSubscriber | undefined
  /** Channels that are to be subscribed once there is a subscriber. */
  readonly #wanted = new Set<string>()
  #settled: ((state: ClientState) => void) | undefined
  /** That it does not answer was told. */
  #lost = false

  constructor(private readonly options: RedisConnectionOptions) {
    this.prefix = keyPrefix(options.prefix, options.target)
  }

  /**
   * Ends when the server was reached, however long that takes.
   *
   * @throws StartRefused where it answers and cannot be used as it is
   */
  async start(): Promise<void> {
    const { target, ca, scripts, wait_replicas = 0 } = this.options
    // Loaded only here: most processes do without the library.
    const [{ RedisClient }, { RedisSubscriber }] = await Promise.all([
      import('./redis-client.ts'),
      import('./redis-subscriber.ts'),
    ])
    const settled = new Promise<ClientState>((resolve) => {
      this.#settled = (state) => {
        if (state === 'ready' || state === 'unfit' || state === 'stopped') resolve(state)
      }
    })
    const changed = (state: ClientState) => this.#changed(state)
    const client = new RedisClient({ target, ca, scripts, wait_replicas, changed })
    this.#client = client
    client.start()
    const state = await settled
    if (state === 'unfit') {
      this.stop()
      throw new StartRefused(`${describeTarget(target)}: ${client.trouble}`)
    }
    if (state === 'stopped') return
    this.#subscriber = new RedisSubscriber({
      target,
      ca,
      sharded: () => client.facts?.sharded === true,
      received: (channel, text) => this.listener?.received(channel, text),
      missed: () => this.listener?.missed(),
    })
    for (const channel of this.#wanted) this.#subscriber.follow(channel)
    this.#subscriber.start()
  }

  stop(): void {
    this.#client?.stop()
    this.#subscriber?.stop()
  }

  /** To be called several times a second. */
  tick(): void {
    this.#client?.tick()
    this.#subscriber?.tick()
  }

  /** @throws RedisFailed as {@link RedisClient.run} */
  readonly run: Run = (...call) => this.#client!.run(...call)

  /** @throws RedisFailed as {@link RedisClient.run} */
  readonly command: Command = (...call) => this.#client!.command(...call)

  /** How the server is told to announce. */
  get publish(): 'PUBLISH' | 'SPUBLISH' {
    return this.#client?.facts?.sharded ? 'SPUBLISH' : 'PUBLISH'
  }

  /** Names the history of the server: another one may have lost what was written. */
  get generation(): string {
    return this.#client?.facts?.generation ?? 'unknown'
  }

  /** Milliseconds that the server's clock is ahead of this one. */
  get clock_offset_ms(): number {
    return this.#client?.clock_offset_ms ?? 0
  }

  /** Subscribes a channel, or ends that. */
  listen(channel: string, on: boolean): void {
    if (on) this.#wanted.add(channel)
    else this.#wanted.delete(channel)
    if (on) this.#subscriber?.follow(channel)
    else this.#subscriber?.unfollow(channel)
  }

  #changed(state: ClientState): void {
    const trouble = this.#client?.trouble
    if (state === 'down' && !this.#lost) this.options.note(`the connection to Redis is lost: ${trouble}`)
    if (state === 'ready' && this.#lost) this.options.note('Redis answers again')
    this.#lost = state === 'down' || (this.#lost && state !== 'ready')
    if (state === 'unfit') this.options.note(`Redis cannot be used: ${trouble}`)
    this.#settled?.(state)
  }
}

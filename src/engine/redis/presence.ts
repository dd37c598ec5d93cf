import type { Command } from './script.ts'

/** How often an instance says that it lives, and after which silence it does not count, in milliseconds. */
const TOLD_EVERY_MS = 1000
const SILENT_MS_MAX = 3000

export interface PresenceOptions {
  readonly command: Command
  /** Of all keys. */
  readonly prefix: string
  /** Names this process. */
  readonly instance: string
  /** Milliseconds since the epoch, by the clock of all instances. */
  readonly now: () => number
}

/** Which instances live: a zset of all, by when each was last heard. */
export class Presence {
  readonly #key: string
  #told_ms = Number.NEGATIVE_INFINITY

  constructor(private readonly options: PresenceOptions) {
    this.#key = `${options.prefix}instances`
  }

  /** To be called several times a second. */
  tick(): void {
    const { command, instance, now } = this.options
    const at = now()
    if (at - this.#told_ms < TOLD_EVERY_MS) return
    this.#told_ms = at
    // One that is lost is made up for by the next.
    command('ZADD', this.#key, at, instance).catch(() => undefined)
    command('ZREMRANGEBYSCORE', this.#key, '-inf', at - SILENT_MS_MAX).catch(() => undefined)
  }

  /** How many live, this one included. */
  async count(): Promise<number> {
    return Number(await this.options.command('ZCARD', this.#key))
  }
}

import type { Limits } from '../../core/limits.ts'
import type { Address } from '../values.ts'
import type { Lists } from './addresses/lists.ts'
import { overwriteCall } from './mailbox/calls.ts'
import type { Lanes } from './mailbox/lanes.ts'
import type { Command } from './script.ts'

/** How often what this instance has added is told to the others. */
const TOLD_EVERY_MS = 1000

/** After a walk over all addresses that found too little history. */
const BARREN_MS = 1000

export interface UsageOptions {
  readonly command: Command
  /** Of all keys. */
  readonly prefix: string
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly lists: Lists
  readonly lanes: Lanes
}

/**
 * How many bytes are stored. No script can count them, since they are in many hash slots: each instance adds
 * what its own calls changed, so the sum is late by a second.
 */
export class Usage {
  /** As it was when this instance told last. */
  #bytes = 0
  /** What it has not told yet. */
  #grown = 0
  #told_ms = Number.NEGATIVE_INFINITY
  /** A walk over all addresses, for history to overwrite: all who need some wait for the same one. */
  #walking: Promise<void> | undefined
  /** Until then no other begins: the last one has found too little. */
  #barren_until_ms = Number.NEGATIVE_INFINITY

  constructor(private readonly options: UsageOptions) {}

  async start(): Promise<void> {
    await this.#tell()
  }

  /** To be called several times a second. */
  tick(): void {
    const now = this.options.now()
    if (this.#grown === 0 || Math.abs(now - this.#told_ms) < TOLD_EVERY_MS) return
    this.#told_ms = now
    this.#tell().catch(() => undefined)
  }

  /** A call has changed what is stored by so many bytes. */
  grew(bytes: number): void {
    this.#grown += bytes
    if (bytes < 0) this.#barren_until_ms = Number.NEGATIVE_INFINITY
  }

  /** There is more history now, which may be overwritten. */
  read(): void {
    this.#barren_until_ms = Number.NEGATIVE_INFINITY
  }

  async #tell(): Promise<void> {
    const grown = this.#grown
    this.#bytes = Number(await this.options.command('HINCRBY', `${this.options.prefix}usage`, 'bytes', grown))
    this.#grown -= grown
  }

  get #total(): number {
    return this.#bytes + this.#grown
  }

  lacks(bytes: number, project: string): boolean {
    return this.#total + bytes > this.options.limits(project).stored_bytes_max
  }

  /** By how many bytes it may grow, with all history overwritten. */
  async room(project: string): Promise<number> {
    const { stored_bytes_max } = this.options.limits(project)
    if (this.#total * 2 < stored_bytes_max) return stored_bytes_max - this.#total
    let history = 0
    for (const name of await this.options.lists.projects())
      await this.options.lists.eachOf(name, ({ history_bytes }) => {
        history += history_bytes
      })
    return stored_bytes_max - this.#total + history
  }

  /**
   * Overwrites history until so many bytes more fit: the recipient's, its project's, then that of others.
   *
   * @returns whether they do
   */
  async makeRoom({ project, client_id }: Address, bytes: number): Promise<boolean> {
    const { lists, lanes } = this.options
    const lacking = () => this.#total + bytes - this.options.limits(project).stored_bytes_max
    const overwrite = async (address: Address) => {
      if (lacking() > 0) await lanes.call(address, overwriteCall(lacking()))
    }
    await overwrite({ project, client_id })
    const walk = async () => {
      const others = (await lists.projects()).filter((name) => name !== project)
      for (const name of [project, ...others]) {
        if (lacking() <= 0) return
        await lists.eachOf(name, async ({ history_bytes }, id) => {
          if (history_bytes > 0) await overwrite({ project: name, client_id: id })
        })
      }
      if (lacking() > 0) this.#barren_until_ms = this.options.now() + BARREN_MS
    }
    if (lacking() > 0 && this.options.now() >= this.#barren_until_ms) {
      this.#walking ??= walk().finally(() => {
        this.#walking = undefined
      })
      await this.#walking
    }
    return lacking() <= 0
  }
}

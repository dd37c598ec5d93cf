import type { Limits } from '../limits.ts'
import type { Entry } from './entry.ts'
import { type Evicted, History } from './history.ts'
import type { Meter } from './meter.ts'
import type { PerRank } from './position.ts'
import { Recent } from './recent.ts'

/** The acknowledged messages that a mailbox keeps, and what it no longer has of them. */
export class Past {
  readonly history = new History()
  bytes = 0
  /** Highest offset whose message has been overwritten: history up to here is not complete. */
  evicted_through = 0
  /** The same for each rank. */
  readonly evicted_of: PerRank = [0, 0, 0, 0]
  readonly #recent = new Recent()

  /** @param of_rank how many of each rank the mailbox holds */
  constructor(
    private readonly of_rank: PerRank,
    private readonly meter: Meter,
  ) {}

  /** Adds an entry that is acknowledged just now. */
  add(entry: Entry, now: number): void {
    this.#recent.add(now)
    this.keep(entry)
  }

  /** Adds an entry that was acknowledged at some time. */
  keep(entry: Entry): void {
    const { bytes } = entry.message
    if (this.history.length === 0) this.meter.histories.add(this)
    this.history.add(entry)
    this.bytes += bytes
  }

  /** Removes what has expired, and what is beyond the limit. */
  tidy(now: number, limits: Limits): void {
    for (const expired of this.history.expire(now)) this.#forget(expired)
    this.trim(now, limits)
  }

  /**
   * Overwrites what is beyond the limit, but for what was acknowledged just now: other readers may be about
   * to read it. A read trims at its end: what it overwrites earlier it may be due itself, and would miss.
   */
  trim(now: number, { history_messages_max }: Limits): void {
    if (this.history.length <= history_messages_max) return
    const kept = Math.max(history_messages_max, this.#recent.count(now))
    while (this.history.length > kept) this.evictOldest()
  }

  makeRoom(lacking: () => boolean): void {
    while (this.history.length > 0 && lacking()) this.evictOldest()
  }

  /** Notes what was overwritten before. */
  lost(through: number): void {
    this.evicted_through = through
    this.evicted_of.fill(through)
  }

  /** Overwrites the oldest; there must be one. */
  evictOldest(): void {
    const evicted = this.history.evict()
    const { offset, rank } = evicted
    this.evicted_through = Math.max(this.evicted_through, offset)
    this.evicted_of[rank] = Math.max(this.evicted_of[rank], offset)
    this.#forget(evicted)
  }

  #forget({ bytes, rank }: Evicted): void {
    this.bytes -= bytes
    this.meter.engine.bytes -= bytes
    this.of_rank[rank]--
    if (this.history.length === 0) this.meter.histories.delete(this)
  }
}

import type { Limits } from '../limits.ts'
import type { Rank } from '../message.ts'
import type { MailboxEffects } from './effects.ts'
import {
  ACKED,
  type AckMode,
  DEAD,
  DELAYED,
  type Dead,
  type DeadReason,
  type Entry,
  type Fallen,
  LEASED,
  NO_MESSAGE,
  PENDING,
} from './entry.ts'
import type { Meter } from './meter.ts'
import { Past } from './past.ts'
import type { PerRank, Retained } from './position.ts'
import { Ring } from './ring.ts'

/**
 * The messages of one mailbox as they go from state to state (`entry.ts`). Each change is made here, counted,
 * and told to `effects`.
 */
export class States {
  pending = 0
  /** How often a message has become pending, redeliveries included. */
  changes = 0
  /** Not acknowledged: pending, leased and delayed. */
  live = 0
  live_bytes = 0
  /** Not yet acknowledged. */
  readonly ring = new Ring<Entry>()
  readonly past: Past
  /** Ring and history together. */
  readonly retained: Retained
  /** Told of changes; undefined where nobody writes them down. */
  effects: MailboxEffects | undefined
  /** Nothing in the ring falls due before this. */
  #due_ms = Number.POSITIVE_INFINITY

  constructor(private readonly meter: Meter) {
    const of_rank: PerRank = [0, 0, 0, 0]
    this.past = new Past(of_rank, meter)
    this.retained = {
      live: this.ring,
      history: this.past.history,
      of_rank,
      pending_of: [0, 0, 0, 0],
      scan: [0, 0, 0, 0],
      last: 0,
    }
  }

  /** When something here next falls due, in milliseconds since the epoch; may be early, never late. */
  get next_due_ms(): number {
    return Math.min(this.#due_ms, this.past.history.due_ms)
  }

  /** Takes in a message that is not acknowledged, in whatever state; its offset is the highest so far. */
  add(entry: Entry): void {
    const { rank, bytes } = entry.message
    this.retained.last = entry.offset
    this.ring.push(entry)
    if (entry.due_ms < this.#due_ms) this.#due_ms = entry.due_ms
    this.retained.of_rank[rank]++
    this.live++
    if (entry.state === PENDING) this.#pend(rank, 1)
    this.weigh(bytes)
  }

  /** Takes in a message that is acknowledged already; its offset is the highest so far. */
  addAcknowledged(entry: Entry): void {
    const { rank, bytes } = entry.message
    this.retained.last = entry.offset
    this.retained.of_rank[rank]++
    this.meter.engine.bytes += bytes
    this.past.keep(entry)
  }

  /** Counts bytes of unacknowledged messages. */
  weigh(bytes: number): void {
    this.live_bytes += bytes
    this.meter.engine.bytes += bytes
  }

  /**
   * Notes that an entry goes out: `auto` acknowledges it, `manual` leases it. One delivered before stays
   * as it is, unless `again`: this repeats a delivery that may have been lost, and counts.
   *
   * @param in_turn a cursor at or past it acknowledges it from now on
   */
  deliver(entry: Entry, ack: AckMode, again: boolean, in_turn: boolean, now: number, limits: Limits): void {
    if (ack === 'none') return
    const { attempts } = entry
    if (entry.state === PENDING) {
      entry.attempts++
      if (ack === 'auto') this.acknowledge(entry, now)
      else this.#lease(entry, now, limits)
    } else if (again && entry.state === LEASED) {
      entry.attempts++
      this.#lease(entry, now, limits)
    } else if (again && entry.state === ACKED) {
      entry.attempts++
      this.past.history.delivered(entry.offset)
      this.effects?.repeated(entry.offset, entry.attempts)
    }
    const marked = in_turn && !entry.cursor_acks
    if (marked) entry.cursor_acks = true
    if (entry.state === LEASED && (marked || entry.attempts > attempts))
      this.effects?.leased(entry.offset, entry.attempts, entry.due_ms, entry.cursor_acks)
  }

  #lease(entry: Entry, now: number, limits: Limits): void {
    if (entry.state === PENDING) this.#pend(entry.message.rank, -1)
    entry.state = LEASED
    entry.cursor_acks = false
    this.#due(entry, now + limits.lease_seconds * 1000)
  }

  /** Moves an unacknowledged entry to the history. */
  acknowledge(entry: Entry, now: number): void {
    this.effects?.acknowledged(entry.offset, entry.attempts)
    this.past.add(entry, now)
    this.#leave(entry, ACKED)
  }

  /**
   * Counts a failed delivery of a leased entry, and adds it to `fallen`: it is dead after `attempts_max` of
   * them, else pending again. With a delay it is delayed instead, and `fallen` does not have it.
   */
  fail(entry: Entry, delay_ms: number, now: number, limits: Limits, fallen: Fallen): void {
    entry.failures++
    if (entry.failures >= limits.attempts_max) fallen.dead.push(this.bury(entry, 'attempts_exhausted'))
    else if (delay_ms > 0) {
      entry.state = DELAYED
      this.#due(entry, now + delay_ms)
      this.effects?.returned(entry.offset, entry.failures, entry.due_ms, entry.cursor_acks)
    } else {
      this.release(entry)
      fallen.released.push(entry)
    }
  }

  /** Makes a leased or delayed entry pending again. */
  release(entry: Entry): void {
    const { rank, expires_ms } = entry.message
    entry.state = PENDING
    this.#pend(rank, 1)
    this.#due(entry, expires_ms)
    this.retained.scan[rank] = Math.min(this.retained.scan[rank], entry.offset - 1)
    this.effects?.returned(entry.offset, entry.failures, 0, entry.cursor_acks)
  }

  /** Removes an unacknowledged entry that is to become a dead letter. */
  bury(entry: Entry, reason: DeadReason): Dead {
    const { offset, message, attempts } = entry
    this.meter.engine.bytes -= message.bytes
    this.retained.of_rank[message.rank]--
    this.#leave(entry, DEAD)
    return { offset, message, attempts, reason }
  }

  /**
   * Does what time has brought: removes what has expired, and gives back what was leased or delayed for long
   * enough; a lapsed lease is a failure. Passes over the ring only when something may be due.
   *
   * @returns what changed, or undefined when nothing was due
   */
  fallDue(now: number, limits: Limits): Fallen | undefined {
    if (this.#due_ms > now) return undefined
    const due: Entry[] = []
    this.#due_ms = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.ring.length; i++) {
      const entry = this.ring.at(i)
      if (entry.gone) continue
      if (entry.due_ms <= now) due.push(entry)
      else if (entry.due_ms < this.#due_ms) this.#due_ms = entry.due_ms
    }
    if (due.length === 0) return undefined
    const fallen: Fallen = { dead: [], released: [] }
    for (const entry of due) {
      if (entry.message.expires_ms <= now) fallen.dead.push(this.bury(entry, 'expired'))
      else if (entry.state === LEASED) this.fail(entry, 0, now, limits, fallen)
      else if (entry.state === DELAYED) {
        this.release(entry)
        fallen.released.push(entry)
      }
    }
    return fallen
  }

  /** Takes an entry out of the ring. */
  #leave(entry: Entry, state: typeof ACKED | typeof DEAD): void {
    const { rank, bytes } = entry.message
    if (entry.state === PENDING) this.#pend(rank, -1)
    entry.state = state
    this.live--
    this.live_bytes -= bytes
    entry.message = NO_MESSAGE
    this.ring.release()
    if (this.ring.length === 0) this.#due_ms = Number.POSITIVE_INFINITY
  }

  /** Has `fallDue` look at an entry at `due_ms`, or at its expiry if that is earlier. */
  #due(entry: Entry, due_ms: number): void {
    const { expires_ms } = entry.message
    entry.due_ms = Math.min(due_ms, expires_ms)
    if (entry.due_ms < this.#due_ms) this.#due_ms = entry.due_ms
  }

  #pend(rank: Rank, by: 1 | -1): void {
    this.pending += by
    this.retained.pending_of[rank] += by
    if (by === 1) this.changes++
  }
}

import type { Limits } from '../limits.ts'
import type { Rank, StoredMessage } from '../message.ts'
import { Entries } from './entries.ts'
import {
  ACKED,
  type AckMode,
  DEAD,
  DELAYED,
  type Dead,
  type DeadReason,
  type Due,
  Entry,
  type Fallen,
  LEASED,
  NO_MESSAGE,
  PENDING,
  type Take,
} from './entry.ts'
import type { Meter } from './meter.ts'
import { Past } from './past.ts'
import {
  entriesInLine,
  isLapped,
  nextEntry,
  nextPending,
  type PerRank,
  type Position,
  type Retained,
  safeOffset,
  walkFrom,
} from './position.ts'
import { Ring } from './ring.ts'
import type { MailboxState } from './state.ts'

/**
 * The bounded ring buffer of one client; `entry.ts` has the states of a message. Pure: time comes in as
 * milliseconds since the epoch. Call `advance` with the same `now` before reading: it removes what expired.
 */
export class Mailbox {
  pending = 0
  /** How often a message has become pending, redeliveries included. */
  changes = 0
  /** Not acknowledged: pending, leased and delayed. */
  live = 0
  #live_bytes = 0
  /** Not yet acknowledged. */
  #ring = new Ring<Entry>()
  readonly #past: Past
  /** Nothing in the ring falls due before this. */
  #due_ms = Number.POSITIVE_INFINITY
  /** Ring and history together. */
  readonly #retained: Retained
  readonly entries: Entries

  constructor(
    /** Names this history; a mailbox made again under the same address gets another. From a CSPRNG. */
    readonly epoch: string,
    private readonly meter: Meter,
  ) {
    const of_rank: PerRank = [0, 0, 0, 0]
    this.#past = new Past(of_rank, meter)
    this.#retained = {
      live: this.#ring,
      history: this.#past.history,
      of_rank,
      pending_of: [0, 0, 0, 0],
      scan: [0, 0, 0, 0],
      last: 0,
    }
    this.entries = new Entries(this.#retained)
  }

  /** Offset of the newest message; 0 before the first. */
  get last(): number {
    return this.#retained.last
  }

  /** Acknowledged messages kept. */
  get history(): number {
    return this.#past.history.length
  }

  get bytes(): number {
    return this.#live_bytes + this.#past.bytes
  }

  /** Highest offset whose acknowledged message has been overwritten: history up to here is not complete. */
  get evicted_through(): number {
    return this.#past.evicted_through
  }

  /** Leased and delayed: delivered, not yet acknowledged. */
  get leased(): number {
    return this.live - this.pending
  }

  get retained(): number {
    return this.live + this.history
  }

  /** Slots held in memory, for the test that they are given back. */
  get footprint(): number {
    return this.#ring.capacity + this.#past.history.capacity
  }

  get state(): MailboxState {
    const { epoch, settled_offset, last, pending, leased, changes } = this
    return { epoch, offset: settled_offset, last, pending, leased, changes }
  }

  /** When `advance` next has something to do, in milliseconds since the epoch; may be early, never late. */
  get next_due_ms(): number {
    return Math.min(this.#due_ms, this.#past.history.due_ms)
  }

  /**
   * Stores a message, overwriting the oldest history where it needs room.
   *
   * @param attempts deliveries so far: a requeued dead letter keeps its count
   * @param offset above that of all before; there may be gaps
   * @returns the new entry; `full`: there is no room; `too_large`: there never is, for this message
   */
  append(
    message: StoredMessage,
    limits: Limits,
    attempts = 0,
    offset = this.last + 1,
  ): Entry | 'full' | 'too_large' {
    const room = this.takes(1, message.bytes, limits)
    if (room !== true) return room
    while (this.history > 0 && this.bytes + message.bytes > limits.mailbox_bytes_max) this.#past.evictOldest()
    this.#retained.last = offset
    const entry = new Entry(offset, message)
    if (attempts > 0) entry.attempts = attempts
    this.entries.added(message.message_id, entry.offset, this.retained)
    this.#ring.push(entry)
    if (entry.due_ms < this.#due_ms) this.#due_ms = entry.due_ms
    this.#retained.of_rank[message.rank]++
    this.live++
    this.#pend(message.rank, 1)
    this.#live_bytes += message.bytes
    this.meter.engine.bytes += message.bytes
    return entry
  }

  /**
   * Replaces a pending message by the same one in other words, overwriting the oldest history where that
   * needs room. The caller has asked `takes` whether there is any.
   */
  rewrite(entry: Entry, message: StoredMessage, limits: Limits): void {
    const by = message.bytes - entry.message.bytes
    entry.message = message
    this.#live_bytes += by
    this.meter.engine.bytes += by
    while (this.history > 0 && this.bytes > limits.mailbox_bytes_max) this.#past.evictOldest()
  }

  /** Whether so many messages more, of so many bytes together, fit without dropping any. */
  takes(messages: number, bytes: number, limits: Limits): true | 'full' | 'too_large' {
    const { mailbox_messages_max, mailbox_bytes_max } = limits
    if (bytes > mailbox_bytes_max && messages === 1) return 'too_large'
    const fits = this.live + messages <= mailbox_messages_max
    return fits && this.#live_bytes + bytes <= mailbox_bytes_max ? true : 'full'
  }

  /** Overwrites the oldest history while `lacking` says so. */
  makeRoom(lacking: () => boolean): void {
    this.#past.makeRoom(lacking)
  }

  /** Removes the oldest unacknowledged message, to make room; undefined when there is none. */
  dropOldest(): Dead | undefined {
    return this.live === 0 ? undefined : this.#bury(this.#ring.at(0), 'overflowed')
  }

  /** The next pending messages, highest priority first, then oldest. */
  take({ limit, bytes_max, ack }: Take, now: number, limits: Limits): Due[] {
    const due = nextPending(this.#retained, limit, bytes_max).map((entry) => {
      const { offset, message } = entry
      if (ack !== 'none') this.#retained.scan[message.rank] = offset
      this.#deliver(entry, ack, false, now, limits)
      return { offset, message, attempt: entry.attempts, safe_offset: 0, acknowledged: ack === 'auto' }
    })
    if (ack === 'auto') this.#past.trim(now, limits)
    return due
  }

  /**
   * The next messages that a reader is due, highest priority first, and its position after them. There are
   * no more when the answer reaches neither `limit` nor `bytes_max`.
   */
  read(
    position: Position,
    { limit, bytes_max, ack }: Take,
    now: number,
    limits: Limits,
  ): { due: Due[]; position: Position } {
    const due: Due[] = []
    const walk = walkFrom(position)
    const again = ack !== 'none'
    let bytes = 0
    let safe_before = safeOffset(walk)
    const in_line = entriesInLine(this.#retained, walk, again, limit, bytes_max)
    while (due.length < limit && bytes < bytes_max) {
      const entry = in_line ? in_line[due.length] : nextEntry(this.#retained, walk, again)
      if (!entry) break
      // Read before the delivery, which may remove the message from the entry.
      const { offset, message } = entry
      const safe_offset = in_line ? offset : safeOffset(walk)
      const acknowledged = ack === 'auto' && entry.state === PENDING
      this.#deliver(entry, ack, offset <= position.resumed_through, now, limits)
      if (again && offset > safe_before) entry.cursor_acks = true
      safe_before = safe_offset
      bytes += message.bytes
      due.push({ offset, message, attempt: entry.attempts, safe_offset, acknowledged })
    }
    if (ack === 'auto') this.#past.trim(now, limits)
    return { due, position: walk }
  }

  /**
   * Notes that an entry goes out: `auto` acknowledges it, `manual` leases it. One delivered before stays
   * as it is, unless `again`: this repeats a delivery that may have been lost, and counts.
   */
  #deliver(entry: Entry, ack: AckMode, again: boolean, now: number, limits: Limits): void {
    if (ack === 'none') return
    if (entry.state === PENDING) {
      entry.attempts++
      if (ack === 'auto') this.#acknowledge(entry, now)
      else this.#lease(entry, now, limits)
    } else if (again && entry.state === LEASED) {
      entry.attempts++
      this.#lease(entry, now, limits)
    } else if (again && entry.state === ACKED) {
      entry.attempts++
      this.#past.history.delivered(entry.offset)
    }
  }

  /** Acknowledges an entry, delivered or not; false when it was acked or dead before. */
  ack(entry: Entry, now: number, limits: Limits): boolean {
    if (entry.state >= ACKED) return false
    if (entry.attempts === 0) entry.attempts = 1
    this.#acknowledge(entry, now)
    this.#past.trim(now, limits)
    return true
  }

  /** The reader of a leased entry reports a failure: from now on no cursor acknowledges it. */
  nack(entry: Entry, delay_ms: number, now: number, limits: Limits, fallen: Fallen): void {
    entry.cursor_acks = false
    this.#fail(entry, delay_ms, now, limits, fallen)
  }

  /** Makes every leased message pending again. No failure: the session that read them has ended. */
  giveBack(): Entry[] {
    const leased = this.leased > 0 ? this.entries.leased() : []
    for (const entry of leased) this.#release(entry)
    return leased
  }

  /**
   * Counts a failed delivery of a leased entry, and adds it to `fallen`: it is dead after `attempts_max` of
   * them, else pending again. With a delay it is delayed instead, and `fallen` does not have it.
   */
  #fail(entry: Entry, delay_ms: number, now: number, limits: Limits, fallen: Fallen): void {
    entry.failures++
    if (entry.failures >= limits.attempts_max) fallen.dead.push(this.#bury(entry, 'attempts_exhausted'))
    else if (delay_ms > 0) {
      entry.state = DELAYED
      this.#due(entry, now + delay_ms)
    } else {
      this.#release(entry)
      fallen.released.push(entry)
    }
  }

  /**
   * Brings the mailbox to `now`: removes what has expired, and gives back what was leased or delayed for
   * long enough; a lapsed lease is a failure. Passes over the ring only when something may be due.
   *
   * @returns what changed, or undefined when nothing was due
   */
  advance(now: number, limits: Limits): Fallen | undefined {
    this.#past.tidy(now, limits)
    if (this.#due_ms > now) return undefined
    const due: Entry[] = []
    this.#due_ms = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#ring.length; i++) {
      const entry = this.#ring.at(i)
      if (entry.gone) continue
      if (entry.due_ms <= now) due.push(entry)
      else if (entry.due_ms < this.#due_ms) this.#due_ms = entry.due_ms
    }
    if (due.length === 0) return undefined
    const fallen: Fallen = { dead: [], released: [] }
    for (const entry of due) {
      if (entry.message.expires_ms <= now) fallen.dead.push(this.#bury(entry, 'expired'))
      else if (entry.state === LEASED) this.#fail(entry, 0, now, limits, fallen)
      else if (entry.state === DELAYED) {
        this.#release(entry)
        fallen.released.push(entry)
      }
    }
    return fallen
  }

  /**
   * Where a reader without a cursor starts, and what a check-in answers: just before the oldest
   * unacknowledged message, or at `evicted_through`, below which a reader cannot resume.
   */
  get settled_offset(): number {
    return this.live === 0 ? this.last : Math.max(this.#ring.at(0).offset - 1, this.evicted_through)
  }

  /** Whether a reader can resume from this cursor: nothing after it has been overwritten. */
  covers(epoch: string, offset: number): boolean {
    return epoch === this.epoch && offset <= this.last && offset >= this.evicted_through
  }

  /**
   * Begins reading after `offset`; without one, at the oldest unacknowledged message. Pending messages at or
   * before it are redelivered: resuming after a message does not acknowledge it.
   *
   * @param peeks the reader is given nothing twice: what is pending among what it could not resume after
   *   must lie ahead of it
   */
  open(offset: number | undefined, peeks = false): Position {
    const { evicted_through: lost_through, last, epoch } = this
    const from = offset ?? this.settled_offset
    const at =
      peeks && from <= lost_through && this.live > 0 ? Math.min(from, this.#ring.at(0).offset - 1) : from
    const unacked_only = offset === undefined
    return { epoch, sent: [at, at, at, at], resumed_through: last, unacked_only, lost_through }
  }

  /** Whether a message that this reader was still due has been overwritten: others read faster. */
  laps(position: Position): boolean {
    return isLapped(position, this.#past.evicted_of)
  }

  #lease(entry: Entry, now: number, limits: Limits): void {
    if (entry.state === PENDING) this.#pend(entry.message.rank, -1)
    entry.state = LEASED
    entry.cursor_acks = false
    this.#due(entry, now + limits.lease_seconds * 1000)
  }

  /** Makes a leased or delayed entry pending again. */
  #release(entry: Entry): void {
    const { rank, expires_ms } = entry.message
    entry.state = PENDING
    this.#pend(rank, 1)
    this.#due(entry, expires_ms)
    this.#retained.scan[rank] = Math.min(this.#retained.scan[rank], entry.offset - 1)
  }

  #acknowledge(entry: Entry, now: number): void {
    this.#past.add(entry, now)
    this.#leave(entry, ACKED)
  }

  /** Removes an unacknowledged entry that is to become a dead letter. */
  #bury(entry: Entry, reason: DeadReason): Dead {
    const { offset, message, attempts } = entry
    this.meter.engine.bytes -= message.bytes
    this.#retained.of_rank[message.rank]--
    this.#leave(entry, DEAD)
    return { offset, message, attempts, reason }
  }

  /** Takes an entry out of the ring. */
  #leave(entry: Entry, state: typeof ACKED | typeof DEAD): void {
    const { rank, bytes } = entry.message
    if (entry.state === PENDING) this.#pend(rank, -1)
    entry.state = state
    this.live--
    this.#live_bytes -= bytes
    entry.message = NO_MESSAGE
    this.#ring.release()
    if (this.#ring.length === 0) this.#due_ms = Number.POSITIVE_INFINITY
  }

  /** Has `advance` look at an entry at `due_ms`, or at its expiry if that is earlier. */
  #due(entry: Entry, due_ms: number): void {
    const { expires_ms } = entry.message
    entry.due_ms = Math.min(due_ms, expires_ms)
    if (entry.due_ms < this.#due_ms) this.#due_ms = entry.due_ms
  }

  #pend(rank: Rank, by: 1 | -1): void {
    this.pending += by
    this.#retained.pending_of[rank] += by
    if (by === 1) this.changes++
  }
}

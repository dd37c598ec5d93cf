import type { Limits } from '../limits.ts'
import type { StoredMessage } from '../message.ts'
import type { MailboxEffects } from './effects.ts'
import { Entries } from './entries.ts'
import { ACKED, type Dead, type Due, Entry, type Fallen, PENDING, type Take } from './entry.ts'
import type { Meter } from './meter.ts'
import {
  entriesInLine,
  isLapped,
  nextEntry,
  nextPending,
  type Position,
  safeOffset,
  walkFrom,
} from './position.ts'
import type { MailboxState } from './state.ts'
import { States } from './states.ts'

/**
 * The bounded ring buffer of one client. Pure: time comes in as milliseconds since the epoch. Call `advance`
 * with the same `now` before reading: it removes what expired.
 */
export class Mailbox {
  readonly #states: States
  readonly entries: Entries

  constructor(
    /** Names this history; a mailbox made again under the same address gets another. From a CSPRNG. */
    readonly epoch: string,
    meter: Meter,
  ) {
    this.#states = new States(meter)
    this.entries = new Entries(this.#states.retained)
  }

  get effects(): MailboxEffects | undefined {
    return this.#states.effects
  }

  /** Has changes told from now on, to one that writes them down. */
  set effects(effects: MailboxEffects | undefined) {
    this.#states.effects = effects
  }

  get pending(): number {
    return this.#states.pending
  }

  /** How often a message has become pending, redeliveries included. */
  get changes(): number {
    return this.#states.changes
  }

  /** Not acknowledged: pending, leased and delayed. */
  get live(): number {
    return this.#states.live
  }

  /** Offset of the newest message; 0 before the first. */
  get last(): number {
    return this.#states.retained.last
  }

  /** Acknowledged messages kept. */
  get history(): number {
    return this.#states.past.history.length
  }

  get bytes(): number {
    return this.#states.live_bytes + this.#states.past.bytes
  }

  /** Highest offset whose acknowledged message has been overwritten: history up to here is not complete. */
  get evicted_through(): number {
    return this.#states.past.evicted_through
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
    return this.#states.ring.capacity + this.#states.past.history.capacity
  }

  get state(): MailboxState {
    const { epoch, settled_offset, last, pending, leased, changes } = this
    return { epoch, offset: settled_offset, last, pending, leased, changes }
  }

  /** When `advance` next has something to do, in milliseconds since the epoch; may be early, never late. */
  get next_due_ms(): number {
    return this.#states.next_due_ms
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
    while (this.history > 0 && this.bytes + message.bytes > limits.mailbox_bytes_max)
      this.#states.past.evictOldest()
    const entry = new Entry(offset, message)
    if (attempts > 0) entry.attempts = attempts
    this.entries.added(message.message_id, offset, this.retained)
    this.#states.add(entry)
    return entry
  }

  /**
   * Fills a mailbox that is still empty with what was written down of it. Its bounds are not looked at.
   *
   * @param entries in rising order of offset, the acknowledged ones included
   * @param last at least the offset of the last entry
   */
  restore(entries: readonly Entry[], last: number, evicted_through: number): void {
    const { past, retained } = this.#states
    past.lost(evicted_through)
    for (const entry of entries) {
      this.entries.added(entry.message.message_id, entry.offset, this.retained)
      if (entry.state === ACKED) this.#states.addAcknowledged(entry)
      else this.#states.add(entry)
    }
    retained.last = last
  }

  /**
   * Replaces a pending message by the same one in other words, overwriting the oldest history where that
   * needs room. The caller has asked `takes` whether there is any.
   */
  rewrite(entry: Entry, message: StoredMessage, limits: Limits): void {
    this.#states.weigh(message.bytes - entry.message.bytes)
    entry.message = message
    while (this.history > 0 && this.bytes > limits.mailbox_bytes_max) this.#states.past.evictOldest()
    this.#states.effects?.rewritten(entry)
  }

  /** Whether so many messages more, of so many bytes together, fit without dropping any. */
  takes(messages: number, bytes: number, limits: Limits): true | 'full' | 'too_large' {
    const { mailbox_messages_max, mailbox_bytes_max } = limits
    if (bytes > mailbox_bytes_max && messages === 1) return 'too_large'
    const fits = this.live + messages <= mailbox_messages_max
    return fits && this.#states.live_bytes + bytes <= mailbox_bytes_max ? true : 'full'
  }

  /** Overwrites the oldest history while `lacking` says so. */
  makeRoom(lacking: () => boolean): void {
    this.#states.past.makeRoom(lacking)
  }

  /** Overwrites the history up to an offset. */
  overwriteThrough(offset: number): void {
    const { past } = this.#states
    past.makeRoom(() => past.history.offsetAt(0) <= offset)
  }

  /** Removes the oldest unacknowledged message, to make room; undefined when there is none. */
  dropOldest(): Dead | undefined {
    return this.live === 0 ? undefined : this.#states.bury(this.#states.ring.at(0), 'overflowed')
  }

  /** The next pending messages, highest priority first, then oldest. */
  take({ limit, bytes_max, ack }: Take, now: number, limits: Limits): Due[] {
    const due = nextPending(this.#states.retained, limit, bytes_max).map((entry) => {
      const { offset, message } = entry
      if (ack !== 'none') this.#states.retained.scan[message.rank] = offset
      this.#states.deliver(entry, ack, false, false, now, limits)
      return { offset, message, attempt: entry.attempts, safe_offset: 0, acknowledged: ack === 'auto' }
    })
    if (ack === 'auto') this.#states.past.trim(now, limits)
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
    const in_line = entriesInLine(this.#states.retained, walk, again, limit, bytes_max)
    while (due.length < limit && bytes < bytes_max) {
      const entry = in_line ? in_line[due.length] : nextEntry(this.#states.retained, walk, again)
      if (!entry) break
      // Read before the delivery, which may remove the message from the entry.
      const { offset, message } = entry
      const safe_offset = in_line ? offset : safeOffset(walk)
      const acknowledged = ack === 'auto' && entry.state === PENDING
      const repeats = offset <= position.resumed_through
      this.#states.deliver(entry, ack, repeats, again && offset > safe_before, now, limits)
      safe_before = safe_offset
      bytes += message.bytes
      due.push({ offset, message, attempt: entry.attempts, safe_offset, acknowledged })
    }
    if (ack === 'auto') this.#states.past.trim(now, limits)
    return { due, position: walk }
  }

  /** Acknowledges an entry, delivered or not; false when it was acked or dead before. */
  ack(entry: Entry, now: number, limits: Limits): boolean {
    if (entry.state >= ACKED) return false
    if (entry.attempts === 0) entry.attempts = 1
    this.#states.acknowledge(entry, now)
    this.#states.past.trim(now, limits)
    return true
  }

  /** The reader of a leased entry reports a failure: from now on no cursor acknowledges it. */
  nack(entry: Entry, delay_ms: number, now: number, limits: Limits, fallen: Fallen): void {
    entry.cursor_acks = false
    this.#states.fail(entry, delay_ms, now, limits, fallen)
  }

  /** Makes every leased message pending again. No failure: the session that read them has ended. */
  giveBack(): Entry[] {
    const leased = this.leased > 0 ? this.entries.leased() : []
    for (const entry of leased) this.#states.release(entry)
    return leased
  }

  /**
   * Brings the mailbox to `now`: removes what has expired, and gives back what was leased or delayed for
   * long enough; a lapsed lease is a failure. Passes over the ring only when something may be due.
   *
   * @returns what changed, or undefined when nothing was due
   */
  advance(now: number, limits: Limits): Fallen | undefined {
    this.#states.past.tidy(now, limits)
    return this.#states.fallDue(now, limits)
  }

  /**
   * Where a reader without a cursor starts, and what a check-in answers: just before the oldest
   * unacknowledged message, or at `evicted_through`, below which a reader cannot resume.
   */
  get settled_offset(): number {
    return this.live === 0 ? this.last : Math.max(this.#states.ring.at(0).offset - 1, this.evicted_through)
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
      peeks && from <= lost_through && this.live > 0
        ? Math.min(from, this.#states.ring.at(0).offset - 1)
        : from
    const unacked_only = offset === undefined
    return { epoch, sent: [at, at, at, at], resumed_through: last, unacked_only, lost_through }
  }

  /** Whether a message that this reader was still due has been overwritten: others read faster. */
  laps(position: Position): boolean {
    return isLapped(position, this.#states.past.evicted_of)
  }
}

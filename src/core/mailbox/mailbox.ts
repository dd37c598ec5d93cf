import type { Limits, Meter } from '../limits.ts'
import type { Rank, StoredMessage } from '../message.ts'
import {
  ACKED,
  type AckMode,
  DEAD,
  DELAYED,
  type Dead,
  type DeadReason,
  type Delivery,
  type Due,
  Entry,
  type Fallen,
  LEASED,
  NO_MESSAGE,
  PENDING,
  type Take,
} from './entry.ts'
import { type Evicted, History } from './history.ts'
import { entryOf, leasedOf, nextPending, readThrough, type Standing, standingOf } from './lookup.ts'
import {
  entriesAfter,
  entriesInLine,
  isLapped,
  nextEntry,
  type Position,
  positionAt,
  type Retained,
  safeOffset,
} from './position.ts'
import { Recent } from './recent.ts'
import { Ring } from './ring.ts'

/**
 * The bounded ring buffer of one client; `entry.ts` has the states of a message. Pure: time comes in as
 * milliseconds since the epoch. Call `advance` with the same `now` before reading: it removes what expired.
 */
export class Mailbox {
  /** Highest offset whose acknowledged message has been overwritten: history up to here is not complete. */
  evicted_through = 0
  pending = 0
  /** Not acknowledged: pending, leased and delayed. */
  live = 0
  bytes = 0
  #live_bytes = 0
  /** Not yet acknowledged. */
  #ring = new Ring<Entry>()
  #history = new History()
  readonly #recent = new Recent()
  /** Nothing in the ring falls due before this. */
  #due_ms = Number.POSITIVE_INFINITY
  /** Id of the newest message. */
  #last_id = ''
  /** Ids rise with the offsets, as UUIDv7 do until an older message is put back: binary search works. */
  #ids_rise = true
  /** Ring and history together. */
  readonly #retained: Retained = { live: this.#ring, history: this.#history, of_rank: [0, 0, 0, 0], last: 0 }
  /** Highest offset overwritten, of each rank. */
  #evicted_of: [number, number, number, number] = [0, 0, 0, 0]
  /** Pending entries of each rank. */
  #pending_of: [number, number, number, number] = [0, 0, 0, 0]
  /** No pending entry of rank r lies at or below `#scan[r]`. */
  #scan: [number, number, number, number] = [0, 0, 0, 0]

  constructor(
    /** Names this history; a mailbox made again under the same address gets another. From a CSPRNG. */
    readonly epoch: string,
    private readonly meter: Meter,
  ) {}

  /** Offset of the newest message; 0 before the first. */
  get last(): number {
    return this.#retained.last
  }

  /** Acknowledged messages kept. */
  get history(): number {
    return this.#history.length
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
    return this.#ring.capacity + this.#history.capacity
  }

  /** When `advance` next has something to do, in milliseconds since the epoch; may be early, never late. */
  get next_due_ms(): number {
    return Math.min(this.#due_ms, this.#history.due_ms)
  }

  /**
   * Stores a message, overwriting the oldest history where it needs room. Offsets rise, and may have gaps.
   *
   * @param attempts deliveries so far: a requeued dead letter keeps its count
   * @returns the new entry, or undefined when the mailbox is full
   */
  append(message: StoredMessage, limits: Limits, attempts = 0, offset = this.last + 1): Entry | undefined {
    if (!this.takes(1, message.bytes, limits)) return undefined
    while (this.history > 0 && this.bytes + message.bytes > limits.mailbox_bytes_max) this.#evictOldest()
    this.#retained.last = offset
    const entry = new Entry(offset, message)
    if (attempts > 0) entry.attempts = attempts
    if (this.retained === 0) this.#ids_rise = true
    else if (message.message_id <= this.#last_id) this.#ids_rise = false
    this.#last_id = message.message_id
    this.#ring.push(entry)
    if (entry.due_ms < this.#due_ms) this.#due_ms = entry.due_ms
    this.#retained.of_rank[message.rank]++
    this.live++
    this.#pend(message.rank, 1)
    this.#live_bytes += message.bytes
    this.bytes += message.bytes
    this.meter.bytes += message.bytes
    return entry
  }

  /** Whether so many messages more, of so many bytes together, fit without dropping any. */
  takes(messages: number, bytes: number, { mailbox_messages_max, mailbox_bytes_max }: Limits): boolean {
    return this.live + messages <= mailbox_messages_max && this.#live_bytes + bytes <= mailbox_bytes_max
  }

  /** Overwrites the oldest history until `bytes` more fit `stored_bytes_max`, or none is left. */
  makeRoom(bytes: number, limits: Limits): void {
    while (this.history > 0 && this.meter.bytes + bytes > limits.stored_bytes_max) this.#evictOldest()
  }

  /** Removes the oldest unacknowledged message, to make room; undefined when there is none. */
  dropOldest(): Dead | undefined {
    return this.live === 0 ? undefined : this.#bury(this.#ring.at(0), 'overflowed')
  }

  /** The next pending messages, highest priority first, then oldest. */
  take({ limit, bytes_max, ack }: Take, now: number, limits: Limits): Delivery[] {
    return nextPending(this.#ring, this.#pending_of, this.#scan, limit, bytes_max).map((entry) => {
      const { offset, message } = entry
      if (ack !== 'none') this.#scan[message.rank] = offset
      this.#deliver(entry, ack, false, now, limits)
      return { offset, message, attempt: entry.attempts }
    })
  }

  /**
   * The next messages that a reader is due, highest priority first; moves its position past them. There
   * are no more when the answer reaches neither `limit` nor `bytes_max`.
   */
  read(position: Position, { limit, bytes_max, ack }: Take, now: number, limits: Limits): Due[] {
    const due: Due[] = []
    let bytes = 0
    let safe_before = safeOffset(position)
    const in_line = entriesInLine(this.#retained, position, limit, bytes_max)
    while (due.length < limit && bytes < bytes_max) {
      const entry = in_line ? in_line[due.length] : nextEntry(this.#retained, position)
      if (!entry) break
      // Read before the delivery, which may remove the message from the entry.
      const { offset, message } = entry
      const safe_offset = in_line ? offset : safeOffset(position)
      const acknowledged = ack === 'auto' && entry.state === PENDING
      this.#deliver(entry, ack, offset <= position.resumed_through, now, limits)
      if (ack !== 'none' && offset > safe_before) entry.cursor_acks = true
      safe_before = safe_offset
      bytes += message.bytes
      due.push({ offset, message, attempt: entry.attempts, safe_offset, acknowledged })
    }
    return due
  }

  /**
   * Notes that an entry goes out: `auto` acknowledges it, `manual` leases it. One delivered before stays
   * as it is, unless `again`: this repeats a delivery that may have been lost, and counts.
   */
  #deliver(entry: Entry, ack: AckMode, again: boolean, now: number, limits: Limits): void {
    if (ack === 'none') return
    if (entry.state === PENDING) {
      entry.attempts++
      if (ack === 'auto') this.#acknowledge(entry, now, limits)
      else this.#lease(entry, now, limits)
    } else if (again && entry.state === LEASED) {
      entry.attempts++
      this.#lease(entry, now, limits)
    } else if (again && entry.state === ACKED) {
      entry.attempts++
      this.#history.delivered(entry.offset)
    }
  }

  find(message_id: string): Entry | undefined {
    if (this.retained === 0) return undefined
    return entryOf(this.#retained, message_id, this.#ids_rise)
  }

  findAll(message_ids: ReadonlySet<string>): Standing {
    return standingOf(this.#retained, message_ids)
  }

  /** Leased entries, oldest first; without the delayed ones. */
  leasedEntries(): Entry[] {
    return this.leased > 0 ? leasedOf(this.#ring) : []
  }

  /** Acknowledges an entry, delivered or not; false when it was acked or dead before. */
  ack(entry: Entry, now: number, limits: Limits): boolean {
    if (entry.state >= ACKED) return false
    if (entry.attempts === 0) entry.attempts = 1
    this.#acknowledge(entry, now, limits)
    return true
  }

  /** The reader of a leased entry reports a failure: from now on no cursor acknowledges it. */
  nack(entry: Entry, delay_ms: number, now: number, limits: Limits, fallen: Fallen): void {
    entry.cursor_acks = false
    this.#fail(entry, delay_ms, now, limits, fallen)
  }

  /** Makes every leased message pending again. No failure: the session that read them has ended. */
  giveBack(): Entry[] {
    const leased = this.leasedEntries()
    for (const entry of leased) this.#release(entry)
    return leased
  }

  /** The unacknowledged entries that a client with a cursor at `offset` has read. */
  readThrough(offset: number): Entry[] {
    return readThrough(this.#ring, offset)
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
    for (const expired of this.#history.expire(now)) this.#forget(expired)
    this.#trim(now, limits)
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
      else if (entry.state === LEASED) {
        this.#fail(entry, 0, now, limits, fallen)
      } else if (entry.state === DELAYED) {
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
   * Begins reading after `offset`; without one, after `settled_offset`. Pending messages at or before it are
   * redelivered: resuming after a message does not acknowledge it.
   */
  open(offset: number | undefined): Position {
    return positionAt(this.#retained, this.epoch, offset ?? this.settled_offset, offset === undefined)
  }

  /** Whether a message that this reader was still due has been overwritten: others read faster. */
  laps(position: Position): boolean {
    return isLapped(position, this.#evicted_of)
  }

  /** The unacknowledged entries at these offsets; the other offsets are left out. */
  entriesAt(offsets: readonly number[]): Entry[] {
    return this.#ring.entriesAt(offsets)
  }

  /** Retained entries after an offset, in rising order of offset and in any state. */
  after(offset: number): Generator<Entry> {
    return entriesAfter(this.#retained, offset)
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
    this.#scan[rank] = Math.min(this.#scan[rank], entry.offset - 1)
  }

  #acknowledge(entry: Entry, now: number, limits: Limits): void {
    const { message } = entry
    this.#recent.add(now)
    this.#history.add(entry)
    this.meter.history_bytes += message.bytes
    this.#leave(entry, ACKED)
    this.#trim(now, limits)
  }

  /** Keeps what was acknowledged just now, beyond the limit: other readers may be about to read it. */
  #trim(now: number, { history_messages_max }: Limits): void {
    if (this.#history.length <= history_messages_max) return
    const kept = Math.max(history_messages_max, this.#recent.count(now))
    while (this.#history.length > kept) this.#evictOldest()
  }

  #evictOldest(): void {
    const evicted = this.#history.evict()
    const { offset, rank } = evicted
    this.evicted_through = Math.max(this.evicted_through, offset)
    this.#evicted_of[rank] = Math.max(this.#evicted_of[rank], offset)
    this.#forget(evicted)
  }

  /** Uncounts a message that has left the history. */
  #forget({ bytes, rank }: Evicted): void {
    this.bytes -= bytes
    this.meter.bytes -= bytes
    this.meter.history_bytes -= bytes
    this.#retained.of_rank[rank]--
  }

  /** Removes an unacknowledged entry that is to become a dead letter. */
  #bury(entry: Entry, reason: DeadReason): Dead {
    const { message, attempts } = entry
    this.bytes -= message.bytes
    this.meter.bytes -= message.bytes
    this.#retained.of_rank[message.rank]--
    this.#leave(entry, DEAD)
    return { message, attempts, reason }
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
    this.#pending_of[rank] += by
  }
}

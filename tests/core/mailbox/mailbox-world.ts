import { expect } from 'bun:test'
import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import {
  ACKED,
  type AckMode,
  DELAYED,
  type Due,
  type Entry,
  type Fallen,
  LEASED,
  PENDING,
} from '../../../src/core/mailbox/entry.ts'
import { Mailbox } from '../../../src/core/mailbox/mailbox.ts'
import type { Meter } from '../../../src/core/mailbox/meter.ts'
import { type Position, safeOffset } from '../../../src/core/mailbox/position.ts'
import { createMessage, PRIORITIES, type Rank, type StoredMessage } from '../../../src/core/message.ts'
import type { Step } from './mailbox-histories.ts'
import { bytesOf, type Expected, type Known, Model } from './mailbox-model.ts'

/** A reader, with what its client knows. */
interface Reader {
  position: Position
  readonly ack: AckMode
  readonly from: number
  /** Sent to it since it began. */
  readonly here: Set<number>
  /** Sent to it since it began, or before the cursor that it resumed from. */
  readonly seen: Set<number>
  /** Delayed when the reader came by: due only once it is pending again. */
  readonly skipped: Set<number>
  /**
   * Acknowledged, overwritten or leased to another when the reader began without a cursor: not promised to
   * it.
   */
  readonly excused: Set<number>
  /** Offset of the last first delivery of each rank, to check the order. */
  readonly last_of: [number, number, number, number]
}

/** A cursor that a client holds, with what it had been sent by then. */
interface Held {
  readonly offset: number
  readonly seen: ReadonlySet<number>
  readonly skipped: ReadonlySet<number>
  readonly excused: ReadonlySet<number>
}

const FATES = new Map([
  ['pending', PENDING],
  ['leased', LEASED],
  ['delayed', DELAYED],
  ['acked', ACKED],
])
const SECOND = 1000
/** Reads all there is. */
export const ALL = { limit: Number.POSITIVE_INFINITY, bytes_max: Number.POSITIVE_INFINITY }

/** The real mailbox and the model side by side, compared after every step. */
export class World {
  readonly meter: Meter = { engine: { bytes: 0 }, histories: new Set() }
  readonly mailbox = new Mailbox('e1', this.meter)
  readonly model: Model
  now = 1_000_000
  readonly readers: (Reader | undefined)[] = []
  readonly cursors: Held[] = []

  readonly limits: Limits

  constructor(
    limits: Partial<Limits>,
    /** With one priority in play a resume repeats nothing. */
    readonly one_rank: boolean,
    /** Ids come in order, as a broker's own do; a message put back out of turn has an older one. */
    readonly ids_rise: boolean,
  ) {
    this.limits = { ...DEFAULT_LIMITS, ...limits }
    this.model = new Model(this.limits)
  }

  run(steps: readonly Step[]): void {
    for (const step of steps) {
      this.#step(step)
      this.#compare()
    }
  }

  #step(step: Step): void {
    if (step.do === 'append') this.#append(step.rank, step.bytes, step.ttl)
    else if (step.do === 'rewrite') this.#rewrite(step.pick, step.bytes)
    else if (step.do === 'take') this.#take(step.ack, step.limit, step.bytes_max)
    else if (step.do === 'open') this.#open(step.reader, step.ack, step.after)
    else if (step.do === 'read') this.#read(step.reader, step.limit, step.bytes_max)
    else if (step.do === 'clock') {
      this.now += step.by * SECOND
      this.#advance()
    } else this.#settle(step.do, step.pick, step.delay * SECOND)
  }

  #append(rank: Rank, bytes: number, ttl: number): void {
    const message_id = idOf(this.model.all.length + 1, this.ids_rise)
    const content = { payload: null, priority: PRIORITIES[rank], ttl_seconds: ttl }
    // The step says how many bytes count, not the text.
    const message = { ...createMessage(content, 'sender', 'r', message_id, this.now, 300), bytes }
    let entry = this.mailbox.append(message, this.limits)
    let known = this.model.append(message)
    while (!known && this.limits.mailbox_overflow === 'drop_oldest') {
      const dropped = this.model.dropOldest()
      expect(this.mailbox.dropOldest()).toEqual(
        dropped && {
          offset: dropped.offset,
          message: dropped.message,
          attempts: dropped.attempts,
          reason: 'overflowed',
        },
      )
      if (!dropped) break
      expect(entry).toBe('full')
      entry = this.mailbox.append(message, this.limits)
      known = this.model.append(message)
    }
    expect(typeof entry === 'string' ? undefined : entry.offset).toBe(known?.offset)
  }

  #rewrite(pick: number, bytes: number): void {
    const pending = this.model.in('pending')
    const known = pending[pick % pending.length]
    if (!known) return
    const json = known.message.json.replace('"payload":null', '"payload":"in other words"')
    const message = { ...known.message, json, bytes }
    const by = bytes - known.message.bytes
    const fits = by <= 0 || this.mailbox.takes(0, by, this.limits) === true
    if (fits) this.mailbox.rewrite(this.mailbox.entries.find(message.message_id)!, message, this.limits)
    expect(fits).toBe(this.model.rewrite(known, message))
  }

  #take(ack: AckMode, limit: number, bytes_max: number): void {
    const expected = this.model.take(limit, bytes_max, ack, this.now)
    const taken = this.mailbox.take({ limit, bytes_max, ack }, this.now, this.limits)
    expect(taken).toEqual(
      expected.map(({ offset, message, attempts }) => ({
        offset,
        message,
        attempt: attempts,
        safe_offset: 0,
        acknowledged: ack === 'auto',
      })),
    )
    for (const { message } of taken) expect(message.expires_ms).toBeGreaterThan(this.now)
  }

  #settle(how: 'ack' | 'nack', pick: number, delay_ms: number): void {
    const candidates = how === 'ack' ? this.model.live : this.model.in('leased')
    const known = candidates[pick % candidates.length]
    if (!known) return
    const entry = this.mailbox.entries.find(known.message.message_id)!
    if (how === 'ack') {
      this.model.ack(known, this.now)
      expect(this.mailbox.ack(entry, this.now, this.limits)).toBeTrue()
      expect(this.mailbox.ack(entry, this.now, this.limits)).toBeFalse()
      return
    }
    const expected: Expected = { dead: [], released: [] }
    const fallen: Fallen = { dead: [], released: [] }
    this.model.fail(known, delay_ms, this.now, expected)
    this.mailbox.nack(entry, delay_ms, this.now, this.limits, fallen)
    this.#fell(fallen, expected)
  }

  #advance(): void {
    const due = this.mailbox.next_due_ms <= this.now
    const fallen = this.mailbox.advance(this.now, this.limits)
    if (!due) expect(fallen).toBeUndefined()
    this.#fell(fallen ?? { dead: [], released: [] }, this.model.advance(this.now))
  }

  /** Compares what fell with the model. */
  #fell(fallen: Fallen, expected: Expected): void {
    const dead = fallen.dead.map(({ message, reason }) => ({ offset: offsetOf(message), reason }))
    const released = fallen.released.map(({ offset }) => offset)
    expect(dead.sort((a, b) => a.offset - b.offset)).toEqual(expected.dead)
    expect([...released].sort((a, b) => a - b)).toEqual(expected.released)
  }

  #open(index: number, ack: AckMode, after: 'none' | 'foreign' | 'future' | number): void {
    const overwritten = Math.max(0, ...this.model.in('overwritten').map(({ offset }) => offset))
    if (after === 'foreign') {
      expect(this.mailbox.covers('e2', this.mailbox.last)).toBeFalse()
      return
    }
    if (after === 'future') {
      expect(this.mailbox.covers('e1', this.mailbox.last + 1)).toBeFalse()
      return
    }
    const held = after === 'none' ? undefined : this.cursors[after % this.cursors.length]
    const covered = held === undefined || held.offset >= overwritten
    if (held) expect(this.mailbox.covers('e1', held.offset)).toBe(covered)
    const from = covered ? held?.offset : this.mailbox.evicted_through
    const position = this.mailbox.open(from, ack === 'none' && !(held && covered))
    this.readers[index] = this.#readerAt(position, ack, covered ? held : undefined)
    if (held && covered) this.#resumeIsWhole(held)
  }

  #readerAt(position: Position, ack: AckMode, held: Held | undefined): Reader {
    const from = Math.min(...position.sent)
    const excused = new Set(held?.excused)
    // What was gone when it began, and what lies before that.
    const gone = safeOffset(position)
    if (!held) for (const { offset } of this.model.all) if (offset <= gone) excused.add(offset)
    return {
      position,
      ack,
      from,
      here: new Set(),
      seen: new Set(held?.seen),
      skipped: new Set(held?.skipped),
      excused,
      last_of: [0, 0, 0, 0],
    }
  }

  /**
   * Peeks at everything after a covered cursor: nothing is missing, and with one priority nothing is
   * repeated.
   */
  #resumeIsWhole(held: Held): void {
    const position = this.mailbox.open(held.offset)
    const drained = new Set<number>()
    for (const { offset } of this.mailbox.read(position, { ...ALL, ack: 'none' }, this.now, this.limits)
      .due) {
      expect(drained.has(offset)).toBeFalse()
      drained.add(offset)
    }
    for (const known of this.model.in('pending', 'leased', 'acked')) {
      const { offset, fate } = known
      expect([offset, drained.has(offset)]).toEqual([offset, offset > held.offset])
      // What is pending before the cursor is due to whoever does not only peek: see `#owed`.
      if (offset <= held.offset && fate !== 'pending') {
        const known_to_bearer = held.seen.has(offset) || held.excused.has(offset) || held.skipped.has(offset)
        expect([offset, known_to_bearer]).toEqual([offset, true])
      }
      if (this.one_rank && held.seen.has(offset) && drained.has(offset)) expect(fate).toBe('pending')
    }
  }

  #read(index: number, limit: number, bytes_max: number): void {
    const reader = this.readers[index]
    if (!reader) return
    const take = { limit, bytes_max, ack: reader.ack }
    const { due: read, position } = this.mailbox.read(reader.position, take, this.now, this.limits)
    reader.position = position
    expect(read.length).toBeLessThanOrEqual(limit)
    let bytes = 0
    for (let i = 0; i < limit && bytes < bytes_max; i++) {
      const owed = this.#owed(reader)
      const due = read[i]
      for (const { offset } of this.model.in('delayed')) reader.skipped.add(offset)
      if (reader.position.unacked_only)
        for (const { offset } of this.model.in('acked'))
          if (offset <= reader.position.resumed_through) reader.excused.add(offset)
      if (!due) {
        expect(owed.must.map(({ offset }) => offset)).toEqual([])
        break
      }
      this.#received(reader, due, owed)
      bytes += due.message.bytes
      if (bytes >= bytes_max) expect(read.length).toBe(i + 1)
    }
    if (reader.ack === 'auto') this.model.trim(this.now)
  }

  #received(reader: Reader, due: Due, owed: { must: Known[]; may: Known[] }): void {
    const { offset, safe_offset } = due
    const known = this.model.all[offset - 1]!
    expect(owed.may).toContain(known)
    expect(known.message.expires_ms).toBeGreaterThan(this.now)
    const rank = known.message.rank
    for (const other of owed.must) expect(rank).toBeGreaterThanOrEqual(other.message.rank)
    const first = !reader.here.has(offset) && !reader.skipped.has(offset)
    if (first && offset > reader.from) {
      expect(offset).toBeGreaterThan(reader.last_of[rank])
      reader.last_of[rank] = offset
    }
    expect(due.acknowledged).toBe(reader.ack === 'auto' && known.fate === 'pending')
    this.model.deliver(known, reader.ack, offset <= reader.position.resumed_through, this.now)
    reader.here.add(offset)
    reader.seen.add(offset)
    const excused = new Set(reader.excused)
    // It is redelivered later: a resume finds it pending, or it was delivered after this cursor.
    for (const pending of this.model.in('pending'))
      if (pending.offset <= safe_offset) excused.add(pending.offset)
    this.cursors.push({
      offset: safe_offset,
      seen: new Set(reader.seen),
      skipped: new Set(reader.skipped),
      excused,
    })
  }

  /** What a reader must be sent before it is told that there is no more, and what it may be sent. */
  #owed({ here, skipped, from, ack, position }: Reader): { must: Known[]; may: Known[] } {
    const must: Known[] = []
    const may: Known[] = []
    for (const known of this.model.in('pending', 'leased', 'acked')) {
      const { offset, fate, message } = known
      if (message.expires_ms <= this.now) continue
      const again = fate === 'pending' && ack !== 'none'
      if (offset <= from || here.has(offset)) {
        if (again) must.push(known)
        else if (fate === 'pending' && !here.has(offset)) may.push(known)
      } else if (skipped.has(offset)) (again ? must : may).push(known)
      else if (!(position.unacked_only && fate === 'acked' && offset <= position.resumed_through))
        must.push(known)
    }
    return { must, may: [...must, ...may] }
  }

  #compare(): void {
    const { mailbox, model } = this
    const live: Entry[] = []
    for (const known of model.all) {
      const entry = mailbox.entries.find(known.message.message_id)
      expect([known.offset, entry?.state]).toEqual([known.offset, FATES.get(known.fate)])
      if (!entry) continue
      if (known.fate !== 'acked') live.push(entry)
      expect(entry.attempts).toBe(known.attempts)
      // History does not keep the number of failures.
      if (known.fate !== 'acked') expect(entry.failures).toBe(known.failures)
      expect(entry.message).toEqual(known.message)
    }
    const leases = model.all.map(({ offset, attempts }) => ({ offset, attempt: attempts }))
    expect(mailbox.entries.of(leases)).toEqual(live)
    expect(mailbox.entries.of(leases.toReversed())).toEqual(live.toReversed())
    const older = leases.map(({ offset, attempt }) => ({ offset, attempt: attempt - 1 }))
    expect(mailbox.entries.of(older)).toEqual([])
    expect(mailbox.last).toBe(model.all.length)
    expect(mailbox.pending).toBe(model.in('pending').length)
    expect(mailbox.leased).toBe(model.in('leased', 'delayed').length)
    expect(mailbox.history).toBe(model.in('acked').length)
    expect(mailbox.bytes).toBe(bytesOf(model.retained))
    expect(this.meter.engine.bytes).toBe(mailbox.bytes)
    expect(mailbox.live).toBeLessThanOrEqual(this.limits.mailbox_messages_max)
    expect(mailbox.history).toBeLessThanOrEqual(this.model.historyMax(this.now))
    expect(mailbox.bytes).toBeLessThanOrEqual(this.limits.mailbox_bytes_max)
    expect(mailbox.next_due_ms <= model.due_ms).toBeTrue()
    expect([...mailbox.entries.after(0)].map(({ offset }) => offset)).toEqual(
      model.retained.map(({ offset }) => offset),
    )
    const { settled_offset } = mailbox
    expect(mailbox.covers('e1', settled_offset)).toBeTrue()
    const unsettled = model.live.find(({ offset }) => offset <= settled_offset)
    if (unsettled) expect(settled_offset).toBe(mailbox.evicted_through)
    expect(mailbox.entries.leased().map(({ offset }) => offset)).toEqual(
      model.in('leased').map(({ offset }) => offset),
    )
  }
}

/** Ids rise with the offsets as those of a broker do, or have no order. */
function idOf(offset: number, rising: boolean): string {
  return rising
    ? `m${String(offset).padStart(5, '0')}`
    : `${[...String(offset)].reverse().join('')}m${offset}`
}

function offsetOf(message: StoredMessage): number {
  return Number(message.message_id.split('m')[1])
}

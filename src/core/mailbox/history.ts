import { idInJson, type Rank, readStored } from '../message.ts'
import { ACKED, Entry } from './entry.ts'

/** The numbers kept beside each text, by index, so that removing a message does not read its text. */
const OFFSET = 0
const BYTES = 1
const EXPIRES = 2
/** How often it was delivered, times four, plus its rank. */
const MARKS = 3
const FIELDS = 4

const CAPACITY_MIN = 16
/** Shared by all empty histories, since most are empty. */
const NO_TEXTS: string[] = []
const NO_NOTES = new Float64Array(0)

/** A message that was overwritten or has expired. */
export interface Evicted {
  readonly offset: number
  readonly bytes: number
  readonly rank: Rank
}

/**
 * The acknowledged messages of one mailbox in rising order of offset, for replay and resume: a circular
 * buffer that doubles and halves with their number. It is long and rarely read, so it keeps the text of
 * each message and four numbers; the rest is parsed from the text when a reader asks for it.
 */
export class History {
  #texts: string[] = NO_TEXTS
  #notes = NO_NOTES
  #head = 0
  #length = 0
  /** Highest offset ever added. */
  newest = 0
  /** No message here expires before this, in milliseconds since the epoch. */
  due_ms = Number.POSITIVE_INFINITY

  get length(): number {
    return this.#length
  }

  /** Slots taken from memory, for the test that they are given back. */
  get capacity(): number {
    return this.#texts.length
  }

  /** Adds an acknowledged message. Most come in order of offset; one that does not moves those after it. */
  add({ offset, message, attempts }: Entry): void {
    if (this.#length === this.#texts.length) this.#resize(Math.max(CAPACITY_MIN, this.#length * 2))
    let index = this.#length++
    if (offset > this.newest) this.newest = offset
    else while (index > 0 && this.offsetAt(index - 1) > offset) this.#move(index - 1, index--)
    const slot = this.#slot(index)
    const at = slot * FIELDS
    this.#texts[slot] = message.json
    this.#notes[at + OFFSET] = offset
    this.#notes[at + BYTES] = message.bytes
    this.#notes[at + EXPIRES] = message.expires_ms
    this.#notes[at + MARKS] = attempts * 4 + message.rank
    if (message.expires_ms < this.due_ms) this.due_ms = message.expires_ms
  }

  /** Removes the oldest message, to make room. There must be one. */
  evict(): Evicted {
    const evicted = this.#evictedAt(0)
    this.#texts[this.#head] = ''
    this.#head = (this.#head + 1) & (this.#texts.length - 1)
    this.#length--
    this.#shrink()
    return evicted
  }

  /** Removes what has expired by `now`, in one pass, made only when something may have expired. */
  expire(now: number): readonly Evicted[] {
    if (this.due_ms > now) return NOTHING
    const expired: Evicted[] = []
    this.due_ms = Number.POSITIVE_INFINITY
    let kept = 0
    for (let index = 0; index < this.#length; index++) {
      const expires_ms = this.#note(index, EXPIRES)
      if (expires_ms <= now) expired.push(this.#evictedAt(index))
      else {
        if (kept < index) this.#move(index, kept)
        kept++
        if (expires_ms < this.due_ms) this.due_ms = expires_ms
      }
    }
    for (let index = kept; index < this.#length; index++) this.#texts[this.#slot(index)] = ''
    this.#length = kept
    this.#shrink()
    return expired
  }

  offsetAt(index: number): number {
    return this.#note(index, OFFSET)
  }

  rankAt(index: number): Rank {
    return (this.#note(index, MARKS) & 3) as Rank
  }

  /** A message as a new entry: changes to the entry are not kept here. */
  entryAt(index: number): Entry {
    const expires_ms = this.#note(index, EXPIRES)
    const message = readStored(this.#texts[this.#slot(index)]!, expires_ms, this.#note(index, BYTES))
    const entry = new Entry(this.offsetAt(index), message)
    entry.state = ACKED
    entry.attempts = Math.floor(this.#note(index, MARKS) / 4)
    return entry
  }

  /** Counts one more delivery of the message at this offset, if it is here. */
  delivered(offset: number): void {
    const index = this.indexAfter(offset - 1)
    if (index < this.#length && this.offsetAt(index) === offset)
      this.#notes[this.#slot(index) * FIELDS + MARKS]! += 4
  }

  /** Index of the first message whose offset is above `offset`; `length` when there is none. */
  indexAfter(offset: number): number {
    let low = 0
    let high = this.#length
    if (high === 0 || this.offsetAt(high - 1) <= offset) return high
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.offsetAt(middle) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /**
   * The message with this id, as a new entry.
   *
   * @param astray ids that are not looked for, since they do not rise with the offsets
   */
  find(message_id: string, astray: ReadonlyMap<string, number>): Entry | undefined {
    const index = this.#indexOf(message_id, astray)
    return index === undefined ? undefined : this.entryAt(index)
  }

  /** Those of these ids that are here, found in one pass without parsing a message. */
  among(message_ids: ReadonlySet<string>): string[] {
    const here: string[] = []
    for (let index = 0; index < this.#length; index++) {
      const id = this.#idAt(index)
      if (message_ids.has(id)) here.push(id)
    }
    return here
  }

  #indexOf(message_id: string, astray: ReadonlyMap<string, number>): number | undefined {
    let low = 0
    let high = this.#length
    while (low < high) {
      const middle = (low + high) >> 1
      let at = middle
      let id = this.#idAt(at)
      while (at < high && astray.has(id)) id = ++at < high ? this.#idAt(at) : ''
      if (at < high && id === message_id) return at
      if (at === high || id > message_id) high = middle
      else low = at + 1
    }
    return undefined
  }

  #idAt(index: number): string {
    return idInJson(this.#texts[this.#slot(index)]!)
  }

  #evictedAt(index: number): Evicted {
    return { offset: this.offsetAt(index), bytes: this.#note(index, BYTES), rank: this.rankAt(index) }
  }

  #slot(index: number): number {
    return (this.#head + index) & (this.#texts.length - 1)
  }

  #note(index: number, field: number): number {
    return this.#notes[this.#slot(index) * FIELDS + field]!
  }

  #move(from: number, to: number): void {
    const source = this.#slot(from)
    const target = this.#slot(to)
    this.#texts[target] = this.#texts[source]!
    for (let field = 0; field < FIELDS; field++)
      this.#notes[target * FIELDS + field] = this.#notes[source * FIELDS + field]!
  }

  #shrink(): void {
    if (this.#length === 0) {
      this.due_ms = Number.POSITIVE_INFINITY
      if (this.#texts.length > CAPACITY_MIN) this.#resize(0)
    } else if (this.#texts.length > CAPACITY_MIN * 4 && this.#length * 4 < this.#texts.length)
      this.#resize(this.#texts.length / 2)
  }

  #resize(capacity: number): void {
    const texts: string[] = new Array(capacity)
    const notes = new Float64Array(capacity * FIELDS)
    for (let index = 0; index < this.#length; index++) {
      const slot = this.#slot(index)
      texts[index] = this.#texts[slot]!
      for (let field = 0; field < FIELDS; field++)
        notes[index * FIELDS + field] = this.#notes[slot * FIELDS + field]!
    }
    this.#texts = texts
    this.#notes = notes
    this.#head = 0
  }
}

const NOTHING: readonly Evicted[] = []

/** What the ring reads of an entry: its offset, and whether it has become a hole (`gone`). */
export interface RingEntry {
  readonly offset: number
  readonly gone: boolean
}

const CAPACITY_MIN = 16
/** Slots that an empty ring keeps: half a kilobyte. */
const CAPACITY_KEPT = 64

/**
 * Entries in rising order of offset, in a buffer that doubles and halves with their number. An entry
 * removed from the middle leaves a hole. When more than half of the ring is holes, the ring is copied
 * without them, so that a removal takes constant time on average.
 */
export class Ring<E extends RingEntry> {
  #slots: (E | undefined)[] = []
  #head = 0
  #length = 0
  #holes = 0

  /** Entries and holes. */
  get length(): number {
    return this.#length
  }

  /** Slots taken from memory, for the test that they are given back. */
  get capacity(): number {
    return this.#slots.length
  }

  /** The entry or hole at an index below `length`; index 0 is never a hole. */
  at(index: number): E {
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)]!
  }

  push(entry: E): void {
    if (this.#length === this.#slots.length) this.#resize(Math.max(CAPACITY_MIN, this.#length * 2))
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = entry
    this.#length++
  }

  /** Notes that an entry in the ring has just become a hole. Call it once for each. */
  release(): void {
    this.#holes++
    while (this.#length > 0 && this.at(0).gone) {
      this.#slots[this.#head] = undefined
      this.#head = (this.#head + 1) & (this.#slots.length - 1)
      this.#length--
      this.#holes--
    }
    if (this.#length === 0) {
      // Some slots stay: a mailbox that is read as fast as it fills would allocate them again and again.
      if (this.#slots.length > CAPACITY_KEPT) this.#slots = new Array(CAPACITY_KEPT)
      this.#head = 0
    } else if (this.#holes > CAPACITY_MIN && this.#holes * 2 > this.#length) {
      this.#resize(this.#slots.length)
    } else if (this.#slots.length > CAPACITY_MIN * 4 && this.#length * 4 < this.#slots.length) {
      this.#resize(this.#slots.length / 2)
    }
  }

  /** Index of the first entry whose offset is above `offset`; `length` when there is none. */
  indexAfter(offset: number): number {
    if (this.#length === 0) return 0
    const guess = offset + 1 - this.at(0).offset
    if (guess <= 0) return 0
    if (this.at(this.#length - 1).offset <= offset) return this.#length
    if (guess < this.#length && this.at(guess).offset === offset + 1) return guess
    let low = 0
    let high = Math.min(guess, this.#length - 1)
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.at(middle).offset > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /**
   * The entry for which `compare` answers 0, by binary search.
   *
   * @param compare must rise with the offsets; is not called for holes, nor for what `skip` leaves out
   */
  findRising(compare: (entry: E) => number, skip: (entry: E) => boolean): E | undefined {
    let low = 0
    let high = this.#length
    while (low < high) {
      const middle = (low + high) >> 1
      let at = middle
      while (at < high && (this.at(at).gone || skip(this.at(at)))) at++
      const order = at === high ? 1 : compare(this.at(at))
      if (order === 0) return this.at(at)
      if (order < 0) low = at + 1
      else high = middle
    }
    return undefined
  }

  /** Copies all but the holes into a new buffer. @param capacity slots, a power of two */
  #resize(capacity: number): void {
    const slots: (E | undefined)[] = new Array(capacity)
    let length = 0
    for (let i = 0; i < this.#length; i++) {
      const entry = this.at(i)
      if (!entry.gone) slots[length++] = entry
    }
    this.#slots = slots
    this.#head = 0
    this.#length = length
    this.#holes = 0
  }
}

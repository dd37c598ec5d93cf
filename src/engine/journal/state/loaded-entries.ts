import { DEAD, type Entry } from '../../../core/mailbox/entry.ts'

/**
 * The messages of one mailbox while a log is read, by offset. Most come in rising order, so they are a list;
 * those that were written anew, behind younger ones, are kept apart.
 */
export class LoadedEntries {
  #rising: Entry[] = []
  #late: Map<number, Entry> | undefined

  get size(): number {
    const there = ({ state }: Entry) => state !== DEAD
    return this.#rising.filter(there).length + [...(this.#late?.values() ?? [])].filter(there).length
  }

  /** Adds a message, in the place of one with the same offset. */
  set(entry: Entry): void {
    const { offset } = entry
    if (offset > (this.#rising.at(-1)?.offset ?? 0)) {
      this.#rising.push(entry)
      return
    }
    const index = this.#indexOf(offset)
    if (index >= 0) this.#rising[index] = entry
    else {
      this.#late ??= new Map()
      this.#late.set(offset, entry)
    }
  }

  get(offset: number): Entry | undefined {
    const index = this.#indexOf(offset)
    const entry = index >= 0 ? this.#rising[index] : this.#late?.get(offset)
    return entry?.state === DEAD ? undefined : entry
  }

  delete(offset: number): void {
    const entry = this.get(offset)
    if (entry) entry.state = DEAD
  }

  /** Those that are there, in rising order of offset. They are not kept here any longer. */
  take(): Entry[] {
    const rising = this.#rising.filter(({ state }) => state !== DEAD)
    this.#rising = []
    if (!this.#late) return rising
    const late = [...this.#late.values()].filter(({ state }) => state !== DEAD)
    this.#late = undefined
    return [...rising, ...late].sort((a, b) => a.offset - b.offset)
  }

  /** @returns -1 when it is not in the list */
  #indexOf(offset: number): number {
    const rising = this.#rising
    let low = 0
    let high = rising.length - 1
    // Mostly there are no gaps.
    const guess = high < 0 ? -1 : offset - rising[0]!.offset
    if (rising[guess]?.offset === offset) return guess
    while (low <= high) {
      const middle = (low + high) >> 1
      const found = rising[middle]!.offset
      if (found === offset) return middle
      if (found < offset) low = middle + 1
      else high = middle - 1
    }
    return -1
  }
}

/**
 * Items by the time at which they must be looked at: a binary min-heap. An item may be in it more than
 * once; the caller recognises an outdated one when it comes out. A push in rising order of time, the
 * usual case, costs one comparison.
 */
export class Deadlines<T> {
  #dues: number[] = []
  #items: T[] = []

  get size(): number {
    return this.#dues.length
  }

  /** The earliest deadline in milliseconds since the epoch, or Infinity. */
  get next_ms(): number {
    return this.#dues.length === 0 ? Number.POSITIVE_INFINITY : this.#dues[0]!
  }

  push(due_ms: number, item: T): void {
    let at = this.#dues.length
    this.#dues.push(due_ms)
    this.#items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#dues[parent]! <= due_ms) break
      this.#move(parent, at)
      at = parent
    }
    this.#dues[at] = due_ms
    this.#items[at] = item
  }

  /** Removes and returns the earliest item; undefined when its deadline lies after `now`. */
  popDue(now: number): T | undefined {
    if (this.next_ms > now) return undefined
    const first = this.#items[0]
    const due = this.#dues.pop()!
    const item = this.#items.pop()!
    if (this.#dues.length > 0) this.#sink(due, item)
    return first
  }

  #sink(due_ms: number, item: T): void {
    const size = this.#dues.length
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && this.#dues[child + 1]! < this.#dues[child]!) child++
      if (this.#dues[child]! >= due_ms) break
      this.#move(child, at)
      at = child
    }
    this.#dues[at] = due_ms
    this.#items[at] = item
  }

  #move(from: number, to: number): void {
    this.#dues[to] = this.#dues[from]!
    this.#items[to] = this.#items[from]!
  }
}

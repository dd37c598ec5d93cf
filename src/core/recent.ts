/** Longer than a turn of the event loop takes, most of the time. */
const MOMENT_MS = 10

/** How many things happened just now: all within the last moment, some of the one before, and none of three moments ago. */
export class Recent {
  /** When the moment began, in milliseconds since the epoch. */
  #since_ms = Number.NEGATIVE_INFINITY
  #now = 0
  #before = 0

  /** Notes one. */
  add(now: number): void {
    if (now - this.#since_ms >= MOMENT_MS) {
      this.#before = this.count(now)
      this.#now = 0
      this.#since_ms = now
    }
    this.#now++
  }

  count(now: number): number {
    const past_ms = now - this.#since_ms
    if (past_ms >= 2 * MOMENT_MS) return 0
    return past_ms >= MOMENT_MS ? this.#now : this.#now + this.#before
  }
}

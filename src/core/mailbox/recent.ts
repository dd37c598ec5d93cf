/** Most turns of the event loop take less. */
const MOMENT_MS = 10

/** Counts what happened just now: all of the last `MOMENT_MS`, and nothing older than three times that. */
export class Recent {
  /** When the moment began, in milliseconds since the epoch. */
  #since_ms = Number.NEGATIVE_INFINITY
  #now = 0
  #before = 0

  /** Counts one at `now`, in milliseconds since the epoch. */
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

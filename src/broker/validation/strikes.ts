/** How often a key may fail within {@link WINDOW_MS} before it is blocked. */
const STRIKES_MAX = 3
const WINDOW_MS = 60_000
const BLOCKED_MS = 60_000

/** The keys that failed of late. Three failures within a minute block a key for a minute. */
export class Strikes {
  /** The times of each key's last failures, oldest first; the keys in the order of their last failure. */
  readonly #failed = new Map<string, number[]>()

  /** How many keys are remembered. */
  get keys(): number {
    return this.#failed.size
  }

  /** How long the key stays blocked, in milliseconds; 0 if it is not blocked. */
  blockedMs(key: string, now_ms: number): number {
    if (this.#failed.size === 0) return 0
    const times = this.#failed.get(key)
    return times?.length === STRIKES_MAX ? Math.max(0, times[STRIKES_MAX - 1]! + BLOCKED_MS - now_ms) : 0
  }

  /** Whether the key has failed within the last minute. */
  failedOfLate(key: string, now_ms: number): boolean {
    const last_ms = this.#failed.size === 0 ? undefined : this.#failed.get(key)?.at(-1)
    return last_ms !== undefined && last_ms > now_ms - WINDOW_MS
  }

  add(key: string, now_ms: number): void {
    const recent = (this.#failed.get(key) ?? []).filter((time) => time > now_ms - WINDOW_MS)
    this.#failed.delete(key)
    this.#failed.set(key, [...recent, now_ms].slice(-STRIKES_MAX))
    for (const [other, times] of this.#failed) {
      if (times.at(-1)! > now_ms - Math.max(WINDOW_MS, BLOCKED_MS)) break
      this.#failed.delete(other)
    }
  }
}

/** A sync that takes less is quick: to hand it to another thread and back takes about as long. */
const QUICK_MS = 1
/** One that takes longer on this thread has held everything up. */
const SLOW_MS = 3
/** Quick syncs on another thread, one after the other, after which this thread does them. */
const STREAK_MIN = 32
const STREAK_MAX = 1 << 16
/** Syncs on this thread, none of them slow, after which the slow ones before are forgotten. */
const FORGET_AFTER = 10_000

/**
 * Decides whether a disk is quick enough to be synced on the thread that everything else runs on. A disk that
 * was slow here has to be quick elsewhere for twice as long each time, so one that stalls now and then
 * seldom holds anything up.
 */
export class SyncPace {
  #needed = STREAK_MIN
  #streak = 0
  #done_here = 0

  get quick(): boolean {
    return this.#streak >= this.#needed
  }

  /** A sync on another thread took so long, until this one heard of it. */
  elsewhere(ms: number): void {
    if (ms < QUICK_MS) this.#streak++
    else if (!this.quick) this.#streak = 0
  }

  /** A sync on this thread took so long. */
  here(ms: number): void {
    if (ms > SLOW_MS) {
      this.#streak = 0
      this.#done_here = 0
      this.#needed = Math.min(this.#needed * 2, STREAK_MAX)
    } else if (++this.#done_here >= FORGET_AFTER) this.#needed = STREAK_MIN
  }
}

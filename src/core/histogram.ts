/** How long something took each time, counted by ranges. Plain data. */
export interface Timings {
  readonly count: number
  /** Seconds. */
  readonly sum: number
  /** How many took up to each of `bounds` and more than the one before; then those beyond all. */
  readonly buckets: readonly number[]
  /** Seconds. */
  readonly bounds: readonly number[]
}

/** Counts how long something takes. */
export class Histogram implements Timings {
  count = 0
  sum = 0
  readonly buckets: number[]

  /** @param bounds upper bounds of the buckets, in seconds, rising */
  constructor(readonly bounds: readonly number[]) {
    this.buckets = new Array(bounds.length + 1).fill(0)
  }

  add(seconds: number): void {
    let bucket = 0
    while (bucket < this.bounds.length && seconds > this.bounds[bucket]!) bucket++
    this.count++
    this.sum += seconds
    this.buckets[bucket]!++
  }

  /** A copy, as of now. */
  get timings(): Timings {
    const { count, sum, buckets, bounds } = this
    return { count, sum, buckets: [...buckets], bounds }
  }
}

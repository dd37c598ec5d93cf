/** Upper bounds of the histograms' buckets, in seconds. */
const BOUNDS = [0.000_01, 0.000_1, 0.001, 0.01, 0.1, 0.25]

/** What came of typed messages, counted from the start of the process. */
export class ProtocolTally {
  /** Refused payloads by the rule that they break first. */
  readonly refusals: Record<string, number> = {}
  /** Steps of adapters that payloads went through. */
  adapter_steps = 0
  /** Checks by where they ran: their number, their time in seconds, and how many fit each bucket. */
  readonly validations = { inline: newHistogram(), worker: newHistogram() }
  /** Of the check in this thread that was timed last. */
  #inline_seconds = 0
  #inline_bucket = 0

  refused(errors: readonly { readonly rule: string }[]): void {
    const rule = errors[0]?.rule ?? 'unknown'
    this.refusals[rule] = (this.refusals[rule] ?? 0) + 1
  }

  adapted(steps: number): void {
    this.adapter_steps += steps
  }

  validated(where: 'inline' | 'worker', ms: number): void {
    const seconds = ms / 1000
    let bucket = 0
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]!) bucket++
    count(this.validations[where], seconds, bucket)
    if (where === 'worker') return
    this.#inline_seconds = seconds
    this.#inline_bucket = bucket
  }

  /** A check in this thread that was not timed counts as the one that was timed last. */
  validatedUntimed(): void {
    count(this.validations.inline, this.#inline_seconds, this.#inline_bucket)
  }
}

function count(histogram: Histogram, seconds: number, bucket: number): void {
  histogram.count++
  histogram.sum += seconds
  histogram.buckets[bucket]!++
}

export interface Histogram {
  count: number
  sum: number
  /** One for each bound, each without those below it, and one for what is beyond all. */
  readonly buckets: number[]
  /** Seconds. */
  readonly bounds: readonly number[]
}

function newHistogram(): Histogram {
  return { count: 0, sum: 0, buckets: new Array(BOUNDS.length + 1).fill(0), bounds: BOUNDS }
}

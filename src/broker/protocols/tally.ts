import { Histogram } from '../../core/histogram.ts'

/** Upper bounds of the histograms' buckets, in seconds. */
const BOUNDS = [0.000_01, 0.000_1, 0.001, 0.01, 0.1, 0.25]

/** What came of typed messages, counted from the start of the process. */
export class ProtocolTally {
  /** Refused payloads by the rule that they break first. */
  readonly refusals: Record<string, number> = {}
  /** Steps of adapters that payloads went through. */
  adapter_steps = 0
  /** Checks by where they ran: their number, their time in seconds, and how many fit each bucket. */
  readonly validations = { inline: new Histogram(BOUNDS), worker: new Histogram(BOUNDS) }
  /** How long the check in this thread took that was timed last. */
  #inline_seconds = 0

  refused(errors: readonly { readonly rule: string }[]): void {
    const rule = errors[0]?.rule ?? 'unknown'
    this.refusals[rule] = (this.refusals[rule] ?? 0) + 1
  }

  adapted(steps: number): void {
    this.adapter_steps += steps
  }

  validated(where: 'inline' | 'worker', ms: number): void {
    this.validations[where].add(ms / 1000)
    if (where === 'inline') this.#inline_seconds = ms / 1000
  }

  /** A check in this thread that was not timed counts as the one that was timed last. */
  validatedUntimed(): void {
    this.validations.inline.add(this.#inline_seconds)
  }
}

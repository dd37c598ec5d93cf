import { type Latency, latencyOf } from './stats.ts'

/** What every message of a scenario carries. */
export interface Payload {
  /** Which message of the run it is, from 0. */
  readonly n: number
  /** When it was meant to leave, in milliseconds of the driver's `performance.now`. */
  readonly t: number
}

/** When things leave: one each `interval_ms`, and so many. */
export interface Pace {
  readonly interval_ms: number
  readonly total: number
}

/** How often the driver looks what is due. */
const TICK_MS = 1
const DRAIN_MS_MAX = 10_000

/**
 * Sends at a fixed pace, whatever comes back. What falls due while the driver or the server stalls is sent late, with the
 * time it was meant for, so that the stall is seen and not left out.
 *
 * @param send called with the number of what is due, from 0, and its intended time on the clock of `performance.now`
 */
export async function openLoop(
  { interval_ms, total }: Pace,
  send: (n: number, intended_ms: number) => void,
): Promise<void> {
  const start_ms = performance.now() + TICK_MS
  for (let n = 0; n < total; ) {
    const now_ms = performance.now()
    for (; n < total && start_ms + n * interval_ms <= now_ms; n++) send(n, start_ms + n * interval_ms)
    await Bun.sleep(TICK_MS)
  }
}

/** The JSON of a payload. @param chars about how long it is to be */
export function payloadJson(n: number, intended_ms: number, chars = 200): string {
  const head = `{"n":${n},"t":${intended_ms},"pad":"`
  return `${head}${padding(chars - head.length - 2)}"}`
}

const PADDINGS: string[] = []

/** So many letters. Made once for each length: the driver's time is the scarce one. */
export function padding(chars: number): string {
  const length = Math.max(0, chars)
  PADDINGS[length] ??= 'x'.repeat(length)
  return PADDINGS[length]
}

/** Which messages of a run arrived, how often, and how late. */
export class Ledger {
  /** By number; NaN for what has not arrived. */
  readonly #latencies_ms: Float64Array
  #arrived = 0
  #twice = 0
  #last_ms = Number.NaN

  /** @param total messages of the run, the warm-up included */
  constructor(total: number) {
    this.#latencies_ms = new Float64Array(total).fill(Number.NaN)
  }

  /** Notes an arrival. Bound, to be handed around. */
  readonly arrive = ({ n, t }: Payload): void => {
    if (!Number.isNaN(this.#latencies_ms[n]!)) this.#twice++
    else {
      this.#last_ms = performance.now()
      this.#latencies_ms[n] = this.#last_ms - t
      this.#arrived++
    }
  }

  /** Different messages that arrived. */
  get arrived(): number {
    return this.#arrived
  }

  /** When the last of them arrived, on the clock of `performance.now`. */
  get last_ms(): number {
    return this.#last_ms
  }

  get lost(): number {
    return this.#latencies_ms.length - this.#arrived
  }

  get twice(): number {
    return this.#twice
  }

  /** Of the messages from one number up to another, not included. */
  latency(from = 0, to = this.#latencies_ms.length): Latency {
    return latencyOf(this.#latencies_ms.subarray(from, to))
  }

  /** Waits until all have arrived, or long enough that the rest is lost. */
  settle(): Promise<void> {
    return drained(() => this.lost)
  }
}

/** Waits until nothing is missing, or so long that what is will not come any more. */
export async function drained(missing: () => number): Promise<void> {
  const deadline_ms = performance.now() + DRAIN_MS_MAX
  while (missing() > 0 && performance.now() < deadline_ms) await Bun.sleep(TICK_MS)
}

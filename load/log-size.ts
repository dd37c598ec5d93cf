import type { Budget } from './scenario.ts'
import type { Server } from './server.ts'

const EVERY_MS = 1000
const MEBIBYTE = 1024 * 1024
/** The log takes at most so many times what lives in it, and so much besides. */
const LIVE_TIMES_MAX = 2
const BESIDES_BYTES = 64 * MEBIBYTE

/** What `/v1/status` says of the log. */
export interface LogBytes {
  /** Of all its files. */
  readonly bytes: number
  /** Of what a start brings back. */
  readonly live_bytes: number
}

/** Looks at the size of a broker's log each second, for a scenario that holds it to its bound. */
export class LogSize implements Disposable {
  readonly #samples: LogBytes[] = []
  readonly #timer: Timer
  #trouble: string | undefined

  private constructor(private readonly server: Server) {
    this.#timer = setInterval(() => this.#sample(), EVERY_MS)
  }

  static watch(server: Server): LogSize {
    return new LogSize(server)
  }

  /** Looks a last time. @returns the sample that was nearest to the bound, or furthest beyond it */
  async budget(): Promise<Budget> {
    await this.#sample()
    return logBudget(this.#samples, this.#trouble)
  }

  /** Never rejects: what goes wrong is why nothing was measured. */
  async #sample(): Promise<void> {
    try {
      const headers = { accept: 'application/json' }
      const answer = await fetch(`${this.server.url}/v1/status`, { headers })
      const { journal } = (await answer.json()) as { journal?: LogBytes }
      if (journal) this.#samples.push({ bytes: journal.bytes, live_bytes: journal.live_bytes })
      else this.#trouble ??= 'the status has no journal'
    } catch (error) {
      this.#trouble ??= `the status could not be read: ${error instanceof Error ? error.message : error}`
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** @param trouble why a sample is missing: then the bound was not seen to hold */
export function logBudget(samples: readonly LogBytes[], trouble?: string): Budget {
  const shares = samples.map(({ bytes, live_bytes }) => bytes / (LIVE_TIMES_MAX * live_bytes + BESIDES_BYTES))
  const unmeasured = trouble ?? (samples.length === 0 ? 'nobody looked' : undefined)
  return {
    what: 'log, of 2 × live + 64 MiB',
    bound: 'at most',
    limit: 100,
    value: unmeasured === undefined ? Math.max(...shares) * 100 : Number.NaN,
    unmeasured,
    unit: '%',
  }
}

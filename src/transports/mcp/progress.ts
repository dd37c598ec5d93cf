import type { DoorContext } from '../door.ts'

/** A call under way, and when its client was last told. */
interface CallProgress {
  readonly began_ms: number
  /** Sends progress, in seconds; undefined where the call cannot wait or the client gave no token. */
  readonly report: ((seconds: number) => void) | undefined
  reported_ms: number
}

/** Sends progress for calls that wait for mail or for a reply, where the client gave a token for it. */
export class ProgressReports {
  readonly #calls = new Set<CallProgress>()
  readonly #context: DoorContext
  readonly #endChore: () => void

  constructor(context: DoorContext) {
    this.#context = context
    this.#endChore = context.housekeeping.every(TICK_MS, () => this.#tend())
  }

  /** Reports the progress of a call from now on. @returns a function that ends the reports */
  begin(report: CallProgress['report']): () => void {
    const now = this.#context.broker.now()
    const call: CallProgress = { began_ms: now, report, reported_ms: now }
    this.#calls.add(call)
    return () => this.#calls.delete(call)
  }

  close(): void {
    this.#endChore()
  }

  #tend(): void {
    const { broker, config } = this.#context
    const now = broker.now()
    for (const call of this.#calls) {
      if (now - call.reported_ms < config.stream_comment_seconds * 1000) continue
      call.reported_ms = now
      call.report?.((now - call.began_ms) / 1000)
    }
  }
}

const TICK_MS = 500

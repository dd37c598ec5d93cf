import type { SessionEnd } from '../core/session.ts'

/**
 * A session as this instance holds on to it: which one it is, and what has become of it. There is one for
 * each session, however many connections and calls share it. What the session says of itself is the
 * engine's to know.
 */
export class SessionHandle {
  /** Its latest sign of life here, in milliseconds since the epoch, and the latest that the engine knows. */
  heard_ms = Number.NEGATIVE_INFINITY
  told_ms = Number.NEGATIVE_INFINITY
  /** A sign of life waits to be told to the engine. */
  untold = false
  #ended: SessionEnd | undefined
  #over: AbortController | undefined

  constructor(
    readonly project: string,
    readonly client_id: string,
    readonly session_id: string,
  ) {}

  /** Why it ended; undefined while it holds the address, as far as is known here. */
  get ended(): SessionEnd | undefined {
    return this.#ended
  }

  /** Aborted when the session ends, with the {@link SessionEnd} as its reason. */
  get signal(): AbortSignal {
    this.#over ??= new AbortController()
    if (this.#ended) this.#over.abort(this.#ended)
    return this.#over.signal
  }

  end(end: SessionEnd): void {
    this.#ended ??= end
    this.#over?.abort(this.#ended)
  }
}

import { SessionHandle } from '../auth/session-handle.ts'
import type { Limits } from '../core/limits.ts'
import type { SessionEnd, SessionKey } from '../core/session.ts'
import type { Engine } from '../engine/engine.ts'

/** The engine is told of a session's signs of life at most this often, or four times before it is stale. */
const TOLD_MS = 1000
const TOLD_TIMES = 4
/** Ends remembered of sessions without a handle: an end may be told before the check-in is answered. */
const ENDS_MAX = 1024

/** The handles of sessions that are in use on this instance, and their signs of life. */
export class Sessions {
  /** Weak: whoever uses a session keeps its handle, and nobody has to give it back. */
  readonly #handles = new Map<string, WeakRef<SessionHandle>>()
  readonly #collected = new FinalizationRegistry<string>((session_id) => {
    if (!this.#handles.get(session_id)?.deref()) this.#handles.delete(session_id)
  })
  readonly #ends = new Map<string, SessionEnd>()
  #untold: SessionHandle[] = []
  #telling = false
  #told_ms = Number.NEGATIVE_INFINITY
  readonly #every_ms: number

  /** @param now milliseconds since the epoch */
  constructor(
    private readonly engine: Pick<Engine, 'heard'>,
    private readonly now: () => number,
    { stale_seconds }: Pick<Limits, 'stale_seconds'>,
  ) {
    this.#every_ms = Math.min(TOLD_MS, (stale_seconds * 1000) / TOLD_TIMES)
  }

  /** The handle of a session; the same one for all who ask while any of them keeps it. */
  handle({ project, client_id, session_id }: SessionKey): SessionHandle {
    const known = this.#handles.get(session_id)?.deref()
    if (known) return known
    const handle = new SessionHandle(project, client_id, session_id)
    const end = this.#ends.get(session_id)
    if (end) {
      handle.end(end)
      return handle
    }
    this.#handles.set(session_id, new WeakRef(handle))
    this.#collected.register(handle, session_id)
    return handle
  }

  /** All handles in use. */
  *all(): Generator<SessionHandle> {
    for (const weak of this.#handles.values()) {
      const handle = weak.deref()
      if (handle) yield handle
    }
  }

  /** A session has ended. It may be told more than once. */
  ended(session_id: string, end: SessionEnd): void {
    this.#handles.get(session_id)?.deref()?.end(end)
    this.#handles.delete(session_id)
    this.#ends.set(session_id, end)
    if (this.#ends.size > ENDS_MAX) this.#ends.delete(this.#ends.keys().next().value!)
  }

  /** Notes a sign of life. The engine hears of the first in a while at the end of this turn. */
  heard(handle: SessionHandle): void {
    const now = this.now()
    handle.heard_ms = now
    if (handle.untold || handle.ended) return
    handle.untold = true
    this.#untold.push(handle)
    if (this.#telling || now - handle.told_ms < this.#every_ms) return
    this.#telling = true
    setImmediate(this.tell)
  }

  /** A chore of housekeeping: no sign of life stays untold for long. */
  tend(): void {
    if (this.now() - this.#told_ms >= this.#every_ms) this.tell()
  }

  /** Tells the engine of all signs of life that it does not know. */
  readonly tell = (): void => {
    this.#telling = false
    this.#told_ms = this.now()
    const untold = this.#untold
    if (untold.length === 0) return
    this.#untold = []
    untold.sort((a, b) => a.heard_ms - b.heard_ms)
    this.engine.heard(
      untold.map((handle) => {
        const { project, client_id, session_id, heard_ms } = handle
        handle.untold = false
        handle.told_ms = heard_ms
        return { project, client_id, session_id, at_ms: heard_ms }
      }),
    )
  }
}

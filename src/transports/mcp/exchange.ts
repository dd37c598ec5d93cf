import type { Identity } from '../../auth/identity.ts'
import type { PlainCall } from './fast-lane.ts'

/** What the calls of one HTTP request share; only a batch has several. */
interface Calls {
  readonly over: AbortController
  /** Resolves when the latest call may begin; undefined before the first. */
  begun: Promise<void> | undefined
}

const calls_of = new WeakMap<Request, Calls>()

function callsOf(request: Request): Calls {
  const calls = calls_of.get(request) ?? { over: new AbortController(), begun: undefined }
  calls_of.set(request, calls)
  return calls
}

/** Aborted when the stream that answers a request has ended: calls that still wait have nobody to answer. */
export function answerable(request: Request): AbortSignal {
  return callsOf(request).over.signal
}

/** Aborts {@link answerable}: the stream that answers a request has ended. */
export function endAnswers(request: Request): void {
  calls_of.get(request)?.over.abort()
}

/**
 * Resolves when the next call of a request may begin. Each call of a batch begins in its own turn of the
 * event loop, so that other clients are served in between.
 */
export function turnOf(request: Request): Promise<void> {
  const calls = callsOf(request)
  calls.begun = calls.begun?.then(() => new Promise((resolve) => setImmediate(resolve))) ?? Promise.resolve()
  return calls.begun
}

/** One HTTP request to this door. */
export interface Exchange {
  readonly request: Request
  readonly identity: Identity
  /** The parsed body; undefined for GET and DELETE. */
  readonly body: unknown
  /** The body as a plain call, where it is one. */
  readonly plain?: PlainCall | undefined
  /** Has Bun close the connection after this many seconds without traffic; 0: never. */
  timeout(seconds: number): void
}

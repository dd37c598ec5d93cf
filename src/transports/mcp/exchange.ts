import type { Identity } from '../../auth/identity.ts'
import type { PlainCall } from './fast-lane.ts'

/** What the calls of one request share: several come in a batch. */
interface Calls {
  readonly over: AbortController
  /** When the one before has begun. */
  begun: Promise<void> | undefined
}

const calls_of = new WeakMap<Request, Calls>()

function callsOf(request: Request): Calls {
  const calls = calls_of.get(request) ?? { over: new AbortController(), begun: undefined }
  calls_of.set(request, calls)
  return calls
}

/** Aborted when the stream that would answer a request has ended: what still waits has nobody to answer. */
export function answerable(request: Request): AbortSignal {
  return callsOf(request).over.signal
}

/** The stream that answers a request has ended. */
export function endAnswers(request: Request): void {
  calls_of.get(request)?.over.abort()
}

/** Lets each call of a batch begin in a turn of the event loop of its own, so that others are served in between. */
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
  /** The body, where it is a call that needs no SDK. */
  readonly plain?: PlainCall | undefined
  /** Has Bun close the connection when nothing moves on it for this long; 0: never. */
  timeout(seconds: number): void
}

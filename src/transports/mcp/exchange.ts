import type { Identity } from '../../auth/identity.ts'
import type { PlainCall } from './fast-lane.ts'

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

import type { Identity } from '../../auth/identity.ts'

/** One HTTP request to this door. */
export interface Exchange {
  readonly request: Request
  readonly identity: Identity
  /** The parsed body; undefined for GET and DELETE. */
  readonly body: unknown
  /** Has Bun close the connection when nothing moves on it for this long; 0: never. */
  timeout(seconds: number): void
}

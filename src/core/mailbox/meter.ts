/** Bytes that an engine holds: in mailboxes, dead letters and idempotency keys. */
export interface EngineMeter {
  bytes: number
}

/** Counts for one project. */
export interface Meter {
  /** Bytes of history, which is overwritten when new messages need room. */
  history_bytes: number
  readonly engine: EngineMeter
}

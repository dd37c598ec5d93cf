/** Bytes that an engine holds: in mailboxes, dead letters and idempotency keys. */
export interface EngineMeter {
  bytes: number
}

/** The history of one mailbox. */
export interface Overwritable {
  /** Overwrites the oldest while `lacking` says so. */
  makeRoom(lacking: () => boolean): void
}

/** Counts for one project. */
export interface Meter {
  /** Bytes of history, which is overwritten when new messages need room. */
  history_bytes: number
  /** The histories that hold something, for an engine that overwrites them to make room. */
  readonly histories?: Set<Overwritable>
  readonly engine: EngineMeter
}

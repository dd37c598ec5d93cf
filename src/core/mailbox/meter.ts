/** Bytes that an engine holds: in mailboxes, dead letters and idempotency keys. */
export interface EngineMeter {
  bytes: number
}

/** The history of one mailbox. */
export interface Overwritable {
  readonly bytes: number
  /** Overwrites the oldest while `lacking` says so. */
  makeRoom(lacking: () => boolean): void
}

/** What the mailboxes of one project hold. */
export interface Meter {
  readonly engine: EngineMeter
  /** The histories that hold something: they are overwritten when new messages need room. */
  readonly histories: Set<Overwritable>
}

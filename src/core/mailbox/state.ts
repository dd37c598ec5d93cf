/** A mailbox at one moment. */
export interface MailboxState {
  readonly epoch: string
  /**
   * With `epoch`, a cursor to resume from: just before the oldest unacknowledged message, or if history
   * after that has been overwritten, after the overwritten part.
   */
  readonly offset: number
  /** Offset of the newest message; 0 before the first. */
  readonly last: number
  readonly pending: number
  /** Leased and delayed. */
  readonly leased: number
  /** How often a message has become pending here, redeliveries included. */
  readonly changes: number
}

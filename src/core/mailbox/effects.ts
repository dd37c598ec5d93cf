import type { Entry } from './entry.ts'

/**
 * Is told how the messages of one mailbox change, as it happens, by an engine that writes changes down.
 * Not told: what is appended, which is written before the mailbox has it; what dies; and history that
 * expires or is overwritten.
 */
export interface MailboxEffects {
  /** A message is leased, or its lease has changed. @param until_ms milliseconds since the epoch */
  leased(offset: number, attempts: number, until_ms: number, cursor_acks: boolean): void
  acknowledged(offset: number, attempts: number): void
  /** An acknowledged message was delivered once more. */
  repeated(offset: number, attempts: number): void
  /**
   * A leased or delayed message is pending again, or a leased one is delayed.
   *
   * @param until_ms end of its delay, in milliseconds since the epoch; 0 when it is pending
   */
  returned(offset: number, failures: number, until_ms: number, cursor_acks: boolean): void
  /** A pending message has other JSON. */
  rewritten(entry: Entry): void
}

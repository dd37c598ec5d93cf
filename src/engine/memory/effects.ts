import type { MailboxEffects } from '../../core/mailbox/effects.ts'
import type { StagedMessage } from '../../core/mailbox/staged.ts'
import type { Client } from './client.ts'
import type { DeadLetters, Numbered } from './dead-letters.ts'

/**
 * Is told what changes in a memory engine, as it changes, by an engine that writes it down. What may be
 * undone is not told here: it comes with its commit (`staging.ts`). Nor is what follows from time and bounds
 * alone: history that is overwritten or expires, dead letters beyond their bounds, idempotency keys past
 * their time.
 */
export interface Effects {
  /** An address is made. @returns what is told of its mailbox */
  opened(client: Client): MailboxEffects
  /** The owner of an address has changed, its session, or since when it is idle. */
  changed(client: Client): void
  /** @param dead the dead letters of its project, which may have some that were for it */
  forgotten(client: Client, dead: DeadLetters): void
  /** A message has left its mailbox and is a dead letter. */
  died(client: Client, letter: Numbered): void
  /** The bounce of one that has died is staged; it is in its commit as well, but never undone. */
  bounced(client: Client, bounce: StagedMessage): void
  /** @param value undefined when the record was deleted; not to be changed */
  record(kind: string, project: string, id: string, version: number, value: unknown): void
}

import type { Dead, Entry } from '../core/entry.ts'
import type { Limits } from '../core/limits.ts'
import type { Mailbox } from '../core/mailbox.ts'
import { BROKER_CLIENT_ID, type StoredMessage } from '../core/message.ts'

/**
 * Stores a message in a full mailbox that drops its oldest. A bounce displaces no mail: what it displaced would bounce
 * in turn, until all that is old is gone.
 *
 * @param dropped gets what made room
 * @param attempts deliveries so far, of a message that is requeued
 * @returns undefined when the mailbox stays full
 */
export function appendOverOldest(
  mailbox: Mailbox,
  message: StoredMessage,
  limits: Limits,
  dropped: Dead[],
  attempts: number,
): Entry | undefined {
  if (limits.mailbox_overflow !== 'drop_oldest' || message.sender_id === BROKER_CLIENT_ID) return undefined
  for (;;) {
    const oldest = mailbox.dropOldest()
    if (!oldest) return undefined
    dropped.push(oldest)
    const entry = mailbox.append(message, limits, attempts)
    if (entry) return entry
  }
}

import type { Limits } from '../../core/limits.ts'
import type { Dead, Entry } from '../../core/mailbox/entry.ts'
import type { Mailbox } from '../../core/mailbox/mailbox.ts'
import { BROKER_CLIENT_ID, type StoredMessage } from '../../core/message.ts'

const RETRY_AFTER_MS_MIN = 100
const RETRY_AFTER_MS_MAX = 1000

/**
 * How long a sender refused by a full mailbox or store should wait, in milliseconds. When a mailbox will be
 * read cannot be foreseen.
 *
 * @param due_in_ms how soon something in the mailbox falls due; may be Infinity
 */
export function retryAfter(due_in_ms: number): number {
  return Math.min(RETRY_AFTER_MS_MAX, Math.max(RETRY_AFTER_MS_MIN, due_in_ms))
}

/**
 * Whether a full mailbox drops its oldest messages for this one. A bounce drops none: each dropped message
 * would bounce in turn, until every old message is gone.
 */
export function dropsOldest(message: StoredMessage, { mailbox_overflow }: Limits): boolean {
  return mailbox_overflow === 'drop_oldest' && message.sender_id !== BROKER_CLIENT_ID
}

/**
 * Stores a message in a full mailbox by dropping its oldest messages, if it may ({@link dropsOldest}).
 *
 * @param dropped receives the messages dropped
 * @param attempts deliveries so far, for a message that is requeued
 * @returns `full` when the mailbox stays so
 */
export function appendOverOldest(
  mailbox: Mailbox,
  message: StoredMessage,
  limits: Limits,
  dropped: Dead[],
  attempts: number,
): Entry | 'full' | 'too_large' {
  if (!dropsOldest(message, limits)) return 'full'
  for (;;) {
    const oldest = mailbox.dropOldest()
    if (!oldest) return 'full'
    dropped.push(oldest)
    const entry = mailbox.append(message, limits, attempts)
    if (entry !== 'full') return entry
  }
}

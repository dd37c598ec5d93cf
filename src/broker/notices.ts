import type { DeadReason } from '../core/mailbox/entry.ts'
import { formatTime } from '../core/message.ts'
import type { Session, SessionStatus } from '../core/session.ts'

/** What a sender is told of its message, as JSON. */
export function receiptJson(message_id: string, recipient_id: string, reason?: DeadReason): string {
  const status = reason === undefined ? 'acknowledged' : 'dead_lettered'
  return JSON.stringify({ message_id, recipient_id, status, reason })
}

/** What others are told of a session, as JSON. */
export function sessionJson(session: Session, status: SessionStatus): string {
  const { session_id, client_id, name, last_seen_ms } = session
  return JSON.stringify({ session_id, client_id, name, status, last_seen_at: formatTime(last_seen_ms) })
}

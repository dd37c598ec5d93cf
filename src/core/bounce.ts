import type { DeadLetter } from './mailbox/entry.ts'
import { BROKER_CLIENT_ID, createMessage, type StoredMessage } from './message.ts'
import { messageIdFor } from './message-id.ts'

/** A day: a bounce waits this long for a sender that is away. */
const BOUNCE_TTL_SECONDS = 24 * 3600

/**
 * The message that tells a sender of a dead letter; undefined for a broadcast and for a bounce, which do not
 * bounce. Its id follows from the message and its place in the mailbox, so that a bounce which is made twice
 * can be known as one. A message that is requeued and dies again has another offset by then, and so another
 * bounce.
 *
 * @param digest SHA-256 of a text, in lower-case hexadecimal
 */
export function bounceOf(letter: DeadLetter, digest: (text: string) => string): StoredMessage | undefined {
  const { message, recipient_id, reason, attempts, epoch, offset, dead_ms } = letter
  const { message_id, sender_id, broadcast, sent_ms } = message
  if (broadcast || sender_id === BROKER_CLIENT_ID) return undefined
  const content = {
    payload: {
      bounce: reason,
      message_id,
      recipient_id,
      attempts,
      next: `The message is kept: see list_dead_letters, and requeue_dead_letters to send it again.`,
    },
    ttl_seconds: BOUNCE_TTL_SECONDS,
    headers: { bounce: reason },
    in_reply_to: message_id,
  }
  const named = digest(JSON.stringify([message_id, recipient_id, epoch, offset]))
  const id = messageIdFor(uuid(named, sent_ms), sender_id)
  // The time to live is given, so the default does not matter.
  return createMessage(content, BROKER_CLIENT_ID, sender_id, id, dead_ms, 0)
}

/** A UUIDv7 whose random part is taken from a digest. @param ms milliseconds since the epoch */
function uuid(digest: string, ms: number): string {
  const time = ms.toString(16).padStart(12, '0')
  const variant = (8 + (Number.parseInt(digest.charAt(3), 16) & 3)).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${digest.slice(0, 3)}-${variant}${digest.slice(4, 7)}-${digest.slice(7, 19)}`
}

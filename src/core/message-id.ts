/** Digits of a UUID that say whose mailbox it is in. */
const DIGITS = 8
/** Of a message that is in any number of mailboxes. */
const ANYBODY = '0'.repeat(DIGITS)

/**
 * The id of a message: a UUIDv7, so that ids sort by time, whose last 8 digits are a hash of the recipient.
 * Where mailboxes are many and far, only a few have to be asked for a message.
 *
 * @param uuid a new UUIDv7; 40 of its random bits and its time are kept
 * @param recipient_id undefined for a broadcast
 */
export function messageIdFor(uuid: string, recipient_id: string | undefined): string {
  return uuid.slice(0, -DIGITS) + (recipient_id === undefined ? ANYBODY : hashOf(recipient_id))
}

/** It may be in several mailboxes. */
export function isToMany(message_id: string): boolean {
  return message_id.endsWith(ANYBODY)
}

/** @returns false: no message with this id was sent to this recipient */
export function mayBeTo(message_id: string, recipient_id: string): boolean {
  return isToMany(message_id) || message_id.endsWith(hashOf(recipient_id))
}

/** FNV-1a of 32 bits over UTF-16 code units, as hexadecimal digits. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(16).padStart(DIGITS, '0')
}

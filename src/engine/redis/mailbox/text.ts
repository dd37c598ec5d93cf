import type { DeadLetter, DeadReason } from '../../../core/mailbox/entry.ts'
import { readStored, type StoredMessage } from '../../../core/message.ts'
import type { Address, Announcement } from '../../values.ts'

/** How messages and what is said of them are written in Redis: see `mailbox.lua`. */

/** A message as it is stored: a line of what scripts look at, and its JSON. */
export function messageText(message: StoredMessage): string {
  const { rank, bytes, expires_ms, in_reply_to, ttl_ms, json } = message
  return `${rank} ${bytes} ${expires_ms} ${replyText(in_reply_to)} ${ttl_ms}\n${json}`
}

/** How a message of a send with an idempotency key is known again. */
export interface Mark {
  readonly key: string
  /** Milliseconds since the epoch. */
  readonly until_ms: number
}

/** What a script that appends is told of a message besides. @param attempts deliveries so far */
export function messageHead(
  { message_id, sender_id, bytes }: StoredMessage,
  attempts: number,
  mark: Mark | undefined,
): string {
  const head = `${message_id} ${sender_id} ${attempts} ${bytes}`
  return mark ? `${head} ${mark.until_ms} ${mark.key}` : head
}

export function readMessage(text: string): StoredMessage {
  const end = text.indexOf('\n')
  const [, bytes, expires_ms, , ttl_ms] = text.slice(0, end).split(' ')
  const message = readStored(text.slice(end + 1), Number(expires_ms), Number(bytes))
  // Of a letter that was requeued, it does not follow from its times.
  return { ...message, ttl_ms: Number(ttl_ms) }
}

/** A caller chooses the id that it replies to: no space of it may be taken for the end of the field. */
function replyText(in_reply_to: string | undefined): string {
  return in_reply_to === undefined ? '-' : `=${encodeURIComponent(in_reply_to.toWellFormed())}`
}

/** The instance whose call published this. */
export function publisherOf(text: string): string {
  return text.slice(0, text.indexOf(' '))
}

/** The announcements that one call of a script published. */
export function readAnnouncements(text: string, { project, client_id }: Address): Announcement[] {
  const [head = '', ...lines] = text.split('\n')
  const epoch = head.slice(head.indexOf(' ') + 1)
  return lines.map((line) => {
    const [offset, changes, redelivery, rank, message_id = '', sender_id = '', reply = '-'] = line.split(' ')
    return {
      project,
      client_id,
      epoch,
      offset: Number(offset),
      changes: Number(changes),
      redelivery: redelivery === '1',
      message_id,
      sender_id,
      in_reply_to: reply === '-' ? undefined : decodeURIComponent(reply.slice(1)),
      rank: Number(rank) as Announcement['rank'],
    }
  })
}

/** A message in the outbox of its mailbox: it has died, and is not yet a dead letter of its project. */
export interface Outgoing {
  /** Rises by one with each death in this mailbox. */
  readonly number: number
  readonly letter: DeadLetter
}

export function outgoingText({ number, letter }: Outgoing): string {
  const { reason, offset, attempts, dead_ms, epoch, message } = letter
  return `${number} ${reason} ${offset} ${attempts} ${dead_ms} ${epoch}\n${messageText(message)}`
}

export function readOutgoing(text: string, { project, client_id }: Address): Outgoing {
  const end = text.indexOf('\n')
  const [number, reason, offset, attempts, dead_ms, epoch = ''] = text.slice(0, end).split(' ')
  const letter: DeadLetter = {
    project,
    recipient_id: client_id,
    epoch,
    offset: Number(offset),
    message: readMessage(text.slice(end + 1)),
    attempts: Number(attempts),
    reason: reason as DeadReason,
    dead_ms: Number(dead_ms),
  }
  return { number: Number(number), letter }
}

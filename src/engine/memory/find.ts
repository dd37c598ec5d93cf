import type { Entry } from '../../core/mailbox/entry.ts'
import type { Mailbox } from '../../core/mailbox/mailbox.ts'
import type { Found, Settle } from '../engine.ts'
import type { Client, ProjectState } from './clients.ts'

/**
 * The mailboxes and dead letters of a project that hold a message.
 *
 * @param recipient_id undefined looks at every client
 */
export function findIn(
  { clients, dead }: ProjectState,
  message_id: string,
  recipient_id: string | undefined,
): Found[] {
  const found: Found[] = []
  const look = ({ client_id, mailbox }: Client) => {
    const entry = mailbox.find(message_id)
    if (!entry) return
    const { message, attempts, state } = entry
    found.push({ recipient_id: client_id, message, attempts, state })
  }
  if (recipient_id === undefined) for (const client of clients.values()) look(client)
  else {
    const recipient = clients.get(recipient_id)
    if (recipient) look(recipient)
  }
  for (const { recipient_id: to, message, attempts, reason } of dead.find(message_id))
    if (recipient_id === undefined || to === recipient_id)
      found.push({ recipient_id: to, message, attempts, state: reason })
  return found
}

/**
 * The entries that a {@link Settle} means. Of the ids that mean no entry, `acknowledged` has those that were
 * acknowledged before, and `unknown` the others.
 */
export function settledBy(
  mailbox: Mailbox,
  { message_ids, offsets }: Settle,
): { entries: readonly Entry[]; acknowledged: readonly string[]; unknown: string[] } {
  if (!offsets && message_ids?.length === 1) {
    const entry = mailbox.find(message_ids[0]!)
    return { entries: entry ? [entry] : [], acknowledged: [], unknown: entry ? [] : [...message_ids] }
  }
  if (!offsets && message_ids) {
    const { live, acknowledged, unknown } = mailbox.findAll(new Set(message_ids))
    return { entries: live, acknowledged, unknown }
  }
  const entries = offsets ? mailbox.entriesAt(offsets) : mailbox.leasedEntries()
  return { entries, acknowledged: [], unknown: [] }
}

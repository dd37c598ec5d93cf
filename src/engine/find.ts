import type { Client, ProjectState } from './clients.ts'
import type { Found } from './engine.ts'

/** Everywhere in a project where a message is or died. @param recipient_id look into that mailbox alone */
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

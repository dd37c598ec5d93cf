import type { Address } from '../../values.ts'
import { tagPart } from '../script.ts'

/** The keys of one mailbox, in the order in which its scripts take them; all are in one hash slot. */
export type MailboxKeys = readonly string[]

const PARTS = ['state', 'messages', 'pending', 'leased', 'history', 'outbox', 'keys']

/** @param prefix of all keys of this broker and its database */
export function mailboxKeys(prefix: string, { project, client_id }: Address): MailboxKeys {
  const tag = `${prefix}{${tagPart(project)}:${client_id}}:`
  return PARTS.map((part) => tag + part)
}

/** Where the announcements of one mailbox are published. */
export function mailboxChannel(prefix: string, { project, client_id }: Address): string {
  return `${prefix}{${tagPart(project)}:${client_id}}`
}

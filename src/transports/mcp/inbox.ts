import {
  type ListResourcesResult,
  type ReadResourceResult,
  type Resource,
  ResourceNotFoundError,
  type ResourceTemplateType,
} from '@modelcontextprotocol/server'
import { type Identity, ownClientId, ownedBy, requireScope } from '../../auth/identity.ts'
import type { Broker } from '../../broker/broker.ts'
import { unlessEnded } from '../../broker/ended.ts'
import { formatCursor } from '../../core/cursor.ts'
import { BrokerError } from '../../core/errors.ts'
import type { Take } from '../../core/mailbox/entry.ts'
import { messageJson } from '../../core/message.ts'
import type { Address } from '../../engine/values.ts'

/** Inboxes in one page of `resources/list`. */
const PAGE = 200
/** What one read of an inbox shows; get_messages reads the rest. */
const READ_MESSAGES_MAX = 200
const READ_BYTES_MAX = 128 * 1024

export const INBOX_TEMPLATE: ResourceTemplateType = {
  uriTemplate: 'inbox://{client_id}',
  name: 'inbox',
  title: 'The inbox of a client',
  description:
    'Messages that wait for a client. Reading it acknowledges nothing; subscribe to hear of new mail.',
  mimeType: 'application/json',
}

export function inboxUri(client_id: string): string {
  return `inbox://${encodeURIComponent(client_id)}`
}

/** @returns the address that a URI names; undefined when it is not the URI of an inbox */
export function addressOf(identity: Identity, uri: string): Address | undefined {
  const encoded = INBOX_URI.exec(uri)?.[1]
  if (encoded === undefined) return undefined
  try {
    return { project: identity.project, client_id: decodeURIComponent(encoded) }
  } catch {
    return undefined
  }
}

const NO_INBOX = 'This is not the URI of an inbox, such as "inbox://frontend".'
const NOT_CHECKED_IN =
  'No client has checked in under this address; see resources/list for the inboxes there are.'

const INBOX_URI = /^inbox:\/\/([^/?#]{1,384})\/?$/

/**
 * The address of an inbox that the caller may read. A caller that has checked in may read only its own
 * inbox; any other caller may read each inbox that its key owns.
 *
 * @throws ProtocolError `-32602` with the URI where there is no such inbox
 * @throws BrokerError `client_mismatch`, `session_replaced`, `mailbox_not_owned`, `forbidden`
 */
export async function openInbox(broker: Broker, identity: Identity, uri: string): Promise<Address> {
  const address = addressOf(identity, uri)
  if (!address) throw new ResourceNotFoundError(uri, NO_INBOX)
  const client = await broker.engine.client(address.project, { client_id: address.client_id })
  if (!client) throw new ResourceNotFoundError(uri, NOT_CHECKED_IN)
  requireScope(identity, 'read', 'Reading an inbox')
  if (identity.session?.ended === 'replaced') throw new BrokerError('session_replaced')
  const own = ownClientId(identity)
  if (own !== undefined && own !== address.client_id)
    throw new BrokerError('client_mismatch', {
      detail: `The inbox is of "${address.client_id}", but this session is checked in as "${own}".`,
    })
  if (!ownedBy(client, identity.key_id)) throw new BrokerError('mailbox_not_owned')
  return address
}

/** The pending messages of an inbox, as get_messages gives them, without acknowledging any. */
export async function readInbox(
  broker: Broker,
  identity: Identity,
  uri: string,
): Promise<ReadResourceResult> {
  const address = await openInbox(broker, identity, uri)
  const look: Take = { limit: READ_MESSAGES_MAX, bytes_max: READ_BYTES_MAX, ack: 'none' }
  const { due, epoch, offset, pending } = unlessEnded(await broker.engine.read(address, undefined, look))
  const messages = due.map(({ message, attempt }) => messageJson(message, attempt)).join(',')
  const cursor = formatCursor(epoch, offset)
  const text = `{"messages":[${messages}],"cursor":"${cursor}","remaining":${pending}}`
  return { contents: [{ uri, mimeType: 'application/json', text }] }
}

/** Lists the inboxes that a caller may read, in pages. @param after the last `client_id` of the last page */
export async function listInboxes(
  broker: Broker,
  identity: Identity,
  after: string | undefined,
): Promise<ListResourcesResult> {
  if (!identity.scopes.has('read')) return { resources: [] }
  const own = ownClientId(identity)
  if (own !== undefined) return { resources: [inboxResource(own)] }
  const { items, next } = await broker.engine.clients(identity.project, {
    of: 'readers',
    by: 'client_id',
    after,
    limit: PAGE,
  })
  return {
    resources: items
      .filter((client) => ownedBy(client, identity.key_id))
      .map(({ client_id }) => inboxResource(client_id)),
    ...(next === undefined ? {} : { nextCursor: next }),
  }
}

function inboxResource(client_id: string): Resource {
  return {
    uri: inboxUri(client_id),
    name: client_id,
    title: `Inbox of ${client_id}`,
    mimeType: 'application/json',
  }
}

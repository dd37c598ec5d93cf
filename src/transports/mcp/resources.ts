import type { ListResourcesResult, ReadResourceResult } from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import type { Broker } from '../../broker/broker.ts'
import { listInboxes, readInbox } from './inbox.ts'
import { isProtocolUri, listProtocols, readProtocol } from './protocols.ts'

/** Protocols in one page of `resources/list`. */
const PAGE = 100
/** Begins the cursor of a page of protocols; no `client_id` begins with it. */
const PROTOCOLS = '~'

/** Lists the inboxes that a caller may read, then the protocols of its project, in pages. */
export async function listResources(
  broker: Broker,
  identity: Identity,
  cursor: string | undefined,
): Promise<ListResourcesResult> {
  const inboxes = cursor?.startsWith(PROTOCOLS)
    ? { resources: [] }
    : await listInboxes(broker, identity, cursor)
  if (inboxes.nextCursor !== undefined) return inboxes
  const after = cursor?.startsWith(PROTOCOLS) ? cursor.slice(PROTOCOLS.length) : ''
  const { resources, next } = await listProtocols(broker, identity, after, PAGE)
  return {
    resources: [...inboxes.resources, ...resources],
    ...(next === undefined ? {} : { nextCursor: PROTOCOLS + next }),
  }
}

/** Reads an inbox or a protocol. */
export function readResource(broker: Broker, identity: Identity, uri: string): Promise<ReadResourceResult> {
  return isProtocolUri(uri) ? readProtocol(broker, identity, uri) : readInbox(broker, identity, uri)
}

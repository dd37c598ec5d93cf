import type { Limits } from '../../core/limits.ts'
import type { Engine } from '../engine.ts'
import type { ClientState, ClientsPage, Found, Page } from '../values.ts'
import type { ProjectState } from './clients.ts'

/** How many mailboxes one call searches. */
const SEARCHED_MAX = 1000

/** One page of {@link Engine.find}: mailboxes in order of `client_id`, then dead letters. */
export function findPage(
  { clients, client_ids, dead }: ProjectState,
  message_id: string,
  { recipient_id, after, limit }: Parameters<Engine['find']>[2],
): Page<Found> {
  const items: Found[] = []
  const searched = recipient_id === undefined ? client_ids.after(after, SEARCHED_MAX) : [recipient_id]
  for (const client_id of searched) {
    const entry = clients.get(client_id)?.mailbox.entries.find(message_id)
    if (!entry) continue
    const { message, attempts, state } = entry
    items.push({ recipient_id: client_id, message, attempts, state })
    if (items.length === limit && recipient_id === undefined) return { items, next: client_id }
  }
  if (searched.length === SEARCHED_MAX) return { items, next: searched.at(-1)! }
  for (const { recipient_id: to, message, attempts, reason } of dead.find(message_id))
    if (recipient_id === undefined || to === recipient_id)
      items.push({ recipient_id: to, message, attempts, state: reason })
  return { items, next: undefined }
}

/** One page of {@link Engine.clients}. */
export function clientsPage(
  { clients, client_ids, holder_ids, heard }: ProjectState,
  { of, by, after, limit }: ClientsPage,
  now: number,
  limits: Limits,
): Page<ClientState> & { total?: number } {
  const total = {
    addresses: clients.size,
    sessions: heard.count,
    readers: heard.count - heard.senders,
  }[of]
  if (by === 'last_heard') {
    const page = heard.page(after, limit, of !== 'readers')
    return { items: page.clients.map((client) => client.state(now, limits)), next: page.next, total }
  }
  const items: ClientState[] = []
  const ids = of === 'addresses' ? client_ids : holder_ids
  for (const client_id of ids.from(after ?? '', after === undefined)) {
    const client = clients.get(client_id)!
    if (of === 'readers' && client.session!.sender_only) continue
    if (items.length === limit) return { items, next: items.at(-1)!.client_id, total }
    items.push(client.state(now, limits))
  }
  return { items, next: undefined, total }
}

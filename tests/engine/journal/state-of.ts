import { ACKED, DELAYED, type Entry, LEASED, PENDING } from '../../../src/core/mailbox/entry.ts'
import type { StoredMessage } from '../../../src/core/message.ts'
import type { JournalEngine } from '../../../src/engine/journal/journal.ts'
import type { Client } from '../../../src/engine/memory/client.ts'
import type { Clients } from '../../../src/engine/memory/clients.ts'
import { PROBE } from '../../../src/engine/memory/probe.ts'

/** Everything that a start has to bring back, as plain data. */
export interface State {
  readonly clients: Record<string, ReturnType<typeof clientState>>
  readonly letters: Record<string, unknown>
}

interface KeptState {
  readonly offset: number
  readonly expires_ms: number
  readonly attempts: number
  readonly message: StoredMessage
}

interface Inside {
  readonly addresses: Clients
}

/**
 * What an engine holds.
 *
 * @param restarted as it should be after a start at `now`: leases and delays that are over are over, and keys
 *   whose time has passed are gone
 */
export function stateOf(engine: JournalEngine, now: number): State {
  const { addresses } = engine as unknown as Inside
  const clients: Record<string, ReturnType<typeof clientState>> = {}
  const letters: Record<string, unknown> = {}
  for (const [project, state] of addresses.projects) {
    if (project === PROBE.project) continue
    for (const [client_id, client] of state.clients)
      clients[`${project}/${client_id}`] = clientState(client, now)
    letters[project] = state.dead.between(0, Number.MAX_SAFE_INTEGER)
  }
  return { clients, letters: withoutEmpty(letters) }
}

function clientState(client: Client, now: number) {
  const { mailbox, session, owned, owner, idle_since_ms } = client
  const { epoch, last, evicted_through } = mailbox
  const live: unknown[] = []
  const history: KeptState[] = []
  for (const entry of mailbox.entries.after(0)) {
    const { offset, message, attempts } = entry
    if (entry.state === ACKED) history.push({ offset, expires_ms: message.expires_ms, attempts, message })
    else live.push({ ...liveState(entry, now), offset, attempts, message })
  }
  // Those of one moment are in any order.
  const keys = [...(client.idempotency ?? [])]
    .filter(([, { until_ms }]) => until_ms > now)
    .sort(([a, { until_ms: a_ms }], [b, { until_ms: b_ms }]) => a_ms - b_ms || (a < b ? -1 : 1))
  const { last_seen_ms: _, ...held } = session ?? { last_seen_ms: 0 }
  return { epoch, last, evicted_through, owned, owner, idle_since_ms, session: held, live, history, keys }
}

function liveState({ state, failures, cursor_acks, due_ms, message }: Entry, now: number) {
  const over = (state === LEASED || state === DELAYED) && due_ms <= now
  return over
    ? { state: PENDING, failures, cursor_acks, due_ms: message.expires_ms }
    : { state, failures, cursor_acks, due_ms }
}

function withoutEmpty(letters: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(letters).filter(([, of]) => (of as unknown[]).length > 0))
}

/**
 * How a restarted engine differs from what it should hold; undefined when it does not. It may have history
 * that was overwritten before: the bounds are applied when it is next used.
 */
export function difference(before: State, after: State, now: number): string | undefined {
  const there = new Set([...Object.keys(before.clients), ...Object.keys(after.clients)])
  for (const name of there) {
    const was = before.clients[name]
    const is = after.clients[name]
    if (!was || !is) return `${name}: ${was ? 'is gone' : 'is back'}`
    const { history, evicted_through, ...rest } = was
    const { history: history_after, evicted_through: evicted_after, ...rest_after } = is
    if (!Bun.deepEquals(rest, rest_after)) return `${name}: ${inspect(rest)}\nis now ${inspect(rest_after)}`
    if (evicted_after > evicted_through) return `${name}: evicted ${evicted_through}, now ${evicted_after}`
    // What was acknowledged below the overwritten part may be gone: no cursor reaches it.
    const due = history.filter(({ offset }) => offset > evicted_through)
    const kept = history_after.filter(
      ({ offset, expires_ms }) =>
        offset > evicted_through && (expires_ms > now || due.some((one) => one.offset === offset)),
    )
    if (!Bun.deepEquals(due, kept)) return `${name}: ${firstOther(due, kept)}`
  }
  if (!Bun.deepEquals(before.letters, after.letters))
    return `${inspect(before.letters)}\nis now ${inspect(after.letters)}`
  return undefined
}

function firstOther(before: readonly unknown[], after: readonly unknown[]): string {
  const at = before.findIndex((one, i) => !Bun.deepEquals(one, after[i]))
  const index = at < 0 ? before.length : at
  return `${before.length} in the history, now ${after.length}; ${inspect(before[index])}\nis now ${inspect(after[index])}`
}

function inspect(value: unknown): string {
  return Bun.inspect(value, { depth: 6 })
}

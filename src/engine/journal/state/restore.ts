import type { Limits } from '../../../core/limits.ts'
import { ACKED, DELAYED, type Entry, LEASED, PENDING } from '../../../core/mailbox/entry.ts'
import type { Checkins } from '../../memory/checkins.ts'
import type { Client } from '../../memory/client.ts'
import type { Clients } from '../../memory/clients.ts'
import type { MemoryRecords } from '../../memory/records.ts'
import type { Loaded, LoadedAddress } from './loaded.ts'

/** Where what was written down is put back. */
export interface Restored {
  readonly clients: Clients
  readonly checkins: Checkins
  readonly records: MemoryRecords
}

/**
 * What may have been lost at the end of a log. `offsets`: messages, so that their offsets may have been seen
 * and will be given again. `deliveries`: only notes of who was given what.
 */
export type Lost = 'offsets' | 'deliveries' | undefined

export interface RestoreOptions {
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly lost: Lost
  readonly newEpoch: () => string
}

/** What a restored engine holds. */
export interface Restoring {
  readonly clients: number
  readonly messages: number
}

/** Puts what a log says into an engine that is still empty. */
export function restore(
  loaded: Loaded,
  { clients, checkins, records }: Restored,
  options: RestoreOptions,
): Restoring {
  let messages = 0
  for (const address of latest(loaded)) {
    const { log, project, client_id, idle_since_ms, evicted_through } = address
    const epoch = options.lost === 'offsets' ? options.newEpoch() : address.epoch
    const client = clients.make(project, client_id, epoch, idle_since_ms, log)
    log.client = client
    const entries = retained(address, options)
    log.highest = address.last
    messages += entries.length
    client.mailbox.restore(entries, address.last, evicted_through)
    client.owned = address.owned
    client.owner = address.owner
    restoreSession(address, client, checkins, options)
    restoreKeys(address, client, clients, options.now)
    // The next sweep looks at each, as time has passed.
    clients.schedule(client, 0)
  }
  for (const [project, { sorted }] of loaded.letters())
    clients.project(project).dead.restore(sorted.letters, sorted.last, options.limits(project))
  for (const { kind, project, id, version, value } of loaded.records.sort((a, b) => a.version - b.version))
    records.restore(kind, project, id, version, value)
  return { clients: loaded.addresses.size, messages }
}

/** The addresses as they are now: one that was forgotten and made again has a higher number. */
function latest({ addresses }: Loaded): Iterable<LoadedAddress & { project: string }> {
  const by_name = new Map<string, LoadedAddress & { project: string }>()
  for (const address of addresses.values()) {
    if (!isKnown(address)) continue
    const name = JSON.stringify([address.project, address.client_id])
    const other = by_name.get(name)
    if (!other || other.log.number < address.log.number) by_name.set(name, address)
  }
  return by_name.values()
}

function isKnown(address: LoadedAddress): address is LoadedAddress & { project: string } {
  return address.project !== undefined
}

/** What the mailbox has, in rising order of offset. */
function retained({ entries, evicted_through }: LoadedAddress, options: RestoreOptions): Entry[] {
  const found: Entry[] = []
  for (const entry of entries.take()) {
    // A record of it is left in the log, though it was overwritten.
    if (entry.state === ACKED && entry.offset <= evicted_through) continue
    if (entry.state !== ACKED) settle(entry, options)
    found.push(entry)
  }
  return found
}

/** Nobody could use a lease that ran out meanwhile, so it is no failure. */
function settle(entry: Entry, { now, lost }: RestoreOptions): void {
  const { expires_ms } = entry.message
  if ((entry.state === LEASED || entry.state === DELAYED) && entry.due_ms <= now) entry.state = PENDING
  entry.due_ms = entry.state === PENDING ? expires_ms : Math.min(entry.due_ms, expires_ms)
  if (lost === 'deliveries') entry.attempts++
}

/** A session is silent until it is heard: who held it may be gone. */
function restoreSession(
  { project, client_id, session }: LoadedAddress & { project: string },
  client: Client,
  checkins: Checkins,
  { limits, now }: RestoreOptions,
): void {
  if (!session) return
  const { session_id, name, capabilities, created_ms, sender_only } = session
  const last_seen_ms = now - limits(project).stale_seconds * 1000
  const times = { created_ms, last_seen_ms }
  checkins.restore(client, { session_id, client_id, project, name, capabilities, ...times, sender_only })
}

function restoreKeys({ keys }: LoadedAddress, client: Client, clients: Clients, now: number): void {
  const sorted = [...keys].sort(([, a], [, b]) => a.until_ms - b.until_ms)
  for (const [key, kept] of sorted) if (kept.until_ms > now) clients.keep(client, key, kept)
}

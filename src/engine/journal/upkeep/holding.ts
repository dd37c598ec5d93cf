import { DEFAULT_LIMITS, type Limits } from '../../../core/limits.ts'
import { ACKED, DELAYED, LEASED } from '../../../core/mailbox/entry.ts'
import { Checkins } from '../../memory/checkins.ts'
import type { Client } from '../../memory/client.ts'
import { Clients } from '../../memory/clients.ts'
import { MemoryRecords } from '../../memory/records.ts'
import type { Recorder } from '../records/recorder.ts'
import type { Loaded, LoadedRecord } from '../state/loaded.ts'
import { type Lost, restore } from '../state/restore.ts'

/** How much a log holds. */
export interface Counts {
  readonly clients: number
  readonly pending: number
  readonly leased: number
  readonly delayed: number
  readonly acknowledged: number
  readonly dead_letters: number
  readonly idempotency_keys: number
  readonly records: number
  /** Messages whose mailbox no record names, so that no start brings them back. */
  readonly astray: number
}

/** What a log says, put together as a start does. */
export interface Holding {
  readonly clients: Clients
  readonly records: MemoryRecords
  /** What `records` holds, and the last deletions of each kind; each once. */
  readonly living_records: readonly LoadedRecord[]
  readonly counts: Counts
}

/** Nothing is left out for want of room: a broker applies its own bounds to what it finds. */
const UNBOUNDED: Limits = {
  ...DEFAULT_LIMITS,
  idempotency_keys_max: Number.MAX_SAFE_INTEGER,
  dead_letters_max: Number.MAX_SAFE_INTEGER,
  dead_letters_bytes_max: Number.MAX_SAFE_INTEGER,
}

/** @param now milliseconds since the epoch: leases that have run out by then are over */
export function hold(
  loaded: Loaded,
  recorder: Recorder,
  now: number,
  lost: Lost,
  newEpoch: () => string,
): Holding {
  const astray = messagesAstray(loaded)
  const limits = () => UNBOUNDED
  const clients = new Clients(limits, newEpoch, recorder)
  const options = { limits, now: () => now, newId: () => crypto.randomUUID() }
  const checkins = new Checkins(clients, options, () => {})
  const records = new MemoryRecords(() => {})
  restore(loaded, { clients, checkins, records }, { limits, now, lost, newEpoch })
  const living_records = livingRecords(loaded, records)
  return { clients, records, living_records, counts: { ...counted(clients, living_records), astray } }
}

/** Messages in mailboxes that no record names. */
export function messagesAstray({ addresses }: Loaded): number {
  let messages = 0
  for (const { project, entries } of addresses.values()) if (project === undefined) messages += entries.size
  return messages
}

function livingRecords(loaded: Loaded, records: MemoryRecords): LoadedRecord[] {
  const living = new Map<string, LoadedRecord>()
  for (const record of loaded.records) {
    const { kind, project, id, version, value } = record
    const is_last =
      value === undefined
        ? records.deletedIn(kind, project) === version
        : records.valueOf(kind, project, id, version) !== undefined
    if (is_last) living.set(JSON.stringify([kind, project, id, value === undefined]), record)
  }
  return [...living.values()]
}

function counted(clients: Clients, living_records: readonly LoadedRecord[]): Omit<Counts, 'astray'> {
  const counts = { clients: 0, pending: 0, leased: 0, delayed: 0, acknowledged: 0, dead_letters: 0 }
  let idempotency_keys = 0
  for (const project of clients.projects.values()) {
    counts.clients += project.clients.size
    counts.dead_letters += project.dead.count
    for (const client of project.clients.values()) {
      idempotency_keys += client.idempotency?.size ?? 0
      for (const state of statesOf(client)) counts[state]++
    }
  }
  const records = living_records.filter(({ value }) => value !== undefined).length
  return { ...counts, idempotency_keys, records }
}

function* statesOf({ mailbox }: Client): Generator<'pending' | 'leased' | 'delayed' | 'acknowledged'> {
  for (const { state } of mailbox.entries.after(0))
    yield state === ACKED
      ? 'acknowledged'
      : state === LEASED
        ? 'leased'
        : state === DELAYED
          ? 'delayed'
          : 'pending'
}

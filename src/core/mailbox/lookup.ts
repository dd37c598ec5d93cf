import { type Entry, LEASED, PENDING } from './entry.ts'
import type { Retained } from './position.ts'
import type { Ring } from './ring.ts'

/**
 * The entry of a message.
 *
 * @param ids_rise ids rise with the offsets, which allows a binary search
 */
export function entryOf(
  { live, history }: Retained,
  message_id: string,
  ids_rise: boolean,
): Entry | undefined {
  return liveEntryOf(live, message_id, ids_rise) ?? history.find(message_id, ids_rise)
}

function liveEntryOf(live: Ring<Entry>, message_id: string, ids_rise: boolean): Entry | undefined {
  if (ids_rise) return live.findRising((entry) => compare(entry.message.message_id, message_id))
  for (let i = 0; i < live.length; i++) if (live.at(i).message.message_id === message_id) return live.at(i)
  return undefined
}

/** Many ids, sorted by what a mailbox knows of them. */
export interface Standing {
  /** Not yet acknowledged. */
  readonly live: Entry[]
  readonly acknowledged: string[]
  readonly unknown: string[]
}

/** Sorts ids in one pass over the mailbox, which is bounded, however many ids there are. */
export function standingOf({ live, history }: Retained, message_ids: ReadonlySet<string>): Standing {
  const entries: Entry[] = []
  const here = new Set<string>()
  for (let i = 0; i < live.length; i++) {
    const entry = live.at(i)
    if (entry.gone || !message_ids.has(entry.message.message_id)) continue
    entries.push(entry)
    here.add(entry.message.message_id)
  }
  if (here.size === message_ids.size) return { live: entries, acknowledged: [], unknown: [] }
  const acknowledged = history.among(message_ids)
  for (const id of acknowledged) here.add(id)
  return { live: entries, acknowledged, unknown: [...message_ids].filter((id) => !here.has(id)) }
}

/**
 * The next pending entries, highest priority first, then oldest.
 *
 * @param pending_of how many of each rank are pending
 * @param scan no pending entry of rank r lies at or below `scan[r]`
 * @param bytes_max stops before the sum of `StoredMessage.bytes` passes this, but never before the first
 */
export function nextPending(
  live: Ring<Entry>,
  pending_of: readonly number[],
  scan: readonly number[],
  limit: number,
  bytes_max: number,
): Entry[] {
  const taken: Entry[] = []
  let bytes = 0
  for (let rank = 3; rank >= 0; rank--) {
    if (pending_of[rank] === 0) continue
    for (let i = live.indexAfter(scan[rank]!); i < live.length; i++) {
      const entry = live.at(i)
      if (entry.state !== PENDING || entry.message.rank !== rank) continue
      bytes += entry.message.bytes
      if (taken.length === limit || (taken.length > 0 && bytes > bytes_max)) return taken
      taken.push(entry)
    }
  }
  return taken
}

/** Leased entries, oldest first. */
export function leasedOf(live: Ring<Entry>): Entry[] {
  const leased: Entry[] = []
  for (let i = 0; i < live.length; i++) {
    const entry = live.at(i)
    if (entry.state === LEASED) leased.push(entry)
  }
  return leased
}

/**
 * The unacknowledged entries that a client with a cursor at `offset` has read: those at or before it that
 * were delivered in their turn, even if another reader holds the lease now.
 */
export function readThrough(live: Ring<Entry>, offset: number): Entry[] {
  const read: Entry[] = []
  for (let i = 0; i < live.length; i++) {
    const entry = live.at(i)
    if (entry.offset > offset) break
    if (!entry.gone && entry.cursor_acks) read.push(entry)
  }
  return read
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

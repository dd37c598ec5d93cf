import { RANK_DEFAULT, type Rank } from '../message.ts'
import { DELAYED, type Entry, PENDING } from './entry.ts'
import type { History } from './history.ts'
import type { Ring } from './ring.ts'

/** One number for each rank. */
export type PerRank = [number, number, number, number]

/**
 * How far one reader has come, per priority: everything of rank r at or below `sent[r]` has been sent to
 * it. The four are equal while no priority lags behind. What is pending at or below them is pending again,
 * and due once more, except to a reader that only peeks.
 */
export interface Position {
  readonly epoch: string
  readonly sent: Readonly<PerRank>
  /** The mailbox's last offset when reading began: a message up to here may have been sent before. */
  readonly resumed_through: number
  /** The reader named no cursor: it is not sent the acknowledged messages up to `resumed_through`. */
  readonly unacked_only: boolean
  /** What was overwritten up to here was gone when reading began. */
  readonly lost_through: number
}

/** A copy of a position that a read moves. */
export interface Walk extends Position {
  readonly sent: PerRank
}

export function walkFrom({ epoch, sent, resumed_through, unacked_only, lost_through }: Position): Walk {
  return { epoch, sent: [sent[0], sent[1], sent[2], sent[3]], resumed_through, unacked_only, lost_through }
}

/**
 * Whether a message that a reader was still due has been overwritten.
 *
 * @param evicted_of the highest offset overwritten, of each rank
 */
export function isLapped(
  { sent, unacked_only, resumed_through, lost_through }: Position,
  evicted_of: Readonly<PerRank>,
): boolean {
  const seen = unacked_only ? Math.max(resumed_through, lost_through) : lost_through
  for (let rank = 0; rank < 4; rank++)
    if (evicted_of[rank as Rank] > Math.max(seen, sent[rank as Rank])) return true
  return false
}

/** The offset that is safe to resume from: every message at or before it has been sent, or was gone. */
export function safeOffset({ sent, lost_through }: Position): number {
  return Math.max(lost_through, Math.min(sent[0], sent[1], sent[2], sent[3]))
}

/** The messages that a mailbox holds. */
export interface Retained {
  /** Not yet acknowledged. */
  readonly live: Ring<Entry>
  readonly history: History
  /** How many of each rank the two hold. */
  readonly of_rank: PerRank
  /** Pending entries of each rank. */
  readonly pending_of: PerRank
  /** No pending entry of rank r lies at or below `scan[r]`. */
  readonly scan: PerRank
  /** Offset of the newest message; 0 before the first. */
  last: number
}

/**
 * The next pending entries, highest priority first, then oldest.
 *
 * @param bytes_max stops before the sum of `StoredMessage.bytes` passes this, but never before the first
 */
export function nextPending({ live, pending_of, scan }: Retained, limit: number, bytes_max: number): Entry[] {
  const taken: Entry[] = []
  let bytes = 0
  for (let rank = 3; rank >= 0; rank--) {
    if (pending_of[rank as Rank] === 0) continue
    for (let i = live.indexAfter(scan[rank as Rank]); i < live.length; i++) {
      const entry = live.at(i)
      if (entry.state !== PENDING || entry.message.rank !== rank) continue
      bytes += entry.message.bytes
      if (taken.length === limit || (taken.length > 0 && bytes > bytes_max)) return taken
      taken.push(entry)
    }
  }
  return taken
}

/**
 * The next entry that a reader is due, highest priority first; moves the walk past it. Undefined at the end.
 *
 * @param again whether messages that are pending again are due
 */
export function nextEntry(retained: Retained, walk: Walk, again: boolean): Entry | undefined {
  for (let rank = 3; rank >= 0; rank--) {
    const back = again ? pendingAgain(retained, walk.sent[rank as Rank], rank as Rank) : undefined
    if (back) return back
    const found = nextOfRank(retained, walk, rank as Rank)
    if (found === undefined) {
      walk.sent[rank as Rank] = retained.last
      continue
    }
    walk.sent[rank as Rank] = found
    for (let lower = rank - 1; lower >= 0; lower--) {
      const next = nextOfRank(retained, walk, lower as Rank)
      walk.sent[lower as Rank] = next === undefined ? retained.last : next - 1
    }
    return liveAt(retained.live, found) ?? retained.history.entryAt(retained.history.indexAfter(found - 1))
  }
  return undefined
}

/**
 * The entries that {@link nextEntry} would answer one after the other, as far as `limit` and `bytes_max`
 * go; moves the walk past them. Works for the usual case: every message has the default priority, none is
 * pending again, and nothing ahead of the reader is acknowledged. Undefined in any other case.
 */
export function entriesInLine(
  retained: Retained,
  { sent }: Walk,
  again: boolean,
  limit: number,
  bytes_max: number,
): Entry[] | undefined {
  const { live, history, of_rank, scan, last } = retained
  const from = sent[RANK_DEFAULT]
  if (of_rank[0] + of_rank[2] + of_rank[3] > 0 || history.newest > from) return undefined
  if (again && pendingAgain(retained, from, RANK_DEFAULT)) return undefined
  const entries: Entry[] = []
  let bytes = 0
  let index = live.indexAfter(from)
  for (; index < live.length && entries.length < limit && bytes < bytes_max; index++) {
    const entry = live.at(index)
    if (entry.state >= DELAYED) continue
    entries.push(entry)
    bytes += entry.message.bytes
  }
  sent[0] = sent[2] = sent[3] = last
  // As far as it has come, where it did not come to the end.
  const ended = entries.length < limit && bytes < bytes_max
  sent[RANK_DEFAULT] = ended ? last : (entries.at(-1)?.offset ?? from)
  // All of them are about to be delivered, so none of them stays pending.
  if (again) scan[RANK_DEFAULT] = Math.max(scan[RANK_DEFAULT], sent[RANK_DEFAULT])
  return entries
}

/** The oldest entry of a rank that is pending at or below `through`; notes up to where there is none. */
function pendingAgain({ live, pending_of, scan }: Retained, through: number, rank: Rank): Entry | undefined {
  if (pending_of[rank] === 0 || scan[rank] >= through) return undefined
  for (let i = live.indexAfter(scan[rank]); i < live.length; i++) {
    const entry = live.at(i)
    if (entry.offset > through) break
    if (entry.state !== PENDING || entry.message.rank !== rank) continue
    scan[rank] = entry.offset - 1
    return entry
  }
  scan[rank] = through
  return undefined
}

/** Answers an offset, not an entry: making an entry of the history parses its text, which may be long. */
function nextOfRank(
  { live, history, of_rank, last }: Retained,
  { sent, unacked_only, resumed_through }: Walk,
  rank: Rank,
): number | undefined {
  const from = sent[rank]
  if (of_rank[rank] === 0 || from >= last) return undefined
  const unread = nextLive(live, from, rank)?.offset
  for (
    let i = history.indexAfter(unacked_only ? Math.max(from, resumed_through) : from);
    i < history.length;
    i++
  ) {
    const offset = history.offsetAt(i)
    if (unread !== undefined && offset > unread) break
    if (history.rankAt(i) === rank) return offset
  }
  return unread
}

function nextLive(live: Ring<Entry>, offset: number, rank: Rank): Entry | undefined {
  for (let i = live.indexAfter(offset); i < live.length; i++) {
    const entry = live.at(i)
    if (entry.state < DELAYED && entry.message.rank === rank) return entry
  }
  return undefined
}

/** The unacknowledged entry at an offset. */
export function liveAt(live: Ring<Entry>, offset: number): Entry | undefined {
  const index = live.indexAfter(offset - 1)
  if (index === live.length) return undefined
  const entry = live.at(index)
  return entry.offset === offset && !entry.gone ? entry : undefined
}

/** Retained entries after an offset, in rising order of offset and in any state. */
export function* entriesAfter({ live, history }: Retained, offset: number): Generator<Entry> {
  let past = history.indexAfter(offset)
  for (let i = live.indexAfter(offset); i < live.length; i++) {
    const entry = live.at(i)
    if (entry.gone) continue
    while (past < history.length && history.offsetAt(past) < entry.offset) yield history.entryAt(past++)
    yield entry
  }
  while (past < history.length) yield history.entryAt(past++)
}

import { RANK_DEFAULT, type Rank } from '../message.ts'
import { DELAYED, type Entry, PENDING } from './entry.ts'
import type { History } from './history.ts'
import type { Ring } from './ring.ts'

/**
 * How far one reader has come, per priority: everything of rank r at or below `sent[r]` has been sent to
 * it. The four are equal while no priority lags behind. `redeliver` holds offsets of messages that became
 * pending again.
 */
export interface Position {
  epoch: string
  sent: [number, number, number, number]
  redeliver: number[]
  /** The mailbox's last offset when reading began: a message up to here may have been sent before. */
  resumed_through: number
  /** The reader named no cursor: it is not sent the acknowledged messages up to `resumed_through`. */
  unacked_only: boolean
  /** A message that the reader was still due is no longer here: the reader must be told, and resume. */
  lapped: boolean
}

/**
 * The position of a reader that begins after the offset `from`. Messages pending at or before it are
 * redelivered.
 *
 * @param unacked_only the reader named no cursor
 */
export function positionAt(
  { live, last }: Retained,
  epoch: string,
  from: number,
  unacked_only: boolean,
): Position {
  const redeliver: number[] = []
  for (let i = 0; i < live.length && live.at(i).offset <= from; i++)
    if (live.at(i).state === PENDING) redeliver.push(live.at(i).offset)
  const sent: Position['sent'] = [from, from, from, from]
  return { epoch, sent, redeliver, resumed_through: last, unacked_only, lapped: false }
}

/**
 * Whether a message that a reader was still due has been overwritten.
 *
 * @param evicted_of the highest offset overwritten, of each rank
 */
export function isLapped(
  { sent, unacked_only, resumed_through }: Position,
  evicted_of: Position['sent'],
): boolean {
  const seen = unacked_only ? resumed_through : 0
  return evicted_of.some((evicted, rank) => evicted > Math.max(seen, sent[rank as Rank]))
}

/** The offset that is safe to resume from: every message at or before it has been sent. */
export function safeOffset({ sent }: Position): number {
  return Math.min(sent[0], sent[1], sent[2], sent[3])
}

/** The messages that a mailbox holds. */
export interface Retained {
  /** Not yet acknowledged. */
  readonly live: Ring<Entry>
  readonly history: History
  /** How many of each rank the two hold. */
  readonly of_rank: [number, number, number, number]
  /** Offset of the newest message; 0 before the first. */
  last: number
}

/**
 * The next entry that a reader is due, highest priority first; moves its position past it. Undefined at
 * the end.
 */
export function nextEntry(retained: Retained, position: Position): Entry | undefined {
  for (let rank = 3; rank >= 0; rank--) {
    const again = position.redeliver.length > 0 ? nextAgain(retained, position, rank as Rank) : undefined
    if (again) return again
    const found = nextOfRank(retained, position, rank as Rank)
    if (found === undefined) {
      position.sent[rank as Rank] = retained.last
      continue
    }
    position.sent[rank as Rank] = found
    for (let lower = rank - 1; lower >= 0; lower--) {
      const next = nextOfRank(retained, position, lower as Rank)
      position.sent[lower as Rank] = next === undefined ? retained.last : next - 1
    }
    return liveAt(retained.live, found) ?? retained.history.entryAt(retained.history.indexAfter(found - 1))
  }
  return undefined
}

/**
 * The entries that {@link nextEntry} would answer one after the other, as far as `limit` and `bytes_max`
 * go; moves the position past them. Works for the usual case: every message has the default priority,
 * nothing is to be redelivered, and nothing ahead of the reader is acknowledged. Undefined in any other
 * case.
 */
export function entriesInLine(
  { live, history, of_rank, last }: Retained,
  { redeliver, sent }: Position,
  limit: number,
  bytes_max: number,
): Entry[] | undefined {
  if (redeliver.length > 0 || of_rank[0] + of_rank[2] + of_rank[3] > 0) return undefined
  const from = sent[RANK_DEFAULT]
  if (history.newest > from) return undefined
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
  sent[RANK_DEFAULT] = index === live.length ? last : (entries.at(-1)?.offset ?? from)
  return entries
}

function nextAgain({ live }: Retained, { redeliver, sent }: Position, rank: Rank): Entry | undefined {
  for (let i = 0; i < redeliver.length; i++) {
    const offset = redeliver[i]!
    const entry = liveAt(live, offset)
    if (entry?.state === PENDING && entry.message.rank !== rank) continue
    redeliver.splice(i--, 1)
    // The reader comes to an offset ahead of it in its turn.
    if (entry?.state === PENDING && offset <= sent[entry.message.rank]) return entry
  }
  return undefined
}

/** Answers an offset, not an entry: making an entry of the history parses its text, which may be long. */
function nextOfRank(
  { live, history, of_rank, last }: Retained,
  { sent, unacked_only, resumed_through }: Position,
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

function liveAt(live: Ring<Entry>, offset: number): Entry | undefined {
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

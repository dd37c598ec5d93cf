import { ACKED, DELAYED, type Entry, GONE } from './entry.ts'

/**
 * How far one reader has come, per priority: everything of rank r at or below `sent[r]` has been sent to it. With
 * nothing left behind the four are equal. `redeliver` holds offsets at or below these that became pending again.
 */
export interface Position {
  epoch: string
  sent: [number, number, number, number]
  redeliver: number[]
  /** The mailbox's last offset when reading began: up to here a message may have been sent before. */
  resumed_through: number
  /** Leave acknowledged messages up to `resumed_through` out: the reader named no cursor to resume from. */
  unacked_only: boolean
  /** Something it was still due has been overwritten after others acknowledged it: it must resume, and be told so. */
  lapped: boolean
}

/** The cursor that is safe to resume from: all at or before it has been sent. */
export function safeOffset(position: Position): number {
  const [low, normal, high, urgent] = position.sent
  return Math.min(low, normal, high, urgent)
}

/** Whether an entry further on is something to send to this reader. */
export function readable(entry: Entry, position: Position): boolean {
  if (entry.state === GONE || entry.state === DELAYED) return false
  return !(entry.state === ACKED && position.unacked_only && entry.offset <= position.resumed_through)
}

import type { DeadReason } from '../core/mailbox/entry.ts'

/** Counted from the start of the process. */
export interface Counters {
  accepted: number
  refused: number
  delivered: number
  acknowledged: number
  redelivered: number
  dead: Record<DeadReason, number>
}

export function newCounters(): Counters {
  return {
    accepted: 0,
    refused: 0,
    delivered: 0,
    acknowledged: 0,
    redelivered: 0,
    dead: { expired: 0, overflowed: 0, attempts_exhausted: 0, rejected: 0 },
  }
}

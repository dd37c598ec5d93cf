import type { Limits } from '../../../src/core/limits.ts'
import type { AckMode, DeadReason } from '../../../src/core/mailbox/entry.ts'
import type { StoredMessage } from '../../../src/core/message.ts'

/** Where one accepted message stands; at any time it is exactly one of these. */
export type Fate =
  | 'pending'
  | 'leased'
  | 'delayed'
  | 'acked'
  | 'overwritten'
  | 'expired_history'
  | 'expired'
  | 'overflowed'
  | 'attempts_exhausted'

export interface Known {
  readonly offset: number
  message: StoredMessage
  fate: Fate
  attempts: number
  failures: number
  /** End of the lease or the delay. */
  until_ms: number
}

/** What the model expects of time that passes, or of a failure. */
export interface Expected {
  readonly dead: { offset: number; reason: DeadReason }[]
  readonly released: number[]
}

/**
 * A mailbox as one would explain it on paper: a list that is never shortened, and is searched from the start
 * each time. It has no rings, heaps, counters or indexes that could be wrong.
 */
export class Model {
  readonly all: Known[] = []

  /** The time of each acknowledgement. */
  readonly #acked_at: number[] = []

  constructor(private readonly limits: Limits) {}

  in(...fates: Fate[]): Known[] {
    return this.all.filter(({ fate }) => fates.includes(fate))
  }

  get retained(): Known[] {
    return this.in('pending', 'leased', 'delayed', 'acked')
  }

  get live(): Known[] {
    return this.in('pending', 'leased', 'delayed')
  }

  append(message: StoredMessage): Known | undefined {
    const { mailbox_messages_max, mailbox_bytes_max } = this.limits
    if (this.live.length >= mailbox_messages_max) return undefined
    if (bytesOf(this.live) + message.bytes > mailbox_bytes_max) return undefined
    while (bytesOf(this.retained) + message.bytes > mailbox_bytes_max) this.#overwriteOldest()
    const known: Known = {
      offset: this.all.length + 1,
      message,
      fate: 'pending',
      attempts: 0,
      failures: 0,
      until_ms: 0,
    }
    this.all.push(known)
    return known
  }

  /** Whether there is room for the same message in other words. */
  rewrite(known: Known, message: StoredMessage): boolean {
    const { mailbox_bytes_max } = this.limits
    const by = message.bytes - known.message.bytes
    if (by > 0 && bytesOf(this.live) + by > mailbox_bytes_max) return false
    known.message = message
    while (bytesOf(this.retained) > mailbox_bytes_max) this.#overwriteOldest()
    return true
  }

  #overwriteOldest(): void {
    this.in('acked')[0]!.fate = 'overwritten'
  }

  dropOldest(): Known | undefined {
    const oldest = this.live[0]
    if (oldest) oldest.fate = 'overflowed'
    return oldest
  }

  /** The offsets that a read of pending messages gives. */
  take(limit: number, bytes_max: number, ack: AckMode, now: number): Known[] {
    const inLine = this.in('pending').sort((a, b) => b.message.rank - a.message.rank || a.offset - b.offset)
    const taken: Known[] = []
    for (const known of inLine) {
      const bytes = bytesOf(taken) + known.message.bytes
      if (taken.length === limit || (taken.length > 0 && bytes > bytes_max)) break
      taken.push(known)
    }
    for (const known of taken) this.deliver(known, ack, false, now)
    if (ack === 'auto') this.trim(now)
    return taken
  }

  deliver(known: Known, ack: AckMode, again: boolean, now: number): void {
    const pending = known.fate === 'pending'
    if (ack === 'none' || !(pending || again)) return
    known.attempts++
    if (pending && ack === 'auto') this.#ack(known, now)
    else if (pending || known.fate === 'leased') this.#lease(known, now)
  }

  #lease(known: Known, now: number): void {
    known.fate = 'leased'
    known.until_ms = now + this.limits.lease_seconds * 1000
  }

  ack(known: Known, now: number): void {
    this.#ack(known, now)
    this.trim(now)
  }

  /** Like `ack`, in the middle of a read, which overwrites nothing before its end. */
  #ack(known: Known, now: number): void {
    // An acknowledged message that was never read was delivered in some other way.
    known.attempts = Math.max(1, known.attempts)
    known.fate = 'acked'
    this.#acked_at.push(now)
  }

  /** How many acknowledged messages are kept at most: beyond the limit, those of this very moment. */
  historyMax(now: number): number {
    return Math.max(this.limits.history_messages_max, this.#acked_at.filter((ms) => ms === now).length)
  }

  /** Overwrites what the history has too much of. */
  trim(now: number): void {
    while (this.in('acked').length > this.historyMax(now)) this.#overwriteOldest()
  }

  fail(known: Known, delay_ms: number, now: number, expected: Expected): void {
    known.failures++
    if (known.failures >= this.limits.attempts_max) {
      known.fate = 'attempts_exhausted'
      expected.dead.push({ offset: known.offset, reason: known.fate })
    } else if (delay_ms > 0) {
      known.fate = 'delayed'
      known.until_ms = now + delay_ms
    } else {
      known.fate = 'pending'
      expected.released.push(known.offset)
    }
  }

  advance(now: number): Expected {
    const expected: Expected = { dead: [], released: [] }
    for (const known of this.retained) {
      if (known.message.expires_ms <= now) {
        if (known.fate !== 'acked') expected.dead.push({ offset: known.offset, reason: 'expired' })
        known.fate = known.fate === 'acked' ? 'expired_history' : 'expired'
      } else if (known.fate === 'leased' && known.until_ms <= now) this.fail(known, 0, now, expected)
      else if (known.fate === 'delayed' && known.until_ms <= now) {
        known.fate = 'pending'
        expected.released.push(known.offset)
      }
    }
    this.trim(now)
    return expected
  }

  /** The earliest time at which `advance` has something to do. */
  get due_ms(): number {
    return Math.min(
      ...this.retained.map(({ fate, message, until_ms }) =>
        fate === 'leased' || fate === 'delayed' ? Math.min(until_ms, message.expires_ms) : message.expires_ms,
      ),
    )
  }
}

export function bytesOf(known: readonly Known[]): number {
  return known.reduce((sum, { message }) => sum + message.bytes, 0)
}

import type { StoredMessage } from './message.ts'

/**
 * Where a message of one mailbox stands:
 *
 *   pending → leased → acked → gone
 *      ↑         │ lease over, nack          acked: history, for replay and resume
 *      ├─────────┤                           gone: overwritten, expired or dead-lettered
 *      └ delayed ┘ nack with a delay
 */
export const PENDING = 0
export const LEASED = 1
export const DELAYED = 2
export const ACKED = 3
export const GONE = 4
export type State = typeof PENDING | typeof LEASED | typeof DELAYED | typeof ACKED | typeof GONE

export type DeadReason = 'expired' | 'overflowed' | 'attempts_exhausted' | 'rejected'

/** `auto` acknowledges what is read, `manual` leases it, `none` only looks. */
export type AckMode = 'auto' | 'manual' | 'none'

/** One message in one mailbox, until it is acknowledged. */
export class Entry {
  state: State = PENDING
  /** Deliveries so far: the `attempt` a reader sees. */
  attempts = 0
  /** Deliveries that ended in a nack or a lapsed lease; these are what `attempts_max` counts. */
  failures = 0
  /**
   * Delivered in its turn: the bearer of a cursor at or past it has read it, also when its lease has been given back since.
   * Not so when it was nacked, redelivered, or read aside from any cursor: then only the acknowledgement counts.
   */
  cursor_acks = false
  /** When the sweep must look at it: its expiry, or the end of its lease or delay, whichever is first. */
  due_ms: number

  constructor(
    readonly offset: number,
    /** Let go of when the entry goes, so that a hole holds no payload. */
    public message: StoredMessage,
  ) {
    this.due_ms = message.expires_ms
  }

  /** No longer the mailbox's to deliver: history, or not even that. */
  get gone(): boolean {
    return this.state >= ACKED
  }
}

/** What an entry that is gone holds. */
export const NO_MESSAGE: StoredMessage = {
  message_id: '',
  sender_id: '',
  in_reply_to: undefined,
  rank: 0,
  broadcast: false,
  sent_ms: 0,
  expires_ms: 0,
  ttl_ms: 0,
  json: '',
  bytes: 0,
}

/** How much to read, and how. */
export interface Take {
  readonly limit: number
  /** UTF-8 bytes of JSON. `take` stops before it passes this, but never before its first message; `read` once it has. */
  readonly bytes_max: number
  readonly ack: AckMode
}

/** A message on its way to a reader. */
export interface Delivery {
  readonly offset: number
  readonly message: StoredMessage
  readonly attempt: number
}

/** A message that a subscriber is due. */
export interface Due extends Delivery {
  /** The cursor that is safe once it has been sent. */
  readonly safe_offset: number
  /** Reading it was its acknowledgement. */
  readonly acknowledged: boolean
}

/** A message that left its mailbox unacknowledged. */
export interface Dead {
  readonly message: StoredMessage
  readonly attempts: number
  readonly reason: DeadReason
}

/** What a mailbox did of its own accord, for the engine to announce and to tell the sender of. */
export interface Fallen {
  readonly dead: Dead[]
  /** Pending again after a lease or a delay ran out. */
  readonly released: Entry[]
}

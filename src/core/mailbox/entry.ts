import type { StoredMessage } from '../message.ts'

/**
 * The states of a message in one mailbox:
 *
 *   from                       to        by
 *   pending                    leased    a read with `manual`
 *   pending                    acked     a read with `auto`
 *   pending, leased, delayed   acked     an acknowledgement
 *   leased                     pending   a nack, the end of the lease, or the end of its session
 *   leased                     delayed   a nack with a delay
 *   delayed                    pending   the end of the delay
 *   pending, leased, delayed   dead      its expiry, an overflow, or one failure too many
 *
 * An acked message is history, for replay and resume, until it is overwritten or expires. A dead one
 * becomes a dead letter.
 */
export const PENDING = 0
export const LEASED = 1
export const DELAYED = 2
export const ACKED = 3
export const DEAD = 4
export type State = typeof PENDING | typeof LEASED | typeof DELAYED | typeof ACKED | typeof DEAD

export type DeadReason = 'expired' | 'overflowed' | 'attempts_exhausted' | 'rejected'

/** How a read treats messages: `auto` acknowledges them, `manual` leases them, `none` only peeks. */
export type AckMode = 'auto' | 'manual' | 'none'

/** One message in one mailbox. After its acknowledgement, `history.ts` keeps it. */
export class Entry {
  state: State = PENDING
  /** Deliveries so far: the `attempt` a reader sees. */
  attempts = 0
  /** Deliveries that ended in a nack or a lapsed lease; `attempts_max` limits these. */
  failures = 0
  /**
   * It was delivered in its turn: a client with a cursor at or past it has read it, even if the lease has
   * been given back since. False after a nack or a redelivery, and for a message that was read by `take`,
   * which moves no cursor: then only an acknowledgement counts.
   */
  cursor_acks = false
  /**
   * When `Mailbox.advance` must look at it: at its expiry, or at the end of its lease or delay if that is
   * first.
   */
  due_ms: number

  constructor(
    readonly offset: number,
    /** Replaced by {@link NO_MESSAGE} when the entry leaves the ring, so that a hole holds no payload. */
    public message: StoredMessage,
  ) {
    this.due_ms = message.expires_ms
  }

  /** Acked or dead: a hole, if it is in the ring. */
  get gone(): boolean {
    return this.state >= ACKED
  }
}

/** Takes the place of the message in an entry that has left the ring. */
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
  /**
   * Limits the sum of `StoredMessage.bytes`: a read without a position stops before it passes this, but never
   * before its first message; a reader's stops after the message that reaches it.
   */
  readonly bytes_max: number
  readonly ack: AckMode
  /** The session that reads: refused once it no longer holds the address. Undefined reads for any. */
  readonly session_id?: string | undefined
}

/** A message on its way to a reader. */
export interface Delivery {
  readonly offset: number
  readonly message: StoredMessage
  /** Deliveries so far, this one included. A peek is none: with `none`, 0 means never delivered. */
  readonly attempt: number
}

/** One delivery of a message under a lease: it is settled only while `attempt` is the message's latest. */
export type Lease = Pick<Delivery, 'offset' | 'attempt'>

/** A message that a reader is due. */
export interface Due extends Delivery {
  /** The offset that is safe to resume from once this message has been sent; 0 without a position. */
  readonly safe_offset: number
  /** This read acknowledged it. */
  readonly acknowledged: boolean
}

/** A message that was acknowledged, as its sender is told of it. */
export type Acked = Pick<StoredMessage, 'message_id' | 'sender_id'>

/** A message that left its mailbox unacknowledged. */
export interface Dead {
  readonly offset: number
  readonly message: StoredMessage
  readonly attempts: number
  readonly reason: DeadReason
}

/** A message that died in its mailbox, kept for the operator. */
export interface DeadLetter extends Dead {
  readonly project: string
  readonly recipient_id: string
  /** The name of the mailbox's history, whose `offset` it had. */
  readonly epoch: string
  /** When it died, in milliseconds since the epoch. */
  readonly dead_ms: number
}

/** Messages that time or a failed delivery changed: the engine announces them and tells of the dead. */
export interface Fallen {
  readonly dead: Dead[]
  /** Pending again. */
  readonly released: Entry[]
}

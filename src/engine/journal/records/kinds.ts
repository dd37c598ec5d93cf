import type { DeadReason } from '../../../core/mailbox/entry.ts'

/**
 * What a record says; it begins each. A number stands for an address and its mailbox, and is never given
 * twice. An offset that is not known, or no longer, is passed over by who reads.
 */
export const KIND = {
  /** The time of what follows in this frame. */
  time: 1,
  /** An address: its number, who holds it, and how far its mailbox has come. The latest counts. */
  address: 2,
  /** An address is no more. */
  forgotten: 3,
  /** A message with all its state. The latest for an offset counts. */
  message: 4,
  /** The message of the record before, for another recipient. */
  copy: 5,
  leased: 6,
  acknowledged: 7,
  /** Acknowledged messages were delivered once more, or others may have been. */
  repeated: 8,
  /** Pending again, or delayed. */
  returned: 9,
  /** Messages are dead letters, and no longer in their mailbox. */
  died: 10,
  /** Letters are none any more: their messages are in their mailboxes again. */
  requeued: 11,
  /** An idempotency key and what it answers. */
  key: 12,
  /** A record of the engine, or its deletion. */
  record: 13,
  /** A dead letter, whole: its message is not in the log for much longer. */
  letter: 14,
} as const

/** The bits of a message's marks. The lowest two are its rank. */
export const RANK_BITS = 3
export const BROADCAST = 4
export const IS_REPLY = 8
/** State, attempts and what else has changed since the message came are written, too. */
export const HAS_STATE = 16

/** The bits of an address's marks. */
export const OWNED = 1
export const HAS_OWNER = 2
export const HAS_SESSION = 4

/** A reason is written as its index. */
export const REASONS: readonly DeadReason[] = ['expired', 'overflowed', 'attempts_exhausted', 'rejected']

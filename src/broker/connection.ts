import type { ErrorCode } from '../core/errors.ts'

/** What may be queued for one connection before a hint is written at once, or dropped; in characters. */
export const HINTS_CHARS_MAX = 64 * 1024

/**
 * One live socket or stream. What is queued goes out with the next `flush`, once in a turn of the event loop. The
 * hub never queues more than one mailbox read: the mailbox is the queue.
 */
export interface Connection {
  /** Closed by neither end: what is done for it still reaches somebody. */
  readonly open: boolean
  /** Queues a message. `json` is the message's own JSON. */
  message(cursor: string, json: string): void
  /**
   * Queues another notification, which is a hint: with {@link HINTS_CHARS_MAX} queued that the transport does not take, it is
   * dropped. `json` is its content.
   */
  notify(kind: 'receipt' | 'session', json: string): void
  /**
   * Writes what is queued.
   *
   * @returns whether the transport takes more; after false the door calls {@link Hub.drained} when it does
   */
  flush(): boolean
  /** Ends it with the close code of a catalogue entry, or in the transport's own way of saying so. */
  close(code: ErrorCode): void
  /**
   * Asks the other end to show that all flushed so far has arrived; the door calls {@link Hub.confirmed} then. Absent
   * where the transport cannot tell: there, what is written counts as read.
   */
  probe?(): void
}

import type { ErrorCode } from '../core/errors.ts'

/** With more than this queued, a hint is dropped unless the transport takes the queue; in characters. */
export const HINTS_CHARS_MAX = 64 * 1024

/**
 * One live socket or stream. What is queued is written by the next `flush`, once in a turn of the event
 * loop. The hub never queues more than one read of a mailbox: the mailbox is the queue.
 */
export interface Connection {
  /** Neither end has closed it. */
  readonly open: boolean
  /** Queues a message. `json` is the message as JSON. */
  message(cursor: string, json: string): void
  /**
   * Queues another notification. It is a hint: it is dropped when more than {@link HINTS_CHARS_MAX} are
   * queued and the transport does not take them. `json` is its content.
   */
  notify(kind: 'receipt' | 'session', json: string): void
  /**
   * Writes what is queued.
   *
   * @returns whether the transport takes more; after false, the door calls {@link Hub.drained} when it does
   */
  flush(): boolean
  /** Closes it with the close code of a catalogue entry, or in the transport's own way. */
  close(code: ErrorCode): void
  /**
   * Asks the other end to show that everything flushed so far has arrived. When it has, the door calls
   * {@link Hub.confirmed}. Absent where the transport cannot tell: there, a written message counts as read.
   */
  probe?(): void
}

import type { Cursor } from '../core/cursor.ts'
import type { Acked, AckMode, DeadLetter, Take } from '../core/mailbox/entry.ts'
import type { Position } from '../core/mailbox/position.ts'
import type { MaybePromise } from '../core/maybe-promise.ts'
import type { StoredMessage } from '../core/message.ts'
import type { Session, SessionEnd, SessionStatus } from '../core/session.ts'
import type {
  Address,
  Announcement,
  Appended,
  CheckedIn,
  Checkin,
  ClientState,
  ClientsPage,
  DeadFilter,
  EngineStats,
  Found,
  Health,
  Heard,
  History,
  IdempotencyKey,
  Opened,
  Page,
  Read,
  Repeated,
  Requeued,
  Sent,
  Settle,
  Settled,
  Stored,
  Variant,
  Versioned,
} from './values.ts'

/** Documents by kind, project and id. */
export interface Records {
  get(kind: string, project: string, id: string): MaybePromise<Versioned | undefined>
  /**
   * @param value undefined deletes
   * @param expected the version that is replaced; 0: there is none; undefined: any
   * @returns the record's version now; not `ok`: another than expected
   */
  put(
    kind: string,
    project: string,
    id: string,
    value: unknown,
    expected: number | undefined,
  ): MaybePromise<{ readonly ok: boolean; readonly version: number }>
  /** In order of id, those whose id begins with `prefix`. @param after the `next` of the page before */
  list(
    kind: string,
    project: string,
    prefix: string,
    after: string | undefined,
    limit: number,
  ): MaybePromise<Page<Versioned>>
}

/** What the engine tells the broker. Each may come late, twice, or from another instance. */
export interface EngineEvents {
  /** A caller waits for one particular message: every message must be announced. May change at any time. */
  readonly wants_each: boolean
  announced(announcement: Announcement): void
  /** A recipient acknowledged messages, by reading with `auto`, by `settle`, or by a cursor. */
  acknowledged(address: Address, messages: readonly Acked[]): void
  /** @param bounced its bounce, which is stored in the same step, found room */
  died(letter: DeadLetter, bounced: boolean): void
  /** A session began, fell silent, was heard again, or has ended. */
  session(session: Session, status: SessionStatus | SessionEnd): void
  record(kind: string, project: string, id: string, version: number): void
  /** Some of the above may have been lost: every reader has to look. */
  missed(): void
}

/**
 * THE storage seam: mailboxes, sessions, dead letters and records, wherever they are kept. Values go in and
 * come out; nothing is shared by reference but what is immutable. `src/README.md` has a table of what must
 * be atomic, in order, and at once. The suite in `tests/contracts/` holds every engine to it.
 *
 * An address exists from its first message, check-in or `open` until it is forgotten; a call about another
 * address finds nothing. No message is answered once its time to live is over. Callers check the rights,
 * except that `checkin` refuses a mailbox of another key. A call that names a session which no longer holds
 * the address does nothing, and answers how the session ended.
 */
export interface Engine {
  readonly stored: Stored
  readonly records: Records
  /** Whether what a call did may be stored only after its answer, by `flush`. */
  readonly flushes: boolean
  /** Called once, before any other call. */
  start(events: EngineEvents): MaybePromise<void>
  /** Called once, after all other calls. */
  stop(): MaybePromise<void>
  /** Proves that a message can be stored and announced; leaves no trace and tells the broker nothing. */
  health(): MaybePromise<Health>
  /** Totals of a project, or of all. */
  stats(project?: string): MaybePromise<EngineStats>
  /**
   * Called at the end of a turn of the event loop, before anything leaves a door. Ends when all that earlier
   * calls did is stored as promised. An engine may keep appends back until then: no other call sees them, and
   * none is announced.
   *
   * @throws StorageFailed the appends since the last flush are undone, except bounces
   */
  flush(): MaybePromise<void>

  /**
   * Stores a message for one recipient, in one atomic step: idempotency, limits, offset, store. Sends to one
   * mailbox take effect in the order of the calls. A full mailbox refuses the message or drops its oldest,
   * as `mailbox_overflow` says.
   *
   * @param key belongs to `message.sender_id`; kept for `idempotency_seconds` once the message is stored
   */
  append(
    project: string,
    message: StoredMessage,
    recipient_id: string,
    key?: IdempotencyKey,
  ): MaybePromise<Appended | Repeated>
  /**
   * Stores a message for each of many recipients; each stores or refuses it by itself, in one atomic step.
   * A call that failed midway may be made again with the same key: it stores what is missing.
   *
   * @param key as in `append`; kept if at least one recipient stored the message
   */
  appendToMany(
    project: string,
    variants: readonly Variant[],
    key?: IdempotencyKey,
  ): MaybePromise<Sent | Repeated>
  /** What came of the send that used a key before; undefined when none did within the window. */
  repeated(project: string, sender_id: string, key: string): MaybePromise<Repeated | undefined>
  /**
   * Begins a subscription: after a cursor, or at the oldest unacknowledged message. Pending messages at or
   * before the cursor are redelivered, except with `none` if the resume is `recovered`. With `auto` the
   * cursor acknowledges the messages at or before it that were delivered in their turn, even if their lease
   * has ended since, because the client has read them; but not those that were nacked or redelivered.
   *
   * @throws Error when the address is new and there is no room for it
   */
  open(
    address: Address,
    after: Cursor | undefined,
    ack: AckMode,
    session_id: string | undefined,
  ): MaybePromise<Opened | SessionEnd>
  /**
   * Without a position: pending messages, highest priority first, then oldest. With one: the next messages
   * that the reader is due, pending ones at or before it included; there are no more when the answer reaches
   * neither `limit` nor `bytes_max`. Does what `take.ack` says. A message that another reader has leased or
   * acknowledged is answered too, and stays as it is; up to `position.resumed_through` that counts as a
   * delivery, since the first may have been lost.
   */
  read(address: Address, position: Position | undefined, take: Take): MaybePromise<Read | SessionEnd>
  /** Acknowledges or nacks messages. A nack that is one too many makes a dead letter. */
  settle(address: Address, settle: Settle): MaybePromise<Settled | SessionEnd>
  /**
   * Retained messages in rising order of offset, in any state; changes nothing.
   *
   * @param from after a cursor, and without messages sent before `since_ms` (milliseconds since the epoch)
   * @param bytes_max stops before the page grows past this, but never before its first message
   */
  history(
    address: Address,
    from: { after?: Cursor | undefined; since_ms?: number | undefined },
    limit: number,
    bytes_max: number,
  ): MaybePromise<History>
  /** Where a message is, of all clients or of `recipient_id`. A page may be empty and not the last. */
  find(
    project: string,
    message_id: string,
    page: { recipient_id?: string | undefined; after?: string | undefined; limit: number },
  ): MaybePromise<Page<Found>>

  /** The newest matching dead letters, newest first; `total` counts all that match. */
  dead(
    project: string,
    filter: DeadFilter,
    page: { after?: string | undefined; limit: number },
  ): MaybePromise<Page<DeadLetter> & { readonly total: number }>
  /**
   * Puts dead letters back into their mailboxes, oldest first, at new offsets, with their time to live
   * counted from now and their attempts kept. One call does a part. A letter that finds no room stays dead,
   * and so do all later ones for the same recipient, to keep their order.
   *
   * @param from `next` of the call before; undefined begins with the oldest
   */
  requeue(project: string, filter: DeadFilter, from?: string): MaybePromise<Requeued>

  /**
   * Gives a client its address. A session that holds it goes on if `resume` names it or `join` is set; else
   * it ends as `replaced` and a new one begins. The first check-in makes `key_id` the owner. Each is a sign
   * of life.
   */
  checkin(checkin: Checkin): MaybePromise<CheckedIn>
  /** Ends a session, if it has not ended. Its leases are given back, which is no failure. */
  end(address: Address, session_id: string, end: SessionEnd): MaybePromise<void>
  /** One client, by its address or by the session that holds it. */
  client(
    project: string,
    by: { readonly client_id: string } | { readonly session_id: string },
  ): MaybePromise<ClientState | undefined>
  clients(project: string, page: ClientsPage): MaybePromise<Page<ClientState> & { readonly total?: number }>
  /** Notes signs of life; none for a session that has ended. The broker gathers them. */
  heard(sessions: readonly Heard[]): void
  /** Whether readers, waiting calls, watchers or connections of this address are here. */
  follow(address: Address, on: boolean): void
  /**
   * Does what is due: expired messages, ended leases and delays, silent sessions, addresses and idempotency
   * keys to be forgotten. Called on each tick of housekeeping; costs as much as there is to do, not as much
   * as is stored, and may leave a part for the next tick.
   */
  sweep(): MaybePromise<void>
}

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
  Backup,
  CheckedIn,
  Checkin,
  ClientState,
  ClientsPage,
  DeadFilter,
  Death,
  EngineStats,
  Found,
  Health,
  Heard,
  History,
  IdempotencyKey,
  Latest,
  Opened,
  Page,
  Read,
  Repeated,
  Requeued,
  Rewrite,
  Rewritten,
  Sent,
  Settle,
  Settled,
  Stored,
  Variant,
  Versioned,
} from './values.ts'

/**
 * Small documents, each with a version, by kind, project and id. A change is one step of its own: of several
 * writers that expect the same version one wins. Values are JSON, and copies.
 */
export interface Records {
  get(kind: string, project: string, id: string): MaybePromise<Versioned | undefined>
  /**
   * Writes or deletes a record. Its version rises by one, and {@link EngineEvents.record} is told; deleting
   * what is not there does neither. A record made anew begins above the version of its deletion.
   *
   * @param value undefined deletes
   * @param expected the version that is replaced; 0: there is none; undefined: any
   * @returns `ok`: done, with the record's version now, that of the deletion included. Not `ok`: nothing has
   *   changed, since the version is not the expected one but this; 0 when there is no record
   */
  put(
    kind: string,
    project: string,
    id: string,
    value: unknown,
    expected: number | undefined,
  ): MaybePromise<{ readonly ok: boolean; readonly version: number }>
  /**
   * The records whose id begins with `prefix`, in order of id. One that is there from the first page to the
   * last comes once, whatever else changes meanwhile.
   *
   * @param after the `next` of the page before: an id, which need not be there any more
   * @param limit at least 1
   */
  list(
    kind: string,
    project: string,
    prefix: string,
    after: string | undefined,
    limit: number,
  ): MaybePromise<Page<Versioned>>
}

/**
 * What the engine tells the broker, of changes that other instances made too. An event may come before the
 * answer to the call that caused it, late, or twice. Those about one address come in the order of the
 * changes. The broker may call the engine from within one.
 *
 * `elsewhere`: another instance did it. That one is told as well, and counts it.
 */
export interface EngineEvents {
  /**
   * Every message must be announced, since a caller may wait for one particular message. While it is false,
   * an engine may leave out new messages for a mailbox that it has announced one for, until a read with a
   * position. May change at any time.
   */
  readonly wants_each: boolean
  /** A message became pending. Reads find it from before this is told until it is gone. */
  announced(announcement: Announcement, elsewhere?: boolean): void
  /** A recipient acknowledged messages, by reading with `auto`, by `settle`, or by a cursor. */
  acknowledged(address: Address, messages: readonly Acked[], elsewhere?: boolean): void
  /**
   * A message has become a dead letter: the whole {@link DeadLetter}, where it was not done elsewhere.
   *
   * @param bounced its bounce (`bounceOf` in core/bounce.ts), which is stored in the same step, found room;
   *   false where it has none. A full mailbox drops nothing for a bounce
   */
  died(death: Death, bounced: boolean, elsewhere?: boolean): void
  /** A session began or was heard again (`active`), fell silent, or has ended. */
  session(session: Session, status: SessionStatus | SessionEnd): void
  /** A record has changed, or was deleted. These may come in another order: the version tells. */
  record(kind: string, project: string, id: string, version: number): void
  /** Some of the above may have been lost: readers, waiting calls and sessions have to look. */
  missed(): void
}

/**
 * THE storage seam: mailboxes, sessions, dead letters and records, wherever they are kept. Values go in and
 * come out; nothing is shared by reference but what is immutable. `src/README.md` has a table of what is one
 * step, in which order, what may be repeated and what survives. The suite in `tests/contracts/` holds every
 * engine to it.
 *
 * An answer is a value, or a promise. Calls about one address take effect in the order in which they were
 * made, answered or not. Any of them may fail with an Error: the call may have taken effect then, or not.
 *
 * An address exists from its first message, check-in or `open` until it is forgotten: `forget_seconds` after
 * its last use, or earlier if another needs its place, and never while something is stored for it. A call
 * about an address that does not exist finds nothing. No message is answered once its time to live is over.
 *
 * Callers check the rights, except that `checkin` refuses a mailbox of another key. A call that names a
 * session which no longer holds the address does nothing, and answers how the session ended: `replaced` if
 * another holds it, else `closed`.
 */
export interface Engine {
  /** Where what is answered and flushed is stored. Callers are told. */
  readonly stored: Stored
  readonly records: Records
  /** Whether what a call did may be stored only after its answer, by `flush`. False: nobody waits for one. */
  readonly flushes: boolean
  /**
   * Called once, and answered before any other call. May take as long as loading takes.
   *
   * @throws StartRefused where what it finds is not what it can start on; there is nothing to stop then
   */
  start(events: EngineEvents): MaybePromise<void>
  /** Called once, after all other calls and a last flush. */
  stop(): MaybePromise<void>
  /** Proves that a message can be stored and announced; leaves no trace and tells the broker nothing. */
  health(): MaybePromise<Health>
  /** Totals of a project, or of all. May take as long as there are addresses. */
  stats(project?: string): MaybePromise<EngineStats>
  /**
   * Begins a copy of all that was flushed before; other calls go on meanwhile. Absent where nothing is kept
   * in files of this process.
   *
   * @throws StorageFailed where what is stored cannot be made durable
   */
  backup?(): Promise<Backup>
  /**
   * Called at the end of a turn of the event loop, before anything leaves a door. Ends when all that earlier
   * calls did is stored as promised; where nothing is left to store, still not before a flush that is under
   * way. An engine may keep appends back until then: no other call sees them and none is announced, but they
   * have their offsets and count against the limits.
   *
   * An append counts as stored once a flush has succeeded that began after its answer. So an engine that
   * undoes one which it has not answered yet fails that call, too.
   *
   * @throws StorageFailed the appends since the last flush are undone, their idempotency keys forgotten, and
   *   requeued letters are dead letters again. Bounces, and the effects of all other calls, stay: a later
   *   flush stores them
   */
  flush(): MaybePromise<void>

  /**
   * Stores a message for one recipient, in one atomic step: idempotency, limits, offset, store. Sends to one
   * mailbox take effect in the order of the calls, and their offsets rise; gaps do no harm. A full mailbox
   * refuses the message or drops its oldest, as `mailbox_overflow` says. Without room in the engine, history
   * is overwritten first: the recipient's, then its project's, then that of others.
   *
   * @param key belongs to `message.sender_id`; kept for `idempotency_seconds` once the message is stored. A
   *   key that is in use answers what came of its first send
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
   * that the reader is due, in the same order; there are no more when the answer reaches neither `limit` nor
   * `bytes_max`. Messages that are pending at or before the position are due again, except with `none`. One
   * that another reader has leased or acknowledged is answered too, and stays as it is; up to
   * `position.resumed_through` that counts as a delivery, since the first may have been lost.
   *
   * Does what `take.ack` says. With `auto`, an engine whose answer can be lost leases the messages, and
   * acknowledges them once it is answered.
   */
  read(address: Address, position: Position | undefined, take: Take): MaybePromise<Read | SessionEnd>
  /**
   * Acknowledges or nacks messages. What is acknowledged already, and a lease whose message has been
   * delivered again since, is left alone. A nack that is one too many (`attempts_max`) makes a dead letter.
   */
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
  /**
   * Replaces the JSON of messages that are pending and were never delivered. They keep their places and all
   * else that is known of them, idempotency keys keep their answers, and nothing is announced. A message
   * whose JSON is not as it was read is left. If it has the new JSON already, that is as good: a call whose
   * answer was lost may be made again. Longer JSON overwrites history where it needs room, as `append` does.
   */
  rewrite(address: Address, rewrite: Rewrite): MaybePromise<Rewritten>
  /**
   * Where a message is, of all clients or of `recipient_id`: in mailboxes, in order of `client_id`, and among
   * the dead letters. A page may be empty and not the last, or longer than `limit`.
   */
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
   * counted from now and their attempts kept. One call does a part; letters that die after the first call
   * are left out. One that finds no room stays dead, and so do all later ones for the same recipient, to keep
   * their order.
   *
   * @param from `next` of the call before; undefined begins with the oldest
   */
  requeue(project: string, filter: DeadFilter, from?: string): MaybePromise<Requeued>

  /**
   * Gives a client its address. A session that holds it goes on if `resume` names it or `join` is set; else
   * it ends as `replaced`, its leases are given back, and a new one begins. The first check-in makes `key_id`
   * the owner. Each is a sign of life.
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
  /**
   * Notes signs of life. Leaves out those older than the latest known, and those of sessions that have ended.
   * The broker gathers them for up to a second. Nothing is answered, and one that is lost does no harm.
   */
  heard(sessions: readonly Heard[]): void
  /**
   * Readers, waiting calls, watchers or connections of this address are here, or none of them any more. An
   * engine that hears from other instances by address listens for those that are followed. Nothing is
   * answered: one that cannot listen tries again, and says `missed` when it can.
   */
  follow(address: Address, on: boolean): void
  /**
   * What each of these mailboxes has come to by now: no answer from a cache. The broker asks about once a
   * second of all addresses that are live here, and looks where it was told less. Absent where no event gets
   * lost but that `missed` is told.
   *
   * @returns one for each address, in the same order
   */
  latest?(addresses: readonly Address[]): MaybePromise<readonly Latest[]>
  /**
   * Does what is due: expired messages, ended leases and delays, silent sessions, addresses and idempotency
   * keys to be forgotten. Called on each tick of housekeeping; costs as much as there is to do, not as much
   * as is stored, and may leave a part for the next tick.
   */
  sweep(): MaybePromise<void>
}

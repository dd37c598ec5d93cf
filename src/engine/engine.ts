import type { AckMode, Dead, DeadReason, Delivery, Due, State, Take } from '../core/mailbox/entry.ts'
import type { Position } from '../core/mailbox/position.ts'
import type { MaybePromise } from '../core/maybe-promise.ts'
import type { StoredMessage } from '../core/message.ts'
import type { Capabilities, RecipientStatus, Session, SessionEnd, SessionStatus } from '../core/session.ts'

/** Where an accepted message is stored by the time its receipt goes out. */
export type Stored = 'memory' | 'disk' | 'redis'

/** The address of one client and its mailbox: `client_id` is unique in its project. */
export interface Address {
  readonly project: string
  readonly client_id: string
}

/**
 * What came of a message for one recipient: stored, or refused and not kept. `full`: the mailbox holds as
 * much as it may. `storage_full`: so does the engine, with all history overwritten. `too_many_clients`: the
 * recipient is a new address, and there is no room for one. `too_large`: the message is larger than
 * `mailbox_bytes_max`.
 */
export type Appended =
  | { readonly outcome: 'stored'; readonly recipient_status: RecipientStatus }
  | { readonly outcome: 'full' | 'storage_full'; readonly retry_after_ms: number }
  | { readonly outcome: 'too_many_clients' | 'too_large' }

/** The outcome `stored` for each status of a recipient: most sends end in one of these. */
export const STORED: Readonly<Record<RecipientStatus, Appended>> = {
  active: { outcome: 'stored', recipient_status: 'active' },
  stale: { outcome: 'stored', recipient_status: 'stale' },
  disconnected: { outcome: 'stored', recipient_status: 'disconnected' },
  unknown: { outcome: 'stored', recipient_status: 'unknown' },
}

/** What came of one message for all its recipients. */
export interface Sent {
  readonly outcome: 'sent'
  readonly broadcast: boolean
  readonly message_id: string
  readonly expires_ms: number
  readonly recipients: readonly string[]
  /** One for each of `recipients`, in the same order. */
  readonly deliveries: readonly Appended[]
}

/** The idempotency key was used before, within its window: this call stores nothing. */
export interface Repeated {
  readonly outcome: 'repeated'
  readonly first: Sent
  /** The digest that the first send gave with its key. */
  readonly digest: string
}

/**
 * A sender's own name for one send, and a digest of what the send asks for, by which the caller of the
 * engine recognises that the key was used for another message.
 */
export interface IdempotencyKey {
  readonly key: string
  readonly digest: string
}

/**
 * A message became pending; announced on the instance that holds the mailbox's readers. An engine may skip a
 * new message while no reader has read since the last announcement, unless {@link EngineEvents.wants_each},
 * but never a redelivery. `attempt` is the one that the next delivery will have.
 */
export interface Announcement extends Delivery {
  readonly project: string
  readonly client_id: string
  readonly epoch: string
  /** Pending again, after a lease or a delay: readers may be past its offset already. */
  readonly redelivery: boolean
}

/** A message that died in its mailbox, kept for the operator. */
export interface DeadLetter extends Dead {
  readonly project: string
  readonly recipient_id: string
  /** When it died, in milliseconds since the epoch. */
  readonly dead_ms: number
}

/**
 * What the engine tells the broker, in the order it happens: during the call that causes it, or later. The
 * broker may call the engine while it is told (it sends a bounce from `died`): an engine must expect that.
 */
export interface EngineEvents {
  /** A caller waits for one particular message: every message must be announced. May change at any time. */
  readonly wants_each: boolean
  announced(announcement: Announcement): void
  /** A recipient acknowledged a message, by reading it with `auto`, by `settle`, or by a cursor. */
  acknowledged(address: Address, message: StoredMessage): void
  /** A message became a dead letter. */
  died(letter: DeadLetter): void
  /** A session's status changed, a new session's to `active` included. Each change is told once. */
  sessionChanged(session: Session, status: SessionStatus): void
  /** A session has ended; `session.ended` is set. */
  sessionEnded(session: Session, end: SessionEnd): void
}

/** What {@link Engine.take} read. */
export interface Taken {
  readonly deliveries: readonly Delivery[]
  /** With `offset`, a cursor to resume from: {@link MailboxState.offset} after this read. */
  readonly epoch: string
  readonly offset: number
  /** Messages still pending. */
  readonly remaining: number
}

/** A mailbox at one moment. */
export interface MailboxState {
  readonly epoch: string
  /**
   * With `epoch`, a cursor to resume from: just before the oldest unacknowledged message, or if history
   * after that has been overwritten, after the overwritten part.
   */
  readonly offset: number
  /** Offset of the newest message; 0 before the first. */
  readonly last: number
  readonly pending: number
  /** Leased and delayed. */
  readonly leased: number
}

/** A subscription that {@link Engine.open} began. */
export interface Opened {
  readonly position: Position
  /** Nothing after the cursor has been overwritten; false: reading starts after what was. */
  readonly recovered: boolean
  /** Messages pending in the mailbox. */
  readonly pending: number
}

/** One page of what a mailbox retains. */
export interface HistoryPage {
  readonly deliveries: readonly Delivery[]
  /** As in {@link Opened}; true when no cursor was given. */
  readonly recovered: boolean
  /** With `offset`, the cursor after which the next page begins. */
  readonly epoch: string
  readonly offset: number
  readonly more: boolean
}

/** Which messages to settle: those at `offsets`, else those with `message_ids`, else all that are leased. */
export interface Settle {
  readonly message_ids?: readonly string[] | undefined
  readonly offsets?: readonly number[] | undefined
  /**
   * Undefined acknowledges, also messages that are pending or delayed. A number is a nack, of leased
   * messages only: their delivery failed, and is tried again after so many milliseconds (0: at once).
   */
  readonly failed_delay_ms?: number | undefined
}

export interface Settled {
  /** Messages acknowledged or nacked by this call. */
  readonly settled: number
  /** Those of `message_ids` that name no message here; for a nack, no leased one. */
  readonly unknown: readonly string[]
}

/** Where {@link Engine.find} found a message. */
export interface Found {
  readonly recipient_id: string
  readonly message: StoredMessage
  readonly attempts: number
  /** Its state in the mailbox, or why it is a dead letter. */
  readonly state: State | DeadReason
}

/** What {@link Engine.checkin} is asked for. */
export interface Checkin {
  readonly project: string
  readonly client_id: string
  /** Id of the session that the caller holds or names: if that session holds the address, it goes on. */
  readonly resume: string | undefined
  /**
   * Set for a stateless caller that names the address as its own, to read its mail or only to send: a
   * session that holds the address goes on, no matter who began it. Undefined: the caller checks in.
   */
  readonly join: 'reader' | 'sender' | undefined
  /** The key of the caller. A mailbox belongs to the first key that checked in, even if undefined. */
  readonly key_id: string | undefined
  /** Undefined leaves the name of a session that goes on as it is; the same holds for its capabilities. */
  readonly name: string | undefined
  readonly capabilities: Capabilities | undefined
}

export interface SessionPage {
  readonly limit: number
  /** Include the sessions of clients that were only ever named as a sender. */
  readonly senders: boolean
}

export interface SessionList {
  readonly sessions: readonly Session[]
  /** How many there are without the limit. */
  readonly total: number
}

/** How far a requeue has come: `next` of one call is `from` of the following one. */
export interface RequeueNext {
  /** Dead letters are numbered as they come: the last one tried, and the last one to try. */
  readonly after: number
  readonly through: number
  /** Recipients whose mailbox refused a message. */
  readonly full: readonly string[]
}

export interface Requeued {
  /** Ids of the messages that are back in their mailboxes. */
  readonly requeued: readonly string[]
  /** Ids of those that found no room. */
  readonly refused: readonly string[]
  /** Undefined: all have been tried. */
  readonly next: RequeueNext | undefined
}

/** What came of a check-in. `not_owner`: the mailbox belongs to another key. */
export type CheckedIn =
  | {
      readonly outcome: 'ok'
      readonly session: Session
      /** The session held the address before. */
      readonly resumed: boolean
      readonly mailbox: MailboxState
    }
  | { readonly outcome: 'not_owner' | 'too_many_clients' }

export interface Health {
  readonly ok: boolean
  /** One sentence: what is wrong; absent when `ok`. */
  readonly detail?: string
}

/** Totals over all projects. */
export interface EngineStats {
  /** Addresses. */
  readonly clients: number
  readonly pending: number
  readonly leased: number
  readonly history: number
  readonly dead_letters: number
  /** What `stored_bytes_max` bounds: messages, history, dead letters and idempotency keys. */
  readonly stored_bytes: number
}

/**
 * THE storage seam: mailboxes, sessions and dead letters, wherever they are kept. The suite in
 * `tests/contracts/` holds every engine to it.
 *
 * An address exists from its first message, check-in or `open` until it is forgotten; a call about another
 * address finds nothing. No message is answered once its time to live is over. Callers check the rights,
 * except that `checkin` refuses a mailbox of another key. Who calls:
 *
 *   start, stop, sweep      the app: start and sweep through the Broker; flush: `broker/end-of-turn.ts`
 *   append, appendToMany    the Broker alone, which counts the outcomes
 *   open, read              the Broker, for its subscriptions
 *   checkin, touch          the Broker alone
 *   all others              commands, doors and the Broker
 */
export interface Engine {
  readonly stored: Stored
  /** Whether {@link flush} has anything to do, so that answers must wait for it. */
  readonly flushes: boolean
  /** Called once, before any other call. */
  start(events: EngineEvents): MaybePromise<void>
  /** Called once, after all other calls. */
  stop(): MaybePromise<void>
  /** Proves that a message can be stored and announced; leaves no trace and tells the broker nothing. */
  health(): MaybePromise<Health>
  stats(): MaybePromise<EngineStats>
  /**
   * Ends when all that earlier calls did is stored as promised. An engine may keep appends back until then:
   * no other call sees them, and none is announced.
   * @throws StorageFailed the appends since the last flush are undone, except bounces
   */
  flush(): MaybePromise<void>

  /**
   * Stores a message for one recipient, in one atomic step: idempotency, limits, offset, store, announce.
   * Sends take effect in the order of the calls; a slower engine than memory may gather those of one turn of
   * the event loop. A full mailbox refuses the message or drops its oldest, as `mailbox_overflow` says.
   *
   * @param key belongs to `message.sender_id`; kept for `idempotency_seconds` once the message is stored
   */
  append(
    project: string,
    message: StoredMessage,
    recipient_id: string,
    key: IdempotencyKey | undefined,
  ): MaybePromise<Appended | Repeated>
  /**
   * Stores a message for each of many recipients, in one atomic step; each stores or refuses it by itself.
   *
   * @param key as in `append`; kept if at least one recipient stored the message
   */
  appendToMany(
    project: string,
    message: StoredMessage,
    recipients: readonly string[],
    key: IdempotencyKey | undefined,
  ): MaybePromise<Sent | Repeated>
  /** Reads pending messages, highest priority first, then oldest, and does what `take.ack` says. */
  take(address: Address, take: Take): MaybePromise<Taken>
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
    after: { epoch: string; offset: number } | undefined,
    ack: AckMode,
  ): MaybePromise<Opened>
  /**
   * The next messages that a subscriber is due, highest priority first, with `take.ack` carried out; moves
   * `position` past them. There are no more when the answer reaches neither `limit` nor `bytes_max`. A
   * message that another reader has leased or acknowledged is answered too, and stays as it is; up to
   * `position.resumed_through` that counts as a delivery, since the first may have been lost. When a message
   * that the subscriber was due is no longer here, the answer is empty and `position.lapped` is set.
   *
   * @param position from `open`; the caller adds the offset of each announced redelivery to `redeliver`
   */
  read(address: Address, position: Position, take: Take): MaybePromise<readonly Due[]>
  /** Acknowledges or nacks messages. A nack that is one too many makes a dead letter. */
  settle(address: Address, settle: Settle): MaybePromise<Settled>
  /**
   * Retained messages in rising order of offset, in any state; changes nothing.
   *
   * @param from after a cursor, and without messages sent before `since_ms` (milliseconds since the epoch)
   * @param bytes_max as in {@link Take} for `take`
   */
  history(
    address: Address,
    from: { after?: { epoch: string; offset: number } | undefined; since_ms?: number | undefined },
    limit: number,
    bytes_max: number,
  ): MaybePromise<HistoryPage>
  /** Where a message is in a project: mailboxes and dead letters, of all clients or of `recipient_id`. */
  find(project: string, message_id: string, recipient_id?: string): MaybePromise<readonly Found[]>
  mailbox(address: Address): MaybePromise<MailboxState | undefined>

  /** The newest matching dead letters, newest first; `total` counts all that match. */
  listDeadLetters(
    project: string,
    filter: { reason?: DeadReason | undefined; client_id?: string | undefined },
    limit: number,
  ): MaybePromise<{ letters: readonly DeadLetter[]; total: number }>
  /**
   * Puts dead letters back into their mailboxes, oldest first, at new offsets, with their time to live
   * counted from now and their attempts kept. One call does a part, so that others are served in between. A
   * letter that finds no room stays dead, and so do all later ones for the same recipient, to keep their
   * order.
   *
   * @param from `next` of the call before; undefined begins with the oldest
   */
  requeue(
    project: string,
    filter: { reason?: DeadReason | undefined; message_ids?: ReadonlySet<string> | undefined },
    from?: RequeueNext,
  ): MaybePromise<Requeued>

  /**
   * Gives a client its address. A session that holds it goes on if `resume` names it or `join` is set; else
   * it ends as `replaced` and a new one begins. The first check-in makes `key_id` the owner. Each is a sign
   * of life.
   */
  checkin(checkin: Checkin): MaybePromise<CheckedIn>
  /** The session with this id; undefined when it has ended. */
  session(project: string, session_id: string): MaybePromise<Session | undefined>
  /** The session that holds this address. */
  sessionOf(address: Address): MaybePromise<Session | undefined>
  /** The sessions with the latest signs of life, the latest first. */
  listSessions(project: string, page: SessionPage): MaybePromise<SessionList>
  /** The addresses of a project, in any order. */
  clientIds(project: string): MaybePromise<Iterable<string>>
  /** Whether a caller with this key may read the mailbox: it is the owner, or there is none. */
  ownedBy(address: Address, key_id: string | undefined): MaybePromise<boolean>
  /** Notes a sign of life of a session; none if it has ended. */
  touch(session: Session): void
  /** Ends a session, if it has not ended. Its leases are given back, which is no failure. */
  endSession(session: Session, end: SessionEnd): MaybePromise<void>

  /**
   * Does what is due: expired messages, ended leases and delays, silent sessions, addresses and idempotency
   * keys to be forgotten. Called on each tick of housekeeping; costs as much as there is to do, not as much
   * as is stored, and may leave a part for the next tick.
   */
  sweep(): MaybePromise<void>
}

/** The engine could not store what it was given. The same call may succeed later. */
export class StorageFailed extends Error {}

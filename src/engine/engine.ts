import type { AckMode, Dead, DeadReason, Delivery, Due, State, Take } from '../core/entry.ts'
import type { StoredMessage } from '../core/message.ts'
import type { Position } from '../core/position.ts'
import type { Capabilities, RecipientStatus, Session, SessionEnd, SessionStatus } from '../core/session.ts'

/**
 * THE storage seam. Mailboxes, sessions and dead letters, wherever they are kept. Calls answer at once
 * or with a promise: a caller awaits only what is one, so that memory pays for none.
 */
export type MaybePromise<T> = T | Promise<T>

/** Runs `next` on a value now or when it comes. */
export function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Where an accepted message is when its receipt goes out. */
export type Stored = 'memory' | 'disk' | 'redis'

/** One mailbox: `client_id` is unique in its project. */
export interface Address {
  readonly project: string
  readonly client_id: string
}

/** What came of a message for one recipient. */
export type Appended =
  | { readonly outcome: 'stored'; readonly recipient_status: RecipientStatus }
  | { readonly outcome: 'full' | 'storage_full'; readonly retry_after_ms: number }
  | { readonly outcome: 'too_many_clients' | 'too_large' }

/** One outcome for each status a recipient can have: most sends end in the first. */
export const STORED: Readonly<Record<RecipientStatus, Appended>> = {
  active: { outcome: 'stored', recipient_status: 'active' },
  stale: { outcome: 'stored', recipient_status: 'stale' },
  disconnected: { outcome: 'stored', recipient_status: 'disconnected' },
  unknown: { outcome: 'stored', recipient_status: 'unknown' },
}

const RETRY_AFTER_MS_MIN = 100
const RETRY_AFTER_MS_MAX = 1000

/** A full mailbox empties when it is read, which nobody can foresee, or when something in it falls due. In milliseconds. */
export function retryAfter(due_in_ms: number): number {
  return Math.min(RETRY_AFTER_MS_MAX, Math.max(RETRY_AFTER_MS_MIN, due_in_ms))
}

/** What came of a message. */
export interface Sent {
  readonly outcome: 'sent'
  readonly broadcast: boolean
  readonly message_id: string
  readonly expires_ms: number
  readonly recipients: readonly string[]
  /** One for each recipient, in order. */
  readonly deliveries: readonly Appended[]
}

/** The idempotency key was used before, within its window: nothing is stored now. */
export interface Repeated {
  readonly outcome: 'repeated'
  readonly first: Sent
  /** Of what the first asked for; see {@link IdempotencyKey}. */
  readonly digest: string
}

/** A sender's own name for one send, and a digest of what it asked for: to be told when it asks for something else. */
export interface IdempotencyKey {
  readonly key: string
  readonly digest: string
}

/**
 * Said on the instance that holds its readers when a message becomes pending. One that comes while readers have yet to read what
 * was announced before may go without, unless {@link EngineEvents.wants_each}; one that is redelivered never does.
 */
export interface Announcement extends Delivery {
  readonly project: string
  readonly client_id: string
  readonly epoch: string
  /** Pending again after a failed delivery: its offset lies behind the readers. */
  readonly redelivery: boolean
}

export interface DeadLetter extends Dead {
  readonly project: string
  readonly recipient_id: string
  readonly dead_ms: number
}

/** What the engine tells the broker, in the order it happens. */
export interface EngineEvents {
  /** Somebody waits for one message and no other: each has to be announced, and not only the first since readers read. */
  readonly wants_each: boolean
  announced(announcement: Announcement): void
  acknowledged(address: Address, message: StoredMessage): void
  died(letter: DeadLetter): void
  sessionChanged(session: Session, status: SessionStatus): void
  sessionEnded(session: Session, end: SessionEnd): void
}

export interface Taken {
  readonly deliveries: readonly Delivery[]
  /** Safe to resume from: all at or before it has been read. */
  readonly epoch: string
  readonly offset: number
  /** Messages still pending. */
  readonly remaining: number
}

export interface MailboxState {
  readonly epoch: string
  /** Nothing unread lies at or before it. */
  readonly offset: number
  readonly last: number
  readonly pending: number
  readonly leased: number
}

export interface Opened {
  readonly position: Position
  /** Everything after the cursor is here; false: reading starts at the oldest message that is. */
  readonly recovered: boolean
  readonly pending: number
}

export interface HistoryPage {
  readonly deliveries: readonly Delivery[]
  readonly recovered: boolean
  readonly epoch: string
  readonly offset: number
  readonly more: boolean
}

/** Which leased messages: by id, by offset, or all. */
export interface Settle {
  readonly message_ids?: readonly string[] | undefined
  readonly offsets?: readonly number[] | undefined
  /** Undefined acknowledges; a number says that delivery failed, and when to try again (0: at once). */
  readonly failed_delay_ms?: number | undefined
}

export interface Settled {
  readonly settled: number
  /** Ids which name no leased message here. */
  readonly unknown: readonly string[]
}

export interface Found {
  readonly recipient_id: string
  readonly message: StoredMessage
  readonly attempts: number
  readonly state: State | DeadReason
}

export interface Checkin {
  readonly project: string
  readonly client_id: string
  /** The session the caller holds or names: if it holds the address still, it goes on. */
  readonly resume: string | undefined
  /**
   * Keep a session that is there, whoever began it: for a stateless caller that names the address as its own, to read its
   * mail or only to send. Undefined: the caller checks in.
   */
  readonly join: 'reader' | 'sender' | undefined
  /** The key that calls; a mailbox belongs to the first. */
  readonly key_id: string | undefined
  readonly name: string | undefined
  readonly capabilities: Capabilities | undefined
}

export interface SessionPage {
  readonly limit: number
  /** Those too that were only ever named as a sender. */
  readonly senders: boolean
}

export interface SessionList {
  readonly sessions: readonly Session[]
  /** How many there are, beyond the limit too. */
  readonly total: number
}

/** How far a requeue has come, for the next call. */
export interface RequeueNext {
  /** Letters are numbered as they come: the last that was tried, and the last there was when it began. */
  readonly after: number
  readonly through: number
  /** Recipients that had no room. */
  readonly full: readonly string[]
}

export interface Requeued {
  readonly requeued: readonly string[]
  readonly refused: readonly string[]
  /** Undefined: that was all. */
  readonly next: RequeueNext | undefined
}

export type CheckedIn =
  | {
      readonly outcome: 'ok'
      readonly session: Session
      readonly resumed: boolean
      readonly mailbox: MailboxState
    }
  | { readonly outcome: 'not_owner' | 'too_many_clients' }

export interface Health {
  readonly ok: boolean
  readonly detail?: string
}

export interface EngineStats {
  readonly clients: number
  readonly pending: number
  readonly leased: number
  readonly history: number
  readonly dead_letters: number
  readonly stored_bytes: number
}

export interface Engine {
  readonly stored: Stored
  start(events: EngineEvents): MaybePromise<void>
  stop(): MaybePromise<void>
  /** Proves that a message can be stored and announced. */
  health(): MaybePromise<Health>
  stats(): MaybePromise<EngineStats>

  /**
   * Stores a message for one recipient, in one atomic step: idempotency, limits, offset, store, announce. An engine that is
   * slower than memory gathers what one turn of the event loop brings.
   */
  append(
    project: string,
    message: StoredMessage,
    recipient_id: string,
    key: IdempotencyKey | undefined,
  ): MaybePromise<Appended | Repeated>
  /** Stores a message for each of many recipients, in one atomic step. */
  appendToMany(
    project: string,
    message: StoredMessage,
    recipients: readonly string[],
    key: IdempotencyKey | undefined,
  ): MaybePromise<Sent | Repeated>
  /** Reads pending messages, highest priority first. */
  take(address: Address, take: Take): MaybePromise<Taken>
  /**
   * Begins a subscription, after a cursor or at what is unacknowledged. With `auto` the cursor acknowledges what was
   * leased at or before it: its bearer has read that.
   */
  open(
    address: Address,
    after: { epoch: string; offset: number } | undefined,
    ack: AckMode,
  ): MaybePromise<Opened>
  /**
   * The next messages a subscriber is due; moves `position`, and leases or acknowledges as `take` says. Fewer than asked for, in
   * number and in bytes: there are no more. None, with `position.lapped` set, when what it was due is not here any more.
   */
  read(address: Address, position: Position, take: Take): MaybePromise<readonly Due[]>
  settle(address: Address, settle: Settle): MaybePromise<Settled>
  /** Retained messages in the order they came; changes nothing. */
  history(
    address: Address,
    from: { after?: { epoch: string; offset: number } | undefined; since_ms?: number | undefined },
    limit: number,
    bytes_max: number,
  ): MaybePromise<HistoryPage>
  /** Everywhere in the project where this message is or died; with `recipient_id`, whether it is in that mailbox. */
  find(project: string, message_id: string, recipient_id?: string): MaybePromise<readonly Found[]>
  mailbox(address: Address): MaybePromise<MailboxState | undefined>

  listDeadLetters(
    project: string,
    filter: { reason?: DeadReason | undefined; client_id?: string | undefined },
    limit: number,
  ): MaybePromise<{ letters: readonly DeadLetter[]; total: number }>
  /**
   * Puts dead letters back into their mailboxes with their time to live begun anew, a part of them in one call, the oldest
   * first. What finds no room stays dead, and so does all later for the same recipient: none overtakes another.
   *
   * @param from `next` of the call before; undefined begins with the oldest
   */
  requeue(
    project: string,
    filter: { reason?: DeadReason | undefined; message_ids?: ReadonlySet<string> | undefined },
    from?: RequeueNext,
  ): MaybePromise<Requeued>

  checkin(checkin: Checkin): MaybePromise<CheckedIn>
  session(project: string, session_id: string): MaybePromise<Session | undefined>
  sessionOf(address: Address): MaybePromise<Session | undefined>
  /** The sessions heard last, the latest first. */
  listSessions(project: string, page: SessionPage): MaybePromise<SessionList>
  /** Known addresses, for hints. */
  clientIds(project: string): MaybePromise<Iterable<string>>
  /** Whether the mailbox may be read with this key. */
  ownedBy(address: Address, key_id: string | undefined): MaybePromise<boolean>
  touch(session: Session): void
  endSession(session: Session, end: SessionEnd): MaybePromise<void>

  /** Does what time has brought: expiry, lapsed leases, silent sessions. Costs as much as there is to do. */
  sweep(): MaybePromise<void>
}

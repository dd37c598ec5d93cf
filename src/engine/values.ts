import type { Cursor } from '../core/cursor.ts'
import type { Timings } from '../core/histogram.ts'
import type { DeadLetter, DeadReason, Delivery, Due, Lease, State } from '../core/mailbox/entry.ts'
import type { Position } from '../core/mailbox/position.ts'
import type { MailboxState } from '../core/mailbox/state.ts'
import type { Rank, StoredMessage } from '../core/message.ts'
import type { Capabilities, RecipientStatus, Session } from '../core/session.ts'

/** Where an accepted message is stored by the time its receipt goes out. */
export type Stored = 'memory' | 'disk' | 'redis'

/** The address of one client and its mailbox: `client_id` is unique in its project. */
export interface Address {
  readonly project: string
  readonly client_id: string
}

/**
 * One page of a list. `next`, if there is more, is the `after` of the following page; only the engine reads
 * what it says.
 */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | undefined
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

/** One message for some recipients. All variants of a send have one `message_id`. */
export interface Variant {
  readonly message: StoredMessage
  readonly recipients: readonly string[]
}

/**
 * What came of one send: to many, or to one with an idempotency key. `deliveries` has one outcome for each of
 * `recipients`, in the same order.
 */
export interface Sent {
  readonly outcome: 'sent'
  readonly broadcast: boolean
  readonly message_id: string
  /** Milliseconds since the epoch. */
  readonly expires_ms: number
  readonly recipients: readonly string[]
  readonly deliveries: readonly Appended[]
}

/** The idempotency key was used before, within its window: nothing is stored. `digest` came with `first`. */
export interface Repeated {
  readonly outcome: 'repeated'
  readonly first: Sent
  readonly digest: string
}

/** A sender's own name for one send, and a digest of what it asks for, so that a misused key shows. */
export interface IdempotencyKey {
  readonly key: string
  readonly digest: string
}

/** An address, who holds it, and its mailbox. Status `unknown`: no client has checked in here. */
export interface ClientState extends MailboxState {
  readonly client_id: string
  readonly status: RecipientStatus
  readonly session: Session | undefined
  /** The key that first checked in here, undefined on a broker without keys. None while `unknown`. */
  readonly owner: string | undefined
}

export interface ClientsPage {
  /** All addresses, those with a session, or of these the ones whose client is no mere sender. */
  readonly of: 'addresses' | 'sessions' | 'readers'
  /** In order of `client_id`, or the latest sign of life first (within 100 ms, exact inside a page). */
  readonly by: 'client_id' | 'last_heard'
  readonly after?: string | undefined
  readonly limit: number
}

/** A subscription that {@link Engine.open} began; the engine keeps nothing of it. */
export interface Opened {
  /** Where to read first. A value: each read answers the next one, and an older one stays good. */
  readonly position: Position
  /**
   * The cursor is of this epoch and nothing after it has been overwritten, or none was given. False: reading
   * starts after what was overwritten.
   */
  readonly recovered: boolean
  /** As in {@link MailboxState}, once the cursor has acknowledged what it does. */
  readonly pending: number
  readonly changes: number
}

/**
 * What {@link Engine.read} read. `epoch`, `offset`, `pending` and `changes` as in {@link MailboxState}, after
 * the read; `epoch` is "0" at an address that does not exist. With a position, `offset` may be 0.
 */
export interface Read extends Omit<MailboxState, 'last' | 'leased'> {
  readonly due: readonly Due[]
  /** The reader's position after this read; undefined if it gave none. */
  readonly position: Position | undefined
  /** A message that the reader was still due is no longer here, so nothing is read: it must resume. */
  readonly lapped: boolean
}

/** A message that a mailbox retains; with `attempt` 0 it is pending, and was never delivered. */
export interface Kept extends Delivery {
  readonly acknowledged: boolean
}

/** One page of what a mailbox retains; `epoch` and `offset` are the cursor after which the next begins. */
export interface History extends Cursor {
  readonly deliveries: readonly Kept[]
  /** As in {@link Opened}; true when no cursor was given. */
  readonly recovered: boolean
  readonly more: boolean
}

/** Which messages to settle: those of `leases`, else those with `message_ids`, else all that are leased. */
export interface Settle {
  /** The caller's session: refused once it no longer holds the address. Undefined settles for any. */
  readonly session_id?: string | undefined
  /** A lease counts only while its `attempt` is the message's latest; `epoch` is that of their offsets. */
  readonly leases?: { readonly epoch: string; readonly of: readonly Lease[] } | undefined
  readonly message_ids?: readonly string[] | undefined
  /**
   * Undefined acknowledges, also messages that are pending or delayed. A number is a nack, of leased
   * messages only: their delivery failed, and is tried again after so many milliseconds (0: at once).
   */
  readonly failed_delay_ms?: number | undefined
}

/** What {@link Engine.settle} did. */
export interface Settled {
  /** Messages acknowledged or nacked by this call. */
  readonly settled: number
  /** Those of `message_ids` that name no message here; for a nack, no leased one. Else empty. */
  readonly unknown: readonly string[]
}

/** New JSON for messages of one mailbox. */
export interface Rewrite {
  /** That of the offsets. */
  readonly epoch: string
  readonly messages: readonly NewJson[]
  /**
   * Nothing is written: the answer says what would come of it if so many bytes more were stored, in this
   * mailbox and in the whole engine.
   */
  readonly dry_run?: { readonly mailbox_bytes: number; readonly stored_bytes: number } | undefined
}

export interface NewJson {
  readonly offset: number
  /** `StoredMessage.json` as it was read. */
  readonly before: string
  /** The same message in other words: id, sender, reply, priority and times are those of `before`. */
  readonly after: string
}

/**
 * What came of new JSON. `rewritten`: the message has it, by this call or before. Else it is left as it is.
 * `delivered`: it is leased or delayed, or was delivered before. `no_room`: it would be longer, and its
 * mailbox or the engine holds as much as it may. `gone`: it is not here any more, or was rewritten otherwise.
 */
export type RewriteOutcome = 'rewritten' | 'delivered' | 'acknowledged' | 'no_room' | 'gone'

/** What {@link Engine.rewrite} did. */
export interface Rewritten {
  /** One for each of `messages`, in the same order. */
  readonly outcomes: readonly RewriteOutcome[]
  /** By how much the mailbox has grown; negative when it has shrunk. */
  readonly bytes: number
}

/** Where a message is: its state in a mailbox, or why it is a dead letter. */
export interface Found {
  readonly recipient_id: string
  readonly message: StoredMessage
  /** Deliveries so far. */
  readonly attempts: number
  readonly state: State | DeadReason
}

/** Which dead letters: those that match all that is given. */
export interface DeadFilter {
  readonly reason?: DeadReason | undefined
  /** The recipient. */
  readonly client_id?: string | undefined
  readonly message_ids?: ReadonlySet<string> | undefined
  /** Not those with these ids: they are passed over, and hold up no other. */
  readonly except?: ReadonlySet<string> | undefined
}

/** The ids of messages that are back in their mailboxes, and of those that found no room. */
export interface Requeued {
  readonly requeued: readonly string[]
  readonly refused: readonly string[]
  /** Undefined: all have been tried. Else `from` of the next call. */
  readonly next: string | undefined
}

export interface Checkin extends Address {
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

/** What came of a check-in. `resumed`: the session held the address before. `not_owner`: another key's. */
export type CheckedIn =
  | {
      readonly outcome: 'ok'
      readonly session: Session
      readonly resumed: boolean
      readonly mailbox: MailboxState
    }
  | { readonly outcome: 'not_owner' | 'too_many_clients' }

/** A session's latest sign of life, in milliseconds since the epoch. */
export interface Heard extends Address {
  readonly session_id: string
  readonly at_ms: number
}

/** `detail` is one sentence: what is wrong; absent when `ok`. */
export interface Health {
  readonly ok: boolean
  readonly detail?: string
}

/** Totals. `stored_bytes` is what `stored_bytes_max` bounds: messages, history, dead letters, keys. */
export interface EngineStats {
  readonly clients: number
  readonly pending: number
  readonly leased: number
  readonly history: number
  readonly dead_letters: number
  readonly stored_bytes: number
  /** Only with the totals of all projects, and on an engine with a journal. */
  readonly journal?: JournalStats | undefined
  /** Only with the totals of all projects, and on an engine that many instances share. */
  readonly redis?: RedisStats | undefined
}

/** How this instance gets on with Redis. Counts are since the start. */
export interface RedisStats {
  /** It takes calls, and what this instance publishes is heard. */
  readonly up: boolean
  /** One sentence or more, while something is wrong. While it is not up, the totals are the last known. */
  readonly trouble: string | undefined
  /** Instances that live, this one included. */
  readonly instances: number
  /** Replicas that must have what was written before it counts as stored. */
  readonly wait_replicas: number
  /** From a call until it was answered, tries again included. */
  readonly calls: Timings
  /** Tries of calls that may have been carried out, and were made again or given up. */
  readonly unknown_outcomes: number
  /** How often fewer replicas than wanted had what was written in time. */
  readonly wait_unmet: number
}

/** How the log of an engine that keeps one is doing. */
export interface JournalStats {
  /** Of all its files, and about how many of them a start would bring back. */
  readonly bytes: number
  readonly live_bytes: number
  readonly segments: number
  /** `normal`: what is answered survives the process. `full`: the machine, too. */
  readonly sync: 'normal' | 'full'
  /** Milliseconds since the epoch; undefined before the first. */
  readonly last_sync_at: number | undefined
  /** One sentence, while something is wrong: what, where and what it means. */
  readonly trouble: string | undefined
  /** Appends refused since the start, because there was no room on the disk or it failed. */
  readonly refused: number
  readonly commits: Timings
  readonly syncs: Timings
}

/**
 * A message became pending; `epoch` and `offset` are its own. It has no body: whoever is chosen by it reads.
 */
export interface Announcement extends Address, Cursor {
  /** As in {@link MailboxState}, with this one counted. */
  readonly changes: number
  /** Pending again, after a lease or a delay: readers may be past its offset. A requeued letter is new. */
  readonly redelivery: boolean
  readonly message_id: string
  readonly sender_id: string
  readonly in_reply_to: string | undefined
  readonly rank: Rank
}

/** What is told of a message that has become a dead letter. */
export interface Death extends Pick<DeadLetter, 'project' | 'recipient_id' | 'reason'> {
  readonly message: Pick<StoredMessage, 'message_id' | 'sender_id'>
}

/**
 * What a mailbox has come to, and who holds its address. `epoch` and `changes` as in {@link MailboxState};
 * "0" and 0 at an address that does not exist.
 */
export interface Latest extends Pick<MailboxState, 'epoch' | 'changes'> {
  readonly session_id: string | undefined
}

/** A small document. Versions rise with each change, a deletion included; the first may be above 1. */
export interface Versioned {
  readonly id: string
  /** JSON. */
  readonly value: unknown
  readonly version: number
}

/** A copy of all that an engine stores, as it was between two turns. */
export interface Backup {
  /** A tar archive, in pieces of up to some hundred kilobytes; each is read when it is asked for. */
  readonly chunks: AsyncIterator<Uint8Array, void> & AsyncIterable<Uint8Array, void>
  /** To be called once nothing more is read, at the end or before. Calling it again does nothing. */
  release(): void
}

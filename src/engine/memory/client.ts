import type { Limits } from '../../core/limits.ts'
import type { Mailbox } from '../../core/mailbox/mailbox.ts'
import type { Staged } from '../../core/mailbox/staged.ts'
import { type RecipientStatus, type Session, type SessionStatus, sessionStatus } from '../../core/session.ts'
import type { ClientState, Sent } from '../values.ts'

/** A client's place among those of its project; a hole once it has moved or its session has ended. */
export interface Place {
  readonly offset: number
  readonly client: Client
  gone: boolean
}

/** The send that first used an idempotency key. */
export interface Remembered {
  readonly first: Sent
  readonly digest: string
  readonly until_ms: number
}

/** Everything kept of one address. */
export class Client {
  /** Replaced by another value when something changes. */
  session: Session | undefined
  /** The session's status announced last, so that a change is announced once. */
  told: SessionStatus = 'disconnected'
  /** Its place among the clients of the project with a session, by when each was heard. */
  place: Place | undefined
  /** The key that first checked in here. */
  owner: string | undefined
  owned = false
  idempotency: Map<string, Remembered> | undefined
  /** Bytes that the keys count for. */
  key_bytes = 0
  /** Messages for its mailbox that are not committed yet; undefined before the first. */
  staged: Staged | undefined
  /** A message was announced, and no reader has read since. */
  announced = false
  /** When the engine next looks at it, in milliseconds since the epoch. */
  due_ms = Number.POSITIVE_INFINITY
  /** When its last session ended, or when it was made. */
  idle_since_ms: number

  constructor(
    readonly project: string,
    readonly client_id: string,
    readonly mailbox: Mailbox,
    now: number,
  ) {
    this.idle_since_ms = now
  }

  get bytes(): number {
    return this.mailbox.bytes + (this.staged?.bytes ?? 0) + this.key_bytes
  }

  status(now: number, limits: Limits): RecipientStatus {
    if (this.session) return sessionStatus(this.session, now, limits)
    return this.owned ? 'disconnected' : 'unknown'
  }

  state(now: number, limits: Limits): ClientState {
    const { client_id, session, owner, mailbox } = this
    const { epoch, settled_offset: offset, last, pending, leased, changes } = mailbox
    const status = this.status(now, limits)
    return { client_id, status, session, owner, epoch, offset, last, pending, leased, changes }
  }
}

import { type Identity, ownClientId, requireScope } from '../auth/identity.ts'
import type { SessionHandle } from '../auth/session-handle.ts'
import { formatCursor, parseCursor } from '../core/cursor.ts'
import { BrokerError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { Acked } from '../core/mailbox/entry.ts'
import { safeOffset } from '../core/mailbox/position.ts'
import { type MaybePromise, then } from '../core/maybe-promise.ts'
import { BROKER_CLIENT_ID, type Content, createMessage, type StoredMessage } from '../core/message.ts'
import { messageIdFor } from '../core/message-id.ts'
import type { ProtocolRules } from '../core/protocol/rules.ts'
import type { SchemaBounds } from '../core/protocol/schema/bounds.ts'
import type { Session, SessionEnd, SessionKey, SessionStatus } from '../core/session.ts'
import type { Engine, EngineEvents } from '../engine/engine.ts'
import type {
  Address,
  Announcement,
  Appended,
  CheckedIn,
  Checkin,
  ClientState,
  ClientsPage,
  Death,
  IdempotencyKey,
  Page,
  Repeated,
  Sent,
  Variant,
} from '../engine/values.ts'
import type { Timer } from './clock.ts'
import type { Connection } from './connection.ts'
import { newCounters } from './counters.ts'
import { EndOfTurn } from './end-of-turn.ts'
import { endedError, unlessEnded } from './ended.ts'
import { Following } from './following.ts'
import { Hub } from './hub.ts'
import { Lookout } from './lookout.ts'
import { NOT_KEPT, namingYourself } from './naming.ts'
import { NearNames } from './near-names.ts'
import { receiptJson, sessionJson } from './notices.ts'
import { Protocols } from './protocols/protocols.ts'
import { Sessions } from './sessions.ts'
import { Subscription, type SubscriptionOptions } from './subscription.ts'
import { Turns } from './turns.ts'
import { Waiters } from './waiters.ts'

export interface BrokerOptions {
  readonly engine: Engine
  readonly limits: Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A UUIDv7 for each message. */
  readonly newId: () => string
  /** How many calls may wait at once. */
  readonly waiting_max: number
  readonly protocols: ProtocolRules
  /** What schemas are held to when they are registered. */
  readonly schema_bounds: SchemaBounds
  /** How long a connection may take nothing before it is closed, in milliseconds. */
  readonly stalled_ms_max: number
  /** When waits end; the system's timers if undefined. */
  readonly timer?: Timer
  /** Takes faults that no caller can be told of. */
  readonly report: (error: unknown) => void
}

export interface SubscribeResult {
  readonly session_id: string
  readonly recovered: boolean
  readonly cursor: string
  readonly unread: number
}

/** The one object that commands act on. It has an engine, and the live connections of this instance. */
export class Broker implements EngineEvents {
  readonly engine: Engine
  readonly limits: Limits
  readonly now: () => number
  readonly following: Following
  readonly hub: Hub
  readonly end_of_turn: EndOfTurn
  readonly waiters: Waiters
  readonly near_names: NearNames
  readonly protocols: Protocols
  readonly sessions: Sessions
  readonly lookout: Lookout
  readonly turns = new Turns()
  readonly counters = newCounters()
  #stopping = false
  /** Calls whose answer is a promise that is not settled yet. */
  #calls = 0
  #idle: PromiseWithResolvers<void> | undefined
  #heard_open_ms = Number.NEGATIVE_INFINITY

  constructor(private readonly options: BrokerOptions) {
    this.engine = options.engine
    this.limits = options.limits
    this.now = options.now
    this.following = new Following((address, on) => this.engine.follow(address, on))
    this.hub = new Hub(options.report, () => this.end_of_turn.schedule(), this.following)
    this.end_of_turn = new EndOfTurn(options.engine, this.hub, options.report)
    this.waiters = new Waiters(options.waiting_max, this.following, options.timer)
    this.sessions = new Sessions(options.engine, options.now, options.limits)
    this.lookout = new Lookout(this, this.#over.bind(this), options.report)
    this.near_names = new NearNames(options.now)
    this.protocols = new Protocols({ ...options, create: this.createMessage.bind(this), turns: this.turns })
  }

  get stopping(): boolean {
    return this.#stopping
  }

  start(): MaybePromise<void> {
    return this.engine.start(this)
  }

  /** Ends every waiting call, and lets no later call wait: the broker shuts down. */
  release(): void {
    this.#stopping = true
    this.waiters.close()
  }

  /** Counts a call that is answered later, until it is. */
  underWay(call: Promise<unknown>): void {
    this.#calls++
    const done = () => {
      if (--this.#calls === 0) this.#idle?.resolve()
    }
    call.then(done, done)
  }

  /** Resolves when every call has been answered. The app calls it once, after {@link release}. */
  idle(): Promise<void> {
    this.#idle = Promise.withResolvers()
    if (this.#calls === 0) this.#idle.resolve()
    return this.#idle.promise
  }

  /** Lets work go on that no caller waits for. A failure is reported. */
  inBackground(work: MaybePromise<unknown>): void {
    if (work instanceof Promise) work.catch(this.options.report)
  }

  /** As {@link EndOfTurn.flushed}. @throws StorageFailed */
  readonly flushed = (): MaybePromise<void> => this.end_of_turn.flushed()

  /** A chore of housekeeping: slow connections, probes, and what is due in the engine. */
  tend(): MaybePromise<void> {
    this.end_of_turn.schedule()
    this.hub.tend(this.now(), this.options.stalled_ms_max)
    this.sessions.tend()
    this.lookout.tend(this.now())
    this.protocols.validation.worker.rest()
    return this.engine.sweep()
  }

  /** A sign of life from a session: any frame or call. */
  heard(session: SessionHandle): void {
    this.sessions.heard(session)
  }

  /** Notes a sign of life for each session with an open connection or stream, or a waiting call, here. */
  heardOpen(): void {
    this.#heard_open_ms = this.now()
    for (const session of this.hub.connected()) this.heard(session)
    const heardAt = ({ project, client_id }: Address) =>
      this.inBackground(
        then(this.engine.client(project, { client_id }), (client) => {
          if (client?.session) this.heard(this.sessions.handle(client.session))
        }),
      )
    for (const address of this.hub.watched()) heardAt(address)
    for (const address of this.waiters.addresses()) heardAt(address)
  }

  /** The clients with a session, the last heard first. A connected session counts as heard now. */
  lastHeard(
    project: string,
    page: Pick<ClientsPage, 'of' | 'after' | 'limit'>,
  ): MaybePromise<Page<ClientState> & { readonly total?: number }> {
    // Not between pages: those that move ahead then would be on none.
    if (page.after === undefined) {
      if (this.now() - this.#heard_open_ms >= OPEN_HEARD_MS) this.heardOpen()
      this.sessions.tell()
    }
    return this.engine.clients(project, { ...page, by: 'last_heard' })
  }

  /**
   * Takes the address over, or resumes the session that holds it. With `join`, a stateless caller gets the
   * session that holds the address, or a new one.
   *
   * @throws BrokerError `reserved_client_id`, `mailbox_not_owned`, `too_many_clients`
   */
  checkin(
    identity: Identity,
    client_id: string,
    how: Pick<Checkin, 'resume' | 'join' | 'name' | 'capabilities'>,
  ): MaybePromise<Extract<CheckedIn, { outcome: 'ok' }>> {
    if (client_id === BROKER_CLIENT_ID) throw new BrokerError('reserved_client_id', { field: '/client_id' })
    const { project, key_id } = identity
    return then(this.engine.checkin({ project, client_id, key_id, ...how }), (checked) => {
      if (checked.outcome === 'ok') return checked
      if (checked.outcome === 'not_owner') throw new BrokerError('mailbox_not_owned')
      throw new BrokerError('too_many_clients', {
        retry_after_ms: 1000,
        next: 'Check in under an address that exists, or wait until others are forgotten.',
      })
    })
  }

  /**
   * The address that a call sends as: that of the caller's session, or what a stateless caller names.
   *
   * @throws BrokerError `sender_mismatch`, `not_checked_in`, `session_replaced`, `session_ended`, and what
   *   `checkin` throws
   */
  sender(identity: Identity, sender_id: string | undefined): MaybePromise<string> {
    return this.#caller(identity, sender_id, 'sender_id')
  }

  /**
   * The mailbox that a call reads, after checking that the caller may read it.
   *
   * @throws BrokerError `client_mismatch`, `not_checked_in`, `session_replaced`, `session_ended`, and what
   *   `checkin` throws
   */
  reader(identity: Identity, client_id: string | undefined): MaybePromise<Address> {
    return then(this.#caller(identity, client_id, 'client_id'), (id) => ({
      project: identity.project,
      client_id: id,
    }))
  }

  #caller(
    identity: Identity,
    said: string | undefined,
    param: 'sender_id' | 'client_id',
  ): MaybePromise<string> {
    const own = ownClientId(identity)
    if (own !== undefined) {
      if (said === undefined || said === own) return own
      throw new BrokerError(param === 'sender_id' ? 'sender_mismatch' : 'client_mismatch', {
        field: `/${param}`,
        detail: `${param} is "${said}", but this session is checked in as "${own}".`,
      })
    }
    const end = identity.session?.ended
    if (end === 'replaced' || (end && said === undefined)) throw endedError(end)
    if (said === undefined)
      throw new BrokerError('not_checked_in', {
        field: `/${param}`,
        // A placeholder: a name that exists would be another client's.
        ...(identity.keeps_session ? {} : { next: `${NOT_KEPT}: ${namingYourself('<your client_id>')}.` }),
      })
    if (said === BROKER_CLIENT_ID) throw new BrokerError('reserved_client_id', { field: `/${param}` })
    const joined = this.checkin(identity, said, {
      resume: undefined,
      join: param === 'sender_id' ? 'sender' : 'reader',
      name: undefined,
      capabilities: undefined,
    })
    return then(joined, () => said)
  }

  /** Makes a message without storing it. */
  createMessage(content: Content, sender_id: string, recipient_id: string | undefined): StoredMessage {
    const { ttl_seconds } = this.limits
    const message_id = messageIdFor(this.options.newId(), recipient_id)
    return createMessage(content, sender_id, recipient_id, message_id, this.now(), ttl_seconds)
  }

  /** Stores a message for one recipient, and counts the outcome. */
  append(
    project: string,
    message: StoredMessage,
    recipient_id: string,
    key: IdempotencyKey | undefined,
  ): MaybePromise<Appended | Repeated> {
    const appended = this.engine.append(project, message, recipient_id, key)
    return appended instanceof Promise ? appended.then(this.#counted) : this.#counted(appended)
  }

  /** Stores a message for each of many recipients, in one or more variants, and counts the outcomes. */
  appendToMany(
    project: string,
    variants: readonly Variant[],
    key: IdempotencyKey | undefined,
  ): MaybePromise<Sent | Repeated> {
    return then(this.engine.appendToMany(project, variants, key), (sent) => {
      if (sent.outcome === 'sent') for (const delivery of sent.deliveries) this.#counted(delivery)
      return sent
    })
  }

  readonly #counted = (appended: Appended | Repeated): Appended | Repeated => {
    this.end_of_turn.schedule()
    if (appended.outcome === 'stored') this.counters.accepted++
    else if (appended.outcome !== 'repeated') this.counters.refused++
    return appended
  }

  /** Starts live delivery of a mailbox to a connection, after a cursor if one is given. */
  subscribe(
    identity: Identity,
    connection: Connection,
    client_id: string | undefined,
    after: string | undefined,
    options: SubscriptionOptions,
  ): MaybePromise<SubscribeResult> {
    requireScope(identity, 'read', 'subscribe')
    const cursor = after === undefined ? undefined : parseCursor(after)
    return then(this.reader(identity, client_id), (address) =>
      then(this.#holder(identity, address), (session) =>
        then(this.engine.open(address, cursor, options.ack, session.session_id), (answer) => {
          const { position, recovered, pending } = unlessEnded(answer)
          if (session.ended) throw endedError(session.ended)
          const from = formatCursor(position.epoch, safeOffset(position))
          this.hub.subscribe(new Subscription(this, { address, session, connection, options, position }))
          return { session_id: session.session_id, recovered, cursor: from, unread: pending }
        }),
      ),
    )
  }

  /** The session that holds an address which the caller may read. @throws BrokerError `unknown_client` */
  #holder({ session }: Identity, { project, client_id }: Address): MaybePromise<SessionHandle> {
    if (session && !session.ended && session.client_id === client_id) return session
    return then(this.engine.client(project, { client_id }), (client) => {
      if (!client?.session) throw new BrokerError('unknown_client', { field: '/client_id' })
      return this.sessions.handle(client.session)
    })
  }

  /** How many messages are pending for the caller's session; 0 without one. */
  unread({ session }: Identity): MaybePromise<number> {
    if (!session || session.ended) return 0
    return then(this.engine.client(session.project, session), (client) => client?.pending ?? 0)
  }

  get wants_each(): boolean {
    return this.waiters.count > 0 || this.hub.watcher_count > 0
  }

  announced(announcement: Announcement, elsewhere = false): void {
    if (announcement.redelivery && !elsewhere) this.counters.redelivered++
    if (this.engine.latest) this.lookout.announced(announcement)
    this.waiters.announced(announcement)
    this.hub.announced(announcement)
  }

  acknowledged(
    { project, client_id: recipient_id }: Address,
    messages: readonly Acked[],
    elsewhere = false,
  ): void {
    if (!elsewhere) this.counters.acknowledged += messages.length
    if (!this.hub.wantsReceipts) return
    for (const { message_id, sender_id } of messages)
      this.hub.receipt({ project, client_id: sender_id }, receiptJson(message_id, recipient_id), false)
  }

  died({ message, project, recipient_id, reason }: Death, bounced: boolean, elsewhere = false): void {
    if (!elsewhere) this.counters.dead[reason]++
    if (bounced && !elsewhere) this.counters.accepted++
    // The bounce goes with the next flush.
    this.end_of_turn.schedule()
    const { message_id, sender_id } = message
    if (sender_id === BROKER_CLIENT_ID) return
    this.hub.receipt({ project, client_id: sender_id }, receiptJson(message_id, recipient_id, reason), true)
  }

  session(session: Session, status: SessionStatus | SessionEnd): void {
    const { project } = session
    if (status !== 'replaced' && status !== 'closed') {
      this.hub.sessionChanged(project, sessionJson(session, status))
      return
    }
    if (status === 'closed') this.hub.sessionChanged(project, sessionJson(session, 'disconnected'))
    this.#over(session, status)
  }

  #over(session: SessionKey, end: SessionEnd): void {
    this.sessions.ended(session.session_id, end)
    this.hub.ended(session, end)
  }

  record(kind: string, project: string, id: string, version: number): void {
    this.protocols.registry.changed(kind, project, id, version)
  }

  /** Events may have been lost: readers and waiting calls look, and each session is asked for. */
  missed(): void {
    this.lookout.missed()
    this.protocols.registry.missed()
  }
}

/** An open connection counts as heard now, to within this. */
const OPEN_HEARD_MS = 1000

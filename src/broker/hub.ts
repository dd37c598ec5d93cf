import type { Identity } from '../auth/identity.ts'
import type { SessionHandle } from '../auth/session-handle.ts'
import { asBrokerError, BrokerError, StorageFailed } from '../core/errors.ts'
import type { SessionEnd, SessionKey } from '../core/session.ts'
import type { Address } from '../engine/values.ts'
import type { Connection } from './connection.ts'
import type { Following } from './following.ts'
import { Hints } from './hints.ts'
import type { Subscription } from './subscription.ts'

/** The catalogue entry that closes a session's connections, by how the session ended. */
const CLOSE_CODES = { replaced: 'session_replaced', closed: 'session_ended' } as const

/** A session and the connections that checked in as it. */
interface Bound {
  readonly session: SessionHandle
  readonly connections: Set<Connection>
}

/** Called for each announcement to a mailbox, for a door that only tells its client that mail has come. */
export type MailWatcher = () => void

/**
 * The live connections of this instance: which subscriptions read which mailbox, and which connections
 * belong to which session. Each subscription reads at most once in a turn of the event loop, at its end.
 */
export class Hub {
  /** The readers of each mailbox, by project and client. */
  #readers = new Map<string, Map<string, Subscription[]>>()
  #watchers = new Map<string, Map<string, Set<MailWatcher>>>()
  #by_connection = new Map<Connection, Subscription>()
  /** The connections that checked in, by session; `#sessions_of` is the reverse. */
  #by_session = new Map<string, Bound>()
  /** Callers with an open stream that is no {@link Connection}, such as the GET stream of an MCP session. */
  readonly #streaming = new Set<Identity>()
  #sessions_of = new Map<Connection, Set<string>>()
  /** Connections that are ending their own session, by session. */
  readonly #parting = new Map<string, Connection>()
  /** The subscriptions that read at the end of this turn, each once. */
  #dirty: Subscription[] = []
  /** Those whose read has failed, until the next round of housekeeping. */
  readonly #waiting_for_storage: Subscription[] = []
  /** Those that began since the last flush did: their answer goes first. */
  #begun: Subscription[] = []
  /** Those that have read, and hand over at the end of this turn. */
  #due: Subscription[] = []
  /** Those whose read was answered later, since the last flush began. */
  #late: Subscription[] = []
  readonly #hints = new Hints()
  /** How many readers asked for receipts. */
  #receipt_readers = 0
  /** The address that was looked up last, with its readers: messages to one mailbox come in runs. */
  #last: (Address & { readonly readers: readonly Subscription[] | undefined }) | undefined

  /** @param schedule has the turn end with a flush, after which the hub reads and writes */
  constructor(
    private readonly report: (error: unknown) => void,
    private readonly schedule: () => void,
    private readonly following: Following,
  ) {}

  get subscription_count(): number {
    return this.#by_connection.size
  }

  /** Connections that are ending a session, for the test that none is kept. */
  get parting_count(): number {
    return this.#parting.size
  }

  /** How many projects have a watched mailbox. */
  get watcher_count(): number {
    return this.#watchers.size
  }

  /**
   * Binds a connection to a session: the connection is closed when the session ends, or now if it has ended
   * before its check-in was answered. A closed connection is not bound, because nothing would unbind it.
   */
  bind(session: SessionHandle, connection: Connection): void {
    if (!connection.open) return
    if (session.ended) {
      connection.close(CLOSE_CODES[session.ended])
      return
    }
    const { session_id } = session
    const bound = this.#by_session.get(session_id)
    if (bound?.connections.has(connection)) return
    this.following.enter(session)
    if (bound) bound.connections.add(connection)
    else this.#by_session.set(session_id, { session, connections: new Set([connection]) })
    const sessions = this.#sessions_of.get(connection)
    if (sessions) sessions.add(session_id)
    else this.#sessions_of.set(connection, new Set([session_id]))
  }

  #bound({ session_id }: SessionKey): readonly Connection[] {
    return [...(this.#by_session.get(session_id)?.connections ?? [])]
  }

  #unbind(session_id: string, connection: Connection): void {
    const bound = this.#by_session.get(session_id)
    if (bound?.connections.delete(connection)) {
      this.following.leave(bound.session)
      if (bound.connections.size === 0) this.#by_session.delete(session_id)
    }
    const sessions = this.#sessions_of.get(connection)
    if (sessions?.delete(session_id) && sessions.size === 0) this.#sessions_of.delete(connection)
  }

  /**
   * Counts the session of a caller as connected while its stream is open.
   *
   * @returns a function that ends it
   */
  streams(identity: Identity): () => void {
    this.#streaming.add(identity)
    return () => this.#streaming.delete(identity)
  }

  /** The sessions with an open connection or stream here; a session may come more than once. */
  *connected(): Generator<SessionHandle> {
    for (const { session } of this.#by_session.values()) yield session
    for (const { session } of this.#by_connection.values()) yield session
    for (const { session } of this.#streaming) if (session) yield session
  }

  /** The mailboxes that are watched over an open stream. */
  *watched(): Generator<Address> {
    for (const [project, clients] of this.#watchers)
      for (const client_id of clients.keys()) yield { project, client_id }
  }

  /** The subscriptions that read for this session. */
  #readersFor(session: SessionKey): Subscription[] {
    const readers = this.#readers.get(session.project)?.get(session.client_id) ?? []
    return readers.filter((reader) => reader.session.session_id === session.session_id)
  }

  /** Ends a connection's subscription and unbinds it from its sessions. Does not close it. */
  leave(connection: Connection): void {
    this.unsubscribe(connection)
    for (const session_id of this.#sessions_of.get(connection) ?? []) this.#unbind(session_id, connection)
  }

  /**
   * Starts delivery to a connection. A connection reads one mailbox, so its earlier subscription ends. A
   * connection that has closed meanwhile gets nothing.
   */
  subscribe(subscription: Subscription): void {
    const { address, connection } = subscription
    if (!connection.open) return
    this.unsubscribe(connection)
    this.#last = undefined
    const clients = this.#readers.get(address.project) ?? new Map<string, Subscription[]>()
    this.#readers.set(address.project, clients)
    const readers = clients.get(address.client_id)
    if (readers) readers.push(subscription)
    else clients.set(address.client_id, [subscription])
    this.#by_connection.set(connection, subscription)
    this.following.enter(address)
    if (subscription.options.receipts) this.#receipt_readers++
    subscription.dirty = true
    this.#begun.push(subscription)
    this.schedule()
  }

  unsubscribe(connection: Connection): void {
    const subscription = this.#by_connection.get(connection)
    if (!subscription) return
    subscription.close()
    this.#last = undefined
    if (subscription.options.receipts) this.#receipt_readers--
    this.#by_connection.delete(connection)
    this.following.leave(subscription.address)
    const { project, client_id } = subscription.address
    const readers = this.#readers.get(project)?.get(client_id)
    readers?.splice(readers.indexOf(subscription), 1)
    if (readers?.length === 0) this.#readers.get(project)!.delete(client_id)
  }

  /** The session that a connection reads for. It may not be the one that the connection checked in as. */
  readingFor(connection: Connection): SessionHandle | undefined {
    return this.#by_connection.get(connection)?.session
  }

  /** Whether a reader asked for receipts of acknowledgements. */
  get wantsReceipts(): boolean {
    return this.#receipt_readers > 0
  }

  /** Calls `watcher` for each announcement to a mailbox. @returns a function that ends it */
  watch(address: Address, watcher: MailWatcher): () => void {
    const clients = this.#watchers.get(address.project) ?? new Map<string, Set<MailWatcher>>()
    this.#watchers.set(address.project, clients)
    const watchers = clients.get(address.client_id) ?? new Set()
    clients.set(address.client_id, watchers)
    watchers.add(watcher)
    this.following.enter(address)
    return () => {
      if (!watchers.delete(watcher)) return
      this.following.leave(address)
      if (watchers.size === 0) clients.delete(address.client_id)
      if (clients.size === 0 && this.#watchers.get(address.project) === clients)
        this.#watchers.delete(address.project)
    }
  }

  /** Mail may have come: marks the readers of a mailbox to read, and calls its watchers. */
  announced(address: Address): void {
    const readers = this.#readersOf(address)
    if (readers)
      for (const reader of readers) {
        reader.announced()
        this.#markDirty(reader)
      }
    if (this.#watchers.size === 0) return
    const watchers = this.#watchers.get(address.project)?.get(address.client_id)
    if (watchers) for (const watcher of watchers) watcher()
  }

  #readersOf({ project, client_id }: Address): readonly Subscription[] | undefined {
    const last = this.#last
    if (last?.client_id === client_id && last.project === project) return last.readers
    const readers = this.#readers.get(project)?.get(client_id)
    this.#last = { project, client_id, readers }
    return readers
  }

  /** Sends a receipt to the readers of a mailbox: a failure to all, others only to those that asked. */
  receipt(address: Address, json: string, failure: boolean): void {
    for (const reader of this.#readersOf(address) ?? [])
      if (failure || reader.options.receipts) this.#notify(reader, 'receipt', json)
  }

  /** Tells the readers in a project that asked for it that a session came, fell silent or ended. */
  sessionChanged(project: string, json: string): void {
    for (const reader of this.#by_connection.values())
      if (reader.options.sessions && reader.address.project === project) this.#notify(reader, 'session', json)
  }

  /**
   * Announcements may have been lost: every reader looks, and every watcher is called.
   */
  missed(): void {
    for (const reader of this.#by_connection.values()) {
      reader.announced()
      this.#markDirty(reader)
    }
    for (const clients of this.#watchers.values())
      for (const watchers of clients.values()) for (const watcher of watchers) watcher()
  }

  /**
   * A connection is about to end its own session: it stays open then.
   *
   * @returns a function that takes this back, for a session that could not be ended
   */
  parts(session: SessionHandle, connection: Connection): () => void {
    this.#parting.set(session.session_id, connection)
    return () => this.#parting.delete(session.session_id)
  }

  /** Closes the connections of a session that has ended, with a code that says why. */
  ended(session: SessionKey, end: SessionEnd): void {
    const parting = this.#parting.get(session.session_id)
    this.#parting.delete(session.session_id)
    const reading = this.#readersFor(session).map(({ connection }) => connection)
    for (const connection of new Set([...reading, ...this.#bound(session)])) {
      if (connection === parting) {
        if (reading.includes(connection)) this.unsubscribe(connection)
        this.#unbind(session.session_id, connection)
        continue
      }
      this.leave(connection)
      connection.close(CLOSE_CODES[end])
    }
  }

  /** A door calls this when a connection's transport takes more again. */
  drained(connection: Connection): void {
    const subscription = this.#by_connection.get(connection)
    if (subscription) this.#markDirty(subscription)
  }

  /** A door calls this when everything flushed before the last probe has arrived. */
  confirmed(connection: Connection): void {
    const subscription = this.#by_connection.get(connection)
    if (subscription)
      try {
        subscription.confirmed()
      } catch (error) {
        this.#fail(subscription, error)
      }
    this.schedule()
  }

  /**
   * Closes each connection that has taken nothing for `stalled_ms_max`, sends the probes that are due, and
   * has those read whose storage has failed.
   *
   * @param now milliseconds since the epoch
   */
  tend(now: number, stalled_ms_max: number): void {
    for (const subscription of [...this.#by_connection.values()]) {
      if (subscription.stalled_ms !== undefined && now - subscription.stalled_ms >= stalled_ms_max) {
        this.leave(subscription.connection)
        subscription.connection.close('slow_reader')
      } else subscription.probe()
    }
    for (const subscription of this.#waiting_for_storage.splice(0))
      if (!subscription.closed) this.#markDirty(subscription)
  }

  /** Notifications are hints: none is kept for a connection that takes nothing more. */
  #notify(reader: Subscription, kind: 'receipt' | 'session', json: string): void {
    if (reader.stalled_ms !== undefined) return
    this.#hints.add(reader, kind, json)
    this.schedule()
  }

  #markDirty(subscription: Subscription): void {
    if (subscription.dirty) return
    subscription.dirty = true
    this.#dirty.push(subscription)
    this.schedule()
  }

  /** A flush begins: it covers what was read and told so far. */
  seal(): void {
    if (this.#begun.length > 0) this.#dirty.push(...this.#begun.splice(0))
    if (this.#late.length > 0) this.#due.push(...this.#late.splice(0))
    this.#hints.seal()
  }

  /** Has each marked subscription read. @returns whether a read leased or acknowledged anything */
  read(): boolean {
    const dirty = this.#dirty
    this.#dirty = []
    let changed = false
    for (const subscription of dirty) {
      subscription.dirty = false
      try {
        const has_read = subscription.read()
        if (has_read instanceof Promise)
          has_read
            .then((has_read) => has_read && this.#readLate(subscription))
            .catch((error) => this.#fail(subscription, error))
        else if (has_read) {
          this.#due.push(subscription)
          changed ||= subscription.options.ack !== 'none'
        }
      } catch (error) {
        this.#fail(subscription, error)
      }
    }
    return changed
  }

  #readLate(subscription: Subscription): void {
    this.#late.push(subscription)
    this.schedule()
  }

  /** Hands hints and messages to their connections, and writes them. */
  write(): void {
    const due = this.#due
    this.#due = []
    const notified = this.#hints.handOver()
    for (const subscription of due) {
      try {
        this.#again(subscription, subscription.send())
      } catch (error) {
        this.#fail(subscription, error)
      }
    }
    if (notified) for (const connection of notified) connection.flush()
  }

  #again(subscription: Subscription, more: boolean): void {
    if (more && this.#by_connection.get(subscription.connection) === subscription)
      this.#markDirty(subscription)
  }

  #fail(subscription: Subscription, error: unknown): void {
    // The connection may read another mailbox by now, or have closed.
    if (subscription.closed) return
    if (error instanceof StorageFailed) {
      // Not the reader's fault: it stays, and reads when the storage is there again.
      subscription.failed()
      this.#waiting_for_storage.push(subscription)
      return
    }
    this.leave(subscription.connection)
    subscription.connection.close(asBrokerError(error).code)
    if (!(error instanceof BrokerError)) this.report(error)
  }
}

import type { Identity } from '../auth/identity.ts'
import { BrokerError } from '../core/errors.ts'
import type { Session, SessionEnd } from '../core/session.ts'
import type { Address, Announcement } from '../engine/engine.ts'
import type { Connection } from './connection.ts'
import type { Subscription } from './subscription.ts'

/** How the connections of a session that is over are closed. */
const CLOSE_CODES = { replaced: 'session_replaced', closed: 'session_ended' } as const

/** A session with the sockets that checked in as it. */
interface Bound {
  readonly session: Session
  readonly connections: Set<Connection>
}

/** Called once for each announcement to a mailbox; for doors which only hint that there is something new. */
export type MailWatcher = () => void

/**
 * The live connections of this instance: who reads which mailbox, and which sockets belong to which session. Writes
 * are gathered for one turn of the event loop; no timer is involved.
 */
export class Hub {
  /** Project, then client, to its readers. */
  #readers = new Map<string, Map<string, Subscription[]>>()
  #watchers = new Map<string, Map<string, Set<MailWatcher>>>()
  #by_connection = new Map<Connection, Subscription>()
  /** The sockets that checked in, by session, and the other way round. */
  #by_session = new Map<string, Bound>()
  /** Callers with a stream open that is no connection of the hub's. */
  readonly #streaming = new Set<Identity>()
  #sessions_of = new Map<Connection, Set<string>>()
  /** Those with something to write in this turn, each once. */
  #dirty: Subscription[] = []
  #notified = new Set<Connection>()
  #scheduled = false
  /** Readers who asked for receipts. */
  #receipt_readers = 0
  /** Whose readers were looked up last, and they: messages come in runs. */
  #last: (Address & { readonly readers: readonly Subscription[] | undefined }) | undefined

  constructor(private readonly report: (error: unknown) => void) {}

  get subscription_count(): number {
    return this.#by_connection.size
  }

  /** Projects with somebody who watches a mailbox. */
  get watcher_count(): number {
    return this.#watchers.size
  }

  /**
   * Counts a connection as its session's: it is closed when another session takes the address over, also where that happened
   * before the check-in was answered. A connection that has closed by then is not bound: nobody would unbind it.
   */
  bind(session: Session, connection: Connection): void {
    if (!connection.open) return
    if (session.ended) {
      connection.close(CLOSE_CODES[session.ended])
      return
    }
    const { session_id } = session
    const bound = this.#by_session.get(session_id)
    if (bound?.connections.has(connection)) return
    if (bound) bound.connections.add(connection)
    else this.#by_session.set(session_id, { session, connections: new Set([connection]) })
    const sessions = this.#sessions_of.get(connection)
    if (sessions) sessions.add(session_id)
    else this.#sessions_of.set(connection, new Set([session_id]))
  }

  #bound({ session_id }: Session): readonly Connection[] {
    return [...(this.#by_session.get(session_id)?.connections ?? [])]
  }

  #unbind(session_id: string, connection: Connection): void {
    const bound = this.#by_session.get(session_id)
    if (bound?.connections.delete(connection) && bound.connections.size === 0)
      this.#by_session.delete(session_id)
    const sessions = this.#sessions_of.get(connection)
    if (sessions?.delete(session_id) && sessions.size === 0) this.#sessions_of.delete(connection)
  }

  /** Counts the session of a caller as connected, for as long as its stream is open. @returns a function that ends it */
  streams(identity: Identity): () => void {
    this.#streaming.add(identity)
    return () => this.#streaming.delete(identity)
  }

  /** The sessions with an open connection here; some more than once. */
  *connected(): Generator<Session> {
    for (const { session } of this.#by_session.values()) yield session
    for (const { session } of this.#by_connection.values()) yield session
    for (const { session } of this.#streaming) if (session) yield session
  }

  /** The mailboxes that somebody watches over an open stream. */
  *watched(): Generator<Address> {
    for (const [project, clients] of this.#watchers)
      for (const client_id of clients.keys()) yield { project, client_id }
  }

  /** Who reads a mailbox in the name of this session. */
  #readingFor(session: Session): Subscription[] {
    const readers = this.#readers.get(session.project)?.get(session.client_id) ?? []
    return readers.filter((reader) => reader.session.session_id === session.session_id)
  }

  /** The connection is gone: ends its subscription and lets go of all that is kept of it. */
  leave(connection: Connection): void {
    this.unsubscribe(connection)
    for (const session_id of this.#sessions_of.get(connection) ?? []) this.#unbind(session_id, connection)
    this.#notified.delete(connection)
  }

  /**
   * Starts delivery; a connection reads one mailbox, so an earlier subscription of its own ends. Nothing is
   * delivered to one that has closed meanwhile.
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
    if (subscription.options.receipts) this.#receipt_readers++
    this.#markDirty(subscription)
  }

  unsubscribe(connection: Connection): void {
    const subscription = this.#by_connection.get(connection)
    if (!subscription) return
    subscription.close()
    this.#last = undefined
    if (subscription.options.receipts) this.#receipt_readers--
    this.#by_connection.delete(connection)
    const { project, client_id } = subscription.address
    const readers = this.#readers.get(project)?.get(client_id)
    readers?.splice(readers.indexOf(subscription), 1)
    if (readers?.length === 0) this.#readers.get(project)!.delete(client_id)
  }

  /** The session that a connection reads for, which need not be its own. */
  readingFor(connection: Connection): Session | undefined {
    return this.#by_connection.get(connection)?.session
  }

  /** Whether anybody asked to be told of acknowledgements. */
  get wantsReceipts(): boolean {
    return this.#receipt_readers > 0
  }

  /** Calls `watcher` whenever something new lies in a mailbox. @returns a function that ends it */
  watch(address: Address, watcher: MailWatcher): () => void {
    const clients = this.#watchers.get(address.project) ?? new Map<string, Set<MailWatcher>>()
    this.#watchers.set(address.project, clients)
    const watchers = clients.get(address.client_id) ?? new Set()
    clients.set(address.client_id, watchers)
    watchers.add(watcher)
    return () => {
      if (watchers.delete(watcher) && watchers.size === 0) clients.delete(address.client_id)
      if (clients.size === 0 && this.#watchers.get(address.project) === clients)
        this.#watchers.delete(address.project)
    }
  }

  /** Hands an announcement of the engine to those who read the mailbox here. */
  announced(announcement: Announcement): void {
    const readers = this.#readersOf(announcement)
    if (readers)
      for (const reader of readers) {
        reader.announced(announcement)
        this.#markDirty(reader)
      }
    if (this.#watchers.size === 0) return
    const watchers = this.#watchers.get(announcement.project)?.get(announcement.client_id)
    if (watchers) for (const watcher of watchers) watcher()
  }

  #readersOf({ project, client_id }: Address): readonly Subscription[] | undefined {
    const last = this.#last
    if (last?.client_id === client_id && last.project === project) return last.readers
    const readers = this.#readers.get(project)?.get(client_id)
    this.#last = { project, client_id, readers }
    return readers
  }

  /** Tells the readers of one mailbox of a receipt. */
  receipt(address: Address, json: string, failure: boolean): void {
    for (const reader of this.#readersOf(address) ?? [])
      if (failure || reader.options.receipts) this.#notify(reader, 'receipt', json)
  }

  /** Tells all in a project who asked for it of a session that came, fell silent or went. */
  sessionChanged(project: string, json: string): void {
    for (const reader of this.#by_connection.values())
      if (reader.options.sessions && reader.address.project === project) this.#notify(reader, 'session', json)
  }

  /** Parts a connection from a session that it ends itself: it stays open. */
  release(session: Session, connection: Connection): void {
    if (this.#by_connection.get(connection)?.session === session) this.unsubscribe(connection)
    this.#unbind(session.session_id, connection)
  }

  /** A session is over: closes what belonged to it, and says why. */
  ended(session: Session, end: SessionEnd): void {
    const reading = this.#readingFor(session).map(({ connection }) => connection)
    for (const connection of new Set([...reading, ...this.#bound(session)])) {
      this.leave(connection)
      connection.close(CLOSE_CODES[end])
    }
  }

  /** The transport takes more again. */
  drained(connection: Connection): void {
    const subscription = this.#by_connection.get(connection)
    if (subscription) this.#markDirty(subscription)
  }

  /** All flushed before the last probe has arrived. */
  confirmed(connection: Connection): void {
    this.#by_connection.get(connection)?.confirmed()
  }

  /**
   * Closes whoever has taken nothing for too long and confirms what has been quiet.
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
  }

  /** Notifications are hints: one that takes no more is not queued for. */
  #notify({ connection, stalled_ms }: Subscription, kind: 'receipt' | 'session', json: string): void {
    if (stalled_ms !== undefined) return
    connection.notify(kind, json)
    this.#notified.add(connection)
    this.#schedule()
  }

  #markDirty(subscription: Subscription): void {
    if (subscription.dirty) return
    subscription.dirty = true
    this.#dirty.push(subscription)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    const dirty = this.#dirty
    const notified = this.#notified
    this.#dirty = []
    if (notified.size > 0) this.#notified = new Set()
    for (const subscription of dirty) {
      subscription.dirty = false
      if (notified.size > 0) notified.delete(subscription.connection)
      try {
        const more = subscription.flush()
        if (more instanceof Promise)
          more
            .then((again) => this.#again(subscription, again))
            .catch((error) => this.#fail(subscription, error))
        else this.#again(subscription, more)
      } catch (error) {
        this.#fail(subscription, error)
      }
    }
    if (notified.size > 0) for (const connection of notified) connection.flush()
  }

  #again(subscription: Subscription, more: boolean): void {
    if (more && this.#by_connection.get(subscription.connection) === subscription)
      this.#markDirty(subscription)
  }

  #fail(subscription: Subscription, error: unknown): void {
    this.leave(subscription.connection)
    subscription.connection.close(error instanceof BrokerError ? error.code : 'internal')
    if (!(error instanceof BrokerError)) this.report(error)
  }
}

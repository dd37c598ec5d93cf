import type { Limits } from '../../core/limits.ts'
import { type Session, type SessionEnd, sessionStatus, statusChange } from '../../core/session.ts'
import type { Address, CheckedIn, Checkin, EngineEvents, SessionList, SessionPage } from '../engine.ts'
import { type Client, type Clients, isEmpty } from './clients.ts'
import { PLACED_MS } from './last-heard.ts'

export interface CheckinsOptions {
  readonly limits: Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A UUID for each session. */
  readonly newId: () => string
}

/** Addresses looked at to find one that can be forgotten for another. */
const LOOKED_AT_MAX = 64

/**
 * Whether nobody uses an address: its session is disconnected or gone, or it was only ever named as a
 * sender.
 */
function isAbsent(client: Client, now: number, limits: Limits): boolean {
  const status = client.status(now, limits)
  return status === 'disconnected' || status === 'unknown' || client.session?.sender_only === true
}

/** Which session holds which address, who owns it, and when each was last heard. */
export class Checkins {
  readonly #limits: Limits
  readonly #now: () => number
  #events!: EngineEvents

  /** @param release gives back the leases of a session that has ended */
  constructor(
    private readonly clients: Clients,
    private readonly options: CheckinsOptions,
    private readonly release: (client: Client) => void,
  ) {
    this.#limits = options.limits
    this.#now = options.now
    clients.makePlace = (project, now) => this.#makePlace(project, now)
  }

  start(events: EngineEvents): void {
    this.#events = events
  }

  checkin({ project, client_id, resume, join, key_id, name, capabilities }: Checkin): CheckedIn {
    const now = this.#now()
    const client = this.clients.open(project, client_id, now)
    if (!client) return { outcome: 'too_many_clients' }
    if (client.owned && client.owner !== key_id) return { outcome: 'not_owner' }
    client.owned = true
    client.owner = key_id
    const held = client.session
    const resumed = held !== undefined && (join !== undefined || held.session_id === resume)
    if (held && !resumed) this.end(held, 'replaced')
    const session = resumed ? held : this.#begin(client, join === 'sender', now)
    if (session.sender_only && join !== 'sender') this.clients.project(project).heard.noSender(session)
    if (name !== undefined) session.name = name
    if (capabilities !== undefined) session.capabilities = capabilities
    this.touch(session)
    this.clients.schedule(client, statusChange(session, 'active', this.#limits))
    return { outcome: 'ok', session, resumed, mailbox: client.mailbox_state }
  }

  #begin(client: Client, sender_only: boolean, now: number): Session {
    const session: Session = {
      session_id: this.options.newId(),
      client_id: client.client_id,
      project: client.project,
      name: undefined,
      capabilities: {},
      created_ms: now,
      last_seen_ms: now,
      sender_only,
      placed_ms: Number.NEGATIVE_INFINITY,
      told: 'disconnected',
      ended: undefined,
    }
    client.session = session
    this.clients.project(client.project).sessions.set(session.session_id, session)
    return session
  }

  find(project: string, session_id: string): Session | undefined {
    return this.clients.projects.get(project)?.sessions.get(session_id)
  }

  list(project: string, { limit, senders }: SessionPage): SessionList {
    const heard = this.clients.projects.get(project)?.heard
    if (!heard) return { sessions: [], total: 0 }
    return {
      sessions: heard.latest(limit, senders),
      total: senders ? heard.count : heard.count - heard.senders,
    }
  }

  ownedBy(address: Address, key_id: string | undefined): boolean {
    const client = this.clients.find(address)
    return !client?.owned || client.owner === key_id
  }

  touch(session: Session): void {
    const now = this.#now()
    session.last_seen_ms = now
    if (session.told === 'active' && now - session.placed_ms < PLACED_MS) return
    const client = this.clients.find(session)
    if (client?.session !== session) return
    session.placed_ms = now
    client.place = this.clients.project(session.project).heard.move(session, client.place)
    if (session.told === 'active') return
    session.told = 'active'
    this.clients.schedule(client, statusChange(session, 'active', this.#limits))
    this.#events.sessionChanged(session, 'active')
  }

  end(session: Session, end: SessionEnd): void {
    const client = this.clients.find(session)
    if (client?.session !== session) return
    const now = this.#now()
    client.idle_since_ms = now
    this.#over(client, session, end)
    this.release(client)
    this.clients.schedule(client, now + this.#limits.forget_seconds * 1000)
  }

  #over(client: Client, session: Session, end: SessionEnd): void {
    session.ended = end
    client.session = undefined
    const { sessions, heard } = this.clients.project(client.project)
    sessions.delete(session.session_id)
    if (client.place) heard.remove(client.place)
    client.place = undefined
    this.#events.sessionEnded(session, end)
  }

  /**
   * Announces the status of a session that has fallen silent.
   *
   * @returns when to look again, in milliseconds since the epoch
   */
  tellSilence(client: Client, now: number): number {
    const { session } = client
    if (!session) return Number.POSITIVE_INFINITY
    const status = sessionStatus(session, now, this.#limits)
    if (status !== session.told) {
      session.told = status
      this.#events.sessionChanged(session, status)
    }
    return statusChange(session, status, this.#limits)
  }

  /**
   * Forgets an address that was unused for long and that nothing is stored for.
   *
   * @returns when to look again, in milliseconds since the epoch
   */
  forget(client: Client, now: number): number {
    const due = this.clients.forgetDue(client, now)
    if (due > now) return due
    this.#letGo(client)
    return Number.POSITIVE_INFINITY
  }

  /**
   * Forgets one unused address that nothing is stored for, to make room. Looks at a few addresses, at
   * others each time.
   */
  #makePlace(project: string, now: number): boolean {
    const { clients } = this.clients.project(project)
    let looked = 0
    for (const client of clients.values()) {
      if (++looked > LOOKED_AT_MAX) return false
      if (isEmpty(client) && isAbsent(client, now, this.#limits)) {
        this.#letGo(client)
        return true
      }
      // It moves behind all others, so that the next search looks at those first.
      clients.delete(client.client_id)
      clients.set(client.client_id, client)
    }
    return false
  }

  #letGo(client: Client): void {
    this.clients.drop(client)
    if (client.session) this.#over(client, client.session, 'closed')
  }
}

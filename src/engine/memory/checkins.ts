import type { Limits } from '../../core/limits.ts'
import { type Session, type SessionEnd, sessionStatus, statusChange } from '../../core/session.ts'
import type { EngineEvents } from '../engine.ts'
import type { CheckedIn, Checkin, Heard } from '../values.ts'
import type { Client } from './client.ts'
import { type Clients, isEmpty } from './clients.ts'
import type { Effects } from './effects.ts'

export interface CheckinsOptions {
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A UUID for each session. */
  readonly newId: () => string
}

/** Addresses looked at to find one that can be forgotten for another. */
const LOOKED_AT_MAX = 64

/** Which session holds which address, who owns it, and when each was last heard. */
export class Checkins {
  #events!: EngineEvents

  /** @param release gives back the leases of a session that has ended */
  constructor(
    private readonly clients: Clients,
    private readonly options: CheckinsOptions,
    private readonly release: (client: Client) => void,
    private readonly effects?: Effects | undefined,
  ) {
    clients.makePlace = (project, now) => this.#makePlace(project, now)
  }

  start(events: EngineEvents): void {
    this.#events = events
  }

  checkin(checkin: Checkin): CheckedIn {
    const { project, client_id, resume, join, key_id } = checkin
    const now = this.options.now()
    const client = this.clients.open(project, client_id, now)
    if (!client) return { outcome: 'too_many_clients' }
    if (client.owned && client.owner !== key_id) return { outcome: 'not_owner' }
    client.owned = true
    client.owner = key_id
    const held = client.session
    const resumed = held !== undefined && (join !== undefined || held.session_id === resume)
    if (held && !resumed) this.#end(client, 'replaced')
    const session = resumed ? this.#goOn(client, held, checkin) : this.#begin(client, checkin, now)
    this.#heardAt(client, session, now)
    if (session !== held) this.effects?.changed(client)
    return { outcome: 'ok', session: client.session!, resumed, mailbox: client.mailbox.state }
  }

  #begin(client: Client, { join, name, capabilities = {} }: Checkin, now: number): Session {
    const { project, client_id } = client
    const session_id = this.options.newId()
    const { holders, holder_ids } = this.clients.project(project)
    holders.set(session_id, client)
    holder_ids.add(client_id)
    client.told = 'disconnected'
    const sender_only = join === 'sender'
    const times = { created_ms: now, last_seen_ms: now }
    return { session_id, client_id, project, name, capabilities, ...times, sender_only }
  }

  #goOn(client: Client, session: Session, { join, name, capabilities }: Checkin): Session {
    const sender_only = session.sender_only && join === 'sender'
    if (name === undefined && capabilities === undefined && sender_only === session.sender_only)
      return session
    if (session.sender_only && !sender_only) this.clients.project(client.project).heard.becameReader()
    return {
      ...session,
      name: name ?? session.name,
      capabilities: capabilities ?? session.capabilities,
      sender_only,
    }
  }

  /** Puts back a session that was written down. Nobody is told; it is silent until it is heard. */
  restore(client: Client, session: Session): void {
    const { holders, holder_ids, heard } = this.clients.project(client.project)
    holders.set(session.session_id, client)
    holder_ids.add(client.client_id)
    client.session = session
    client.told = sessionStatus(session, this.options.now(), this.options.limits(client.project))
    heard.move(client)
  }

  heard({ project, client_id, session_id, at_ms }: Heard): void {
    const client = this.clients.find({ project, client_id })
    const session = client?.session
    if (!session || session.session_id !== session_id || at_ms < session.last_seen_ms) return
    this.#heardAt(client!, session, at_ms)
  }

  #heardAt(client: Client, session: Session, at_ms: number): void {
    client.session = { ...session, last_seen_ms: at_ms }
    const { heard } = this.clients.project(client.project)
    heard.move(client)
    if (client.told === 'active') return
    client.told = 'active'
    const limits = this.options.limits(client.project)
    this.clients.schedule(client, statusChange(client.session, 'active', limits))
    this.#events.session(client.session, 'active')
  }

  /** Ends the session of a client, if it is the one that is named. */
  end(client: Client | undefined, session_id: string, end: SessionEnd): void {
    if (client?.session?.session_id !== session_id) return
    this.#end(client, end)
    this.effects?.changed(client)
  }

  #end(client: Client, end: SessionEnd): void {
    const now = this.options.now()
    client.idle_since_ms = now
    this.#over(client, end)
    this.release(client)
    const { forget_seconds } = this.options.limits(client.project)
    this.clients.schedule(client, now + forget_seconds * 1000)
  }

  #over(client: Client, end: SessionEnd): void {
    const session = client.session!
    const { holders, holder_ids, heard } = this.clients.project(client.project)
    heard.remove(client)
    holders.delete(session.session_id)
    holder_ids.delete(client.client_id)
    client.session = undefined
    this.#events.session(session, end)
  }

  /**
   * Announces the status of a session that has fallen silent.
   *
   * @returns when to look again, in milliseconds since the epoch
   */
  tellSilence(client: Client, now: number): number {
    const { session } = client
    if (!session) return Number.POSITIVE_INFINITY
    const limits = this.options.limits(client.project)
    const status = sessionStatus(session, now, limits)
    if (status !== client.told) {
      client.told = status
      this.#events.session(session, status)
    }
    return statusChange(session, status, limits)
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
    const limits = this.options.limits(project)
    let looked = 0
    for (const client of clients.values()) {
      if (++looked > LOOKED_AT_MAX) return false
      if (isEmpty(client) && isAbsent(client, now, limits)) {
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
    if (client.session) this.#over(client, 'closed')
  }
}

/**
 * Whether nobody uses an address: its session is disconnected or gone, or it was only ever named as a
 * sender.
 */
function isAbsent(client: Client, now: number, limits: Limits): boolean {
  const status = client.status(now, limits)
  return status === 'disconnected' || status === 'unknown' || client.session?.sender_only === true
}

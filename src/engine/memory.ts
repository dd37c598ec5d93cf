import { Deadlines } from '../core/deadlines.ts'
import {
  type AckMode,
  type Dead,
  type Delivery,
  type Entry,
  type Fallen,
  LEASED,
  PENDING,
} from '../core/entry.ts'
import type { Limits } from '../core/limits.ts'
import { Mailbox, type Meter } from '../core/mailbox.ts'
import { renewMessage, type StoredMessage } from '../core/message.ts'
import { type Position, safeOffset } from '../core/position.ts'
import {
  type Session,
  type SessionEnd,
  type SessionStatus,
  sessionStatus,
  statusChange,
} from '../core/session.ts'
import { DeadLetters } from './dead-letters.ts'
import type {
  Address,
  Appended,
  CheckedIn,
  Checkin,
  DeadLetter,
  Due,
  Engine,
  EngineEvents,
  EngineStats,
  Found,
  Health,
  History,
  MailboxState,
  Opened,
  Send,
  SendOutcome,
  Settle,
  Settled,
  Take,
  Taken,
} from './engine.ts'
import { PROBE, probeMessage } from './probe.ts'

/** All that is kept of one address. */
class Client {
  session: Session | undefined
  /** The status last told of, so that a change is told once. */
  told: SessionStatus = 'disconnected'
  /** The key that first checked in here. */
  owner: string | undefined
  owned = false
  idempotency: Map<string, { outcome: SendOutcome; until_ms: number }> | undefined
  /** When the engine next looks at it. */
  due_ms = Number.POSITIVE_INFINITY
  /** Since when nobody is there and nothing is stored. */
  idle_since_ms: number

  constructor(
    readonly project: string,
    readonly client_id: string,
    readonly mailbox: Mailbox,
    now: number,
  ) {
    this.idle_since_ms = now
  }
}

interface ProjectState {
  readonly clients: Map<string, Client>
  readonly sessions: Map<string, Session>
  readonly dead: DeadLetters
}

export interface MemoryEngineOptions {
  readonly limits: Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A UUID for each session. */
  readonly newId: () => string
  /** Names a mailbox's history; lower case letters and digits, from a CSPRNG. */
  readonly newEpoch: () => string
}

const DEADLINES_MIN = 64
const NO_DELIVERIES: readonly Delivery[] = []

/** Everything in this process, answered at once, and lost with it. */
export class MemoryEngine implements Engine {
  readonly stored = 'memory'
  #projects = new Map<string, ProjectState>()
  #meter: Meter = { bytes: 0 }
  #deadlines = new Deadlines<Client>()
  #deadlines_max = DEADLINES_MIN
  #events!: EngineEvents
  /** The probe that was announced last. */
  #probed: string | undefined
  readonly #limits: Limits
  readonly #now: () => number

  constructor(private readonly options: MemoryEngineOptions) {
    this.#limits = options.limits
    this.#now = options.now
  }

  start(events: EngineEvents): void {
    this.#events = events
  }

  stop(): void {
    this.#projects.clear()
  }

  /** Stores a message under an address of its own, sees it announced, and takes it out again. */
  health(): Health {
    const message = probeMessage(this.options.newId(), this.#now())
    const { outcome } = this.#store(PROBE.project, PROBE.client_id, message, this.#now())
    this.#find(PROBE)?.mailbox.dropOldest()
    if (outcome === 'storage_full')
      return {
        ok: false,
        detail: 'stored_bytes_max is reached: new messages are refused until some are read or expire.',
      }
    if (outcome !== 'stored') return { ok: false, detail: `A message could not be stored: ${outcome}.` }
    return this.#probed === message.message_id
      ? { ok: true }
      : { ok: false, detail: 'A message was stored, but not announced.' }
  }

  /** Deadlines held in memory, for the test that they are given back. */
  get deadline_count(): number {
    return this.#deadlines.size
  }

  stats(): EngineStats {
    const stats = {
      clients: 0,
      pending: 0,
      leased: 0,
      history: 0,
      dead_letters: 0,
      stored_bytes: this.#meter.bytes,
    }
    for (const [name, project] of this.#projects) {
      if (name === PROBE.project) continue
      stats.clients += project.clients.size
      stats.dead_letters += project.dead.count
      for (const { mailbox } of project.clients.values()) {
        stats.pending += mailbox.pending
        stats.leased += mailbox.leased
        stats.history += mailbox.history
      }
    }
    return stats
  }

  append(batch: readonly Send[]): SendOutcome[] {
    const now = this.#now()
    return batch.map((send) => this.#appendOne(send, now))
  }

  #appendOne(send: Send, now: number): SendOutcome {
    const { project, message, idempotency_key } = send
    const remembered =
      idempotency_key === undefined
        ? undefined
        : this.#remembered(project, message.sender_id, idempotency_key, now)
    if (remembered) return { ...remembered, repeated: true }
    const deliveries = send.recipients.map((recipient) => this.#store(project, recipient, message, now))
    const outcome = {
      message_id: message.message_id,
      expires_ms: message.expires_ms,
      repeated: false,
      deliveries,
    }
    if (idempotency_key !== undefined && deliveries.some(({ outcome }) => outcome === 'stored'))
      this.#remember(project, message.sender_id, idempotency_key, outcome, now)
    return outcome
  }

  #store(project: string, client_id: string, message: StoredMessage, now: number): Appended {
    const limits = this.#limits
    if (message.bytes > limits.mailbox_bytes_max) return { outcome: 'too_large' }
    if (this.#meter.bytes + message.bytes > limits.stored_bytes_max) {
      this.#find({ project, client_id })?.mailbox.makeRoom(message.bytes, limits)
      if (this.#meter.bytes + message.bytes > limits.stored_bytes_max)
        return { outcome: 'storage_full', retry_after_ms: RETRY_AFTER_MS_MAX }
    }
    const client = this.#client(project, client_id, now)
    if (!client) return { outcome: 'too_many_clients' }
    const { mailbox } = client
    let entry = mailbox.append(message, limits)
    if (!entry) {
      this.#sweepMailbox(client, now)
      entry = mailbox.append(message, limits)
    }
    while (!entry && limits.mailbox_overflow === 'drop_oldest') {
      const dropped = mailbox.dropOldest()
      if (!dropped) break
      this.#died(client, dropped, now)
      entry = mailbox.append(message, limits)
    }
    if (!entry) return { outcome: 'full', retry_after_ms: retryAfter(mailbox.next_due_ms - now) }
    this.#schedule(client, mailbox.next_due_ms)
    this.#announce(client, entry, false)
    if (client.session)
      return { outcome: 'stored', recipient_status: sessionStatus(client.session, now, limits) }
    return { outcome: 'stored', recipient_status: client.owned ? 'disconnected' : 'unknown' }
  }

  take(address: Address, take: Take): Taken {
    const client = this.#find(address)
    if (!client) return { deliveries: NO_DELIVERIES, epoch: '0', offset: 0, remaining: 0 }
    const now = this.#now()
    this.#sweepMailbox(client, now)
    const { mailbox } = client
    const deliveries = mailbox.take(take.limit, take.bytes_max, take.ack, now, this.#limits)
    if (take.ack === 'auto') for (const { message } of deliveries) this.#events.acknowledged(address, message)
    this.#schedule(client, mailbox.next_due_ms)
    return { deliveries, epoch: mailbox.epoch, offset: mailbox.settled_offset, remaining: mailbox.pending }
  }

  open(address: Address, after: { epoch: string; offset: number } | undefined, ack: AckMode): Opened {
    const now = this.#now()
    const client = this.#client(address.project, address.client_id, now)
    if (!client) throw new Error('open: the address must be checked in first')
    this.#sweepMailbox(client, now)
    const { mailbox } = client
    const recovered = after === undefined || mailbox.covers(after.epoch, after.offset)
    const from = recovered ? after?.offset : mailbox.evicted_through
    if (ack === 'auto' && recovered && after) this.#settleThrough(address, mailbox, after.offset)
    const position = mailbox.open(from)
    // Who only looks leaves everything pending: what its cursor covers it has seen.
    if (ack === 'none' && recovered && after) position.redeliver = []
    return { position, recovered, pending: mailbox.pending }
  }

  #settleThrough(address: Address, mailbox: Mailbox, offset: number): void {
    const read = mailbox.leasedEntries().filter((entry) => entry.offset <= offset && entry.cursor_acks)
    if (read.length > 0) this.settle(address, { offsets: read.map((entry) => entry.offset) })
  }

  read(address: Address, position: Position, take: Take): readonly Due[] {
    const client = this.#find(address)
    if (!client || client.mailbox.epoch !== position.epoch) return []
    const now = this.#now()
    this.#sweepMailbox(client, now)
    const { mailbox } = client
    const due: Due[] = []
    let bytes = 0
    while (due.length < take.limit && bytes < take.bytes_max) {
      const safe_before = safeOffset(position)
      const entry = mailbox.next(position)
      if (!entry) break
      const { message, attempts } = entry
      const fresh = entry.state === PENDING
      mailbox.deliver(entry, take.ack, entry.offset <= position.resumed_through, now, this.#limits)
      if (entry.attempts > attempts) entry.cursor_acks = entry.offset > safe_before
      due.push({ offset: entry.offset, message, attempt: entry.attempts, safe_offset: safeOffset(position) })
      bytes += message.bytes
      if (fresh && take.ack === 'auto') this.#events.acknowledged(address, message)
    }
    this.#schedule(client, mailbox.next_due_ms)
    return due
  }

  delivered(address: Address, offsets: readonly number[], ack: AckMode): void {
    const client = this.#find(address)
    if (!client) return
    const now = this.#now()
    for (const offset of offsets) {
      const entry = client.mailbox.entryAt(offset)
      if (entry?.state !== PENDING) continue
      const { message } = entry
      client.mailbox.deliver(entry, ack, false, now, this.#limits)
      entry.cursor_acks = true
      if (ack === 'auto') this.#events.acknowledged(address, message)
    }
    this.#schedule(client, client.mailbox.next_due_ms)
  }

  settle(address: Address, settle: Settle): Settled {
    const client = this.#find(address)
    if (!client) return { settled: 0, unknown: settle.message_ids ?? [] }
    const now = this.#now()
    this.#sweepMailbox(client, now)
    const { mailbox } = client
    const unknown: string[] = []
    let entries: Entry[]
    if (settle.message_ids) {
      entries = []
      for (const id of settle.message_ids) {
        const entry = mailbox.find(id)
        if (entry) entries.push(entry)
        else unknown.push(id)
      }
    } else if (settle.offsets) {
      entries = settle.offsets.flatMap((offset) => mailbox.entryAt(offset) ?? [])
    } else entries = mailbox.leasedEntries()
    let settled = 0
    const fallen: Fallen = { dead: [], released: [] }
    for (const entry of entries) {
      const { message } = entry
      if (settle.failed_delay_ms === undefined) {
        if (!mailbox.ack(entry, this.#limits)) continue
        settled++
        this.#events.acknowledged(address, message)
      } else if (entry.state === LEASED) {
        mailbox.fail(entry, settle.failed_delay_ms, now, this.#limits, fallen)
        settled++
      } else if (settle.message_ids) unknown.push(message.message_id)
    }
    this.#tell(client, fallen, now)
    return { settled, unknown }
  }

  history(
    address: Address,
    from: { after?: { epoch: string; offset: number } | undefined; since_ms?: number | undefined },
    limit: number,
    bytes_max: number,
  ): History {
    const client = this.#find(address)
    if (!client)
      return {
        deliveries: NO_DELIVERIES,
        recovered: from.after === undefined,
        epoch: '0',
        offset: 0,
        more: false,
      }
    const now = this.#now()
    this.#sweepMailbox(client, now)
    const { mailbox } = client
    const recovered = from.after === undefined || mailbox.covers(from.after.epoch, from.after.offset)
    let offset = recovered ? (from.after?.offset ?? 0) : mailbox.evicted_through
    const deliveries: Delivery[] = []
    let bytes = 0
    let more = false
    for (const entry of mailbox.after(offset)) {
      if (entry.message.sent_ms >= (from.since_ms ?? 0)) {
        bytes += entry.message.bytes
        if (deliveries.length === limit || (deliveries.length > 0 && bytes > bytes_max)) {
          more = true
          break
        }
        deliveries.push(deliveryOf(entry))
      }
      offset = entry.offset
    }
    return { deliveries, recovered, epoch: mailbox.epoch, offset: more ? offset : mailbox.last, more }
  }

  find(project: string, message_id: string): Found[] {
    const state = this.#projects.get(project)
    if (!state) return []
    const found: Found[] = []
    for (const { client_id, mailbox } of state.clients.values()) {
      const entry = mailbox.find(message_id)
      if (entry)
        found.push({
          recipient_id: client_id,
          message: entry.message,
          attempts: entry.attempts,
          state: entry.state,
        })
    }
    for (const { recipient_id, message, attempts, reason } of state.dead.find(message_id))
      found.push({ recipient_id, message, attempts, state: reason })
    return found
  }

  mailbox(address: Address): MailboxState | undefined {
    const client = this.#find(address)
    return client && mailboxState(client.mailbox)
  }

  listDeadLetters(
    project: string,
    filter: Parameters<Engine['listDeadLetters']>[1],
    limit: number,
  ): { letters: DeadLetter[]; total: number } {
    return this.#projects.get(project)?.dead.list(filter, limit) ?? { letters: [], total: 0 }
  }

  requeue(
    project: string,
    filter: Parameters<Engine['requeue']>[1],
  ): { requeued: string[]; refused: string[] } {
    const requeued: string[] = []
    const refused: string[] = []
    const now = this.#now()
    this.#projects.get(project)?.dead.drain(filter, ({ recipient_id, message }) => {
      const stored = this.#store(project, recipient_id, renewMessage(message, now), now).outcome === 'stored'
      ;(stored ? requeued : refused).push(message.message_id)
      return stored
    })
    return { requeued, refused }
  }

  checkin(checkin: Checkin): CheckedIn {
    const now = this.#now()
    const client = this.#client(checkin.project, checkin.client_id, now)
    if (!client) return { outcome: 'too_many_clients' }
    if (client.owned && client.owner !== checkin.key_id) return { outcome: 'not_owner' }
    client.owned = true
    client.owner = checkin.key_id
    const held = client.session
    const resumed = held !== undefined && (checkin.join || held.session_id === checkin.resume)
    if (held && !resumed) this.#end(client, held, 'replaced', now)
    const session = resumed ? held : this.#begin(client, now)
    if (checkin.name !== undefined) session.name = checkin.name
    if (checkin.capabilities !== undefined) session.capabilities = checkin.capabilities
    this.touch(session)
    this.#schedule(client, statusChange(session, 'active', this.#limits))
    return { outcome: 'ok', session, resumed, mailbox: mailboxState(client.mailbox) }
  }

  #begin(client: Client, now: number): Session {
    const session: Session = {
      session_id: this.options.newId(),
      client_id: client.client_id,
      project: client.project,
      name: undefined,
      capabilities: {},
      created_ms: now,
      last_seen_ms: now,
      ended: undefined,
    }
    client.session = session
    client.told = 'disconnected'
    this.#project(client.project).sessions.set(session.session_id, session)
    return session
  }

  session(project: string, session_id: string): Session | undefined {
    return this.#projects.get(project)?.sessions.get(session_id)
  }

  sessionOf(address: Address): Session | undefined {
    return this.#find(address)?.session
  }

  listSessions(project: string): Session[] {
    return [...(this.#projects.get(project)?.sessions.values() ?? [])]
  }

  clientIds(project: string): Iterable<string> {
    return this.#projects.get(project)?.clients.keys() ?? []
  }

  ownedBy(address: Address, key_id: string | undefined): boolean {
    const client = this.#find(address)
    return !client?.owned || client.owner === key_id
  }

  touch(session: Session): void {
    session.last_seen_ms = this.#now()
    const client = this.#find(session)
    if (client?.session !== session || client.told === 'active') return
    client.told = 'active'
    this.#schedule(client, statusChange(session, 'active', this.#limits))
    this.#events.sessionChanged(session, 'active')
  }

  endSession(session: Session, end: SessionEnd): void {
    const client = this.#find(session)
    if (client?.session === session) this.#end(client, session, end, this.#now())
  }

  #end(client: Client, session: Session, end: SessionEnd, now: number): void {
    client.idle_since_ms = now
    this.#over(client, session, end)
    this.settle(client, { failed_delay_ms: 0 })
    this.#schedule(client, now + this.#limits.forget_seconds * 1000)
  }

  #over(client: Client, session: Session, end: SessionEnd): void {
    session.ended = end
    client.session = undefined
    this.#project(client.project).sessions.delete(session.session_id)
    this.#events.sessionEnded(session, end)
  }

  sweep(): void {
    const now = this.#now()
    for (let client = this.#deadlines.popDue(now); client; client = this.#deadlines.popDue(now)) {
      if (client.due_ms > now) continue
      client.due_ms = Number.POSITIVE_INFINITY
      this.#sweepMailbox(client, now)
      const session_due = this.#sweepSession(client, now)
      const idempotency_due = this.#sweepIdempotency(client, now)
      const forget_due = this.#forget(client, now)
      this.#schedule(client, Math.min(client.mailbox.next_due_ms, session_due, idempotency_due, forget_due))
    }
  }

  #sweepSession(client: Client, now: number): number {
    const { session } = client
    if (!session) return Number.POSITIVE_INFINITY
    const status = sessionStatus(session, now, this.#limits)
    if (status !== client.told) {
      client.told = status
      this.#events.sessionChanged(session, status)
    }
    return statusChange(session, status, this.#limits)
  }

  #sweepIdempotency(client: Client, now: number): number {
    for (const [key, { until_ms }] of client.idempotency ?? []) {
      if (until_ms > now) return until_ms
      client.idempotency!.delete(key)
    }
    client.idempotency = undefined
    return Number.POSITIVE_INFINITY
  }

  /** Lets go of an address that nobody holds and nothing is stored for; answers when to look again. */
  #forget(client: Client, now: number): number {
    if (client.mailbox.retained > 0 || client.idempotency) return Number.POSITIVE_INFINITY
    const since = Math.max(client.session?.last_seen_ms ?? 0, client.idle_since_ms)
    const due = client.owned ? since + this.#limits.forget_seconds * 1000 : now
    if (due > now) return due
    this.#project(client.project).clients.delete(client.client_id)
    if (client.session) this.#over(client, client.session, 'closed')
    return Number.POSITIVE_INFINITY
  }

  #sweepMailbox(client: Client, now: number): void {
    const fallen = client.mailbox.sweep(now, this.#limits)
    if (fallen) this.#tell(client, fallen, now)
  }

  #tell(client: Client, fallen: Fallen, now: number): void {
    for (const dead of fallen.dead) this.#died(client, dead, now)
    // A bounce that came back to this very mailbox may have pushed it out.
    for (const entry of fallen.released) if (!entry.gone) this.#announce(client, entry, true)
    this.#schedule(client, client.mailbox.next_due_ms)
  }

  #died(client: Client, dead: Dead, now: number): void {
    const letter = { ...dead, project: client.project, recipient_id: client.client_id, dead_ms: now }
    this.#project(client.project).dead.add(letter, this.#limits)
    this.#events.died(letter)
  }

  #announce(client: Client, entry: Entry, redelivery: boolean): void {
    if (client.project === PROBE.project) {
      this.#probed = entry.message.message_id
      return
    }
    this.#events.announced({
      project: client.project,
      client_id: client.client_id,
      epoch: client.mailbox.epoch,
      offset: entry.offset,
      message: entry.message,
      attempt: entry.attempts + 1,
      redelivery,
    })
  }

  #remembered(project: string, sender_id: string, key: string, now: number): SendOutcome | undefined {
    const remembered = this.#find({ project, client_id: sender_id })?.idempotency?.get(key)
    return remembered && remembered.until_ms > now ? remembered.outcome : undefined
  }

  #remember(project: string, sender_id: string, key: string, outcome: SendOutcome, now: number): void {
    const client = this.#client(project, sender_id, now)
    if (!client) return
    client.idempotency ??= new Map()
    const until_ms = now + this.#limits.idempotency_seconds * 1000
    // Anew at the end: the oldest comes first.
    client.idempotency.delete(key)
    client.idempotency.set(key, { outcome, until_ms })
    if (client.idempotency.size > this.#limits.idempotency_keys_max)
      client.idempotency.delete(client.idempotency.keys().next().value!)
    this.#schedule(client, until_ms)
  }

  #schedule(client: Client, due_ms: number): void {
    if (due_ms >= client.due_ms) return
    client.due_ms = due_ms
    this.#deadlines.push(due_ms, client)
    if (this.#deadlines.size > this.#deadlines_max) this.#tidyDeadlines()
  }

  /** A deadline brought forward leaves the later one behind: begins anew before these are the most of it. */
  #tidyDeadlines(): void {
    this.#deadlines = new Deadlines()
    for (const { clients } of this.#projects.values())
      for (const client of clients.values())
        if (client.due_ms < Number.POSITIVE_INFINITY) this.#deadlines.push(client.due_ms, client)
    this.#deadlines_max = DEADLINES_MIN + 4 * this.#deadlines.size
  }

  #find(address: Address): Client | undefined {
    return this.#projects.get(address.project)?.clients.get(address.client_id)
  }

  #project(project: string): ProjectState {
    let state = this.#projects.get(project)
    if (!state) {
      state = { clients: new Map(), sessions: new Map(), dead: new DeadLetters(this.#meter) }
      this.#projects.set(project, state)
    }
    return state
  }

  /** Finds or makes what is kept of an address; undefined when there is no room for another. */
  #client(project: string, client_id: string, now: number): Client | undefined {
    const { clients } = this.#project(project)
    let client = clients.get(client_id)
    if (!client && clients.size < this.#limits.clients_max) {
      client = new Client(project, client_id, new Mailbox(this.options.newEpoch(), this.#meter), now)
      clients.set(client_id, client)
    }
    return client
  }
}

const RETRY_AFTER_MS_MIN = 100
const RETRY_AFTER_MS_MAX = 1000

/** A full mailbox empties when it is read, which nobody can foresee, or when something in it falls due. */
function retryAfter(due_in_ms: number): number {
  return Math.min(RETRY_AFTER_MS_MAX, Math.max(RETRY_AFTER_MS_MIN, due_in_ms))
}

function deliveryOf(entry: Entry): Delivery {
  return { offset: entry.offset, message: entry.message, attempt: entry.attempts }
}

function mailboxState(mailbox: Mailbox): MailboxState {
  const { epoch, settled_offset, last, pending, leased } = mailbox
  return { epoch, offset: settled_offset, last, pending, leased }
}

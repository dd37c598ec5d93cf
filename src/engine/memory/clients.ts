import { Deadlines } from '../../core/deadlines.ts'
import type { Limits, Meter } from '../../core/limits.ts'
import { Mailbox } from '../../core/mailbox/mailbox.ts'
import type { Staged } from '../../core/mailbox/staged.ts'
import { type RecipientStatus, type Session, sessionStatus } from '../../core/session.ts'
import type { Address, EngineStats, IdempotencyKey, MailboxState, Repeated, Sent } from '../engine.ts'
import { DeadLetters } from './dead-letters.ts'
import { LastHeard, type Place } from './last-heard.ts'
import { PROBE } from './probe.ts'

/** The send that first used an idempotency key. */
interface Remembered {
  readonly first: Sent
  readonly digest: string
  readonly until_ms: number
}

/** Everything kept of one address. */
export class Client {
  session: Session | undefined
  /** Its session's place among those of the project, by when each was heard. */
  place: Place | undefined
  /** The key that first checked in here. */
  owner: string | undefined
  owned = false
  idempotency: Map<string, Remembered> | undefined
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

  status(now: number, limits: Limits): RecipientStatus {
    if (this.session) return sessionStatus(this.session, now, limits)
    return this.owned ? 'disconnected' : 'unknown'
  }

  get mailbox_state(): MailboxState {
    const { epoch, settled_offset, last, pending, leased } = this.mailbox
    return { epoch, offset: settled_offset, last, pending, leased }
  }
}

export interface ProjectState {
  readonly clients: Map<string, Client>
  readonly sessions: Map<string, Session>
  readonly heard: LastHeard
  readonly dead: DeadLetters
}

const DEADLINES_MIN = 64
/** What a remembered idempotency key takes besides its own text, roughly. */
const KEY_BYTES = 512
const RECIPIENT_BYTES = 64

/** The addresses that an engine in this process knows, and when it must look at each. */
export class Clients {
  readonly meter: Meter = { bytes: 0, history_bytes: 0 }
  readonly projects = new Map<string, ProjectState>()
  #deadlines = new Deadlines<Client>()
  #deadlines_max = DEADLINES_MIN
  /** The one found last: messages for one address come in runs. */
  #last: Client | undefined
  readonly #rounds = this.#everyRound()

  constructor(
    private readonly limits: Limits,
    private readonly newEpoch: () => string,
  ) {}

  /**
   * Forgets an unused address early, to make room for another; false when it finds none. Set by
   * `checkins.ts`.
   */
  makePlace: (project: string, now: number) => boolean = () => false

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
      stored_bytes: this.meter.bytes,
    }
    for (const [name, { clients, dead }] of this.projects) {
      if (name === PROBE.project) continue
      stats.clients += clients.size
      stats.dead_letters += dead.count
      for (const { mailbox } of clients.values()) {
        stats.pending += mailbox.pending
        stats.leased += mailbox.leased
        stats.history += mailbox.history
      }
    }
    return stats
  }

  find({ project, client_id }: Address): Client | undefined {
    const last = this.#last
    if (last?.client_id === client_id && last.project === project) return last
    const found = this.projects.get(project)?.clients.get(client_id)
    if (found) this.#last = found
    return found
  }

  /** Removes an address. */
  drop(client: Client): void {
    this.project(client.project).clients.delete(client.client_id)
    this.#last = undefined
  }

  project(project: string): ProjectState {
    let state = this.projects.get(project)
    if (!state) {
      state = {
        clients: new Map(),
        sessions: new Map(),
        heard: new LastHeard(),
        dead: new DeadLetters(this.meter),
      }
      this.projects.set(project, state)
    }
    return state
  }

  /** Finds or makes an address; undefined when it is new and there is no room for it. */
  open(project: string, client_id: string, now: number): Client | undefined {
    const known = this.find({ project, client_id })
    if (known) return known
    const { clients } = this.project(project)
    if (clients.size >= this.limits.clients_max && !this.makePlace(project, now)) return undefined
    const client = new Client(project, client_id, new Mailbox(this.newEpoch(), this.meter), now)
    clients.set(client_id, client)
    return client
  }

  /** Whether `bytes` more would pass `stored_bytes_max`. */
  lacks(bytes: number): boolean {
    return this.meter.bytes + bytes > this.limits.stored_bytes_max
  }

  /**
   * Overwrites history until `bytes` more fit within `stored_bytes_max`, that of `first` before that of
   * others. Unacknowledged messages stay.
   *
   * @returns whether there is room
   */
  makeRoom(bytes: number, first: Address): boolean {
    this.find(first)?.mailbox.makeRoom(bytes, this.limits)
    while (this.lacks(bytes) && this.meter.history_bytes > 0)
      this.#rounds.next().value.mailbox.makeRoom(bytes, this.limits)
    return !this.lacks(bytes)
  }

  /** All clients, round and round, so that the same client's history is not always the first to go. */
  *#everyRound(): Generator<Client, never> {
    for (;;) for (const { clients } of this.projects.values()) yield* clients.values()
  }

  /** Has {@link popDue} answer the client at `due_ms` or earlier. */
  schedule(client: Client, due_ms: number): void {
    if (due_ms >= client.due_ms) return
    client.due_ms = due_ms
    this.#deadlines.push(due_ms, client)
    if (this.#deadlines.size > this.#deadlines_max) this.#tidyDeadlines()
  }

  /** A client that is due, which the caller must schedule again; undefined when there is none. */
  popDue(now: number): Client | undefined {
    for (let client = this.#deadlines.popDue(now); client; client = this.#deadlines.popDue(now)) {
      if (client.due_ms > now) continue
      client.due_ms = Number.POSITIVE_INFINITY
      return client
    }
    return undefined
  }

  /** Rebuilds the heap without outdated entries: a client scheduled earlier leaves its later one behind. */
  #tidyDeadlines(): void {
    this.#deadlines = new Deadlines()
    for (const { clients } of this.projects.values())
      for (const client of clients.values())
        if (client.due_ms < Number.POSITIVE_INFINITY) this.#deadlines.push(client.due_ms, client)
    this.#deadlines_max = DEADLINES_MIN + 4 * this.#deadlines.size
  }

  /** What came of the send that used this key before; undefined when none did within the window. */
  remembered(project: string, sender_id: string, key: string, now: number): Repeated | undefined {
    const remembered = this.find({ project, client_id: sender_id })?.idempotency?.get(key)
    if (!remembered || remembered.until_ms <= now) return undefined
    return { outcome: 'repeated', first: remembered.first, digest: remembered.digest }
  }

  remember(
    project: string,
    sender_id: string,
    { key, digest }: IdempotencyKey,
    first: Sent,
    now: number,
  ): void {
    const client = this.open(project, sender_id, now)
    if (!client) return
    client.idempotency ??= new Map()
    const until_ms = now + this.limits.idempotency_seconds * 1000
    // Deleted and set again, the key moves to the end: the map stays ordered by age.
    this.#dropKey(client.idempotency, key)
    client.idempotency.set(key, { first, digest, until_ms })
    this.meter.bytes += weight(key, first)
    if (client.idempotency.size > this.limits.idempotency_keys_max)
      this.#dropKey(client.idempotency, client.idempotency.keys().next().value!)
    this.schedule(client, until_ms)
  }

  /**
   * Forgets idempotency keys whose window is over.
   *
   * @returns when to look again, in milliseconds since the epoch
   */
  forgetKeys(client: Client, now: number): number {
    for (const [key, { until_ms }] of client.idempotency ?? []) {
      if (until_ms > now) return until_ms
      this.#dropKey(client.idempotency!, key)
    }
    client.idempotency = undefined
    return Number.POSITIVE_INFINITY
  }

  /** Forgets a key again whose send was undone. */
  forgetKey(project: string, sender_id: string, key: string, first: Sent): void {
    const client = this.find({ project, client_id: sender_id })
    if (client?.idempotency?.get(key)?.first !== first) return
    this.#dropKey(client.idempotency, key)
    if (client.idempotency.size === 0) client.idempotency = undefined
    // At the next sweep: the address may have been made for the key.
    this.schedule(client, 0)
  }

  #dropKey(keys: NonNullable<Client['idempotency']>, key: string): void {
    const remembered = keys.get(key)
    if (!remembered) return
    keys.delete(key)
    this.meter.bytes -= weight(key, remembered.first)
  }

  /**
   * When an address may be forgotten, in milliseconds since the epoch; Infinity while something is stored
   * for it.
   */
  forgetDue(client: Client, now: number): number {
    if (!isEmpty(client)) return Number.POSITIVE_INFINITY
    if (!client.owned) return now
    return (
      Math.max(client.session?.last_seen_ms ?? 0, client.idle_since_ms) + this.limits.forget_seconds * 1000
    )
  }
}

function weight(key: string, { recipients }: Sent): number {
  return key.length + KEY_BYTES + recipients.length * RECIPIENT_BYTES
}

/** Whether nothing is stored for an address: no message, staged or not, no history, no idempotency key. */
export function isEmpty({ mailbox, staged, idempotency }: Client): boolean {
  return mailbox.retained === 0 && !staged?.count && idempotency === undefined
}

import { Deadlines } from '../../core/deadlines.ts'
import type { Limits } from '../../core/limits.ts'
import type { MailboxEffects } from '../../core/mailbox/effects.ts'
import { Mailbox } from '../../core/mailbox/mailbox.ts'
import type { EngineMeter, Meter } from '../../core/mailbox/meter.ts'
import type { Address, EngineStats, IdempotencyKey, Repeated, Sent } from '../values.ts'
import { Client, type Remembered } from './client.ts'
import { DeadLetters } from './dead-letters.ts'
import type { Effects } from './effects.ts'
import { LastHeard } from './last-heard.ts'
import { OrderedIds } from './ordered-ids.ts'
import { PROBE } from './probe.ts'

/** Everything kept of one project. */
export class ProjectState {
  readonly clients = new Map<string, Client>()
  readonly client_ids = new OrderedIds()
  /** By session id. */
  readonly holders = new Map<string, Client>()
  readonly holder_ids = new OrderedIds()
  readonly heard = new LastHeard()
  readonly meter: Meter
  readonly dead: DeadLetters

  constructor(engine: EngineMeter) {
    this.meter = { engine, histories: new Set() }
    this.dead = new DeadLetters(this.meter)
  }
}

const DEADLINES_MIN = 64
/** What a remembered idempotency key takes besides its own text, roughly. */
const KEY_BYTES = 512
const RECIPIENT_BYTES = 64

/** The addresses that an engine in this process knows, and when it must look at each. */
export class Clients {
  readonly meter: EngineMeter = { bytes: 0 }
  readonly projects = new Map<string, ProjectState>()
  #deadlines = new Deadlines<Client>()
  #deadlines_max = DEADLINES_MIN
  /** The one found last: messages for one address come in runs. */
  #last: Client | undefined

  constructor(
    private readonly limits: (project: string) => Limits,
    private readonly newEpoch: () => string,
    private readonly effects?: Effects | undefined,
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

  /** @param project undefined counts all */
  stats(project: string | undefined): EngineStats {
    const stats = { clients: 0, pending: 0, leased: 0, history: 0, dead_letters: 0 }
    let stored_bytes = 0
    for (const [name, { clients, dead }] of this.projects) {
      if (project === undefined ? name === PROBE.project : name !== project) continue
      stats.clients += clients.size
      stats.dead_letters += dead.count
      stored_bytes += dead.bytes
      for (const { mailbox, bytes } of clients.values()) {
        stats.pending += mailbox.pending
        stats.leased += mailbox.leased
        stats.history += mailbox.history
        stored_bytes += bytes
      }
    }
    return { ...stats, stored_bytes }
  }

  find({ project, client_id }: Address): Client | undefined {
    const last = this.#last
    if (last?.client_id === client_id && last.project === project) return last
    const found = this.projects.get(project)?.clients.get(client_id)
    if (found) this.#last = found
    return found
  }

  /**
   * Removes an address. One that was removed before has a deadline still: a client that has come in its
   * place stays.
   */
  drop(client: Client): void {
    const { project, client_id } = client
    const state = this.project(project)
    if (state.clients.get(client_id) !== client) return
    state.clients.delete(client_id)
    state.client_ids.delete(client_id)
    this.#last = undefined
    if (project !== PROBE.project) this.effects?.forgotten(client, state.dead)
  }

  project(project: string): ProjectState {
    let state = this.projects.get(project)
    if (!state) {
      state = new ProjectState(this.meter)
      this.projects.set(project, state)
    }
    return state
  }

  /** Finds or makes an address; undefined when it is new and there is no room for it. */
  open(project: string, client_id: string, now: number): Client | undefined {
    const known = this.find({ project, client_id })
    if (known) return known
    const { clients_max } = this.limits(project)
    if (this.project(project).clients.size >= clients_max && !this.makePlace(project, now)) return undefined
    return this.make(project, client_id, this.newEpoch(), now)
  }

  /**
   * Makes an address, whatever the bounds.
   *
   * @param idle_since_ms milliseconds since the epoch
   * @param effects for an address that is written down already
   */
  make(
    project: string,
    client_id: string,
    epoch: string,
    idle_since_ms: number,
    effects?: MailboxEffects,
  ): Client {
    const { clients, client_ids, meter } = this.project(project)
    const client = new Client(project, client_id, new Mailbox(epoch, meter), idle_since_ms)
    clients.set(client_id, client)
    client_ids.add(client_id)
    if (effects) client.mailbox.effects = effects
    else if (project !== PROBE.project) client.mailbox.effects = this.effects?.opened(client)
    return client
  }

  /** Whether `bytes` more would pass `stored_bytes_max`. */
  lacks(bytes: number, { stored_bytes_max }: Limits): boolean {
    return this.meter.bytes + bytes > stored_bytes_max
  }

  /** Bytes that would be left with all history overwritten. Takes as long as there are histories. */
  bytesWithoutHistory(): number {
    let left = this.meter.bytes
    for (const { meter } of this.projects.values()) for (const { bytes } of meter.histories) left -= bytes
    return left
  }

  /**
   * Overwrites history until `bytes` more fit within `stored_bytes_max`: that of the recipient, then that of
   * its project, then that of others. Unacknowledged messages stay.
   *
   * @returns whether there is room
   */
  makeRoom(bytes: number, recipient: Address, limits: Limits): boolean {
    const lacking = () => this.lacks(bytes, limits)
    this.find(recipient)?.mailbox.makeRoom(lacking)
    if (lacking()) this.#makeRoomIn(this.project(recipient.project), lacking)
    for (const project of this.projects.values()) {
      if (!lacking()) break
      this.#makeRoomIn(project, lacking)
    }
    return !lacking()
  }

  #makeRoomIn({ meter: { histories } }: ProjectState, lacking: () => boolean): void {
    for (const history of histories) {
      if (!lacking()) return
      history.makeRoom(lacking)
      // What is left of it moves behind the others, so that it is not always the first to go.
      if (histories.delete(history)) histories.add(history)
    }
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

  /** @returns where the key is kept; undefined when there is no room for the sender's address */
  remember(
    project: string,
    sender_id: string,
    { key, digest }: IdempotencyKey,
    first: Sent,
    now: number,
  ): { sender: Client; kept: Remembered } | undefined {
    const sender = this.open(project, sender_id, now)
    if (!sender) return undefined
    const until_ms = now + this.limits(project).idempotency_seconds * 1000
    const kept = { first, digest, until_ms }
    this.keep(sender, key, kept)
    return { sender, kept }
  }

  keep(client: Client, key: string, kept: Remembered): void {
    const { idempotency_keys_max } = this.limits(client.project)
    client.idempotency ??= new Map()
    // Deleted and set again, the key moves to the end: the map stays ordered by age.
    this.#dropKey(client, key)
    client.idempotency.set(key, kept)
    this.#weigh(client, weight(key, kept.first))
    if (client.idempotency.size > idempotency_keys_max)
      this.#dropKey(client, client.idempotency.keys().next().value!)
    this.schedule(client, kept.until_ms)
  }

  /**
   * Forgets idempotency keys whose window is over.
   *
   * @returns when to look again, in milliseconds since the epoch
   */
  forgetKeys(client: Client, now: number): number {
    for (const [key, { until_ms }] of client.idempotency ?? []) {
      if (until_ms > now) return until_ms
      this.#dropKey(client, key)
    }
    client.idempotency = undefined
    return Number.POSITIVE_INFINITY
  }

  /** Forgets a key again whose send was undone. */
  forgetKey(client: Client, key: string, kept: Remembered): void {
    if (client.idempotency?.get(key) !== kept) return
    this.#dropKey(client, key)
    if (client.idempotency.size === 0) client.idempotency = undefined
    // At the next sweep: the address may have been made for the key.
    this.schedule(client, 0)
  }

  #dropKey(client: Client, key: string): void {
    const remembered = client.idempotency?.get(key)
    if (!remembered) return
    client.idempotency!.delete(key)
    this.#weigh(client, -weight(key, remembered.first))
  }

  #weigh(client: Client, bytes: number): void {
    client.key_bytes += bytes
    this.meter.bytes += bytes
  }

  /**
   * When an address may be forgotten, in milliseconds since the epoch; Infinity while something is stored
   * for it.
   */
  forgetDue(client: Client, now: number): number {
    if (!isEmpty(client)) return Number.POSITIVE_INFINITY
    if (!client.owned) return now
    const { session, idle_since_ms, project } = client
    return Math.max(session?.last_seen_ms ?? 0, idle_since_ms) + this.limits(project).forget_seconds * 1000
  }
}

function weight(key: string, { recipients }: Sent): number {
  return key.length + KEY_BYTES + recipients.length * RECIPIENT_BYTES
}

/** Whether nothing is stored for an address: no message, staged or not, no history, no idempotency key. */
export function isEmpty({ mailbox, staged, idempotency }: Client): boolean {
  return mailbox.retained === 0 && !staged?.count && idempotency === undefined
}

import type { Limits } from '../../core/limits.ts'
import {
  type AckMode,
  type Dead,
  type Delivery,
  type Due,
  type Entry,
  type Fallen,
  LEASED,
  type Take,
} from '../../core/mailbox/entry.ts'
import type { Mailbox } from '../../core/mailbox/mailbox.ts'
import type { Position } from '../../core/mailbox/position.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'
import { renewMessage, type StoredMessage } from '../../core/message.ts'
import type { Session, SessionEnd } from '../../core/session.ts'
import type {
  Address,
  Appended,
  CheckedIn,
  Checkin,
  DeadLetter,
  Engine,
  EngineEvents,
  EngineStats,
  Found,
  Health,
  HistoryPage,
  IdempotencyKey,
  MailboxState,
  Opened,
  Repeated,
  Requeued,
  RequeueNext,
  Sent,
  SessionList,
  SessionPage,
  Settle,
  Settled,
  Taken,
} from '../engine.ts'
import { STORED } from '../engine.ts'
import { Checkins, type CheckinsOptions } from './checkins.ts'
import { type Client, Clients } from './clients.ts'
import { findIn, settledBy } from './find.ts'
import { historyPage } from './history-page.ts'
import { appendOverOldest, retryAfter } from './overflow.ts'
import { healthOf, PROBE, probeMessage } from './probe.ts'
import { Staging, type StagingOptions } from './staging.ts'

export interface MemoryEngineOptions extends CheckinsOptions, StagingOptions {
  /** Makes the name of a mailbox's history: lower-case letters and digits, from a CSPRNG. */
  readonly newEpoch: () => string
}

const NO_DELIVERIES: readonly Delivery[] = []
/** How long one sweep may hold up everything else. */
const SWEEP_MS_MAX = 50

/** Keeps everything in this process, answers at once, and loses all with the process. */
export class MemoryEngine implements Engine {
  readonly stored = 'memory'
  readonly flushes: boolean
  readonly #clients: Clients
  readonly #checkins: Checkins
  readonly #staging: Staging | undefined
  #events!: EngineEvents
  /** Id of the probe that was announced last. */
  #probed: string | undefined
  readonly #limits: Limits
  readonly #now: () => number

  constructor(private readonly options: MemoryEngineOptions) {
    this.#limits = options.limits
    this.#now = options.now
    this.#clients = new Clients(options.limits, options.newEpoch)
    this.#checkins = new Checkins(this.#clients, options, (client) => this.#giveBack(client))
    this.flushes = options.commit !== undefined
    this.#staging = Staging.of(options, this.#clients, {
      advance: (client, now) => this.#advance(client, now),
      published: (client, entry, dropped) => this.#published(client, entry, dropped),
    })
  }

  start(events: EngineEvents): void {
    this.#events = events
    this.#checkins.start(events)
  }

  stop(): void {
    this.#clients.projects.clear()
  }

  /** Stores a message under an address of its own, checks that it was announced, and removes it. */
  health(): Health {
    const message = probeMessage(this.options.newId(), this.#now())
    const { outcome } = this.#store(PROBE.project, PROBE.client_id, message, this.#now())
    this.#clients.find(PROBE)?.mailbox.dropOldest()
    return healthOf(outcome, this.#probed === message.message_id)
  }

  flush(): MaybePromise<void> {
    return this.#staging?.flush()
  }

  stats(): EngineStats {
    return this.#clients.stats()
  }

  append(
    project: string,
    message: StoredMessage,
    recipient_id: string,
    key: IdempotencyKey | undefined,
  ): Appended | Repeated {
    if (key === undefined) return this.#store(project, recipient_id, message, this.#now())
    const sent = this.#storeAll(project, [recipient_id], message, key)
    return sent.outcome === 'repeated' ? sent : sent.deliveries[0]!
  }

  appendToMany(
    project: string,
    message: StoredMessage,
    recipients: readonly string[],
    key: IdempotencyKey | undefined,
  ): Sent | Repeated {
    return this.#storeAll(project, recipients, message, key)
  }

  #storeAll(
    project: string,
    recipients: readonly string[],
    message: StoredMessage,
    key: IdempotencyKey | undefined,
  ): Sent | Repeated {
    const now = this.#now()
    const { message_id, sender_id, expires_ms, broadcast } = message
    if (key !== undefined) {
      const first = this.#clients.remembered(project, sender_id, key.key, now)
      if (first) return this.#staging?.repeated(first) ?? first
    }
    const deliveries: Appended[] = []
    for (const recipient_id of recipients) deliveries.push(this.#store(project, recipient_id, message, now))
    const sent: Sent = { outcome: 'sent', broadcast, message_id, expires_ms, recipients, deliveries }
    if (key !== undefined && deliveries.some(({ outcome }) => outcome === 'stored')) {
      this.#clients.remember(project, sender_id, key, sent, now)
      this.#staging?.keyed(project, sender_id, key, sent)
    }
    return sent
  }

  /** @param attempts deliveries so far, for a message that is requeued; undefined for a new one */
  #store(
    project: string,
    client_id: string,
    message: StoredMessage,
    now: number,
    attempts?: number,
  ): Appended {
    const limits = this.#limits
    if (message.bytes > limits.mailbox_bytes_max) return { outcome: 'too_large' }
    if (this.#clients.lacks(message.bytes) && !this.#clients.makeRoom(message.bytes, { project, client_id }))
      return { outcome: 'storage_full', retry_after_ms: retryAfter(Number.POSITIVE_INFINITY) }
    const client = this.#clients.open(project, client_id, now)
    if (!client) return { outcome: 'too_many_clients' }
    if (this.#staging && project !== PROBE.project)
      return this.#staging.append(client, message, now, attempts)
    const { mailbox } = client
    let entry = mailbox.append(message, limits, attempts)
    if (!entry) {
      this.#advance(client, now)
      entry = mailbox.append(message, limits, attempts)
    }
    let dropped: Dead[] | undefined
    if (!entry) {
      dropped = []
      entry = appendOverOldest(mailbox, message, limits, dropped, attempts ?? 0)
    }
    if (!entry) return { outcome: 'full', retry_after_ms: retryAfter(mailbox.next_due_ms - now) }
    this.#clients.schedule(client, mailbox.next_due_ms)
    this.#published(client, entry, dropped)
    return STORED[client.status(now, limits)]
  }

  #published(client: Client, entry: Entry, dropped: readonly Dead[] | undefined): void {
    this.#announce(client, entry, false)
    // Told only now: a bounce into this very mailbox must not take the room that was made.
    if (dropped) for (const dead of dropped) this.#died(client, dead, this.#now())
  }

  take(address: Address, take: Take): Taken {
    const client = this.#clients.find(address)
    if (!client) return { deliveries: NO_DELIVERIES, epoch: '0', offset: 0, remaining: 0 }
    const now = this.#now()
    this.#advance(client, now)
    const { mailbox } = client
    const deliveries = mailbox.take(take, now, this.#limits)
    if (take.ack === 'auto') for (const { message } of deliveries) this.#events.acknowledged(address, message)
    this.#clients.schedule(client, mailbox.next_due_ms)
    return { deliveries, epoch: mailbox.epoch, offset: mailbox.settled_offset, remaining: mailbox.pending }
  }

  open(address: Address, after: { epoch: string; offset: number } | undefined, ack: AckMode): Opened {
    const now = this.#now()
    const client = this.#clients.open(address.project, address.client_id, now)
    if (!client) throw new Error('open: the address must be checked in first')
    this.#advance(client, now)
    const { mailbox } = client
    const recovered = after === undefined || mailbox.covers(after.epoch, after.offset)
    const from = recovered ? after?.offset : mailbox.evicted_through
    if (ack === 'auto' && recovered && after) this.#acknowledgeThrough(address, mailbox, after.offset, now)
    const position = mailbox.open(from)
    // A client that only peeks leaves messages pending: those before its cursor it has seen.
    if (ack === 'none' && recovered && after) position.redeliver = []
    return { position, recovered, pending: mailbox.pending }
  }

  #acknowledgeThrough(address: Address, mailbox: Mailbox, offset: number, now: number): void {
    for (const entry of mailbox.readThrough(offset)) {
      const { message } = entry
      mailbox.ack(entry, now, this.#limits)
      this.#events.acknowledged(address, message)
    }
  }

  /** Makes pending again what a session that has ended had leased. */
  #giveBack(client: Client): void {
    const now = this.#now()
    this.#advance(client, now)
    this.#tell(client, { dead: [], released: client.mailbox.giveBack() }, now)
  }

  read(address: Address, position: Position, take: Take): readonly Due[] {
    const client = this.#clients.find(address)
    position.lapped = !client || client.mailbox.epoch !== position.epoch || client.mailbox.laps(position)
    if (!client || position.lapped) return []
    client.announced = false
    const now = this.#now()
    this.#advance(client, now)
    const due = client.mailbox.read(position, take, now, this.#limits)
    if (take.ack === 'auto')
      for (const { message, acknowledged } of due)
        if (acknowledged) this.#events.acknowledged(address, message)
    this.#clients.schedule(client, client.mailbox.next_due_ms)
    return due
  }

  settle(address: Address, settle: Settle): Settled {
    const client = this.#clients.find(address)
    if (!client) return { settled: 0, unknown: settle.message_ids ?? [] }
    const now = this.#now()
    this.#advance(client, now)
    const { mailbox } = client
    const { entries, acknowledged, unknown } = settledBy(mailbox, settle)
    let settled = 0
    const fallen: Fallen = { dead: [], released: [] }
    for (const entry of entries) {
      const { message } = entry
      if (settle.failed_delay_ms === undefined) {
        if (!mailbox.ack(entry, now, this.#limits)) continue
        settled++
        this.#events.acknowledged(address, message)
      } else if (entry.state === LEASED) {
        mailbox.nack(entry, settle.failed_delay_ms, now, this.#limits, fallen)
        settled++
      } else if (settle.message_ids) unknown.push(message.message_id)
    }
    // An acknowledged message is known, but not leased.
    if (settle.failed_delay_ms !== undefined) unknown.push(...acknowledged)
    this.#tell(client, fallen, now)
    return { settled, unknown }
  }

  history(
    address: Address,
    from: Parameters<Engine['history']>[1],
    limit: number,
    bytes_max: number,
  ): HistoryPage {
    const client = this.#clients.find(address)
    if (client) {
      this.#advance(client, this.#now())
      return historyPage(client.mailbox, from, limit, bytes_max)
    }
    return { deliveries: NO_DELIVERIES, recovered: !from.after, epoch: '0', offset: 0, more: false }
  }

  find(project: string, message_id: string, recipient_id?: string): Found[] {
    const state = this.#clients.projects.get(project)
    return state ? findIn(state, message_id, recipient_id) : []
  }

  mailbox(address: Address): MailboxState | undefined {
    return this.#clients.find(address)?.mailbox_state
  }

  listDeadLetters(
    project: string,
    filter: Parameters<Engine['listDeadLetters']>[1],
    limit: number,
  ): { letters: DeadLetter[]; total: number } {
    return this.#clients.projects.get(project)?.dead.list(filter, limit) ?? { letters: [], total: 0 }
  }

  requeue(project: string, filter: Parameters<Engine['requeue']>[1], from?: RequeueNext): Requeued {
    const now = this.#now()
    const dead = this.#clients.projects.get(project)?.dead
    if (!dead) return { requeued: [], refused: [], next: undefined }
    const take = ({ recipient_id, message, attempts }: DeadLetter) =>
      this.#store(project, recipient_id, renewMessage(message, now), now, attempts).outcome === 'stored'
    return dead.drain(filter, from, take, (letters) => this.#staging?.drained(dead, letters))
  }

  checkin(checkin: Checkin): CheckedIn {
    return this.#checkins.checkin(checkin)
  }

  session(project: string, session_id: string): Session | undefined {
    return this.#checkins.find(project, session_id)
  }

  sessionOf(address: Address): Session | undefined {
    return this.#clients.find(address)?.session
  }

  listSessions(project: string, page: SessionPage): SessionList {
    return this.#checkins.list(project, page)
  }

  clientIds(project: string): Iterable<string> {
    return this.#clients.projects.get(project)?.clients.keys() ?? []
  }

  ownedBy(address: Address, key_id: string | undefined): boolean {
    return this.#checkins.ownedBy(address, key_id)
  }

  touch(session: Session): void {
    this.#checkins.touch(session)
  }

  endSession(session: Session, end: SessionEnd): void {
    this.#checkins.end(session, end)
  }

  sweep(): void {
    const now = this.#now()
    const began_ms = performance.now()
    // The next tick does the rest. Readers do not notice: a read advances its mailbox first.
    while (performance.now() - began_ms < SWEEP_MS_MAX) {
      const client = this.#clients.popDue(now)
      if (!client) break
      this.#advance(client, now)
      const session_due = this.#checkins.tellSilence(client, now)
      const idempotency_due = this.#clients.forgetKeys(client, now)
      const forget_due = this.#checkins.forget(client, now)
      this.#clients.schedule(
        client,
        Math.min(client.mailbox.next_due_ms, session_due, idempotency_due, forget_due),
      )
    }
  }

  #advance(client: Client, now: number): void {
    const fallen = client.mailbox.advance(now, this.#limits)
    if (fallen) this.#tell(client, fallen, now)
  }

  #tell(client: Client, fallen: Fallen, now: number): void {
    for (const dead of fallen.dead) this.#died(client, dead, now)
    // A bounce into this very mailbox may have pushed the entry out.
    for (const entry of fallen.released) if (!entry.gone) this.#announce(client, entry, true)
    this.#clients.schedule(client, client.mailbox.next_due_ms)
  }

  #died(client: Client, dead: Dead, now: number): void {
    const letter = { ...dead, project: client.project, recipient_id: client.client_id, dead_ms: now }
    this.#clients.project(client.project).dead.add(letter, this.#limits)
    this.#events.died(letter)
  }

  #announce(client: Client, entry: Entry, redelivery: boolean): void {
    if (client.project === PROBE.project) {
      this.#probed = entry.message.message_id
      return
    }
    // A reader that was told before reads everything that has come since.
    if (client.announced && !redelivery && !this.#events.wants_each) return
    client.announced = true
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
}

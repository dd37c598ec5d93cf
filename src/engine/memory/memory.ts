import type { Cursor } from '../../core/cursor.ts'
import type { Limits } from '../../core/limits.ts'
import {
  type Acked,
  type AckMode,
  type DeadLetter,
  type Fallen,
  LEASED,
  type Take,
} from '../../core/mailbox/entry.ts'
import type { Mailbox } from '../../core/mailbox/mailbox.ts'
import type { Position } from '../../core/mailbox/position.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'
import { renewMessage, type StoredMessage } from '../../core/message.ts'
import type { SessionEnd } from '../../core/session.ts'
import type { Engine, EngineEvents } from '../engine.ts'
import type {
  Address,
  Appended,
  CheckedIn,
  Checkin,
  ClientState,
  ClientsPage,
  DeadFilter,
  EngineStats,
  Found,
  Health,
  Heard,
  History,
  IdempotencyKey,
  Opened,
  Page,
  Read,
  Repeated,
  Requeued,
  Rewrite,
  Rewritten,
  Sent,
  Settle,
  Settled,
  Stored,
  Variant,
} from '../values.ts'
import { Checkins, type CheckinsOptions } from './checkins.ts'
import type { Client } from './client.ts'
import { Clients } from './clients.ts'
import type { Effects } from './effects.ts'
import { historyPage } from './history-page.ts'
import { Mailroom } from './mailroom.ts'
import { clientsPage, findPage } from './pages.ts'
import { healthOf, PROBE, probeMessage } from './probe.ts'
import { MemoryRecords } from './records.ts'
import { rewritten } from './rewritten.ts'
import { settledBy } from './settled-by.ts'
import type { StagingOptions } from './staging.ts'

export interface MemoryEngineOptions extends CheckinsOptions, StagingOptions {
  /** Makes the name of a mailbox's history: lower-case letters and digits, from a CSPRNG. */
  readonly newEpoch: () => string
  /** Told of all changes that no commit can undo. */
  readonly effects?: Effects | undefined
  /** Throws StorageFailed where a change to a record could not be written. Absent: it always can. */
  readonly mustWrite?: (() => void) | undefined
}

/** How long one sweep may hold up everything else. */
const SWEEP_MS_MAX = 50

/** Keeps everything in this process, answers at once, and loses all with the process. */
export class MemoryEngine implements Engine {
  readonly stored: Stored = 'memory'
  readonly flushes: boolean
  readonly records: MemoryRecords
  protected readonly addresses: Clients
  protected readonly checkins: Checkins
  #events!: EngineEvents
  readonly #limits: (project: string) => Limits
  readonly #now: () => number
  protected readonly mailroom: Mailroom

  constructor(private readonly options: MemoryEngineOptions) {
    this.#limits = options.limits
    this.#now = options.now
    const { effects } = options
    this.records = new MemoryRecords((kind, project, id, version) => {
      effects?.record(kind, project, id, version, this.records.valueOf(kind, project, id, version))
      this.#events.record(kind, project, id, version)
    }, options.mustWrite)
    this.addresses = new Clients(options.limits, options.newEpoch, effects)
    this.mailroom = new Mailroom(this.addresses, options, effects)
    this.flushes = options.commit !== undefined
    const giveBack = (client: Client) => this.mailroom.giveBack(client)
    this.checkins = new Checkins(this.addresses, options, giveBack, effects)
  }

  start(events: EngineEvents): void {
    this.#events = events
    this.mailroom.events = events
    this.checkins.start(events)
  }

  stop(): void {
    this.addresses.projects.clear()
  }

  /** Stores a message under an address of its own, checks that it was announced, and removes it. */
  health(): Health {
    const message = probeMessage(this.options.newId(), this.#now())
    const { outcome } = this.mailroom.store(PROBE.project, PROBE.client_id, message, this.#now())
    this.addresses.find(PROBE)?.mailbox.dropOldest()
    return healthOf(outcome, this.mailroom.probed === message.message_id)
  }

  stats(project?: string): EngineStats {
    return this.addresses.stats(project)
  }

  flush(): MaybePromise<void> {
    return this.mailroom.staging?.flush()
  }

  append(
    project: string,
    message: StoredMessage,
    recipient_id: string,
    key?: IdempotencyKey,
  ): Appended | Repeated {
    if (key === undefined) return this.mailroom.store(project, recipient_id, message, this.#now())
    const sent = this.appendToMany(project, [{ message, recipients: [recipient_id] }], key)
    return sent.outcome === 'repeated' ? sent : sent.deliveries[0]!
  }

  appendToMany(project: string, variants: readonly Variant[], key?: IdempotencyKey): Sent | Repeated {
    const now = this.#now()
    const { message_id, sender_id, expires_ms, broadcast } = variants[0]!.message
    if (key !== undefined) {
      const first = this.repeated(project, sender_id, key.key)
      if (first) return first
    }
    const recipients: string[] = []
    const deliveries: Appended[] = []
    for (const { message, recipients: some } of variants)
      for (const recipient_id of some) {
        recipients.push(recipient_id)
        deliveries.push(this.mailroom.store(project, recipient_id, message, now))
      }
    const sent: Sent = { outcome: 'sent', broadcast, message_id, expires_ms, recipients, deliveries }
    if (key !== undefined && deliveries.some(({ outcome }) => outcome === 'stored')) {
      const kept = this.addresses.remember(project, sender_id, key, sent, now)
      if (kept) this.mailroom.staging?.keyed(kept.sender, key.key, kept.kept)
    }
    return sent
  }

  repeated(project: string, sender_id: string, key: string): Repeated | undefined {
    const first = this.addresses.remembered(project, sender_id, key, this.#now())
    return first && (this.mailroom.staging?.repeated(first) ?? first)
  }

  open(
    address: Address,
    after: Cursor | undefined,
    ack: AckMode,
    session_id: string | undefined,
  ): Opened | SessionEnd {
    const now = this.#now()
    const known = this.addresses.find(address)
    const ended = endOf(known, session_id)
    if (ended) return ended
    const client = known ?? this.addresses.open(address.project, address.client_id, now)
    if (!client) throw new Error('open: the address must be checked in first')
    // Made for this call, it is forgotten at the next sweep, unless something comes for it by then.
    if (!known) this.addresses.schedule(client, now)
    this.mailroom.advance(client, now)
    this.mailroom.buryAll()
    const { mailbox } = client
    const recovered = after === undefined || mailbox.covers(after.epoch, after.offset)
    const from = recovered ? after?.offset : mailbox.evicted_through
    if (ack === 'auto' && recovered && after)
      this.#acknowledgeThrough(address, client.mailbox, after.offset, now)
    // A client that only peeks leaves messages pending: those before its cursor it has seen.
    const position = mailbox.open(from, ack === 'none' && !(recovered && after))
    return { position, recovered, pending: mailbox.pending, changes: mailbox.changes }
  }

  #acknowledgeThrough(address: Address, mailbox: Mailbox, offset: number, now: number): void {
    const acked: Acked[] = []
    for (const entry of mailbox.entries.readThrough(offset)) {
      acked.push(entry.message)
      mailbox.ack(entry, now, this.#limits(address.project))
    }
    if (acked.length > 0) this.#events.acknowledged(address, acked)
  }

  read(address: Address, position: Position | undefined, take: Take): Read | SessionEnd {
    const client = this.addresses.find(address)
    const ended = endOf(client, take.session_id)
    if (ended) return ended
    if (!client) return { ...NOTHING_READ, position, lapped: position !== undefined }
    const { mailbox } = client
    const now = this.#now()
    // First of all: this may overwrite what the reader is due.
    this.mailroom.advance(client, now)
    this.mailroom.buryAll()
    if (position && (mailbox.epoch !== position.epoch || mailbox.laps(position)))
      return { ...mailbox.state, due: [], position, lapped: true }
    const limits = this.#limits(address.project)
    let due: Read['due']
    let after: Position | undefined
    if (position) {
      client.announced = false
      const read = mailbox.read(position, take, now, limits)
      due = read.due
      after = read.position
    } else due = mailbox.take(take, now, limits)
    if (take.ack === 'auto' && due.length > 0) this.#acknowledgedIn(address, due)
    this.addresses.schedule(client, mailbox.next_due_ms)
    const { epoch, settled_offset: offset, pending, changes } = mailbox
    return { due, position: after, lapped: false, epoch, offset, pending, changes }
  }

  #acknowledgedIn(address: Address, due: Read['due']): void {
    const acked: Acked[] = []
    for (const { message, acknowledged } of due) if (acknowledged) acked.push(message)
    if (acked.length > 0) this.#events.acknowledged(address, acked)
  }

  settle(address: Address, settle: Settle): Settled | SessionEnd {
    const client = this.addresses.find(address)
    const ended = endOf(client, settle.session_id)
    if (ended) return ended
    if (!client) return { settled: 0, unknown: settle.message_ids ?? [] }
    const now = this.#now()
    this.mailroom.advance(client, now)
    const { mailbox } = client
    const limits = this.#limits(address.project)
    const { failed_delay_ms, message_ids } = settle
    const { entries, acknowledged, unknown } = settledBy(mailbox, settle)
    let settled = 0
    if (failed_delay_ms === undefined) {
      const acked: Acked[] = []
      for (const entry of entries) {
        const { message } = entry
        if (mailbox.ack(entry, now, limits)) acked.push(message)
      }
      settled = acked.length
      if (settled > 0) this.#events.acknowledged(address, acked)
    } else {
      const fallen: Fallen = { dead: [], released: [] }
      for (const entry of entries) {
        const { message_id } = entry.message
        if (entry.state === LEASED) {
          mailbox.nack(entry, failed_delay_ms, now, limits, fallen)
          settled++
        } else if (message_ids) unknown.push(message_id)
      }
      // An acknowledged message is known, but not leased.
      unknown.push(...acknowledged)
      this.mailroom.fell(client, fallen, now)
    }
    this.addresses.schedule(client, mailbox.next_due_ms)
    this.mailroom.buryAll()
    return { settled, unknown }
  }

  history(
    address: Address,
    from: Parameters<Engine['history']>[1],
    limit: number,
    bytes_max: number,
  ): History {
    const client = this.addresses.find(address)
    if (client) {
      this.mailroom.advance(client, this.#now())
      this.mailroom.buryAll()
      return historyPage(client.mailbox, from, limit, bytes_max)
    }
    const recovered = from.after === undefined
    return { deliveries: [], recovered, epoch: '0', offset: 0, more: false }
  }

  rewrite(address: Address, rewrite: Rewrite): Rewritten {
    const client = this.addresses.find(address)
    if (!client) return { outcomes: rewrite.messages.map(() => 'gone'), bytes: 0 }
    this.mailroom.advance(client, this.#now())
    this.mailroom.buryAll()
    return rewritten(client, this.addresses, rewrite, this.#limits(address.project))
  }

  find(project: string, message_id: string, page: Parameters<Engine['find']>[2]): Page<Found> {
    const state = this.addresses.projects.get(project)
    return state ? findPage(state, message_id, page) : { items: [], next: undefined }
  }

  dead(
    project: string,
    filter: DeadFilter,
    { after, limit }: Parameters<Engine['dead']>[2],
  ): Page<DeadLetter> & { total: number } {
    const dead = this.addresses.projects.get(project)?.dead
    return dead?.list(filter, after, limit) ?? { items: [], next: undefined, total: 0 }
  }

  requeue(project: string, filter: DeadFilter, from?: string): Requeued {
    const now = this.#now()
    const dead = this.addresses.projects.get(project)?.dead
    if (!dead) return { requeued: [], refused: [], next: undefined }
    const take = ({ recipient_id, message, attempts }: DeadLetter) => {
      const renewed = renewMessage(message, now)
      return this.mailroom.store(project, recipient_id, renewed, now, attempts).outcome === 'stored'
    }
    const { staging } = this.mailroom
    return dead.drain(filter, from, take, (letters) => staging?.drained(project, dead, letters))
  }

  checkin(checkin: Checkin): CheckedIn {
    return this.checkins.checkin(checkin)
  }

  end(address: Address, session_id: string, end: SessionEnd): void {
    this.checkins.end(this.addresses.find(address), session_id, end)
  }

  client(
    project: string,
    by: { readonly client_id: string } | { readonly session_id: string },
  ): ClientState | undefined {
    const client =
      'client_id' in by
        ? this.addresses.find({ project, client_id: by.client_id })
        : this.addresses.projects.get(project)?.holders.get(by.session_id)
    return client?.state(this.#now(), this.#limits(project))
  }

  clients(project: string, page: ClientsPage): Page<ClientState> & { total?: number } {
    const state = this.addresses.projects.get(project)
    if (!state) return { items: [], next: undefined, total: 0 }
    return clientsPage(state, page, this.#now(), this.#limits(project))
  }

  heard(sessions: readonly Heard[]): void {
    for (const heard of sessions) this.checkins.heard(heard)
  }

  /** Everything is told here anyway. */
  follow(): void {}

  sweep(): void {
    const now = this.#now()
    const began_ms = performance.now()
    // The next tick does the rest. Readers do not notice: a read advances its mailbox first.
    while (performance.now() - began_ms < SWEEP_MS_MAX) {
      const client = this.addresses.popDue(now)
      if (!client) break
      this.mailroom.advance(client, now)
      this.mailroom.buryAll()
      const session_due = this.checkins.tellSilence(client, now)
      const idempotency_due = this.addresses.forgetKeys(client, now)
      const forget_due = this.checkins.forget(client, now)
      this.addresses.schedule(
        client,
        Math.min(client.mailbox.next_due_ms, session_due, idempotency_due, forget_due),
      )
    }
  }
}

const NOTHING_READ = { due: [], epoch: '0', offset: 0, pending: 0, changes: 0 }

/** How a session ended that no longer holds an address; undefined while it does, or where none is named. */
function endOf(client: Client | undefined, session_id: string | undefined): SessionEnd | undefined {
  if (session_id === undefined || client?.session?.session_id === session_id) return undefined
  return client?.session ? 'replaced' : 'closed'
}

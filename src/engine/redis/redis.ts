import type { Cursor } from '../../core/cursor.ts'
import type { Limits } from '../../core/limits.ts'
import type { Acked, AckMode, DeadLetter, Take } from '../../core/mailbox/entry.ts'
import type { Position } from '../../core/mailbox/position.ts'
import type { StoredMessage } from '../../core/message.ts'
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
  Latest,
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
import { AddressIndex } from './addresses/address-index.ts'
import { DueIndex, nextLook } from './addresses/due-index.ts'
import { Holders } from './addresses/holders.ts'
import { Lists } from './addresses/lists.ts'
import { RedisFailed } from './connection/failures.ts'
import type { EngineConnection } from './connection/redis-connection.ts'
import type { AppendOnce } from './dead-letters/appending.ts'
import { DeadLetters } from './dead-letters/dead-letters.ts'
import { Outboxes } from './dead-letters/outbox.ts'
import { Recovery } from './dead-letters/recovery.ts'
import { Requeues } from './dead-letters/requeues.ts'
import { FanOut } from './fan-out/fan-out.ts'
import type { Noted } from './mailbox/calls.ts'
import { Lanes } from './mailbox/lanes.ts'
import { Mailboxes } from './mailboxes.ts'
import { Presence } from './presence.ts'
import { RedisRecords } from './records/records.ts'
import { Sends } from './sends/sends.ts'
import { Usage } from './usage.ts'

export interface RedisEngineOptions {
  readonly connection: EngineConnection
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch, by the clock of all instances. */
  readonly now: () => number
  readonly newId: () => string
  readonly newEpoch: () => string
  /** Names this process. */
  readonly instance: string
  readonly report: (trouble: unknown) => void
}

/** Keeps everything in Redis, where many processes share it. */
export class RedisEngine implements Engine {
  readonly stored: Stored = 'redis'
  /** An answer comes when what it says is stored. */
  readonly flushes = false
  readonly records: RedisRecords
  #events!: EngineEvents
  readonly #fan_out: FanOut
  readonly #lanes: Lanes
  readonly #mailboxes: Mailboxes
  readonly #sends: Sends
  readonly #holders: Holders
  readonly #lists: Lists
  readonly #dead_letters: DeadLetters
  readonly #outboxes: Outboxes
  readonly #requeues: Requeues
  readonly #recovery: Recovery
  readonly #due: DueIndex
  readonly #usage: Usage
  readonly #presence: Presence
  /** As they were known last. */
  #totals = { ...NO_TOTALS, instances: 1 }
  #sweeping = false

  constructor(private readonly options: RedisEngineOptions) {
    const { connection, instance, limits, now, newEpoch, report } = options
    const { run, command, prefix } = connection
    const publish = () => connection.publish
    connection.listener = this
    this.records = new RedisRecords({
      run,
      prefix,
      instance,
      changed: (...change) => this.#fan_out.record(...change),
    })
    this.#fan_out = new FanOut({
      command,
      prefix,
      publish,
      instance,
      report,
      listen: (channel, on) => connection.listen(channel, on),
      events: () => this.#events,
    })
    this.#lanes = new Lanes({
      run,
      prefix,
      publish,
      instance,
      now,
      limits,
      noted: (address, noted) => this.#noted(address, noted),
    })
    const lanes = this.#lanes
    const index = new AddressIndex({ run, command, prefix })
    this.#due = new DueIndex({ run, command, prefix, instance })
    this.#dead_letters = new DeadLetters({ run, prefix, instance, limits, now })
    this.#holders = new Holders({
      lanes,
      index,
      due: this.#due,
      limits,
      now,
      newId: options.newId,
      newEpoch,
      session: (session, status) => this.#fan_out.session(session, status),
    })
    this.#lists = new Lists({ command, prefix, lanes, index, dead_letters: this.#dead_letters, limits, now })
    this.#presence = new Presence({ command, prefix, instance, now })
    this.#usage = new Usage({ command, prefix, limits, now, lists: this.#lists, lanes })
    this.#sends = new Sends({ lanes, holders: this.#holders, usage: this.#usage, limits, now, newEpoch })
    const dead_letters = this.#dead_letters
    const append: AppendOnce = async ({ project, client_id }, message, attempts, as) =>
      (await this.#sends.store(project, message, client_id, attempts, undefined, as)).outcome === 'stored'
    this.#requeues = new Requeues({
      dead_letters,
      append: (address, ...message) => this.#buriedAt(address, append(address, ...message)),
      begin: (project) => this.#recovery.begin(project),
      now,
      grown: (bytes) => this.#usage.grew(bytes),
    })
    const requeues = this.#requeues
    this.#recovery = new Recovery({ due: this.#due, dead_letters, requeues, instance, now })
    this.#outboxes = new Outboxes({
      run,
      prefix,
      report,
      dead_letters,
      append,
      died: (letter, bounced) => this.#fan_out.died(letter, bounced),
      buried: (project, grown) => {
        this.#usage.grew(grown)
        this.#recovery.marked(project)
      },
      // An address that only had this is to be forgotten.
      emptied: (address) => this.#due.note(address, now()),
    })
    this.#mailboxes = new Mailboxes({
      lanes,
      newEpoch,
      acknowledged: (address, messages: readonly Acked[]) => {
        this.#usage.read()
        this.#fan_out.acknowledged(address, messages)
      },
      takePlace: (address) => this.#holders.takePlace(address),
      made: (address) => this.#holders.made(address),
      makeRoom: (address) => this.#usage.makeRoom(address, 0),
      room: (project) => this.#usage.room(project),
    })
  }

  #noted(address: Address, noted: Noted): void {
    const { dying, published, grown } = noted
    this.#usage.grew(grown)
    this.#due.note(address, nextLook(noted, this.options.now()))
    if (published !== '') this.#fan_out.announce(address, published)
    if (dying > 0) this.#outboxes.drain(address)
  }

  /** Ends when what a call had die at some addresses is buried, or that has failed. */
  async #buried<T>(call: Promise<T>, project: string, ...client_ids: readonly string[]): Promise<T> {
    const answer = await call
    for (const client_id of client_ids) {
      const address = { project, client_id }
      let burying = this.#outboxes.buried(address)
      for (let passes = 0; burying && passes < PASSES_MAX; passes++) {
        await burying
        burying = this.#outboxes.buried(address)
      }
    }
    return answer
  }

  #buriedAt<T>({ project, client_id }: Address, call: Promise<T>): Promise<T> {
    return this.#buried(call, project, client_id)
  }

  async start(events: EngineEvents): Promise<void> {
    this.#events = events
    await this.options.connection.start()
    await this.#usage.start()
  }

  stop(): void {
    this.options.connection.stop()
  }

  health(): Health {
    const { faults } = this.options.connection
    if (faults.length > 0) return { ok: false, detail: faults.join(' ') }
    return this.#usage.lacks(PROBE_BYTES, '') ? { ok: false, detail: FULL } : { ok: true }
  }

  async stats(project?: string): Promise<EngineStats> {
    if (project !== undefined) return this.#lists.stats(project)
    const { stats } = this.options.connection
    try {
      if (stats.up) this.#totals = { ...(await this.#lists.stats()), instances: await this.#presence.count() }
    } catch (error) {
      if (!(error instanceof RedisFailed && error.told)) throw error
    }
    const { instances, ...totals } = this.#totals
    return { ...totals, redis: { ...stats, instances } }
  }

  /** What is answered is stored. */
  flush(): void {}

  append(
    project: string,
    message: StoredMessage,
    recipient_id: string,
    key?: IdempotencyKey,
  ): Promise<Appended | Repeated> {
    return this.#buried(this.#sends.append(project, message, recipient_id, key), project, recipient_id)
  }

  appendToMany(
    project: string,
    variants: readonly Variant[],
    key?: IdempotencyKey,
  ): Promise<Sent | Repeated> {
    const recipients = variants.flatMap(({ recipients }) => recipients)
    return this.#buried(this.#sends.appendToMany(project, variants, key), project, ...recipients)
  }

  repeated(project: string, sender_id: string, key: string): Promise<Repeated | undefined> {
    return this.#sends.repeated(project, sender_id, key)
  }

  open(
    address: Address,
    after: Cursor | undefined,
    ack: AckMode,
    session_id: string | undefined,
  ): Promise<Opened | SessionEnd> {
    return this.#buriedAt(address, this.#mailboxes.open(address, after, ack, session_id))
  }

  read(address: Address, position: Position | undefined, take: Take): Promise<Read | SessionEnd> {
    return this.#buriedAt(address, this.#mailboxes.read(address, position, take))
  }

  settle(address: Address, settle: Settle): Promise<Settled | SessionEnd> {
    return this.#buriedAt(address, this.#mailboxes.settle(address, settle))
  }

  history(
    address: Address,
    from: Parameters<Engine['history']>[1],
    limit: number,
    bytes_max: number,
  ): Promise<History> {
    return this.#buriedAt(address, this.#mailboxes.history(address, from, limit, bytes_max))
  }

  rewrite(address: Address, rewrite: Rewrite): Promise<Rewritten> {
    return this.#buriedAt(address, this.#mailboxes.rewrite(address, rewrite))
  }

  find(project: string, message_id: string, page: Parameters<Engine['find']>[2]): Promise<Page<Found>> {
    return this.#lists.find(project, message_id, page)
  }

  dead(
    project: string,
    filter: DeadFilter,
    page: Parameters<Engine['dead']>[2],
  ): Promise<Page<DeadLetter> & { readonly total: number }> {
    return this.#dead_letters.list(project, filter, page)
  }

  requeue(project: string, filter: DeadFilter, from?: string): Promise<Requeued> {
    return this.#requeues.requeue(project, filter, from)
  }

  checkin(checkin: Checkin): Promise<CheckedIn> {
    return this.#buriedAt(checkin, this.#holders.checkin(checkin))
  }

  end(address: Address, session_id: string, end: SessionEnd): Promise<void> {
    return this.#buriedAt(address, this.#holders.end(address, session_id, end))
  }

  client(
    project: string,
    by: { readonly client_id: string } | { readonly session_id: string },
  ): Promise<ClientState | undefined> {
    return this.#lists.client(project, by)
  }

  clients(project: string, page: ClientsPage): Promise<Page<ClientState> & { readonly total?: number }> {
    return this.#lists.page(project, page)
  }

  heard(sessions: readonly Heard[]): void {
    for (const heard of sessions) this.#holders.heard(heard).catch(this.options.report)
  }

  follow(address: Address, on: boolean): void {
    this.#fan_out.follow(address, on)
  }

  latest(addresses: readonly Address[]): Promise<Latest[]> {
    return this.#fan_out.latest(addresses)
  }

  /** A text was published on a channel that is listened to. */
  received(channel: string, text: string): void {
    this.#fan_out.received(channel, text)
  }

  /** What was published for a while was lost. */
  missed(): void {
    this.#events.missed()
  }

  #sweepAt(address: Address): Promise<void> {
    return this.#recovery.concerns(address) ? this.#recovery.sweep(address) : this.#holders.sweep(address)
  }

  async sweep(): Promise<void> {
    this.options.connection.tick()
    this.#presence.tick()
    this.#usage.tick()
    // One that waits for Redis does what is due then.
    if (this.#sweeping) return
    this.#sweeping = true
    try {
      for (let round = 0; round < SWEEPS_MAX; round++) {
        const addresses = await this.#due.claim(this.options.now())
        if (addresses.length === 0) return
        await Promise.all(addresses.map((address) => this.#buriedAt(address, this.#sweepAt(address))))
      }
    } catch (error) {
      this.options.report(error)
    } finally {
      this.#sweeping = false
    }
  }
}

/** So long a call waits for what it had die at one address; mail may go on dying there. */
const PASSES_MAX = 20
/** What is due by then is left to the next tick. */
const SWEEPS_MAX = 4

const NO_TOTALS = { clients: 0, pending: 0, leased: 0, history: 0, dead_letters: 0, stored_bytes: 0 }

/** A message is hardly smaller. */
const PROBE_BYTES = 200
const FULL = 'stored_bytes_max is reached: new messages are refused until some are read or expire.'

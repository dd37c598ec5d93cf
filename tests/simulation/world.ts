import { expect } from 'bun:test'
import type { Broker, SubscribeResult } from '../../src/broker/broker.ts'
import { type Call, type Command, runCommand } from '../../src/broker/command.ts'
import { COMMANDS_BY_NAME } from '../../src/broker/commands/index.ts'
import { BrokerError, StorageFailed } from '../../src/core/errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../../src/core/limits.ts'
import type { MaybePromise } from '../../src/core/maybe-promise.ts'
import { type Message, PRIORITIES } from '../../src/core/message.ts'
import { Agent, type Style } from './agent.ts'
import { newIdentity } from './identity.ts'
import { type Accepted, type Change, Ledger } from './ledger.ts'
import { newBroker } from './new-broker.ts'
import { Random } from './random.ts'
import { rewriteSome } from './rewriting.ts'
import { MemoryStorage, type Storage } from './storage.ts'
import { Wire } from './wire.ts'

const STYLES: readonly Style[] = [
  { reads: 'live', ack: 'auto', confirms: true },
  { reads: 'live', ack: 'auto', confirms: false },
  { reads: 'live', ack: 'manual', confirms: true },
  { reads: 'live', ack: 'manual', confirms: false },
  { reads: 'poll', ack: 'auto', confirms: false },
  { reads: 'poll', ack: 'manual', confirms: false },
]
/** What a client has to expect of any call. */
const REFUSALS: ReadonlySet<string> = new Set(['mailbox_full', 'storage_full', 'storage_unavailable'])
/** So many turns after an engine has done all, the broker has done what it was told. */
const QUIET_TURNS = 12

/** A whole broker, its clock, and clients that behave as networks and people do. */
export class World<S extends Storage = Storage> {
  readonly random: Random
  readonly agents: Agent[]
  readonly limits: Limits
  readonly ledger: Ledger
  readonly storage: S
  broker: Broker
  now = Date.UTC(2026, 0, 31, 12)
  protected readonly one_rank: boolean
  readonly #faults: unknown[] = []
  slow_readers = 0
  takeovers = 0
  #steps = 0

  /**
   * @param makeStorage is given the world, which has no broker yet
   * @param limits settled beforehand; the seed chooses the others
   */
  constructor(seed: number, makeStorage: (world: World<S>) => S, limits: Partial<Limits> = {}) {
    this.random = new Random(seed)
    this.one_rank = this.random.chance(0.5)
    this.limits = {
      ...DEFAULT_LIMITS,
      mailbox_messages_max: this.random.pick([8, 40, 1024]),
      mailbox_overflow: this.random.pick(['reject', 'reject', 'drop_oldest']),
      attempts_max: this.random.between(2, 6),
      lease_seconds: this.random.pick([10, 60]),
      ...limits,
    }
    this.ledger = new Ledger(
      (client_id, message_id) => this.agent(client_id)?.released(message_id),
      (change, known) => this.changed(change, known),
    )
    this.agents = STYLES.map((style, i) => new Agent(`agent-${i}`, style))
    this.storage = makeStorage(this)
    this.broker = this.newBroker()
  }

  /** A broker over the engine that the storage has at present. */
  protected newBroker(): Broker {
    const { engine } = this.storage
    const { limits, clock: now } = this
    const report = (fault: unknown) => {
      if (fault instanceof StorageFailed || this.storage.dead || this.storage.engine !== engine) return
      this.#faults.push(fault)
    }
    return newBroker({ engine, limits, now, report })
  }

  /** A world in memory. */
  static inMemory(seed: number, limits?: Partial<Limits>): World<MemoryStorage> {
    const storage = ({ random, limits, ledger, clock }: World<MemoryStorage>) =>
      new MemoryStorage(random, limits, clock, ledger)
    return new World(seed, storage, limits)
  }

  /** The time of the world. */
  readonly clock = (): number => this.now

  /** Something has happened to a message that was accepted. */
  protected changed(_change: Change, _known: Accepted): void {}

  protected agent(client_id: string): Agent | undefined {
    return this.agents.find((agent) => agent.client_id === client_id)
  }

  async run(steps: number): Promise<void> {
    await this.perform(() => this.broker.start())
    for (const agent of this.agents) await this.connect(agent, false)
    for (let i = 0; i < steps; i++) {
      await this.step()
      if (this.random.chance(0.6)) await this.turn()
    }
    await this.drain()
    this.reckon()
  }

  /** Sends so many messages to one that is away, and answers how many reach it when it comes back. */
  async backlog(count: number): Promise<number> {
    await this.broker.start()
    const [from, to] = [this.agents[0]!, this.agents[1]!]
    await this.checkin(from, true)
    for (let i = 0; i < count; i++)
      await this.command(from, 'send_message', { recipient_id: to.client_id, message: 'x' })
    await this.connect(to, false)
    for (let i = 0; i < count / 100; i++) await this.quiet()
    return to.wire!.under_way.length
  }

  protected async step(): Promise<void> {
    this.#steps++
    const agent = this.random.pick(this.agents)
    // Its check-in has failed.
    if (!agent.identity.session) return this.connect(agent, false)
    const dice = this.random.between(1, 100)
    if (dice <= 32) await this.send(agent)
    else if (dice <= 34) await this.rewrite(agent)
    else if (dice <= 37) await this.broadcast(agent)
    else if (dice <= 60) this.arrive(agent, this.random.between(1, 12))
    else if (dice <= 68) await this.settle(agent, this.random.chance(0.7))
    else if (dice <= 76) await this.poll(agent)
    else if (dice <= 80) this.stall(agent)
    else if (dice <= 84) this.cut(agent)
    else if (dice <= 90) await this.connect(agent, this.random.chance(0.25))
    else await this.pass(this.random.pick([50, 200, 1_000, 6_000, 20_000, 61_000]))
  }

  /** Lets the event loop turn, with what the hub has to write in it. */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  /** Lets all that is under way in the broker come to an end. */
  protected async quiet(): Promise<void> {
    const turns = this.storage.slow ? QUIET_TURNS : 4
    for (let quiet = 0; quiet < turns; quiet++) {
      await this.turn()
      if (this.storage.waiting > 0) quiet = 0
    }
  }

  async pass(ms: number): Promise<void> {
    await this.quiet()
    this.now += ms
    await this.perform(() => this.broker.tend())
    for (const agent of this.agents) this.noticeClosing(agent)
  }

  /** Carries a command out as a door does. Undefined: it failed, or was refused for want of room. */
  protected async command<T>(agent: Agent, name: string, input: object, wire?: Wire): Promise<T | undefined> {
    try {
      const command = COMMANDS_BY_NAME.get(name)!
      return (await this.perform(() => this.call(command, agent, input, { connection: wire }))) as T
    } catch (error) {
      if (error instanceof StorageFailed) return undefined
      if (error instanceof BrokerError && REFUSALS.has(error.code)) return undefined
      throw error
    }
  }

  protected call(command: Command, { identity }: Agent, input: object, call: Call): MaybePromise<unknown> {
    return runCommand(this.broker, command, identity, input, call)
  }

  /** Waits for what the broker does. Undefined: it has died meanwhile, and nobody hears of the answer. */
  protected async perform<T>(work: () => MaybePromise<T>): Promise<T | undefined> {
    return work()
  }

  protected async send(from: Agent): Promise<void> {
    const to = this.random.pick(this.agents)
    // Where writing counts as reading, only the cursor brings back what was lost on the way: it must live on.
    const short = to.style.confirms && this.random.chance(0.2)
    await this.command(from, 'send_message', {
      recipient_id: to.client_id,
      payload: 'x',
      ttl_seconds: short ? this.random.between(1, 100) : 1_000_000,
      priority: this.one_rank ? 'normal' : this.random.pick(PRIORITIES),
    })
  }

  protected async broadcast(from: Agent): Promise<void> {
    await this.command(from, 'broadcast_message', { message: 'all', ttl_seconds: 1_000_000 })
  }

  /** Gives other words to some of an agent's mail, as a migration does; what was delivered must stay. */
  protected async rewrite({ client_id }: Agent): Promise<void> {
    try {
      await rewriteSome(this.storage.engine, client_id, `rewritten at step ${this.#steps}`, this.random)
    } catch (error) {
      if (!(error instanceof StorageFailed)) throw error
    }
  }

  /** Connects an agent that is not, or, as another process of the same client, one that is. */
  protected async connect(agent: Agent, takeover: boolean): Promise<void> {
    if (agent.style.reads === 'poll') {
      if (takeover || !agent.identity.session) await this.checkin(agent, takeover)
      return
    }
    if (agent.wire && !takeover) return
    const before = agent.wire
    const wire = this.wire(agent)
    if (takeover) agent.identity = newIdentity()
    const checked = await this.checkin(agent, takeover, wire)
    if (!checked || this.storage.dead) return this.notConnected(agent, wire)
    const { resumed } = checked
    if (takeover && before) {
      // An engine that is elsewhere may say so later than it answers.
      for (let turns = 0; turns < 100 && !before.closed; turns++) await this.turn()
      if (this.storage.dead) return this.notConnected(agent, wire)
      if (this.storage.fails) expect(['storage_unavailable', 'session_replaced']).toContain(before.closed!)
      else expect(before.closed).toBe('session_replaced')
      this.takeovers++
    }
    // A process that starts afresh has no cursor, but for one which needs it to be safe.
    if (!resumed && agent.style.confirms && this.random.chance(0.5)) agent.forget()
    const { style, cursor } = agent
    const reading = { ack: style.ack, receipts: false, sessions: false }
    agent.connected(wire)
    const { identity } = agent
    let begun: SubscribeResult | undefined
    try {
      begun = await this.perform(() => this.broker.subscribe(identity, wire, undefined, cursor, reading))
    } catch (error) {
      if (!(error instanceof StorageFailed)) throw error
      return this.notConnected(agent, wire)
    }
    if (!begun) return this.notConnected(agent, wire)
    this.resumed(agent, cursor, begun)
    agent.cursor = begun.cursor
  }

  /** A subscription has begun. @param cursor that was asked for */
  protected resumed(_agent: Agent, cursor: string | undefined, begun: SubscribeResult): void {
    expect(begun.recovered).toBeTrue()
    expect(cursor === undefined || begun.cursor === cursor).toBeTrue()
  }

  protected wire(agent: Agent): Wire {
    return new Wire(agent.style.confirms, (message) => this.sent(agent, message))
  }

  protected checkin(agent: Agent, afresh: boolean, wire?: Wire): Promise<{ resumed: boolean } | undefined> {
    const session_id = afresh ? undefined : agent.session_id
    const input = { client_id: agent.client_id, ...(session_id ? { session_id } : {}) }
    return this.command<{ resumed: boolean }>(agent, 'checkin_client', input, wire)
  }

  /** A connection that did not come about: its client hangs up, and tries again later. */
  protected notConnected(agent: Agent, wire: Wire): void {
    if (!wire.closed) wire.closed = 'cut'
    this.broker.hub.leave(wire)
    if (agent.wire === wire || agent.wire?.closed) agent.wire = undefined
  }

  /** A message is handed over. @returns its place in the order in which messages were accepted */
  protected sent(agent: Agent, message: Message): number {
    return this.ledger.sent(agent.client_id, message, this.now)
  }

  protected stall({ wire }: Agent): void {
    if (!wire) return
    wire.stalled = !wire.stalled
    if (!wire.stalled) this.broker.hub.drained(wire)
  }

  protected cut(agent: Agent): void {
    const { wire } = agent
    if (!wire) return
    wire.closed = 'cut'
    this.broker.hub.leave(wire)
    agent.wire = undefined
  }

  /** The broker has closed a connection: what was under way may yet arrive, or not. */
  protected noticeClosing(agent: Agent): void {
    const { wire } = agent
    if (!wire?.closed) return
    if (this.storage.fails && wire.closed !== 'slow_reader')
      expect(['storage_unavailable', 'session_replaced']).toContain(wire.closed)
    else {
      expect([wire.closed, wire.stalled || this.history_gives_way]).toEqual(['slow_reader', true])
      this.slow_readers++
    }
    if (this.random.chance(0.5))
      for (const frame of wire.under_way.splice(0)) this.receive(agent, wire, frame)
    agent.wire = undefined
  }

  protected arrive(agent: Agent, frames: number): void {
    const { wire } = agent
    if (!wire) return
    for (const frame of wire.under_way.splice(0, frames)) this.receive(agent, wire, frame)
  }

  protected receive(agent: Agent, wire: Wire, frame: Wire['under_way'][number]): void {
    if (frame !== 'probe') {
      agent.inOrder(frame.message, frame.order)
      agent.received(frame.message, frame.cursor, this.one_rank)
    } else if (!wire.closed) {
      wire.answered()
      this.broker.hub.confirmed(wire)
    }
  }

  protected async poll(agent: Agent): Promise<void> {
    if (agent.style.reads !== 'poll') return
    const { ack } = agent.style
    const limit = this.random.between(1, 10)
    const answer = await this.command<{ messages: Message[] }>(agent, 'get_messages', { limit, ack })
    // An answer under a lease may be lost on its way.
    if (ack === 'manual' && this.random.chance(0.2)) return
    for (const message of answer?.messages ?? []) {
      this.sent(agent, message)
      agent.received(message, undefined, false)
    }
  }

  protected async settle(agent: Agent, acknowledge: boolean): Promise<void> {
    if (agent.style.ack !== 'manual' || agent.in_hand.size === 0) return
    const message_ids = [...agent.in_hand].filter(() => this.random.chance(0.7))
    if (message_ids.length === 0) return
    for (const id of message_ids) agent.in_hand.delete(id)
    if (acknowledge) await this.command(agent, 'ack_messages', { message_ids })
    else
      await this.command(agent, 'nack_messages', {
        message_ids,
        delay_seconds: this.random.pick([0, 0, 5, 70]),
      })
  }

  /** Everybody comes back and reads all there is. */
  protected async drain(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      for (const agent of this.agents) {
        if (agent.wire?.stalled) this.stall(agent)
        await this.connect(agent, false)
      }
      await this.quiet()
      for (const agent of this.agents) {
        this.arrive(agent, Number.POSITIVE_INFINITY)
        if (!agent.identity.session) continue
        if (agent.style.reads === 'poll') await this.poll(agent)
        if (agent.style.ack === 'manual')
          await this.command(agent, 'ack_messages', { message_ids: [...agent.in_hand] })
        agent.in_hand.clear()
      }
      const { pending, leased } = await this.broker.engine.stats()
      const away = this.agents.some(({ style, wire }) => style.reads === 'live' && !wire?.open)
      if (pending + leased === 0 && !this.storage.failed && !away) return
      await this.pass(10_000)
    }
    throw new Error('the mailboxes do not come to rest')
  }

  /**
   * History may be overwritten early: what counted as read before it came may be gone, and readers lapped.
   */
  protected get history_gives_way(): boolean {
    return false
  }

  protected reckon(): void {
    expect(this.#faults).toEqual([])
    // Deaths that an engine tells twice count twice.
    if (this.storage.counted)
      expect(this.broker.counters.accepted).toBeLessThanOrEqual(
        this.ledger.accepted.size + this.ledger.undone,
      )
    expect(this.broker.hub.subscription_count).toBe(this.agents.filter(({ wire }) => wire?.open).length)
    for (const [place, known] of this.ledger.accepted) {
      const { recipient, died } = known
      const agent = this.agent(recipient)
      if (
        died ||
        !agent ||
        (known.acked && this.history_gives_way) ||
        agent.has(place.slice(recipient.length + 1))
      )
        continue
      throw new Error(`${place} was accepted, and has never come: ${JSON.stringify(agent.style)}`)
    }
  }
}

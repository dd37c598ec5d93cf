import { expect } from 'bun:test'
import { Broker, type SubscribeResult } from '../../src/broker/broker.ts'
import { runCommand } from '../../src/broker/command.ts'
import { COMMANDS_BY_NAME } from '../../src/broker/commands/index.ts'
import { BrokerError, StorageFailed } from '../../src/core/errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../../src/core/limits.ts'
import { type Message, PRIORITIES } from '../../src/core/message.ts'
import { DEFAULT_PROTOCOL_RULES } from '../../src/core/protocol/rules.ts'
import { SCHEMA_BOUNDS } from '../../src/core/protocol/schema/bounds.ts'
import { Agent, type Style } from './agent.ts'
import { newIdentity } from './identity.ts'
import { Random } from './random.ts'
import { placeOf, Storage } from './storage.ts'
import { Wire } from './wire.ts'

const STYLES: readonly Style[] = [
  { reads: 'live', ack: 'auto', confirms: true },
  { reads: 'live', ack: 'auto', confirms: false },
  { reads: 'live', ack: 'manual', confirms: true },
  { reads: 'live', ack: 'manual', confirms: false },
  { reads: 'poll', ack: 'auto', confirms: false },
  { reads: 'poll', ack: 'manual', confirms: false },
]
const STALLED_MS_MAX = 5_000
/** What a client has to expect of any call. */
const REFUSALS: ReadonlySet<string> = new Set(['mailbox_full', 'storage_unavailable'])
/** So many turns after an engine has done all, the broker has done what it was told. */
const QUIET_TURNS = 12

/** A whole broker, its clock, and clients that behave as networks and people do. */
export class World {
  readonly random: Random
  readonly broker: Broker
  readonly agents: Agent[]
  readonly limits: Limits
  now = Date.UTC(2026, 0, 31, 12)
  readonly #one_rank: boolean
  readonly storage: Storage
  readonly #faults: unknown[] = []
  slow_readers = 0
  takeovers = 0
  #steps = 0

  /** @param limits settled beforehand; the seed chooses the others */
  constructor(seed: number, limits: Partial<Limits> = {}) {
    this.random = new Random(seed)
    this.#one_rank = this.random.chance(0.5)
    this.limits = {
      ...DEFAULT_LIMITS,
      mailbox_messages_max: this.random.pick([8, 40, 1024]),
      mailbox_overflow: this.random.pick(['reject', 'reject', 'drop_oldest']),
      attempts_max: this.random.between(2, 6),
      lease_seconds: this.random.pick([10, 60]),
      ...limits,
    }
    const now = () => this.now
    this.storage = new Storage(this.random, this.limits, now, (client_id, message_id) =>
      this.#agent(client_id)?.released(message_id),
    )
    const options = {
      engine: this.storage.engine,
      limits: this.limits,
      now,
      newId: () => Bun.randomUUIDv7(),
      waiting_max: 10,
      stalled_ms_max: STALLED_MS_MAX,
      protocols: DEFAULT_PROTOCOL_RULES,
      schema_bounds: SCHEMA_BOUNDS,
      report: (fault: unknown) => {
        if (!(fault instanceof StorageFailed)) this.#faults.push(fault)
      },
    }
    this.broker = new Broker(options)
    this.agents = STYLES.map((style, i) => new Agent(`agent-${i}`, style))
  }

  #agent(client_id: string): Agent | undefined {
    return this.agents.find((agent) => agent.client_id === client_id)
  }

  async run(steps: number): Promise<void> {
    await this.broker.start()
    for (const agent of this.agents) await this.#connect(agent, false)
    for (let i = 0; i < steps; i++) {
      await this.#step()
      if (this.random.chance(0.6)) await this.turn()
    }
    await this.#drain()
    this.#reckon()
  }

  /** Sends so many messages to one that is away, and answers how many reach it when it comes back. */
  async backlog(count: number): Promise<number> {
    await this.broker.start()
    const [from, to] = [this.agents[0]!, this.agents[1]!]
    await this.#checkin(from, true)
    for (let i = 0; i < count; i++)
      await this.#command(from, 'send_message', { recipient_id: to.client_id, message: 'x' })
    await this.#connect(to, false)
    for (let i = 0; i < count / 100; i++) await this.#quiet()
    return to.wire!.under_way.length
  }

  async #step(): Promise<void> {
    this.#steps++
    const agent = this.random.pick(this.agents)
    // Its check-in has failed.
    if (!agent.identity.session) return this.#connect(agent, false)
    const dice = this.random.between(1, 100)
    if (dice <= 32) await this.#send(agent)
    else if (dice <= 34) await this.#rewrite(agent)
    else if (dice <= 37) await this.#broadcast(agent)
    else if (dice <= 60) this.#arrive(agent, this.random.between(1, 12))
    else if (dice <= 68) await this.#settle(agent, this.random.chance(0.7))
    else if (dice <= 76) await this.#poll(agent)
    else if (dice <= 80) this.#stall(agent)
    else if (dice <= 84) this.#cut(agent)
    else if (dice <= 90) await this.#connect(agent, this.random.chance(0.25))
    else await this.pass(this.random.pick([50, 200, 1_000, 6_000, 20_000, 61_000]))
  }

  /** Lets the event loop turn, with what the hub has to write in it. */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  /** Lets all that is under way in the broker come to an end. */
  async #quiet(): Promise<void> {
    const turns = this.storage.slow ? QUIET_TURNS : 4
    for (let quiet = 0; quiet < turns; quiet++) {
      await this.turn()
      if (this.storage.waiting > 0) quiet = 0
    }
  }

  async pass(ms: number): Promise<void> {
    await this.#quiet()
    this.now += ms
    await this.broker.tend()
    for (const agent of this.agents) this.#noticeClosing(agent)
  }

  /** Carries a command out as a door does. Undefined: it failed, or was refused for want of room. */
  async #command<T>(agent: Agent, name: string, input: object, wire?: Wire): Promise<T | undefined> {
    try {
      const command = COMMANDS_BY_NAME.get(name)!
      return (await runCommand(this.broker, command, agent.identity, input, { connection: wire })) as T
    } catch (error) {
      if (error instanceof StorageFailed) return undefined
      if (error instanceof BrokerError && REFUSALS.has(error.code)) return undefined
      throw error
    }
  }

  async #send(from: Agent): Promise<void> {
    const to = this.random.pick(this.agents)
    // Where writing counts as reading, only the cursor brings back what was lost on the way: it must live on.
    const short = to.style.confirms && this.random.chance(0.2)
    await this.#command(from, 'send_message', {
      recipient_id: to.client_id,
      payload: 'x',
      ttl_seconds: short ? this.random.between(1, 100) : 1_000_000,
      priority: this.#one_rank ? 'normal' : this.random.pick(PRIORITIES),
    })
  }

  async #broadcast(from: Agent): Promise<void> {
    await this.#command(from, 'broadcast_message', { message: 'all', ttl_seconds: 1_000_000 })
  }

  /** Gives other words to some of an agent's mail, as a migration does; what was delivered must stay. */
  async #rewrite({ client_id }: Agent): Promise<void> {
    const { engine } = this.storage
    const address = { project: 'default', client_id }
    try {
      const { epoch, deliveries } = await engine.history(address, {}, 100, 1_000_000)
      const some = deliveries.filter(() => this.random.chance(0.5))
      const messages = some.map(({ offset, message: { json } }) => {
        const payload = `rewritten at step ${this.#steps}`
        return { offset, before: json, after: JSON.stringify({ ...JSON.parse(json), payload }) }
      })
      await engine.rewrite(address, { epoch, messages })
    } catch (error) {
      if (!(error instanceof StorageFailed)) throw error
    }
  }

  /** Connects an agent that is not, or, as another process of the same client, one that is. */
  async #connect(agent: Agent, takeover: boolean): Promise<void> {
    if (agent.style.reads === 'poll') {
      if (takeover || !agent.identity.session) await this.#checkin(agent, takeover)
      return
    }
    if (agent.wire && !takeover) return
    const before = agent.wire
    const wire = new Wire(agent.style.confirms, (message) => this.#sent(agent, message))
    if (takeover) agent.identity = newIdentity()
    const checked = await this.#checkin(agent, takeover, wire)
    if (!checked) return this.#notConnected(agent, wire)
    const { resumed } = checked
    if (takeover && before) {
      // An engine that is elsewhere may say so later than it answers.
      for (let turns = 0; turns < 100 && !before.closed; turns++) await this.turn()
      if (this.storage.far) expect(['storage_unavailable', 'session_replaced']).toContain(before.closed!)
      else expect(before.closed).toBe('session_replaced')
      this.takeovers++
    }
    // A process that starts afresh has no cursor, but for one which needs it to be safe.
    if (!resumed && agent.style.confirms && this.random.chance(0.5)) agent.forget()
    const { style, cursor } = agent
    const reading = { ack: style.ack, receipts: false, sessions: false }
    agent.connected(wire)
    let begun: SubscribeResult
    try {
      begun = await this.broker.subscribe(agent.identity, wire, undefined, cursor, reading)
    } catch (error) {
      if (!(error instanceof StorageFailed)) throw error
      return this.#notConnected(agent, wire)
    }
    expect(begun.recovered).toBeTrue()
    expect(cursor === undefined || begun.cursor === cursor).toBeTrue()
    agent.cursor = begun.cursor
  }

  #checkin(agent: Agent, afresh: boolean, wire?: Wire): Promise<{ resumed: boolean } | undefined> {
    const session_id = afresh ? undefined : agent.identity.session?.session_id
    const input = { client_id: agent.client_id, ...(session_id ? { session_id } : {}) }
    return this.#command<{ resumed: boolean }>(agent, 'checkin_client', input, wire)
  }

  /** A connection that did not come about: its client hangs up, and tries again later. */
  #notConnected(agent: Agent, wire: Wire): void {
    if (!wire.closed) wire.closed = 'cut'
    this.broker.hub.leave(wire)
    if (agent.wire === wire || agent.wire?.closed) agent.wire = undefined
  }

  #sent(agent: Agent, { message_id, payload }: Message): void {
    const known = this.storage.accepted.get(placeOf(agent.client_id, message_id))
    expect(known).toBeDefined()
    expect(known!.expires_ms).toBeGreaterThan(this.now)
    if (known!.rewritten !== undefined) expect(payload).toBe(known!.rewritten)
    // What was delivered says the same when it comes again.
    const sent = JSON.stringify(payload)
    known!.sent ??= sent
    expect(sent).toBe(known!.sent)
  }

  #stall({ wire }: Agent): void {
    if (!wire) return
    wire.stalled = !wire.stalled
    if (!wire.stalled) this.broker.hub.drained(wire)
  }

  #cut(agent: Agent): void {
    const { wire } = agent
    if (!wire) return
    wire.closed = 'cut'
    this.broker.hub.leave(wire)
    agent.wire = undefined
  }

  /** The broker has closed a connection: what was under way may yet arrive, or not. */
  #noticeClosing(agent: Agent): void {
    const { wire } = agent
    if (!wire?.closed) return
    if (this.storage.far && wire.closed !== 'slow_reader')
      expect(['storage_unavailable', 'session_replaced']).toContain(wire.closed)
    else {
      expect([wire.closed, wire.stalled]).toEqual(['slow_reader', true])
      this.slow_readers++
    }
    if (this.random.chance(0.5))
      for (const frame of wire.under_way.splice(0)) this.#receive(agent, wire, frame)
    agent.wire = undefined
  }

  #arrive(agent: Agent, frames: number): void {
    const { wire } = agent
    if (!wire) return
    for (const frame of wire.under_way.splice(0, frames)) this.#receive(agent, wire, frame)
  }

  #receive(agent: Agent, wire: Wire, frame: Wire['under_way'][number]): void {
    if (frame !== 'probe') {
      const known = this.storage.accepted.get(placeOf(agent.client_id, frame.message.message_id))!
      agent.inOrder(frame.message, known.order)
      agent.received(frame.message, frame.cursor, this.#one_rank)
    } else if (!wire.closed) {
      wire.answered()
      this.broker.hub.confirmed(wire)
    }
  }

  async #poll(agent: Agent): Promise<void> {
    if (agent.style.reads !== 'poll') return
    const { ack } = agent.style
    const limit = this.random.between(1, 10)
    const answer = await this.#command<{ messages: Message[] }>(agent, 'get_messages', { limit, ack })
    // An answer under a lease may be lost on its way.
    if (ack === 'manual' && this.random.chance(0.2)) return
    for (const message of answer?.messages ?? []) {
      this.#sent(agent, message)
      agent.received(message, undefined, false)
    }
  }

  async #settle(agent: Agent, acknowledge: boolean): Promise<void> {
    if (agent.style.ack !== 'manual' || agent.in_hand.size === 0) return
    const message_ids = [...agent.in_hand].filter(() => this.random.chance(0.7))
    if (message_ids.length === 0) return
    for (const id of message_ids) agent.in_hand.delete(id)
    if (acknowledge) await this.#command(agent, 'ack_messages', { message_ids })
    else
      await this.#command(agent, 'nack_messages', {
        message_ids,
        delay_seconds: this.random.pick([0, 0, 5, 70]),
      })
  }

  /** Everybody comes back and reads all there is. */
  async #drain(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      for (const agent of this.agents) {
        if (agent.wire?.stalled) this.#stall(agent)
        await this.#connect(agent, false)
      }
      await this.#quiet()
      for (const agent of this.agents) {
        this.#arrive(agent, Number.POSITIVE_INFINITY)
        if (!agent.identity.session) continue
        if (agent.style.reads === 'poll') await this.#poll(agent)
        if (agent.style.ack === 'manual')
          await this.#command(agent, 'ack_messages', { message_ids: [...agent.in_hand] })
        agent.in_hand.clear()
      }
      const { pending, leased } = await this.broker.engine.stats()
      if (pending + leased === 0 && !this.storage.failed) return
      await this.pass(10_000)
    }
    throw new Error('the mailboxes do not come to rest')
  }

  #reckon(): void {
    expect(this.#faults).toEqual([])
    // Deaths that an engine tells twice count twice.
    if (!this.storage.far)
      expect(this.broker.counters.accepted).toBeLessThanOrEqual(
        this.storage.accepted.size + this.storage.undone,
      )
    expect(this.broker.hub.subscription_count).toBe(this.agents.filter(({ wire }) => wire?.open).length)
    const lost = [...this.storage.accepted].filter(
      ([, { recipient, died }]) => !died && this.#agent(recipient) !== undefined,
    )
    for (const [place, { recipient }] of lost) {
      const agent = this.#agent(recipient)!
      expect([place, agent.style, agent.has(place.slice(recipient.length + 1))]).toEqual([
        place,
        agent.style,
        true,
      ])
    }
  }
}

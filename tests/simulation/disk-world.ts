import { expect } from 'bun:test'
import type { SubscribeResult } from '../../src/broker/broker.ts'
import { type Call, type Command, runToStored } from '../../src/broker/command.ts'
import { parseCursor } from '../../src/core/cursor.ts'
import { StorageFailed } from '../../src/core/errors.ts'
import type { MaybePromise } from '../../src/core/maybe-promise.ts'
import type { Message } from '../../src/core/message.ts'
import { readBoot } from '../../src/engine/journal/log/boot.ts'
import { difference, stateOf } from '../engine/journal/state-of.ts'
import type { Agent } from './agent.ts'
import { isExhausted } from './disk-facts.ts'
import { type DiskFault, DiskStorage } from './disk-storage.ts'
import { Judge } from './found.ts'
import { type Accepted, type Change, placeOf } from './ledger.ts'
import { RECORDS } from './record-facts.ts'
import { SYNCED } from './stage.ts'
import { Wire } from './wire.ts'
import { World } from './world.ts'

const OPERATIONS_MAX = 400

/** A world whose broker dies again and again, and finds on its disk what the one before has left there. */
export class DiskWorld extends World<DiskStorage> {
  kills = 0
  power_cuts = 0
  compared = 0
  full = 0
  failed_syncs = 0
  requeued = 0
  #background: Promise<unknown>[] = []

  constructor(seed: number, fault: DiskFault = {}) {
    super(seed, ({ random, limits, clock, ledger }) => new DiskStorage(random, limits, clock, ledger, fault))
  }

  protected override changed(change: Change, known: Accepted): void {
    this.storage.facts.changed(change, known)
  }

  override async turn(): Promise<void> {
    await super.turn()
    this.storage.work()
    await super.turn()
    this.storage.settle()
  }

  protected override call(
    command: Command,
    { identity }: Agent,
    input: object,
    call: Call,
  ): MaybePromise<unknown> {
    return runToStored(this.broker, command, identity, input, call)
  }

  protected override async perform<T>(work: () => MaybePromise<T>): Promise<T | undefined> {
    const { disk } = this.storage
    if (disk.dead) return undefined
    try {
      const answer = work()
      if (!(answer instanceof Promise)) return disk.dead ? undefined : answer
      let settled = false
      const over = () => {
        settled = true
      }
      answer.then(over, over)
      while (!settled && !disk.dead) await this.turn()
      return disk.dead ? undefined : await answer
    } catch (error) {
      if (disk.dead) return undefined
      throw error
    }
  }

  protected override wire(agent: Agent): Wire {
    const { disk } = this.storage
    return new Wire(
      agent.style.confirms,
      (message) => this.sent(agent, message),
      () => !disk.dead,
    )
  }

  protected override async step(): Promise<void> {
    await this.#act()
    if (this.storage.dead) await this.#restart(this.random.chance(0.5))
  }

  async #act(): Promise<void> {
    const { random, storage } = this
    const dice = random.between(1, 1000)
    if (dice <= 8) await this.#restart(random.chance(0.5))
    else if (dice <= 16) await this.#compare(random.chance(0.3))
    else if (dice <= 22) {
      const { disk } = storage
      disk.space = random.chance(0.5) ? Number.POSITIVE_INFINITY : disk.used + random.between(0, 3000)
      this.full++
      storage.was_full = true
    } else if (dice <= 28) {
      storage.break(random.pick([1, 1, 1, 3]), random.pick([0, 0, 1, 3]))
      this.failed_syncs++
    } else if (dice <= 50) this.#put()
    else if (dice <= 70) this.#requeue(random.pick(this.agents))
    else if (dice <= 90) await this.#sendOnce(random.pick(this.agents))
    else await super.step()
  }

  protected override async send(from: Agent): Promise<void> {
    const sent = super.send(from)
    if (this.random.chance(0.5)) await sent
    else {
      sent.catch(() => undefined)
      this.#background.push(sent)
    }
  }

  /** Sends with a key, perhaps once more: it must be stored once. */
  async #sendOnce(from: Agent): Promise<void> {
    const number = this.random.between(0, this.agents.length - 1)
    if (!from.identity.session) return
    const recipient_id = this.agents[number]!.client_id
    const idempotency_key = `key-${number}`
    const input = { recipient_id, payload: idempotency_key, ttl_seconds: 1_000_000, idempotency_key }
    await this.command(from, 'send_message', input)
  }

  #requeue({ client_id }: Agent): void {
    const { engine, facts, level } = this.storage
    const letters = engine.dead('default', { client_id }, { limit: 5 }).items
    const message_ids = new Set(letters.map(({ message }) => message.message_id))
    if (message_ids.size === 0) return
    let requeued: readonly string[]
    try {
      requeued = engine.requeue('default', { client_id, message_ids }).requeued
    } catch (error) {
      if (error instanceof StorageFailed) return
      throw error
    }
    for (const message_id of requeued) {
      const { message } = letters.find((letter) => letter.message.message_id === message_id)!
      const known = this.ledger.accepted.get(placeOf(client_id, message_id))!
      facts.requeued(known, this.now + message.ttl_ms, level === 'full')
      this.agent(client_id)!.released(message_id)
      this.requeued++
    }
    this.broker.end_of_turn.schedule()
  }

  #put(): void {
    const { random, storage } = this
    const id = `note-${random.between(1, 4)}`
    const value = random.chance(0.2) ? undefined : { text: random.between(0, 1e6) }
    let version: number
    try {
      version = storage.engine.records.put(...RECORDS, id, value, undefined).version
    } catch (error) {
      if (error instanceof StorageFailed) return
      throw error
    }
    if (version > 0) storage.facts.put(id, version, value, storage.level === 'full')
    this.broker.end_of_turn.schedule()
  }

  /** Kills the broker while nothing happens, in order or not: the next one must hold all that it held. */
  async #compare(in_order: boolean): Promise<void> {
    const { storage } = this
    const { disk, engine } = storage
    // What did not work is tried again.
    await this.pass(1000)
    await this.quiet()
    // What the first flush drops has its bounces stored by the next, and the rest is written.
    for (let flushes = 0; flushes < 3; flushes++) await this.#flush()
    engine.write()
    if (disk.dead || isExhausted(engine) || engine.stats().journal?.trouble !== undefined) return
    const before = stateOf(engine, this.now)
    const records = engine.records.list(...RECORDS, '', undefined, 100)
    disk.fuse = Number.POSITIVE_INFINITY
    const stopped = in_order && (await this.#stop())
    await this.#restart(stopped && this.random.chance(0.5), 0, stopped ? 'stopped' : 'quiet')
    // A sync has failed: what could not be stored was kept in memory.
    if (in_order !== stopped) return
    const { engine: after } = storage
    const problem = difference(before, stateOf(after, this.now), this.now)
    if (problem) throw new Error(`after a restart ${problem}`)
    expect(after.records.list(...RECORDS, '', undefined, 100)).toEqual(records)
    this.compared++
  }

  /** @returns whether that was noted */
  async #stop(): Promise<boolean> {
    try {
      await this.perform(() => this.storage.engine.stop())
      // A disk that is full or failing has no room for the note.
      return !this.storage.dead && readBoot(this.storage.disk)?.clean !== undefined
    } catch {
      return false
    }
  }

  async #flush(): Promise<void> {
    try {
      await this.perform(() => this.storage.engine.flush())
    } catch {
      // The disk is full, or failing.
    }
  }

  /** Another broker takes the place of the one that has died. */
  async #restart(
    power: boolean,
    ms = this.random.pick([0, 100, 5_000, 70_000]),
    how: 'died' | 'quiet' | 'stopped' = 'died',
  ): Promise<void> {
    const { storage, random } = this
    storage.disk.dead = true
    for (const agent of this.agents) this.#hungUp(agent)
    this.now += ms
    for (;;) {
      if (power) this.power_cuts++
      else this.kills++
      storage.next(power)
      if (how === 'died' && random.chance(0.2)) storage.disk.fuse = random.between(1, 30)
      this.broker = this.newBroker()
      await this.perform(() => this.broker.start())
      if (!storage.dead) break
      power = random.chance(0.3)
    }
    await this.#judge(how === 'stopped')
    storage.disk.fuse = random.chance(0.7) ? random.between(1, OPERATIONS_MAX) : Number.POSITIVE_INFINITY
  }

  /** The other end of a connection that has died: what was under way may yet arrive. */
  #hungUp(agent: Agent): void {
    const { wire } = agent
    if (wire) {
      wire.closed ??= 'cut'
      this.arrive(agent, this.random.between(0, wire.under_way.length))
    }
    agent.restarted()
  }

  async #judge(in_order: boolean): Promise<void> {
    const { storage } = this
    const { engine, facts } = storage
    const ending = storage.ending(in_order)
    const judge = new Judge(this.ledger, facts, ending, stateOf(engine, this.now))
    judge.check((place, known, { where, pending }) => {
      const agent = this.agent(known.recipient)
      if (!agent) return
      const message_id = place.slice(known.recipient.length + 1)
      if (pending && agent.has(message_id)) agent.released(message_id)
      // It was read and acknowledged, and the answer has not left.
      if (where === 'history' && agent.style.reads === 'poll') agent.missed(message_id)
      if (!ending.words) delete known.sent
    })
    if (ending.changes === SYNCED) for (const agent of this.agents) agent.mayGetAgain()
    const wrong = await facts.records.check(engine.records, ending.changes)
    if (wrong) throw new Error(wrong)
  }

  protected override sent(agent: Agent, message: Message): number {
    const order = super.sent(agent, message)
    const { facts, engine } = this.storage
    const known = this.ledger.accepted.get(placeOf(agent.client_id, message.message_id))!
    // A delivery goes out even if it could not be noted.
    if (!isExhausted(engine)) facts.of(known).attempt = known.attempt
    return order
  }

  protected override resumed(agent: Agent, cursor: string | undefined, begun: SubscribeResult): void {
    if (cursor === undefined) {
      expect(begun.recovered).toBeTrue()
      return
    }
    const { epoch } = parseCursor(cursor)
    const same = epoch === parseCursor(begun.cursor).epoch
    // On a full disk, history has given way to new messages.
    if (this.full === 0 || begun.recovered) expect(begun.recovered).toBe(same)
    if (begun.recovered) expect(this.storage.facts.lost.has(`${agent.client_id} ${epoch}`)).toBeFalse()
    else agent.forget()
  }

  /** It does so on a full disk. */
  protected override get history_gives_way(): boolean {
    return this.full > 0
  }

  protected override async drain(): Promise<void> {
    await Promise.all(this.#background)
    await this.quiet()
    if (this.storage.dead) await this.#restart(this.random.chance(0.5))
    this.storage.mend()
    await super.drain()
  }
}

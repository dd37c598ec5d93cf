import type { Identity } from '../../../src/auth/identity.ts'
import { runCommand } from '../../../src/broker/command.ts'
import { COMMANDS_BY_NAME } from '../../../src/broker/commands/index.ts'
import type { Connection } from '../../../src/broker/connection.ts'
import { BrokerError, StorageFailed } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import { type Message, PRIORITIES } from '../../../src/core/message.ts'
import { newIdentity } from '../identity.ts'
import { Random } from '../random.ts'
import { Faults } from './faults.ts'
import { Crashed, type Instance } from './instance.ts'
import { Invariants } from './invariants.ts'
import { LiveClient } from './live-client.ts'
import { LONG_LIVED, MailClient } from './mail-client.ts'
import { Questions } from './questions.ts'
import { RarePaths } from './rare-paths.ts'
import { Schedule } from './schedule.ts'
import { Truth } from './truth.ts'
import type { Ground, World } from './world.ts'

const SEND_TRIES = 8
/** What a client has to expect of any call. */
const REFUSALS: ReadonlySet<string> = new Set([
  'mailbox_full',
  'storage_unavailable',
  'session_replaced',
  'session_ended',
  'too_many_waiting',
])

/**
 * Several instances of the broker over one engine, their clients, and all that goes wrong between them. A
 * seed determines what happens, in which order and when.
 */
export class Cluster implements World {
  readonly random: Random
  readonly schedule = new Schedule()
  readonly rare = new RarePaths()
  readonly faults: Faults
  readonly limits: Limits
  readonly truth: Truth
  readonly ground: Ground
  readonly instances: readonly Instance[]
  readonly live: LiveClient[]
  readonly mail: MailClient[]
  readonly questions: Questions
  readonly invariants: Invariants
  failure: string | undefined
  steps = 0
  readonly #one_rank: boolean
  /** Messages that come together are so large that one read does not bring them all. */
  readonly #large: boolean
  /** So that no session is collected, which would happen at a time of its own. */
  readonly #identities: Identity[] = []
  #ids = 0
  #labels = 0

  /**
   * @param groundOf makes what lies under the brokers
   * @param with_keys sends that failed are repeated with their key
   * @param parting clients end their sessions now and then
   */
  constructor(
    seed: number,
    groundOf: (world: World) => Ground,
    private readonly with_keys = true,
    private readonly parting = false,
  ) {
    this.random = new Random(seed)
    this.faults = new Faults(this.random)
    this.#one_rank = this.random.chance(0.5)
    this.#large = this.random.chance(0.1)
    this.limits = {
      ...DEFAULT_LIMITS,
      attempts_max: 1000,
      lease_seconds: 10,
      history_messages_max: this.random.pick([0, 4, 1024]),
    }
    const { clock } = this.schedule
    this.truth = new Truth(clock)
    this.questions = new Questions(clock)
    this.ground = groundOf(this)
    this.instances = this.ground.instances
    for (const instance of this.instances) instance.boot()
    this.live = [
      new LiveClient(this, 'live-0', 'manual', false),
      new LiveClient(this, 'live-1', 'manual', false),
      new LiveClient(this, 'live-2', 'auto', true),
    ]
    if (this.limits.history_messages_max > MESSAGES)
      this.live.push(new LiveClient(this, UNCONFIRMED, 'auto', false))
    this.mail = [
      new MailClient(this, 'poller', this.random.pick(['auto', 'manual'])),
      new MailClient(this, 'asker', 'auto'),
    ]
    this.invariants = new Invariants(this)
  }

  /** An id like a UUIDv7, of the simulated time. */
  readonly newId = (): string => {
    const time = this.schedule.now.toString(16).padStart(12, '0')
    // The last digits are for the recipient.
    const count = (this.#ids++).toString(16).padStart(7, '0')
    return `${time.slice(0, 8)}-${time.slice(8)}-7000-8${count.slice(0, 3)}-${count.slice(3)}00000000`
  }

  readonly newEpoch = (): string => `e${this.#ids++}`

  keep(identity: Identity): Identity {
    this.#identities.push(identity)
    return identity
  }

  someUp(): Instance {
    return this.random.pick(this.instances.filter(({ up }) => up))
  }

  assert(holds: boolean, what: string): void {
    if (!holds) this.failed(new Error(what))
  }

  readonly failed = (fault: unknown): void => {
    this.failure ??= `step ${this.steps}: ${fault instanceof Error ? fault.message : fault}`
  }

  /** Passes over what any call may end in. */
  expects(error: unknown): void {
    if (error instanceof StorageFailed || error instanceof Crashed) return
    if (error instanceof BrokerError && REFUSALS.has(error.code)) {
      this.rare.took(`refused: ${error.code}`)
      return
    }
    this.failed(error)
  }

  async command(
    instance: Instance,
    identity: Identity,
    name: string,
    input: object,
    connection?: Connection,
  ): Promise<unknown> {
    const command = COMMANDS_BY_NAME.get(name)!
    return instance.answered(() => runCommand(instance.broker, command, identity, input, { connection }))
  }

  /** A client sends a message, again with the same key until it has a receipt. */
  async send(sender_id: string, recipient_id: string, how: object = {}): Promise<void> {
    const label = `m${this.#labels++}`
    // Where what was sent counts as read, only history brings back what was lost: it must live on.
    const short = this.random.chance(0.05) && recipient_id !== UNCONFIRMED
    const input = {
      payload: label,
      priority: this.#one_rank ? 'normal' : this.random.pick(PRIORITIES),
      ...(short ? { ttl_seconds: this.random.between(1, 20) } : LONG_LIVED),
      ...how,
      sender_id,
      recipient_id,
      ...(this.with_keys ? { idempotency_key: label } : {}),
    }
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      try {
        const sent = await this.command(this.someUp(), newIdentity(), 'send_message', input)
        const { message_id } = sent as { message_id: string }
        this.assert(
          this.truth.knows(recipient_id, message_id),
          `${message_id} has a receipt, and is not stored`,
        )
        if (tries > 0) this.rare.took('sent after a failure')
        return
      } catch (error) {
        this.expects(error)
        await this.schedule.pause(this.random.between(10, 200))
      }
    }
  }

  newQuestion(asker: string) {
    return this.questions.begin(asker, `q${this.#labels++}`)
  }

  /** A client has a message. One that gets a question may answer it. */
  came(client_id: string, message: Message): void {
    this.schedule.note(`${client_id} ${message.message_id} ${message.attempt}`)
    try {
      this.truth.came(client_id, message)
    } catch (error) {
      this.failed(error)
    }
    const { payload, sender_id, message_id, attempt = 1 } = message
    if (attempt > 1 || !this.questions.is(payload) || this.random.chance(0.2)) return
    const thinks_ms = this.random.pick([0, 1500, 4000])
    // Others write at that time, too.
    if (this.random.chance(0.5)) this.schedule.later(thinks_ms, 'meanwhile', () => this.#burst(sender_id))
    this.schedule.later(thinks_ms + this.random.pick([0, 400]), 'reply', () => {
      void this.send(client_id, sender_id, { in_reply_to: message_id, ...LONG_LIVED })
    })
  }

  /** A question was answered. */
  replied(client_id: string, reply: Message): void {
    const { message_id, in_reply_to } = reply
    this.rare.took(in_reply_to === undefined ? 'answered by any message' : 'answered')
    this.assert(this.questions.takes(message_id), `${message_id} is the reply to two questions`)
    this.came(client_id, reply)
  }

  async run(steps: number): Promise<void> {
    this.invariants.start()
    for (const client of this.live) void client.connect(false)
    await this.#pass(500)
    for (; this.steps < steps && !this.failure; this.steps++) {
      this.#step()
      await this.#pass(this.random.pick([1, 10, 50, 200, 1000, 3000]))
    }
    await this.#end()
    for (const instance of this.instances)
      for (const { lookout } of instance.brokers)
        for (let i = 0; i < lookout.found; i++) this.rare.took('found by a look')
  }

  #pass(ms: number): Promise<void> {
    return this.schedule.pass(ms, () => this.failure === undefined)
  }

  #step(): void {
    const dice = this.random.between(1, 100)
    const client = this.random.pick(this.live)
    const [poller, asker] = this.mail as [MailClient, MailClient]
    if (this.parting && this.random.chance(0.06)) void client.part()
    if (dice <= 30) void this.send(this.#anybody(), this.#anybody())
    else if (dice <= 38) this.#burst(this.#anybody())
    else if (dice <= 52) void client.settle()
    else if (dice <= 58) client.lose()
    else if (dice <= 66) void client.connect(false)
    else if (dice <= 71) void client.connect(true)
    else if (dice <= 72) client.wire?.stall(this.random.between(500, 8000))
    else if (dice <= 75) client.cut(this.random.chance(0.5))
    else if (dice <= 79) this.#crash()
    else if (dice <= 88) void poller.poll(this.random.pick([0, 5, 30]))
    else if (dice <= 91) void asker.poll(0)
    else void asker.ask(this.random.pick(this.live).client_id, this.random.pick([5, 30, 60]))
  }

  /** Some messages for one client, shortly after each other. */
  #burst(to: string): void {
    for (let left = this.random.between(2, 4); left > 0; left--)
      this.schedule.later(this.random.between(0, 500), 'burst', () => {
        void this.send(this.#anybody(), to, this.#large ? { headers: LARGE } : {})
      })
  }

  #anybody(): string {
    return this.random.pick([...this.live, ...this.mail]).client_id
  }

  #crash(): void {
    const up = this.instances.filter((instance) => instance.up)
    if (!this.faults.crash || up.length === 1) return
    const instance = this.random.pick(up)
    instance.crash()
    this.schedule.later(this.random.between(200, 5000), 'boot', () => {
      if (!instance.up && !instance.gone) instance.boot()
    })
  }

  /**
   * Safety: all faults are over, and all that was promised comes. Liveness: some stay, such as an instance
   * that is gone for good or a bus that loses everything, and a sound core goes on in the time it promises.
   */
  async #end(): Promise<void> {
    const safety = this.random.chance(0.5)
    this.rare.took(safety ? 'ended in safety' : 'ended in liveness')
    if (safety) this.faults.heal()
    else {
      this.faults.healCore()
      if (this.random.chance(0.5)) this.faults.drop = 1
      const up = this.instances.filter((instance) => instance.up)
      if (up.length > 1 && this.random.chance(0.5)) {
        const lost = this.random.pick(up)
        lost.gone = true
        lost.crash()
      }
    }
    for (const instance of this.instances) if (!instance.up && !instance.gone) instance.boot()
    this.ground.healed?.()
    await this.#pass(SETTLING_MS)
    this.invariants.healed()
    for (const from of [...this.live, ...this.mail])
      void this.send(from.client_id, this.#anybody(), LONG_LIVED)
    const [, asker] = this.mail as [MailClient, MailClient]
    void asker.ask(this.live[0]!.client_id, 5)
    const until_ms = this.schedule.now + REST_MS_MAX
    let at_rest = false
    while (!at_rest && !this.failure && this.schedule.now < until_ms) {
      for (const client of this.live) {
        void client.connect(false)
        void client.settle()
      }
      for (const client of this.mail) void client.poll(2)
      // What is acknowledged as it is sent may be under way.
      const { acked } = this.truth
      await this.#pass(500)
      at_rest = this.#atRest() && this.truth.acked === acked
    }
    this.assert(at_rest, 'the mailboxes do not come to rest')
    this.invariants.atRest()
    try {
      await this.ground.checkAtRest?.()
    } catch (error) {
      this.failed(error)
    }
  }

  #atRest(): boolean {
    return this.ground.unsettled() === 0 && this.mail.every(({ asking }) => asking === 0)
  }
}

/** A client whose connection does not show what has arrived. */
const UNCONFIRMED = 'live-3'
/** More messages than there are in one run. */
const MESSAGES = 500
/** Two of these are more than one read brings. */
const LARGE = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`h${i}`, 'x'.repeat(4000)]))
/** After the faults are over, what they left in connections and calls is over so soon. */
const SETTLING_MS = 6000
/** Waits of questions, then a lease and two looks; and what begins anew when that is over. */
const REST_MS_MAX = 100_000

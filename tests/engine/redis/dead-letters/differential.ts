import { DEFAULT_LIMITS, type Limits } from '../../../../src/core/limits.ts'
import { createMessage, type StoredMessage } from '../../../../src/core/message.ts'
import { MemoryEngine } from '../../../../src/engine/memory/memory.ts'
import { readCall, settleCall } from '../../../../src/engine/redis/mailbox/calls.ts'
import type { Run } from '../../../../src/engine/redis/script.ts'
import type { DeadFilter } from '../../../../src/engine/values.ts'
import { Random } from '../../../simulation/random.ts'
import { EPOCH, Instance, PROJECT } from './instances.ts'

const START_MS = 1_700_000_000_000
/** In this order they are brought up to date: those that get bounces first. */
const SENDERS = ['s0', 's1']
const RECIPIENTS = ['r0', 'r1', 'r2']
const CLIENTS = [...SENDERS, ...RECIPIENTS]

/**
 * Random messages that die, lists and requeues, by the memory engine and by the scripts: all that is answered
 * and told must be alike.
 */
export class Differential {
  readonly #random: Random
  readonly #limits: Limits
  readonly #model: MemoryEngine
  readonly #instance: Instance
  readonly #told: unknown[] = []
  /** What was done, for the message of a difference. */
  readonly #done: string[] = []
  readonly #ids: string[] = []
  #now = START_MS

  constructor(seed: number, run: Run) {
    const random = new Random(seed)
    this.#random = random
    this.#limits = {
      ...DEFAULT_LIMITS,
      mailbox_messages_max: random.between(2, 8),
      mailbox_bytes_max: random.between(1500, 5000),
      mailbox_overflow: random.pick(['reject', 'drop_oldest']),
      attempts_max: random.between(1, 2),
      lease_seconds: 600,
      dead_letters_max: random.pick([3, 10, 30, 1000]),
      dead_letters_bytes_max: random.pick([2000, 5000, 1e6]),
    }
    const now = () => this.#now
    this.#instance = new Instance(run, {
      prefix: `m${seed}:`,
      name: 'i',
      limits: this.#limits,
      now,
      scanned_max: random.pick([1, 3, 1000]),
    })
    this.#model = new MemoryEngine({
      limits: () => this.#limits,
      now,
      newId: () => 'none',
      newEpoch: () => EPOCH,
    })
    this.#model.start({
      wants_each: false,
      announced: () => undefined,
      acknowledged: () => undefined,
      died: (letter, bounced) => void this.#told.push({ letter, bounced }),
      session: () => undefined,
      record: () => undefined,
      missed: () => undefined,
    })
  }

  /** @throws Error at the first difference, with what led there */
  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      await this.#step()
      this.#same('told', this.#told.splice(0), this.#instance.told.splice(0))
    }
  }

  async #step(): Promise<void> {
    const chance = this.#random.next()
    if (chance < 0.5) await this.#append()
    else if (chance < 0.6) await this.#pass()
    else if (chance < 0.75) await this.#fail()
    else if (chance < 0.85) await this.#requeue()
    else await this.#list()
  }

  async #append(): Promise<void> {
    const to = this.#random.pick(RECIPIENTS)
    const message = this.#message(to)
    this.#done.push(`append ${to} ${message.bytes}`)
    const model = this.#model.append(PROJECT, message, to)
    const outcome = await this.#instance.append(to, message)
    await this.#drain(to)
    this.#same('append', model.outcome, outcome)
  }

  #message(to: string): StoredMessage {
    const random = this.#random
    const content = {
      payload: 'x'.repeat(random.pick([0, 10, 100, 600])),
      ttl_seconds: random.pick([2, 30, 600]),
      ...(random.chance(0.2) && { in_reply_to: 'q 1' }),
    }
    const id = `00000000-0000-7000-8000-${String(this.#ids.length).padStart(12, '0')}`
    this.#ids.push(id)
    return createMessage(
      content,
      random.pick(SENDERS),
      random.chance(0.9) ? to : undefined,
      id,
      this.#now,
      600,
    )
  }

  /** Time passes, and what expires dies. */
  async #pass(): Promise<void> {
    this.#now += this.#random.pick([1000, 3000, 40_000])
    this.#done.push('pass')
    for (const client_id of CLIENTS) {
      const take = { limit: 1, bytes_max: 1, ack: 'none' } as const
      this.#model.read({ project: PROJECT, client_id }, undefined, take)
      await this.#instance.call(client_id, readCall(undefined, take))
      await this.#drain(client_id)
    }
  }

  /** All that waits in a mailbox is read and nacked, or acknowledged. */
  async #fail(): Promise<void> {
    const client_id = this.#random.pick(CLIENTS)
    const address = { project: PROJECT, client_id }
    const take = { limit: this.#random.between(1, 4), bytes_max: 1e6, ack: 'manual' } as const
    const settle = { failed_delay_ms: this.#random.pick([0, 0, undefined]) }
    this.#done.push(`fail ${client_id} ${take.limit} ${settle.failed_delay_ms}`)
    this.#model.read(address, undefined, take)
    await this.#instance.call(client_id, readCall(undefined, take))
    const model = this.#model.settle(address, settle)
    const answer = await this.#instance.call(client_id, settleCall(settle))
    await this.#drain(client_id)
    if (typeof model !== 'string' && typeof answer !== 'string')
      this.#same('settled', model.settled, answer.settled)
  }

  async #list(): Promise<void> {
    const filter = this.#filter()
    const limit = this.#random.pick([1, 2, 5, 100])
    this.#done.push(`list ${limit} ${shown(filter)}`)
    let after: string | undefined
    do {
      const model = this.#model.dead(PROJECT, filter, { after, limit })
      this.#same('list', model, await this.#instance.dead.list(PROJECT, filter, { after, limit }))
      after = model.next
    } while (after !== undefined && this.#random.chance(0.8))
    const { count, bytes } = await this.#instance.dead.totals(PROJECT)
    this.#same('count', this.#model.stats(PROJECT).dead_letters, count)
    this.#same('bytes', this.#instance.grown, bytes)
  }

  async #requeue(): Promise<void> {
    const filter = this.#random.chance(0.5) ? {} : this.#filter()
    this.#done.push(`requeue ${shown(filter)}`)
    const model = this.#model.requeue(PROJECT, filter)
    this.#same('requeue', model, await this.#instance.requeue(filter))
    await this.#list()
  }

  #filter(): DeadFilter {
    const random = this.#random
    const some = () => new Set(this.#ids.filter(() => random.chance(0.5)))
    return {
      ...(random.chance(0.3) && {
        reason: random.pick(['expired', 'overflowed', 'attempts_exhausted'] as const),
      }),
      ...(random.chance(0.3) && { client_id: random.pick(CLIENTS) }),
      ...(random.chance(0.2) && { message_ids: some() }),
      ...(random.chance(0.2) && { except: some() }),
    }
  }

  async #drain(client_id: string): Promise<void> {
    await this.#instance.drain(client_id)
  }

  #same(what: string, model: unknown, redis: unknown): void {
    const [expected, found] = [plain(model), plain(redis)]
    if (Bun.deepEquals(expected, found)) return
    const answers = `model ${JSON.stringify(expected)}\n  redis ${JSON.stringify(found)}`
    throw new Error([what, answers, ...this.#done.slice(-12)].join('\n  '))
  }
}

/** A value as JSON has it: without members that are undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? '"nothing"')
}

function shown(filter: DeadFilter): string {
  return JSON.stringify(filter, (_, member) => (member instanceof Set ? member.size : member))
}

import type { Limits } from '../../../../src/core/limits.ts'
import type { DeadLetter, Due } from '../../../../src/core/mailbox/entry.ts'
import { createMessage, type StoredMessage } from '../../../../src/core/message.ts'
import type { AppendOnce } from '../../../../src/engine/redis/dead-letters/appending.ts'
import { DeadLetters } from '../../../../src/engine/redis/dead-letters/dead-letters.ts'
import { Outboxes } from '../../../../src/engine/redis/dead-letters/outbox.ts'
import { Requeues } from '../../../../src/engine/redis/dead-letters/requeues.ts'
import {
  appendCall,
  contextArgs,
  type MailboxCall,
  readCall,
  settleCall,
} from '../../../../src/engine/redis/mailbox/calls.ts'
import { mailboxKeys } from '../../../../src/engine/redis/mailbox/keys.ts'
import { Lanes } from '../../../../src/engine/redis/mailbox/lanes.ts'
import type { Run, Script } from '../../../../src/engine/redis/script.ts'
import type { Address, DeadFilter, Requeued } from '../../../../src/engine/values.ts'
import { argsAt, PLACE } from '../place.ts'

/** A project that would break keys if it were not escaped. */
export const PROJECT = 'p {1}:x'

/** Of all mailboxes. */
export const EPOCH = 'e'

export interface InstanceOptions {
  readonly prefix: string
  readonly name: string
  readonly limits: Limits
  now(): number
  /** How many letters one call looks at. */
  readonly scanned_max?: number
  /** Of the server's history, as a mailbox knows it. */
  readonly generation?: string
}

/** What one instance has of a project's mailboxes and dead letters, without an engine around it. */
export class Instance {
  readonly dead: DeadLetters
  readonly told: { letter: DeadLetter; bounced: boolean }[] = []
  /** Bounces and letters for these addresses are refused, as where there is no room for a new client. */
  readonly crowded = new Set<string>()
  /** Appends to these addresses fail. */
  readonly unreachable = new Set<string>()
  /** All that `send` has sent. */
  readonly sent: StoredMessage[] = []
  /** By how much what is among the dead letters has grown, as it was told. */
  grown = 0
  /** Addresses whose outboxes were to be emptied. */
  readonly #asked = new Map<string, Address>()
  readonly #lanes: Lanes
  readonly #outboxes: Outboxes
  readonly #requeues: Requeues
  readonly #troubles: unknown[] = []
  #number = 0

  constructor(
    private readonly by: Run,
    private readonly options: InstanceOptions,
  ) {
    const { prefix, name, limits, now, scanned_max, generation = 'g' } = options
    this.#lanes = new Lanes({
      run: (script, keys, args) => by(script, keys, argsAt({ ...PLACE, generation }, args)),
      prefix,
      publish: () => 'PUBLISH',
      instance: name,
      now,
      limits: () => limits,
      noted: (address, { dying }) => {
        if (dying > 0) this.#drained(address)
      },
    })
    const dead_letters = new DeadLetters({
      run: by,
      prefix,
      instance: name,
      limits: () => limits,
      now,
      ...(scanned_max !== undefined && { scanned_max }),
    })
    this.dead = dead_letters
    this.#outboxes = new Outboxes({
      run: by,
      prefix,
      dead_letters,
      append: this.#append,
      died: (letter, bounced) => void this.told.push({ letter, bounced }),
      buried: (_, grown) => {
        this.grown += grown
      },
      emptied: () => undefined,
      report: (trouble) => void this.#troubles.push(trouble),
    })
    this.#requeues = new Requeues({
      dead_letters,
      append: async (...call) => {
        const stored = await this.#append(...call)
        await this.#settled()
        return stored
      },
      begin: () => Promise.resolve(() => undefined),
      now,
      grown: (bytes) => {
        this.grown += bytes
      },
    })
  }

  readonly #append: AppendOnce = async (address, message, attempts, as) => {
    if (this.unreachable.has(address.client_id)) throw new Error('unreachable')
    if (this.crowded.has(address.client_id)) return false
    const answer = await this.#lanes.call(address, appendCall([{ message, attempts }], EPOCH), as)
    if (answer === 'stale') return true
    if (typeof answer === 'string') throw new Error(answer)
    return answer.outcomes[0] === 'stored'
  }

  /** Messages from these senders that are read and fail, and now lie in the outbox of the mailbox. */
  async kill(client_id: string, ...senders: readonly string[]): Promise<void> {
    for (const sender of senders) {
      await this.send(client_id, sender)
      await this.fail(client_id)
    }
  }

  /** Sends a message of ten minutes. @param size of its payload, in characters */
  send(client_id: string, sender: string, size = 1): Promise<string> {
    const content = { payload: 'x'.repeat(size), ttl_seconds: 600 }
    const id = crypto.randomUUID()
    const message = createMessage(content, sender, client_id, id, this.options.now(), 0)
    this.sent.push(message)
    return this.append(client_id, message)
  }

  /** Appends a message, and leaves what it has die in the outbox. @returns the outcome */
  async append(client_id: string, message: StoredMessage): Promise<string> {
    const answer = await this.call(client_id, appendCall([{ message, attempts: 0 }], EPOCH))
    return typeof answer === 'string' ? answer : answer.outcomes[0]!
  }

  /** Has the delivery of the next message in a mailbox fail. */
  async fail(client_id: string): Promise<void> {
    await this.call(client_id, readCall(undefined, { limit: 1, bytes_max: 1e6, ack: 'manual' }))
    await this.call(client_id, settleCall({ failed_delay_ms: 0 }))
  }

  /** What waits in a mailbox, in order. */
  async waiting(client_id: string): Promise<readonly Due[]> {
    const answer = await this.call(
      client_id,
      readCall(undefined, { limit: 5000, bytes_max: 1e9, ack: 'none' }),
    )
    return typeof answer === 'string' ? [] : answer.due
  }

  #drained(address: Address): void {
    this.#asked.set(address.client_id, address)
    this.#outboxes.drain(address)
  }

  /** Ends when no outbox is being emptied any more. */
  async #settled(): Promise<void> {
    for (let busy = true; busy; ) {
      const burying = [...this.#asked.values()].flatMap((address) => this.#outboxes.buried(address) ?? [])
      busy = burying.length > 0
      await Promise.all(burying)
    }
  }

  /** What is listed, oldest first. */
  async listed(): Promise<DeadLetter[]> {
    const { items } = await this.dead.list(PROJECT, {}, { limit: 5000 })
    return items.toReversed()
  }

  /** Buries what lies in the outbox of a mailbox. @throws Error that was met on the way */
  async drain(client_id: string): Promise<void> {
    this.#drained({ project: PROJECT, client_id })
    await this.#settled()
    if (this.#troubles.length > 0) throw this.#troubles.shift()
  }

  requeue(filter: DeadFilter = {}, from?: string): Promise<Requeued> {
    return this.#requeues.requeue(PROJECT, filter, from)
  }

  /** @returns when to look again */
  takeOver(): Promise<number> {
    return this.#requeues.takeOver(PROJECT)
  }

  /** Makes a call by the side of the lanes: what it has die stays in the outbox. */
  async call<T>(client_id: string, { script, args, read }: MailboxCall<T>): Promise<T> {
    const { prefix, name, limits, now, generation = 'g' } = this.options
    const as = { instance: `${name}!`, number: ++this.#number }
    const context = { now: now(), generation, limits, publish: `PUBLISH ${prefix}none`, ...as }
    return read(await this.run(script, client_id, [...contextArgs(context), ...args]))
  }

  /** Runs any script on the keys of a mailbox. */
  run(script: Script, client_id: string, args: readonly (string | number)[] = []): Promise<unknown> {
    return this.by(script, mailboxKeys(this.options.prefix, { project: PROJECT, client_id }), args)
  }
}

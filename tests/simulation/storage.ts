import { expect } from 'bun:test'
import { bounceOf } from '../../src/core/bounce.ts'
import type { Limits } from '../../src/core/limits.ts'
import type { Take } from '../../src/core/mailbox/entry.ts'
import { BROKER_CLIENT_ID, type Message, type StoredMessage } from '../../src/core/message.ts'
import type { Engine, EngineEvents } from '../../src/engine/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/memory.ts'
import type { Appended, Repeated } from '../../src/engine/values.ts'
import { planted } from '../faults/plant.ts'
import { slowEngine } from '../slow-engine.ts'
import type { Random } from './random.ts'

/** Calls that may fail where the engine is elsewhere. */
const FAILING: ReadonlySet<string> = new Set<keyof Engine>([
  'append',
  'appendToMany',
  'open',
  'read',
  'settle',
  'history',
  'rewrite',
  'checkin',
  'client',
  'clients',
])
/** One message in one mailbox: what was accepted and must not disappear. */
interface Accepted {
  readonly recipient: string
  readonly sender: string
  readonly order: number
  readonly expires_ms: number
  died: boolean
  /** The payload that it was given after it was accepted. */
  rewritten?: unknown
  /** The payload that its recipient was sent, as JSON. */
  sent?: string
}

/** An engine as chance has it, here or elsewhere, with commits or without, and what it has accepted. */
export class Storage {
  readonly engine: Engine
  readonly accepted = new Map<string, Accepted>()
  /** Whether the engine answers with promises, or its commits take turns. */
  readonly slow: boolean
  /** Whether the engine is elsewhere. */
  readonly far: boolean
  /** What waits in an engine that is elsewhere. */
  waiting = 0
  failures = 0
  /** Sends that were undone, because their commit failed. */
  undone = 0
  rewritten = 0
  /** The last commit failed: bounces may wait for the next. */
  failed = false
  /** What was sent since the last commit. */
  #staged: string[] = []

  /** @param released is told of each message that is pending again */
  constructor(
    private readonly random: Random,
    limits: Limits,
    now: () => number,
    private readonly released: (client_id: string, message_id: string) => void,
  ) {
    const engine = planted(
      new MemoryEngine({
        limits: () => limits,
        now,
        newId: () => crypto.randomUUID(),
        newEpoch: () => `e${this.random.between(0, 2 ** 40).toString(36)}`,
        commit: this.random.chance(0.5) ? () => this.#commit() : undefined,
      }),
    )
    const append = engine.append.bind(engine)
    engine.append = (project, message, recipient_id, key) => {
      const appended = append(project, message, recipient_id, key)
      this.#appended(message, recipient_id, appended)
      return appended
    }
    const appendToMany = engine.appendToMany.bind(engine)
    engine.appendToMany = (project, variants, key) => {
      const sent = appendToMany(project, variants, key)
      if (sent.outcome === 'sent')
        for (const [i, delivery] of sent.deliveries.entries())
          this.#appended(variants[0]!.message, sent.recipients[i]!, delivery)
      return sent
    }
    const rewrite = engine.rewrite.bind(engine)
    engine.rewrite = (address, asked) => {
      const done = rewrite(address, asked)
      for (const [i, { after }] of asked.messages.entries())
        if (done.outcomes[i] === 'rewritten') this.#rewrote(address.client_id, JSON.parse(after))
      return done
    }
    const start = engine.start.bind(engine)
    engine.start = (events) => start(this.#witness(events))
    this.far = this.random.chance(0.4)
    this.slow = this.far || engine.flushes
    this.engine = this.far ? this.#elsewhere(engine) : engine
  }

  /** Notes what the engine says as it happens: the broker may hear of it later. */
  #witness(events: EngineEvents): EngineEvents {
    return {
      get wants_each() {
        return events.wants_each
      },
      announced: (announcement) => {
        const { client_id, message_id, redelivery } = announcement
        if (redelivery) this.released(client_id, message_id)
        events.announced(announcement)
      },
      died: (letter, bounced) => {
        const bounce = bounceOf(letter, sha256)
        if (bounced && bounce) this.#accept(bounce, letter.message.sender_id)
        const known = this.accepted.get(placeOf(letter.recipient_id, letter.message.message_id))
        expect(known).toBeDefined()
        if (known) known.died = true
        events.died(letter, bounced)
      },
      acknowledged: (...told) => events.acknowledged(...told),
      session: (...told) => events.session(...told),
      record: (...told) => events.record(...told),
      missed: () => events.missed(),
    }
  }

  /** A commit that takes no time, or a turn or two, and that may fail. */
  #commit(): void | Promise<void> {
    const staged = this.#staged
    this.#staged = []
    const fails = this.random.chance(0.1)
    this.failed = fails
    if (!fails && this.random.chance(0.5)) return
    return turns(this.random.between(0, 2)).then(() => {
      if (!fails) return
      for (const place of staged) this.#undone(place)
      throw new Error('no space left')
    })
  }

  /** Nobody may ever see it. Bounces are kept. */
  #undone(place: string): void {
    if (this.accepted.get(place)?.sender === BROKER_CLIENT_ID) return
    this.accepted.delete(place)
    this.undone++
  }

  #appended(message: StoredMessage, recipient: string, { outcome }: Appended | Repeated): void {
    if (outcome !== 'stored') return
    this.#staged.push(placeOf(recipient, message.message_id))
    this.#accept(message, recipient)
  }

  #accept(message: StoredMessage, recipient: string): void {
    this.accepted.set(placeOf(recipient, message.message_id), {
      recipient,
      sender: message.sender_id,
      order: this.accepted.size + this.undone,
      expires_ms: message.expires_ms,
      died: false,
    })
  }

  #rewrote(recipient: string, { message_id, payload }: Message): void {
    const known = this.accepted.get(placeOf(recipient, message_id))
    expect(known).toBeDefined()
    known!.rewritten = payload
    this.rewritten++
  }

  /**
   * Whether a call fails. Not a read that acknowledges: such a read is done and answered, or an engine has
   * not done it.
   */
  #fails(method: string, args: readonly unknown[]): 'before' | 'after' | undefined {
    if (!FAILING.has(method) || !this.random.chance(0.02)) return undefined
    const acknowledges = method === 'read' && (args[2] as Take).ack === 'auto'
    this.failures++
    return acknowledges || this.random.chance(0.5) ? 'before' : 'after'
  }

  #elsewhere(engine: Engine): Engine {
    return slowEngine(engine, {
      turns: () => this.random.between(0, 2),
      doubles: () => this.random.chance(0.1),
      loses: () => this.random.chance(0.05),
      fails: (method, args) => this.#fails(method, args),
      waits: (by) => {
        this.waiting += by
      },
    })
  }
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
}

export function placeOf(client_id: string, message_id: string): string {
  return `${client_id} ${message_id}`
}

function sha256(text: string): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('hex')
}

import { expect } from 'bun:test'
import { bounceOf } from '../../src/core/bounce.ts'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import type { DeadLetter } from '../../src/core/mailbox/entry.ts'
import { BROKER_CLIENT_ID, type Message, type StoredMessage } from '../../src/core/message.ts'
import type { EngineEvents } from '../../src/engine/engine.ts'
import type { MemoryEngine } from '../../src/engine/memory/memory.ts'
import type { Appended, Repeated, Sent } from '../../src/engine/values.ts'

/** One message in one mailbox: what was accepted and must not disappear. */
export interface Accepted {
  readonly recipient: string
  readonly sender: string
  /** Rises in the order in which messages were accepted. */
  order: number
  expires_ms: number
  died: boolean
  acked: boolean
  /** The payload that it was given after it was accepted. */
  rewritten?: unknown
  /** The payload that its recipient was sent, as JSON. */
  sent?: string | undefined
  /** The highest attempt that its recipient was sent. */
  attempt: number
}

/** What happens to a message after it was accepted. */
export type Change = 'acked' | 'rewritten' | 'died'

/** What engines have accepted, and what has become of it, as they tell it. */
export class Ledger {
  readonly accepted = new Map<string, Accepted>()
  /** Sends that were undone, because their commit failed. */
  undone = 0
  rewritten = 0
  /** What was sent since it was last taken. */
  #staged: string[] = []
  /** The last send with each key, by sender and key. */
  readonly #keys = new Map<string, { readonly place: string; readonly until_ms: number }>()
  #orders = 0

  /**
   * @param released is told of each message that is pending again
   * @param changed is told of each change to a message
   */
  constructor(
    private readonly released: (client_id: string, message_id: string) => void,
    private readonly changed: (change: Change, known: Accepted) => void = () => undefined,
  ) {}

  /** Notes what an engine is asked, and what it says as it happens, while it is `alive`. */
  watch(engine: MemoryEngine, alive: () => boolean = () => true): void {
    const append = engine.append.bind(engine)
    engine.append = (project, message, recipient_id, key) => {
      const appended = append(project, message, recipient_id, key)
      // One with a key goes to `appendToMany`.
      if (alive() && key === undefined) this.#appended(message, recipient_id, appended)
      return appended
    }
    const appendToMany = engine.appendToMany.bind(engine)
    engine.appendToMany = (project, variants, key) => {
      const sent = appendToMany(project, variants, key)
      if (sent.outcome === 'sent' && alive()) {
        const { message } = variants[0]!
        if (key) this.#keyed(message, key.key, sent)
        for (const [i, delivery] of sent.deliveries.entries())
          this.#appended(message, sent.recipients[i]!, delivery)
      }
      return sent
    }
    const rewrite = engine.rewrite.bind(engine)
    engine.rewrite = (address, asked) => {
      const done = rewrite(address, asked)
      for (const [i, { after }] of asked.messages.entries())
        if (done.outcomes[i] === 'rewritten' && alive()) this.#rewrote(address.client_id, JSON.parse(after))
      return done
    }
    const start = engine.start.bind(engine)
    engine.start = (events) => start(this.#witness(events, alive))
  }

  /** Notes what an engine says as it happens: the broker may hear of it later. */
  #witness(events: EngineEvents, alive: () => boolean): EngineEvents {
    return {
      get wants_each() {
        return events.wants_each
      },
      announced: (announcement) => {
        const { client_id, message_id, redelivery } = announcement
        if (redelivery && alive()) this.released(client_id, message_id)
        events.announced(announcement)
      },
      died: (letter: DeadLetter, bounced) => {
        if (alive()) this.#died(letter, bounced)
        events.died(letter, bounced)
      },
      acknowledged: (address, messages) => {
        if (alive()) for (const { message_id } of messages) this.#acknowledged(address.client_id, message_id)
        events.acknowledged(address, messages)
      },
      session: (...told) => events.session(...told),
      record: (...told) => events.record(...told),
      missed: () => events.missed(),
    }
  }

  #died(letter: DeadLetter, bounced: boolean): void {
    const { message, recipient_id } = letter
    const bounce = bounceOf(letter, sha256)
    if (bounced && bounce) {
      this.#accept(bounce, message.sender_id)
      this.#staged.push(placeOf(message.sender_id, bounce.message_id))
    }
    const known = this.accepted.get(placeOf(recipient_id, message.message_id))
    expect(known).toBeDefined()
    if (!known) return
    known.died = true
    this.changed('died', known)
  }

  #acknowledged(client_id: string, message_id: string): void {
    const known = this.accepted.get(placeOf(client_id, message_id))
    if (!known) return
    known.acked = true
    this.changed('acked', known)
  }

  /** The places of what was sent since the last call. */
  takeStaged(): string[] {
    return this.#staged.splice(0)
  }

  /** Their commit has failed: nobody may ever see them. Bounces go with the next commit. */
  undo(places: readonly string[]): void {
    const bounces = places.filter((place) => this.accepted.get(place)?.sender === BROKER_CLIENT_ID)
    this.#staged.unshift(...bounces)
    for (const place of places) {
      if (this.accepted.get(place)?.sender === BROKER_CLIENT_ID) continue
      if (this.accepted.delete(place)) this.undone++
    }
  }

  /** A number above those of all that was accepted before. */
  nextOrder(): number {
    return this.#orders++
  }

  /** A send with a key was stored: an earlier one with that key must be gone, or its window over. */
  #keyed({ message_id, sender_id, sent_ms }: StoredMessage, key: string, { recipients }: Sent): void {
    const name = `${sender_id} ${key}`
    const before = this.#keys.get(name)
    if (before && sent_ms < before.until_ms && this.accepted.has(before.place))
      throw new Error(`the key ${name} is used twice: for ${before.place} and for ${message_id}`)
    const until_ms = sent_ms + DEFAULT_LIMITS.idempotency_seconds * 1000
    this.#keys.set(name, { place: placeOf(recipients[0]!, message_id), until_ms })
  }

  #appended(message: StoredMessage, recipient: string, { outcome }: Appended | Repeated): void {
    if (outcome !== 'stored') return
    this.#staged.push(placeOf(recipient, message.message_id))
    this.#accept(message, recipient)
  }

  #accept({ message_id, sender_id, expires_ms }: StoredMessage, recipient: string): void {
    this.accepted.set(placeOf(recipient, message_id), {
      recipient,
      sender: sender_id,
      order: this.nextOrder(),
      expires_ms,
      died: false,
      acked: false,
      attempt: 0,
    })
  }

  #rewrote(recipient: string, { message_id, payload }: Message): void {
    const known = this.accepted.get(placeOf(recipient, message_id))
    expect(known).toBeDefined()
    known!.rewritten = payload
    this.rewritten++
    this.changed('rewritten', known!)
  }

  /** A message is handed over. @returns its place in the order in which messages were accepted */
  sent(client_id: string, { message_id, payload, attempt = 1 }: Message, now: number): number {
    const known = this.accepted.get(placeOf(client_id, message_id))
    expect(known).toBeDefined()
    expect(known!.expires_ms).toBeGreaterThan(now)
    if (known!.rewritten !== undefined) expect(payload).toBe(known!.rewritten)
    // What was delivered says the same when it comes again.
    const sent = JSON.stringify(payload)
    known!.sent ??= sent
    expect(sent).toBe(known!.sent)
    expect(attempt).toBeGreaterThan(known!.attempt)
    known!.attempt = attempt
    return known!.order
  }
}

export function placeOf(client_id: string, message_id: string): string {
  return `${client_id} ${message_id}`
}

export function sha256(text: string): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('hex')
}

import { bounceOf } from '../../src/core/bounce.ts'
import { PENDING } from '../../src/core/mailbox/entry.ts'
import type { StoredMessage } from '../../src/core/message.ts'
import type { Numbered } from '../../src/engine/memory/dead-letters.ts'
import type { State } from '../engine/journal/state-of.ts'
import type { DiskFacts } from './disk-facts.ts'
import { type Accepted, type Ledger, placeOf, sha256 } from './ledger.ts'
import { DONE, type Stage, SYNCED } from './stage.ts'

/** A message as a start has brought it back. */
interface Found {
  readonly offset: number
  readonly where: 'live' | 'history' | 'letter'
  readonly message: StoredMessage
  readonly attempts: number
  readonly pending: boolean
}

/** How the last process ended, and what it promises. */
export interface Ending {
  /** The least stage of messages, and of what happened to them, that has to be there. */
  readonly messages: Stage
  readonly changes: Stage
  /** What was delivered says the same when it comes again. */
  readonly words: boolean
  /** The epochs of before are gone. */
  readonly new_epochs: boolean
  /** What the start itself has changed is written. */
  readonly written: boolean
  /** What had failed may be there: it could not be cut off. */
  readonly undone: boolean
  /** History may have given way to new messages. */
  readonly was_full: boolean
  readonly now: number
}

/** Compares what a start has brought back with the ledger, and has the ledger go on from there. */
export class Judge {
  readonly #found = new Map<string, Found>()

  constructor(
    private readonly ledger: Ledger,
    private readonly facts: DiskFacts,
    private readonly ending: Ending,
    state: State,
  ) {
    const before = new Set(facts.epochs)
    for (const [name, { epoch, live, history }] of Object.entries(state.clients)) {
      const client_id = name.slice(name.indexOf('/') + 1)
      if (ending.new_epochs && before.has(`${client_id} ${epoch}`))
        throw new Error(`${client_id} has the epoch of before a power cut, ${epoch}`)
      for (const entry of live as readonly LiveEntry[])
        this.#put(client_id, epoch, { ...entry, where: 'live', pending: entry.state === PENDING })
      for (const entry of history) this.#put(client_id, epoch, { ...entry, where: 'history', pending: false })
    }
    for (const letters of Object.values(state.letters) as (readonly Numbered[])[])
      for (const { letter } of letters) {
        const { recipient_id, epoch, offset, message } = letter
        this.facts.name(recipient_id, epoch, offset, message.message_id)
        const place = placeOf(recipient_id, message.message_id)
        const other = this.#found.get(place)
        if (other && other.where !== 'letter') throw new Error(`${place} is ${other.where} and a dead letter`)
        this.#found.set(place, { ...letter, where: 'letter', pending: false })
      }
    for (const letters of Object.values(state.letters) as (readonly Numbered[])[])
      for (const { letter } of letters) this.#bounced(letter)
  }

  #put(client_id: string, epoch: string, found: Found): void {
    const place = placeOf(client_id, found.message.message_id)
    if (this.#found.has(place)) throw new Error(`${place} is there twice`)
    this.#found.set(place, found)
    this.facts.name(client_id, epoch, found.offset, found.message.message_id)
  }

  /** A death that is stored has its bounce stored with it, if there was one. */
  #bounced(letter: Numbered['letter']): void {
    const bounce = bounceOf(letter, sha256)
    if (!bounce) return
    const place = placeOf(letter.message.sender_id, bounce.message_id)
    const known = this.ledger.accepted.get(place)
    if (known && !this.#found.has(place) && !known.acked && !known.died)
      throw new Error(`${letter.message.message_id} is dead, and its bounce ${place} is not there`)
  }

  /**
   * @param told is told of each message that is there
   * @throws Error that says what is wrong
   */
  check(told: (place: string, known: Accepted, found: Found) => void): void {
    for (const [place, known] of this.ledger.accepted)
      if (!this.#found.has(place)) this.#missing(place, known)
    const in_order = [...this.#found].sort(([, a], [, b]) => a.offset - b.offset)
    for (const [place, found] of in_order) {
      let known = this.ledger.accepted.get(place)
      if (!known && this.ending.undone) {
        known = this.facts.undone.get(place)
        if (known) this.ledger.accepted.set(place, known)
      }
      if (!known) throw new Error(`${place} is ${found.where}, and was never accepted`)
      this.#there(place, known, found)
      // What the last process did may be lost, so that its messages are in another order than it knew.
      known.order = this.ledger.nextOrder()
      told(place, known, found)
    }
  }

  #missing(place: string, known: Accepted): void {
    const { messages, now, was_full } = this.ending
    const facts = this.facts.of(known)
    const over = known.acked && (was_full || known.expires_ms <= now)
    if (facts.append >= messages && !over) throw new Error(`${place} is lost: ${inspect(known, facts)}`)
    if (facts.append < messages) this.facts.lose(known, place)
  }

  #there(place: string, known: Accepted, found: Found): void {
    const { messages, changes, written } = this.ending
    const facts = this.facts.of(known)
    const { where, message, attempts } = found
    if (where === 'live' && facts.ack !== undefined && facts.ack >= changes && facts.ack !== DONE)
      throw new Error(`${place} was acknowledged, and is not any more: ${inspect(known, facts)}`)
    if (changes !== SYNCED && attempts < facts.attempt)
      throw new Error(`${place} was delivered ${facts.attempt} times, and has ${attempts}`)
    if (where === 'letter' && facts.requeued !== undefined && facts.requeued >= messages)
      throw new Error(`${place} was requeued, and is a dead letter: ${inspect(known, facts)}`)
    known.attempt = Math.min(known.attempt, attempts)
    facts.attempt = written ? known.attempt : 0
    known.died = where === 'letter'
    known.acked = where === 'history'
    known.expires_ms = message.expires_ms
    if (where === 'letter') facts.requeued = undefined
    else if (facts.requeued !== undefined) facts.requeued = SYNCED
    facts.append = SYNCED
    facts.ack = known.acked ? SYNCED : undefined
    this.#payload(place, known, message, changes)
  }

  #payload(place: string, known: Accepted, message: StoredMessage, changes: Stage): void {
    const { payloads } = this.facts.of(known)
    const { payload } = JSON.parse(message.json) as { payload: unknown }
    const least = payloads.findLastIndex(({ stage }) => stage >= changes)
    const at = payloads.findLastIndex((given) => Bun.deepEquals(given.payload, payload))
    if (at < least)
      throw new Error(`${place} says ${JSON.stringify(payload)}, not ${inspect(payloads[least])}`)
    payloads.length = at + 1
    for (const given of payloads) given.stage = SYNCED
    if (at < 0) delete known.rewritten
    else known.rewritten = payload
  }
}

interface Entry {
  readonly offset: number
  readonly message: StoredMessage
  readonly attempts: number
}

interface LiveEntry extends Entry {
  readonly state: number
}

function inspect(...values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(', ')
}

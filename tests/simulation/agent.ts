import { expect } from 'bun:test'
import type { Identity } from '../../src/auth/identity.ts'
import type { Message } from '../../src/core/message.ts'
import { newIdentity } from './identity.ts'
import type { Wire } from './wire.ts'

/** How a client reads, and whether its connection can show what has arrived. */
export interface Style {
  readonly reads: 'live' | 'poll'
  readonly ack: 'auto' | 'manual'
  readonly confirms: boolean
}

/** A client: what it got, the cursor it would resume from, and what it has not settled yet. */
export class Agent {
  identity: Identity = newIdentity()
  wire: Wire | undefined
  cursor: string | undefined
  /** Read under a lease, not yet acknowledged or given back. */
  readonly in_hand = new Set<string>()
  #session_id: string | undefined
  readonly #got = new Set<string>()
  /** How often each message arrived: in the life of the present process, and over the present connection. */
  #arrivals = new Map<string, number>()
  #on_wire = new Map<string, number>()
  /** The last that came of each sender and priority, over the present connection. */
  #last = new Map<string, number>()
  /** How often each was made pending again, which is how often it may come again. */
  readonly #releases = new Map<string, number>()

  constructor(
    readonly client_id: string,
    readonly style: Style,
  ) {}

  /** The session that it would resume. */
  get session_id(): string | undefined {
    return this.identity.session?.session_id ?? this.#session_id
  }

  /** The broker is another process, in which nobody has checked in. */
  restarted(): void {
    this.#session_id = this.session_id
    this.identity = newIdentity()
    this.wire = undefined
  }

  /** The broker may have forgotten what it has delivered. */
  mayGetAgain(): void {
    this.#arrivals = new Map()
  }

  /** A message was read and acknowledged, and the answer with it was lost. */
  missed(message_id: string): void {
    this.#got.add(message_id)
  }

  connected(wire: Wire): void {
    this.wire = wire
    this.#on_wire = new Map()
    this.#last = new Map()
  }

  /** What comes for the first time comes in the order it was accepted in, per sender and priority. */
  inOrder({ sender_id, priority, attempt }: Message, order: number): void {
    if (attempt !== undefined) return
    const line = `${sender_id} ${priority}`
    expect(order).toBeGreaterThan(this.#last.get(line) ?? -1)
    this.#last.set(line, order)
  }

  /** Another process takes over that knows nothing of what this one has read. */
  forget(): void {
    this.cursor = undefined
    this.mayGetAgain()
  }

  /** The broker has made a message pending again. */
  released(message_id: string): void {
    count(this.#releases, message_id)
  }

  /**
   * A message has arrived.
   *
   * @param resume_is_exact whether it may come again only as often as it was released; otherwise, where priorities
   * overtake, that holds for each connection by itself
   */
  received({ message_id }: Message, cursor: string | undefined, resume_is_exact: boolean): void {
    this.#got.add(message_id)
    const ever = count(this.#arrivals, message_id)
    const here = count(this.#on_wire, message_id)
    const allowed = 1 + (this.#releases.get(message_id) ?? 0)
    if (cursor !== undefined) {
      expect(resume_is_exact ? ever : here).toBeLessThanOrEqual(allowed)
      this.cursor = cursor
    }
    if (this.style.ack === 'manual') this.in_hand.add(message_id)
  }

  has(message_id: string): boolean {
    return this.#got.has(message_id)
  }
}

function count(counts: Map<string, number>, key: string): number {
  const counted = (counts.get(key) ?? 0) + 1
  counts.set(key, counted)
  return counted
}

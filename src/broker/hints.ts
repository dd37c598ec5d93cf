import type { Connection } from './connection.ts'
import type { Subscription } from './subscription.ts'

/** Of what comes for one reader in one turn, more than this is dropped, in characters. */
const HINTS_TURN_CHARS_MAX = 4 * 1024 * 1024

/** Receipts and session notices, kept until what they tell of is stored; in three parallel lists. */
export class Hints {
  #readers: Subscription[] = []
  #kinds: ('receipt' | 'session')[] = []
  #texts: string[] = []
  /** How many a flush has covered. */
  #sealed = 0

  add(reader: Subscription, kind: 'receipt' | 'session', json: string): void {
    if (reader.hint_chars + json.length > HINTS_TURN_CHARS_MAX) return
    reader.hint_chars += json.length
    this.#readers.push(reader)
    this.#kinds.push(kind)
    this.#texts.push(json)
  }

  /** A flush begins: it covers all hints so far. */
  seal(): void {
    this.#sealed = this.#readers.length
  }

  /** Hands over the covered hints. @returns the connections to flush; undefined if there are none */
  handOver(): ReadonlySet<Connection> | undefined {
    if (this.#sealed === 0) return undefined
    const notified = new Set<Connection>()
    for (let i = 0; i < this.#sealed; i++) {
      const reader = this.#readers[i]!
      const text = this.#texts[i]!
      reader.hint_chars -= text.length
      if (reader.closed) continue
      reader.connection.notify(this.#kinds[i]!, text)
      notified.add(reader.connection)
    }
    this.#readers.splice(0, this.#sealed)
    this.#kinds.splice(0, this.#sealed)
    this.#texts.splice(0, this.#sealed)
    this.#sealed = 0
    return notified
  }
}

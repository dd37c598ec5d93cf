import type { DoorContext } from '../door.ts'

/** A call that waits. */
interface Wait {
  readonly began_ms: number
  /** Tells the client that it goes on; `progress` in seconds. Undefined where the client did not ask to be told. */
  readonly tell: ((progress: number) => void) | undefined
  told_ms: number
}

/** The calls that wait for mail or for a reply: each sends progress where the client gave a token for it. */
export class Waits {
  readonly #waits = new Set<Wait>()
  readonly #context: DoorContext
  readonly #endChore: () => void

  constructor(context: DoorContext) {
    this.#context = context
    this.#endChore = context.housekeeping.every(TICK_MS, () => this.#tend())
  }

  /** @returns a function that ends it */
  begin(tell: Wait['tell']): () => void {
    const now = this.#context.broker.now()
    const wait: Wait = { began_ms: now, tell, told_ms: now }
    this.#waits.add(wait)
    return () => this.#waits.delete(wait)
  }

  close(): void {
    this.#endChore()
  }

  #tend(): void {
    const { broker, config } = this.#context
    const now = broker.now()
    for (const wait of this.#waits) {
      if (now - wait.told_ms < config.stream_comment_seconds * 1000) continue
      wait.told_ms = now
      wait.tell?.((now - wait.began_ms) / 1000)
    }
  }
}

const TICK_MS = 500

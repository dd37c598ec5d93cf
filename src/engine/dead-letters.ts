import type { DeadReason } from '../core/entry.ts'
import type { Limits, Meter } from '../core/limits.ts'
import type { DeadLetter } from './engine.ts'

export interface DeadLetterFilter {
  readonly reason?: DeadReason | undefined
  readonly client_id?: string | undefined
  readonly message_ids?: readonly string[] | undefined
}

/** The dead letters of one project, oldest first, bounded by count and bytes. */
export class DeadLetters {
  #letters: DeadLetter[] = []
  #bytes = 0
  /** Letters dropped because there was no more room. */
  dropped = 0

  constructor(private readonly meter: Meter) {}

  get count(): number {
    return this.#letters.length
  }

  add(letter: DeadLetter, limits: Limits): void {
    this.#letters.push(letter)
    this.#weigh(letter.message.bytes)
    let over = 0
    while (
      this.#letters.length - over > limits.dead_letters_max ||
      this.#bytes > limits.dead_letters_bytes_max
    )
      this.#weigh(-this.#letters[over++]!.message.bytes)
    if (over > 0) {
      this.#letters.splice(0, over)
      this.dropped += over
    }
  }

  /** The newest matching letters, newest first. */
  list(filter: DeadLetterFilter, limit: number): { letters: DeadLetter[]; total: number } {
    const matching = this.#matching(filter)
    return { letters: matching.slice(-limit).reverse(), total: matching.length }
  }

  find(message_id: string): DeadLetter[] {
    return this.#letters.filter((letter) => letter.message.message_id === message_id)
  }

  /**
   * Takes out each matching letter that `take` says it has taken. More may be added meanwhile. Of a recipient that did not
   * take one no more are tried: none overtakes another.
   *
   * @returns the ids of the matching messages
   */
  drain(
    filter: DeadLetterFilter,
    take: (letter: DeadLetter) => boolean,
  ): { taken: string[]; left: string[] } {
    const full = new Set<string>()
    const taken = new Set<DeadLetter>()
    const left: string[] = []
    for (const letter of this.#matching(filter)) {
      if (!full.has(letter.recipient_id) && take(letter)) taken.add(letter)
      else {
        full.add(letter.recipient_id)
        left.push(letter.message.message_id)
      }
    }
    this.#letters = this.#letters.filter((letter) => {
      const stays = !taken.has(letter)
      if (!stays) this.#weigh(-letter.message.bytes)
      return stays
    })
    return { taken: [...taken].map(({ message }) => message.message_id), left }
  }

  #matching({ reason, client_id, message_ids }: DeadLetterFilter): DeadLetter[] {
    const ids = message_ids && new Set(message_ids)
    return this.#letters.filter(
      (letter) =>
        (reason === undefined || letter.reason === reason) &&
        (client_id === undefined || letter.recipient_id === client_id) &&
        (ids === undefined || ids.has(letter.message.message_id)),
    )
  }

  #weigh(bytes: number): void {
    this.#bytes += bytes
    this.meter.bytes += bytes
  }
}

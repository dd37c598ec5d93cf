import type { Limits } from '../../core/limits.ts'
import type { DeadLetter } from '../../core/mailbox/entry.ts'
import type { Meter } from '../../core/mailbox/meter.ts'
import type { DeadFilter, Requeued } from '../values.ts'

/** What one call requeues at most, so that others are served in between. */
const REQUEUED_MAX = 500
const REQUEUED_BYTES_MAX = 256 * 1024

/** A dead letter with its number; numbers rise as letters come. */
export interface Numbered {
  readonly number: number
  readonly letter: DeadLetter
}

/** How far a requeue has come. As JSON it is the `next` of one call and the `from` of the following. */
interface Progress {
  /** The numbers of the last letter tried, and of the last one to try. */
  readonly after: number
  readonly through: number
  /** Recipients whose mailbox refused a message. */
  readonly full: readonly string[]
}

/** The dead letters of one project, oldest first, bounded by count and bytes. */
export class DeadLetters {
  #letters: Numbered[] = []
  #last = 0
  #bytes = 0
  /** Letters dropped because there was no more room. */
  dropped = 0
  /** While letters are drained, those that come are beyond the bounds: what is taken makes room for them. */
  #draining = false
  #untrimmed: Limits | undefined

  constructor(private readonly meter: Meter) {}

  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#letters.length
  }

  add(letter: DeadLetter, limits: Limits): Numbered {
    const numbered = { number: ++this.#last, letter }
    this.#letters.push(numbered)
    this.#weigh(letter.message.bytes)
    if (this.#draining) this.#untrimmed = limits
    else this.#trim(limits)
    return numbered
  }

  /**
   * Fills what is still empty with letters that were written down.
   *
   * @param letters in rising order of number
   * @param last at least the number of the last letter
   */
  restore(letters: readonly Numbered[], last: number, limits: Limits): void {
    this.#last = last
    this.putBack(letters, limits)
  }

  /** The letters from one number to another, both included. */
  between(low: number, high: number): readonly Numbered[] {
    return this.#letters.slice(indexAfter(this.#letters, low - 1), indexAfter(this.#letters, high))
  }

  /** Puts letters back that were drained, each at its place. */
  putBack(letters: readonly Numbered[], limits: Limits): void {
    this.#letters.push(...letters)
    this.#letters.sort((a, b) => a.number - b.number)
    for (const { letter } of letters) this.#weigh(letter.message.bytes)
    this.#trim(limits)
  }

  #trim(limits: Limits): void {
    let over = 0
    while (
      this.#letters.length - over > limits.dead_letters_max ||
      this.#bytes > limits.dead_letters_bytes_max
    )
      this.#weigh(-this.#letters[over++]!.letter.message.bytes)
    if (over > 0) {
      this.#letters.splice(0, over)
      this.dropped += over
    }
  }

  /**
   * The matching letters, newest first.
   *
   * @param after `next` of the page before: the number of its last letter
   */
  list(
    filter: DeadFilter,
    after: string | undefined,
    limit: number,
  ): { items: DeadLetter[]; next: string | undefined; total: number } {
    const matching = this.#letters.filter(({ letter }) => matches(letter, filter))
    const end = after === undefined ? matching.length : indexAfter(matching, Number(after) - 1)
    const page = matching.slice(Math.max(0, end - limit), end).reverse()
    const next = page.length < end ? String(page.at(-1)?.number) : undefined
    return { items: page.map(({ letter }) => letter), next, total: matching.length }
  }

  find(message_id: string): DeadLetter[] {
    const found: DeadLetter[] = []
    for (const { letter } of this.#letters) if (letter.message.message_id === message_id) found.push(letter)
    return found
  }

  /**
   * Offers matching letters to `take`, oldest first, and removes those it takes; one call offers a
   * limited number. After a refusal, no later letter for the same recipient is offered, to keep their
   * order. Letters that are added meanwhile are left to another requeue.
   *
   * @param next that of the call before; undefined begins with the oldest
   * @param take puts a letter back into its mailbox; false when there is no room
   * @param drained is told of the letters taken, if there are any
   */
  drain(
    filter: DeadFilter,
    next: string | undefined,
    take: (letter: DeadLetter) => boolean,
    drained?: (letters: readonly Numbered[]) => void,
  ): Requeued {
    this.#draining = true
    try {
      return this.#drain(filter, next, take, drained)
    } finally {
      this.#draining = false
      if (this.#untrimmed) this.#trim(this.#untrimmed)
      this.#untrimmed = undefined
    }
  }

  #drain(
    filter: DeadFilter,
    next: string | undefined,
    take: (letter: DeadLetter) => boolean,
    drained: ((letters: readonly Numbered[]) => void) | undefined,
  ): Requeued {
    const from = next === undefined ? undefined : (JSON.parse(next) as Progress)
    const through = from?.through ?? this.#last
    const full = new Set(from?.full)
    const taken: Numbered[] = []
    const refused: string[] = []
    let after = from?.after ?? 0
    let bytes = 0
    let tried = 0
    const letters = this.#letters
    let index = indexAfter(letters, after)
    for (; index < letters.length && tried < REQUEUED_MAX && bytes < REQUEUED_BYTES_MAX; index++) {
      const numbered = letters[index]!
      const { number, letter } = numbered
      if (number > through) break
      after = number
      if (!matches(letter, filter)) continue
      tried++
      bytes += letter.message.bytes
      if (!full.has(letter.recipient_id) && take(letter)) taken.push(numbered)
      else {
        full.add(letter.recipient_id)
        refused.push(letter.message.message_id)
      }
    }
    const more = index < letters.length && letters[index]!.number <= through
    if (taken.length > 0) {
      this.#remove(new Set(taken))
      drained?.(taken)
    }
    const requeued = taken.map(({ letter }) => letter.message.message_id)
    const progress: Progress = { after, through, full: [...full] }
    return { requeued, refused, next: more ? JSON.stringify(progress) : undefined }
  }

  #remove(taken: ReadonlySet<Numbered>): void {
    this.#letters = this.#letters.filter((numbered) => {
      if (!taken.has(numbered)) return true
      this.#weigh(-numbered.letter.message.bytes)
      return false
    })
  }

  #weigh(bytes: number): void {
    this.#bytes += bytes
    this.meter.engine.bytes += bytes
  }
}

function matches({ reason, recipient_id, message }: DeadLetter, filter: DeadFilter): boolean {
  return (
    (filter.reason === undefined || reason === filter.reason) &&
    (filter.client_id === undefined || recipient_id === filter.client_id) &&
    (filter.message_ids === undefined || filter.message_ids.has(message.message_id)) &&
    !filter.except?.has(message.message_id)
  )
}

/** Index of the first letter whose number is above `number`. */
function indexAfter(letters: readonly Numbered[], number: number): number {
  let low = 0
  let high = letters.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (letters[middle]!.number > number) high = middle
    else low = middle + 1
  }
  return low
}

import type { Limits } from '../../core/limits.ts'
import type { DeadLetter } from '../../core/mailbox/entry.ts'
import type { Meter } from '../../core/mailbox/meter.ts'
import type { DeadFilter, Requeued } from '../values.ts'

/** What one call requeues at most, so that others are served in between. */
const REQUEUED_MAX = 500
const REQUEUED_BYTES_MAX = 256 * 1024

/** A dead letter with its number; numbers rise as letters come. */
interface Numbered {
  readonly number: number
  readonly letter: DeadLetter
}

/** How far a requeue has come; written as JSON, it is the `next` of one call and the `from` of the following. */
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

  constructor(private readonly meter: Meter) {}

  get count(): number {
    return this.#letters.length
  }

  add(letter: DeadLetter, limits: Limits): void {
    this.#letters.push({ number: ++this.#last, letter })
    this.#weigh(letter.message.bytes)
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
   */
  drain(filter: DeadFilter, next: string | undefined, take: (letter: DeadLetter) => boolean): Requeued {
    const from = next === undefined ? undefined : (JSON.parse(next) as Progress)
    const through = from?.through ?? this.#last
    const full = new Set(from?.full)
    const taken = new Map<number, DeadLetter>()
    const refused: string[] = []
    let after = from?.after ?? 0
    let bytes = 0
    let tried = 0
    const letters = this.#letters
    let index = indexAfter(letters, after)
    for (; index < letters.length && tried < REQUEUED_MAX && bytes < REQUEUED_BYTES_MAX; index++) {
      const { number, letter } = letters[index]!
      if (number > through) break
      after = number
      if (!matches(letter, filter)) continue
      tried++
      bytes += letter.message.bytes
      if (!full.has(letter.recipient_id) && take(letter)) taken.set(number, letter)
      else {
        full.add(letter.recipient_id)
        refused.push(letter.message.message_id)
      }
    }
    const more = index < letters.length && letters[index]!.number <= through
    if (taken.size > 0) this.#remove(taken)
    const requeued = [...taken.values()].map(({ message }) => message.message_id)
    const progress: Progress = { after, through, full: [...full] }
    return { requeued, refused, next: more ? JSON.stringify(progress) : undefined }
  }

  #remove(taken: ReadonlyMap<number, DeadLetter>): void {
    this.#letters = this.#letters.filter(({ number, letter }) => {
      if (!taken.has(number)) return true
      this.#weigh(-letter.message.bytes)
      return false
    })
  }

  #weigh(bytes: number): void {
    this.#bytes += bytes
    this.meter.add(bytes)
  }
}

function matches({ reason, recipient_id, message }: DeadLetter, filter: DeadFilter): boolean {
  return (
    (filter.reason === undefined || reason === filter.reason) &&
    (filter.client_id === undefined || recipient_id === filter.client_id) &&
    (filter.message_ids === undefined || filter.message_ids.has(message.message_id))
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

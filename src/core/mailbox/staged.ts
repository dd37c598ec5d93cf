import type { Limits } from '../limits.ts'
import type { StoredMessage } from '../message.ts'
import type { Dead, Entry } from './entry.ts'
import type { Mailbox } from './mailbox.ts'
import type { Meter } from './meter.ts'

/** A message that has its offset and its room, and that nobody sees yet. */
export interface StagedMessage {
  readonly offset: number
  readonly message: StoredMessage
  /** Deliveries so far, for a requeued dead letter. */
  readonly attempts: number
  /** It stays staged when others are taken out again. */
  readonly kept: boolean
}

/**
 * The messages for one mailbox that are not stored yet, oldest first. Nothing that reads the mailbox sees
 * them; they count against its bounds and in the meter. While there are any, the mailbox takes messages only
 * through here.
 */
export class Staged {
  #messages: StagedMessage[] = []
  #bytes = 0

  constructor(
    private readonly mailbox: Mailbox,
    private readonly meter: Meter,
  ) {}

  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#messages.length
  }

  /**
   * Takes a message in, if it fits beside those that are staged already.
   *
   * @param over takes it even if it does not fit: `commit` makes room by dropping the oldest
   * @returns what is staged, or why nothing is: as {@link Mailbox.append}
   */
  stage(
    message: StoredMessage,
    limits: Limits,
    over: boolean,
    kept: boolean,
    attempts = 0,
  ): StagedMessage | 'full' | 'too_large' {
    const { bytes } = message
    const alone = this.mailbox.takes(1, bytes, limits)
    if (alone === 'too_large') return alone
    if (!over && this.mailbox.takes(this.count + 1, this.#bytes + bytes, limits) !== true) return 'full'
    const offset = (this.#messages.at(-1)?.offset ?? this.mailbox.last) + 1
    const staged = { offset, message, attempts, kept }
    this.#messages.push(staged)
    this.#weigh(bytes)
    return staged
  }

  /**
   * Appends the oldest staged message to the mailbox, where it is pending.
   *
   * @param dropped receives the messages that had to make room
   */
  commit(limits: Limits, dropped: Dead[]): Entry {
    const { message, attempts, offset } = this.#messages.shift()!
    const { mailbox } = this
    this.#weigh(-message.bytes)
    while (mailbox.takes(1, message.bytes, limits) !== true) dropped.push(mailbox.dropOldest()!)
    return mailbox.append(message, limits, attempts, offset) as Entry
  }

  /**
   * Takes the oldest `count` staged messages out again, as if they had never been. Those that are kept stay.
   * Later ones keep their offsets: a gap does no harm.
   *
   * @returns those of the `count` that stay
   */
  undo(count: number): readonly StagedMessage[] {
    const kept: StagedMessage[] = []
    for (const staged of this.#messages.splice(0, count)) {
      if (staged.kept) kept.push(staged)
      else this.#weigh(-staged.message.bytes)
    }
    this.#messages.unshift(...kept)
    return kept
  }

  #weigh(bytes: number): void {
    this.#bytes += bytes
    this.meter.engine.bytes += bytes
  }
}

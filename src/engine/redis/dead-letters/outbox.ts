import { createHash } from 'node:crypto'
import { bounceOf } from '../../../core/bounce.ts'
import type { DeadLetter } from '../../../core/mailbox/entry.ts'
import type { Address } from '../../values.ts'
import { mailboxKeys } from '../mailbox/keys.ts'
import { readOutgoing } from '../mailbox/text.ts'
import type { Run } from '../script.ts'
import type { AppendOnce } from './appending.ts'
import type { DeadLetters } from './dead-letters.ts'
import { OUTBOX } from './scripts.ts'
import type { OutgoingText } from './text.ts'

/** How much of an outbox is taken at once: letters, and bytes of text. */
const LETTERS_MAX = 64
const TEXT_MAX = 1024 * 1024

export interface OutboxesOptions {
  readonly run: Run
  /** Of all keys. */
  readonly prefix: string
  readonly dead_letters: Pick<DeadLetters, 'add'>
  /** Stores a bounce for the sender of a message. */
  readonly append: AppendOnce
  /** Told once of each letter, by the instance that stored it. */
  readonly died: (letter: DeadLetter, bounced: boolean) => void
  /** Told that letters of a project were stored, and by how many bytes what is stored has grown. */
  readonly buried: (project: string, grown: number) => void
  /** Told when nothing is left in an outbox. */
  readonly emptied: (address: Address) => void
  readonly report: (trouble: unknown) => void
}

/** One run over the outbox of one mailbox. */
interface Draining {
  /** Asked for once more while it ran. */
  again: boolean
  /** Ends with the first pass that begins from now on, or with the run. */
  next: PromiseWithResolvers<void>
}

/** A place in an outbox. */
interface Place {
  readonly epoch: string
  readonly number: number
}

/**
 * Buries what has died in mailboxes. The script that has a message die leaves it in the outbox of its
 * mailbox, since its sender and the dead letters are in other hash slots. From there it is carried in this
 * order, so that a crash loses nothing and a repetition does nothing twice:
 *
 *   outbox → among the project's dead letters → bounce in the sender's mailbox → told → out of the outbox
 *
 * Several instances may do it at once. Each letter is told by the one that stored it; not at all, if that one
 * ends before it could.
 */
export class Outboxes {
  readonly #draining = new Map<string, Draining>()
  /** How far letters were told that have not been removed since, because that call failed; by outbox. */
  readonly #told = new Map<string, Place>()

  constructor(private readonly options: OutboxesOptions) {}

  /** Empties the outbox of an address; what fails is reported. Calls for the same mailbox share one run. */
  drain(address: Address): void {
    const outbox = mailboxKeys(this.options.prefix, address)[5]!
    const running = this.#draining.get(outbox)
    if (running) {
      running.again = true
      return
    }
    const draining: Draining = { again: true, next: Promise.withResolvers() }
    this.#draining.set(outbox, draining)
    this.#drain(address, outbox, draining).catch(this.options.report)
  }

  /** Ends with a pass over an outbox that begins from now on; undefined where nothing is being buried. */
  buried(address: Address): Promise<void> | undefined {
    return this.#draining.get(mailboxKeys(this.options.prefix, address)[5]!)?.next.promise
  }

  async #drain(address: Address, outbox: string, draining: Draining): Promise<void> {
    let done: Place | undefined
    let pass = draining.next
    try {
      for (;;) {
        draining.again = false
        pass = draining.next
        draining.next = Promise.withResolvers()
        const letters = await this.#next(address, outbox, done)
        done = undefined
        const first = letters[0]
        if (first) {
          // A mailbox that began anew counts from 1 again.
          const { epoch } = first.letter
          const life = letters.findIndex(({ letter }) => letter.epoch !== epoch)
          done = await this.#bury(address, outbox, life < 0 ? letters : letters.slice(0, life))
        } else if (!draining.again) {
          this.options.emptied(address)
          return
        }
        pass.resolve()
      }
    } finally {
      pass.resolve()
      draining.next.resolve()
      // In the step that looked last: whoever asks from here on begins a run of its own.
      this.#draining.delete(outbox)
    }
  }

  /** Removes what is done, and reads what comes next. */
  async #next(address: Address, outbox: string, done: Place | undefined): Promise<OutgoingText[]> {
    const args = [done?.epoch ?? '', done?.number ?? 0, `${LETTERS_MAX} ${TEXT_MAX}`]
    const texts = (await this.options.run(OUTBOX, [outbox], args)) as string[]
    if (done || texts.length === 0) this.#told.delete(outbox)
    return texts.map((text) => ({ ...readOutgoing(text, address), text }))
  }

  /** @param letters of one epoch, at least one @returns the last of them */
  async #bury(address: Address, outbox: string, letters: readonly OutgoingText[]): Promise<Place> {
    const { dead_letters, died, buried } = this.options
    const { epoch } = letters[0]!.letter
    const { mine, grown } = await dead_letters.add(address, epoch, letters)
    buried(address.project, grown)
    const bounced = await this.#bounceAll(address, letters)
    const told = this.#told.get(outbox)
    letters.forEach(({ number, letter }, i) => {
      if (!mine[i] || (told?.epoch === epoch && number <= told.number)) return
      died(letter, bounced[i]!)
    })
    const last = { epoch, number: letters.at(-1)!.number }
    this.#told.set(outbox, last)
    return last
  }

  /**
   * Appends the bounces, those for one sender one after the other: a later one says that the rest is done.
   *
   * @returns for each letter whether it has a bounce that found room
   */
  async #bounceAll({ project, client_id }: Address, letters: readonly OutgoingText[]): Promise<boolean[]> {
    const by_sender = new Map<string, Promise<unknown>>()
    const bounces = letters.map(({ number, letter }) => {
      const bounce = bounceOf(letter, sha256)
      if (!bounce) return false
      const { sender_id } = letter.message
      const as = { instance: bouncesName(client_id, letter), number }
      const append = () => this.options.append({ project, client_id: sender_id }, bounce, 0, as)
      const before = by_sender.get(sender_id)
      const appended = before ? before.then(append) : append()
      by_sender.set(sender_id, appended)
      return appended
    })
    // All have ended before one that failed is told, so that no append of this run meets one of the next.
    const ended = await Promise.allSettled(bounces)
    return ended.map((bounce) => {
      if (bounce.status === 'rejected') throw bounce.reason
      return bounce.value
    })
  }
}

/** In whose name a mailbox's bounces are appended to others; `sweep.lua` knows its beginning. */
function bouncesName(client_id: string, { epoch }: DeadLetter): string {
  return `outbox:${client_id}:${epoch}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

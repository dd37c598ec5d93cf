import { createHash } from 'node:crypto'
import { bounceOf } from '../../../core/bounce.ts'
import type { DeadLetter } from '../../../core/mailbox/entry.ts'
import type { StoredMessage } from '../../../core/message.ts'
import type { Address } from '../../values.ts'
import type { As } from '../mailbox/lanes.ts'
import { type Outgoing, readOutgoing } from '../mailbox/text.ts'
import { type Command, type Run, script } from '../script.ts'
import type { DeadLetters } from './dead-letters.ts'
import trimOutbox from './trim-outbox.lua' with { type: 'text' }

export const TRIM_OUTBOX = script('trim-outbox', trimOutbox)

/** Letters of one step. */
const LETTERS_MAX = 64

export interface OutboxesOptions {
  readonly run: Run
  readonly command: Command
  readonly dead_letters: DeadLetters
  /** The key of an address's outbox. */
  readonly keyOf: (address: Address) => string
  /**
   * Stores a bounce for the sender of a message; a second call under the same name and number stores nothing.
   *
   * @returns whether it is stored
   */
  readonly append: (address: Address, bounce: StoredMessage, as: As) => Promise<boolean>
  /** Told once of each letter, by the instance that stored it. */
  readonly died: (letter: DeadLetter, bounced: boolean) => void
  /** Told by how many bytes what is stored has grown. */
  readonly grown: (project: string, bytes: number) => void
  /** Told when nothing is left in an outbox. */
  readonly emptied: (address: Address) => void
  readonly report: (trouble: unknown) => void
}

/**
 * Buries what has died. The script that has a message die leaves it in the outbox of its mailbox, since its
 * sender and the dead letters are in other hash slots. From there it is stored as a dead letter, its sender
 * is told, and it is removed. Each step may be made twice, and by two instances at once.
 */
export class Outboxes {
  readonly #draining = new Map<string, { again: boolean; done: Promise<void> }>()

  constructor(private readonly options: OutboxesOptions) {}

  /** Empties the outbox of an address. What comes meanwhile is emptied too. */
  drain(address: Address): void {
    const key = this.options.keyOf(address)
    const running = this.#draining.get(key)
    if (running) {
      running.again = true
      return
    }
    const run = { again: true, done: Promise.resolve() }
    this.#draining.set(key, run)
    run.done = this.#drain(address, key, run)
      .catch(this.options.report)
      .finally(() => this.#draining.delete(key))
  }

  /** Ends when nothing is being emptied any more; undefined where nothing is. */
  settled(): Promise<void> | undefined {
    if (this.#draining.size === 0) return undefined
    const all = [...this.#draining.values()].map(({ done }) => done)
    return Promise.all(all).then(() => this.settled())
  }

  async #drain(address: Address, key: string, running: { again: boolean }): Promise<void> {
    const { run, command } = this.options
    while (running.again) {
      running.again = false
      const texts = (await command('LRANGE', key, 0, LETTERS_MAX - 1)) as string[]
      if (texts.length === 0) continue
      running.again = true
      const letters = texts.map((text) => readOutgoing(text, address))
      for (const outgoing of letters) await this.#bury(outgoing)
      await run(TRIM_OUTBOX, [key], [letters.at(-1)!.number])
    }
    this.options.emptied(address)
  }

  async #bury(outgoing: Outgoing): Promise<void> {
    const { dead_letters, append, died, grown } = this.options
    const { number, letter } = outgoing
    const { project, recipient_id, epoch, message } = letter
    const added = await dead_letters.add(outgoing)
    grown(project, added.grown)
    const bounce = bounceOf(letter, sha256)
    const as = { instance: `outbox:${recipient_id}:${epoch}`, number }
    const bounced =
      bounce !== undefined && (await append({ project, client_id: message.sender_id }, bounce, as))
    if (added.fresh) died(letter, bounced)
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

import type { Limits } from '../../../core/limits.ts'
import type { DeadLetter, DeadReason } from '../../../core/mailbox/entry.ts'
import type { DeadFilter, Page, Requeued } from '../../values.ts'
import { type Outgoing, outgoingText, readOutgoing } from '../mailbox/text.ts'
import { type Command, kept, type Run, script, tagPart } from '../script.ts'
import add from './add.lua' with { type: 'text' }
import take from './take.lua' with { type: 'text' }

export const ADD = kept(script('add-dead-letter', add))
export const TAKE = script('take-dead-letters', take)

/** What one call requeues at most, so that others are served in between. */
const REQUEUED_MAX = 500
const REQUEUED_BYTES_MAX = 256 * 1024
const CHUNK = 1000

export interface DeadLettersOptions {
  readonly run: Run
  readonly command: Command
  /** Of all keys. */
  readonly prefix: string
  readonly limits: (project: string) => Limits
}

/** What is looked at to choose letters. */
interface Head {
  readonly number: number
  readonly client_id: string
  readonly reason: string
  readonly message_id: string
  readonly bytes: number
}

/** How far a requeue has come. As JSON it is the `next` of one call and the `from` of the following. */
interface Progress {
  /** The numbers of the last letter tried, and of the last one to try. */
  readonly after: number
  readonly through: number
  /** Recipients whose mailbox refused a message. */
  readonly full: readonly string[]
}

/** The dead letters of all projects: those of one in one hash slot, numbered as they come. */
export class DeadLetters {
  constructor(private readonly options: DeadLettersOptions) {}

  /**
   * Stores a letter that was in the outbox of its mailbox. The oldest go where there are too many.
   *
   * @returns whether it is new here, and by how many bytes what is stored has grown
   */
  async add({ number, letter }: Outgoing): Promise<{ readonly fresh: boolean; readonly grown: number }> {
    const { project, recipient_id, epoch, reason, message } = letter
    const { dead_letters_max, dead_letters_bytes_max } = this.options.limits(project)
    const { message_id, bytes } = message
    const text = outgoingText({ number, letter })
    const args = [recipient_id, epoch, number, text, reason, message_id, bytes]
    const answer = await this.options.run(ADD, this.#keys(project), [
      ...args,
      dead_letters_max,
      dead_letters_bytes_max,
    ])
    const [fresh, grown] = answer as [number, number]
    return { fresh: fresh === 1, grown }
  }

  /** As {@link Engine.dead}. */
  async list(
    project: string,
    filter: DeadFilter,
    after: string | undefined,
    limit: number,
  ): Promise<Page<DeadLetter> & { readonly total: number }> {
    const matching = (await this.#heads(project)).filter((head) => matches(head, filter))
    const ahead = after === undefined ? matching : matching.filter(({ number }) => number < Number(after))
    const page = ahead.slice(-limit).reverse()
    const items = [...(await this.#letters(project, page)).values()]
    const next = page.length < ahead.length ? String(page.at(-1)!.number) : undefined
    return { items, next, total: matching.length }
  }

  /** The letters of one message. */
  async find(project: string, message_id: string): Promise<DeadLetter[]> {
    const heads = await this.#heads(project)
    const found = await this.#letters(
      project,
      heads.filter((head) => head.message_id === message_id),
    )
    return [...found.values()]
  }

  async totals(project: string): Promise<{ readonly count: number; readonly bytes: number }> {
    const [, , order = '', meta = ''] = this.#keys(project)
    const [count, bytes] = await Promise.all([
      this.options.command('ZCARD', order),
      this.options.command('HGET', meta, 'bytes'),
    ])
    return { count: Number(count), bytes: Number(bytes ?? 0) }
  }

  /**
   * As {@link Engine.requeue}.
   *
   * @param put puts a letter back into its mailbox; false when there is no room
   * @param grown told by how many bytes what is stored has grown
   */
  async requeue(
    project: string,
    filter: DeadFilter,
    from: string | undefined,
    put: (letter: DeadLetter) => Promise<boolean>,
    grown: (bytes: number) => void,
  ): Promise<Requeued> {
    const heads = await this.#heads(project)
    const progress = from === undefined ? undefined : (JSON.parse(from) as Progress)
    const through = progress?.through ?? heads.at(-1)?.number ?? 0
    const full = new Set(progress?.full)
    const chosen: Head[] = []
    let after = progress?.after ?? 0
    let bytes = 0
    let more = false
    for (const head of heads) {
      if (head.number <= after || head.number > through) continue
      more = chosen.length >= REQUEUED_MAX || bytes >= REQUEUED_BYTES_MAX
      if (more) break
      after = head.number
      if (!matches(head, filter)) continue
      chosen.push(head)
      bytes += head.bytes
    }
    const taken: Head[] = []
    const refused: string[] = []
    const letters = await this.#letters(project, chosen)
    for (const head of chosen) {
      const letter = letters.get(head.number)
      if (!letter) continue
      if (!full.has(head.client_id) && (await put(letter))) taken.push(head)
      else {
        full.add(head.client_id)
        refused.push(head.message_id)
      }
    }
    if (taken.length > 0) {
      const numbers = taken.map(({ number }) => number)
      grown(Number(await this.options.run(TAKE, this.#keys(project).slice(0, 4), numbers)))
    }
    const next: Progress = { after, through, full: [...full] }
    return {
      requeued: taken.map(({ message_id }) => message_id),
      refused,
      next: more ? JSON.stringify(next) : undefined,
    }
  }

  /** Of all letters, oldest first. */
  async #heads(project: string): Promise<Head[]> {
    const [, heads = '', order = ''] = this.#keys(project)
    const numbers = (await this.options.command('ZRANGE', order, 0, -1)) as string[]
    const found: Head[] = []
    for (let from = 0; from < numbers.length; from += CHUNK) {
      const some = numbers.slice(from, from + CHUNK)
      const texts = (await this.options.command('HMGET', heads, ...some)) as (string | null)[]
      for (const [i, text] of texts.entries()) {
        if (text === null) continue
        const [client_id = '', reason = '', message_id = '', bytes] = text.split(' ')
        found.push({ number: Number(some[i]), client_id, reason, message_id, bytes: Number(bytes) })
      }
    }
    return found
  }

  /** By number, in the order of `heads`; without those that are gone by now. */
  async #letters(project: string, heads: readonly Head[]): Promise<Map<number, DeadLetter>> {
    const found = new Map<number, DeadLetter>()
    if (heads.length === 0) return found
    const [letters = ''] = this.#keys(project)
    const numbers = heads.map(({ number }) => number)
    const texts = (await this.options.command('HMGET', letters, ...numbers)) as (string | null)[]
    for (const [i, { number, client_id }] of heads.entries()) {
      const text = texts[i]
      if (text) found.set(number, readOutgoing(text, { project, client_id }).letter)
    }
    return found
  }

  #keys(project: string): string[] {
    const tag = `${this.options.prefix}{${tagPart(project)}:dead}:`
    return ['letters', 'heads', 'order', 'meta', 'marks'].map((part) => tag + part)
  }
}

function matches({ reason, client_id, message_id }: Head, filter: DeadFilter): boolean {
  return (
    (filter.reason === undefined || (reason as DeadReason) === filter.reason) &&
    (filter.client_id === undefined || client_id === filter.client_id) &&
    (filter.message_ids === undefined || filter.message_ids.has(message_id)) &&
    !filter.except?.has(message_id)
  )
}

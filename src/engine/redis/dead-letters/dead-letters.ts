import type { Limits } from '../../../core/limits.ts'
import type { DeadLetter } from '../../../core/mailbox/entry.ts'
import type { Address, DeadFilter, Page } from '../../values.ts'
import type { Run, Script } from '../script.ts'
import { deadKeys } from './keys.ts'
import { ADD, FORGET, SCAN, TOTALS } from './scripts.ts'
import { filterArgs, type OutgoingText, outgoingHead, readNumbered } from './text.ts'

/** How many letters one call of a script looks at: about a millisecond of the server. */
const SCANNED_MAX = 1000
/** UTF-8 bytes after which one call of a script answers no further letter. */
const TEXT_MAX = 1024 * 1024
/** A number that no letter has, and that Lua writes without an exponent. */
const ABOVE_ALL = 99_999_999_999_999
/** So long a mailbox's mark is kept once nothing dies there: an outbox may be emptied as late as that. */
export const MARK_MS = 7 * 24 * 3_600_000

export interface DeadLettersOptions {
  readonly run: Run
  /** Of all keys. */
  readonly prefix: string
  /** Names this process. */
  readonly instance: string
  readonly limits: (project: string) => Limits
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** How many letters one call looks at; for tests. */
  readonly scanned_max?: number
}

/** What is listed, and how many letters have been dropped for want of room so far. */
export interface DeadTotals {
  readonly count: number
  readonly bytes: number
  readonly dropped: number
}

/**
 * The dead letters of all projects, as all instances see them. Those of one project are in one hash slot, as
 * one list, bounded by count and bytes.
 */
export class DeadLetters {
  /** How many letters one call of a script may look at. */
  readonly scanned_max: number

  constructor(private readonly options: DeadLettersOptions) {
    this.scanned_max = options.scanned_max ?? SCANNED_MAX
  }

  /**
   * Runs a script of a project's dead letters.
   *
   * @throws Error as {@link Run}
   */
  run(script: Script, project: string, args: readonly (string | number)[]): Promise<unknown> {
    const { run, prefix, limits, now } = this.options
    const { dead_letters_max, dead_letters_bytes_max } = limits(project)
    const bounds = `${now()} ${dead_letters_max} ${dead_letters_bytes_max}`
    return run(script, deadKeys(prefix, project), [bounds, ...args])
  }

  /**
   * Stores letters of one mailbox, each once, no matter how often and by how many instances it is asked for.
   *
   * @param letters in rising order of number, none left out since the last call, all of one `epoch`
   * @returns for each whether this instance has stored it, by this call or by one whose answer was lost; and
   *   by how many bytes what is stored has grown
   */
  async add(
    { project, client_id }: Address,
    epoch: string,
    letters: readonly OutgoingText[],
  ): Promise<{ readonly mine: readonly boolean[]; readonly grown: number }> {
    const args = letters.flatMap((outgoing) => [outgoingHead(outgoing), outgoing.text])
    const answer = await this.run(ADD, project, [`${client_id} ${epoch}`, this.options.instance, ...args])
    const [grown, digits] = answer as [number, string]
    return { mine: [...digits].map((digit) => digit === '1'), grown }
  }

  /** As {@link Engine.dead}. What is added while it is listed is on a later list. */
  async list(
    project: string,
    filter: DeadFilter,
    { after, limit }: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<DeadLetter> & { readonly total: number }> {
    const whole = Object.values(filter).some((part) => part !== undefined)
    const items: DeadLetter[] = []
    const filtered = filterArgs(filter)
    let last = 0
    let total = 0
    let under = 0
    let from = whole || after === undefined ? '+inf' : `(${after}`
    while (from !== '') {
      const wanted = `${after ?? ABOVE_ALL} ${limit - items.length}`
      const bounds = `${this.scanned_max} ${TEXT_MAX} ${whole ? 1 : 0}`
      const answer = await this.run(SCAN, project, [from, `${wanted} ${bounds}`, ...filtered])
      const [listed, next, matching, below, ...texts] = answer as ScanAnswer
      for (const text of texts) {
        const { number, letter } = readNumbered(text, project)
        items.push(letter)
        last = number
      }
      total = whole ? total + matching : listed
      under += below
      from = next
      if (!whole && under > items.length) break
    }
    return { items, next: under > items.length ? String(last) : undefined, total }
  }

  /** The letters of one message, oldest first. */
  async find(project: string, message_id: string): Promise<DeadLetter[]> {
    const { items } = await this.list(project, { message_ids: new Set([message_id]) }, { limit: ABOVE_ALL })
    return items.toReversed()
  }

  async totals(project: string): Promise<DeadTotals> {
    const [count, bytes, dropped] = (await this.run(TOTALS, project, [])) as (string | number)[]
    return { count: Number(count), bytes: Number(bytes), dropped: Number(dropped) }
  }

  /**
   * Forgets marks of mailboxes in which nothing has died for {@link MARK_MS}.
   *
   * @returns when the next one is to be forgotten, in milliseconds since the epoch; Infinity: there is none
   */
  async forget(project: string): Promise<number> {
    let next_ms = Number.POSITIVE_INFINITY
    let cursor = '0'
    do {
      const answer = await this.run(FORGET, project, [cursor, this.options.now() - MARK_MS])
      const [following, since] = answer as [string, number | '']
      cursor = following
      if (since !== '') next_ms = Math.min(next_ms, since + MARK_MS + 1)
    } while (cursor !== '0')
    return next_ms
  }
}

type ScanAnswer = [listed: number, next: string, matching: number, under: number, ...texts: string[]]

import type { DeadLetter } from '../../../core/mailbox/entry.ts'
import { renewMessage } from '../../../core/message.ts'
import type { Address, DeadFilter, Requeued } from '../../values.ts'
import type { AppendOnce } from './appending.ts'
import type { DeadLetters } from './dead-letters.ts'
import { CLAIM, FINISH, TAKE_OVER } from './scripts.ts'
import { filterArgs, readNumbered } from './text.ts'

/** What one call requeues at most, so that others are served in between. */
const REQUEUED_MAX = 500
const REQUEUED_BYTES_MAX = 256 * 1024
/** A claim that is older is taken over. Should its instance be alive all the same, both do the same. */
export const CLAIM_MS = 10_000
/** In whose name letters are appended to their mailboxes; `sweep.lua` knows it. */
const NAME = 'requeue'

export interface RequeuesOptions {
  readonly dead_letters: DeadLetters
  /** Puts a letter into its mailbox. */
  readonly append: AppendOnce
  /**
   * Called before letters of a project are claimed. When it ends, it is noted where all instances look that
   * claims of this project may have to be taken over.
   *
   * @returns to be called when the requeue is over, unless its claim was left behind
   */
  readonly begin: (project: string) => Promise<() => void>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Told by how many bytes what is stored has grown. */
  readonly grown: (bytes: number) => void
}

/** How far a requeue has come. As JSON it is the `next` of one call and the `from` of the following. */
interface Progress {
  /** The numbers of the last letter tried, and of the last one to try. */
  readonly after: number
  readonly through: number
  /** Recipients whose mailbox refused a message. */
  readonly full: readonly string[]
}

/** A letter that a claim has tried. */
type Tried =
  | { readonly refused: string; readonly recipient_id: string }
  | { readonly letter: DeadLetter /** Of its call. */; readonly number: number }

/** What one part of a requeue has claimed, or left. */
interface Part {
  /** "BASE SINCE_MS"; '' when nothing was claimed. */
  readonly claim: string
  readonly tried: readonly Tried[]
  readonly after: number
  readonly through: number
  readonly more: boolean
}

/**
 * Puts dead letters back into their mailboxes:
 *
 *   listed ─ claim → claimed ─ append → in the mailbox ─ finish → deleted
 *                            └ refused, as are all later ones of the recipient ─ finish → listed
 *
 * Letters of one recipient are claimed by one requeue at a time, and appended one after the other until one
 * is refused, under rising numbers of one name. So each step may be repeated, by anybody: an append that was
 * done answers the same, or `stale` where a later one followed, which is made only after it was stored. A
 * claim that an instance which has ended left behind is taken over by {@link takeOver}, with the same steps.
 */
export class Requeues {
  /** Ends with the latest requeue of this instance in a project: they are made one after the other. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(private readonly options: RequeuesOptions) {}

  /**
   * As {@link Engine.requeue} says. Letters whose recipient another instance is requeueing for are refused.
   *
   * @throws Error of the server or the append: what was claimed is listed, or in its mailbox, once it is
   *   taken over
   */
  async requeue(project: string, filter: DeadFilter, from: string | undefined): Promise<Requeued> {
    const before = this.#last.get(project)
    const requeue = () => this.#requeue(project, filter, from)
    const requeued = before ? before.catch(() => undefined).then(requeue) : requeue()
    this.#last.set(project, requeued)
    try {
      return await requeued
    } finally {
      if (this.#last.get(project) === requeued) this.#last.delete(project)
    }
  }

  /**
   * Goes on with what instances that have ended left half done.
   *
   * @returns when the oldest claim that is left may be taken over, in milliseconds since the epoch; Infinity:
   *   there is none
   * @throws Error of the server or an append: what failed is tried again by a later call
   */
  async takeOver(project: string): Promise<number> {
    const { dead_letters, now } = this.options
    const failed: unknown[] = []
    for (;;) {
      const limits = `${now() - CLAIM_MS} ${REQUEUED_MAX}`
      const answer = await dead_letters.run(TAKE_OVER, project, [limits])
      const [oldest, ...taken] = answer as [number | '', ...[string, ...string[]][]]
      for (const [claim, ...texts] of taken)
        await this.#carryOut(project, claim, lettersOf(project, claim, texts)).catch((error) =>
          failed.push(error),
        )
      if (taken.length > 0) continue
      // Only now: one mailbox that cannot be reached holds up no other.
      if (failed.length > 0) throw failed[0]
      return oldest === '' ? Number.POSITIVE_INFINITY : oldest + CLAIM_MS + 1
    }
  }

  async #requeue(project: string, filter: DeadFilter, from: string | undefined): Promise<Requeued> {
    const before = from === undefined ? undefined : (JSON.parse(from) as Progress)
    const end = await this.options.begin(project)
    const part = await this.#claim(project, filter, before)
    const { requeued, refused, full } = await this.#carryOut(project, part.claim, part.tried, before?.full)
    end()
    const progress: Progress = { after: part.after, through: part.through, full: [...full] }
    return { requeued, refused, next: part.more ? JSON.stringify(progress) : undefined }
  }

  async #claim(project: string, filter: DeadFilter, before: Progress | undefined): Promise<Part> {
    const { dead_letters } = this.options
    const filtered = filterArgs(filter)
    const full = before?.full ?? []
    const tried: Tried[] = []
    let { after, through }: { after: number; through: number | '-' } = before ?? { after: 0, through: '-' }
    let more = true
    let bytes = 0
    let claim = ''
    while (more && tried.length < REQUEUED_MAX && bytes < REQUEUED_BYTES_MAX) {
      const room = `${REQUEUED_MAX - tried.length} ${REQUEUED_BYTES_MAX - bytes}`
      const where = `${after} ${through} ${room} ${dead_letters.scanned_max}`
      const answer = await dead_letters.run(CLAIM, project, [where, claim, ...filtered, ...full])
      const [to, at, further, size, made, ...what] = answer as ClaimAnswer
      through = to
      after = at
      more = further === 1
      bytes += size
      claim = made
      for (let i = 0; i < what.length; i += 2) {
        const text = String(what[i + 1])
        if (what[i] === '') {
          const [refused = '', recipient_id = ''] = text.split(' ')
          tried.push({ refused, recipient_id })
        } else tried.push({ letter: readNumbered(text, project).letter, number: Number(what[i]) })
      }
    }
    return { claim, tried, after, through: Number(through), more }
  }

  /** Appends letters that are claimed, in the given order, and ends the claim. */
  async #carryOut(
    project: string,
    claim: string,
    tried: readonly Tried[],
    already_full: readonly string[] = [],
  ): Promise<{ requeued: string[]; refused: string[]; full: ReadonlySet<string> }> {
    const { dead_letters, grown } = this.options
    const requeued: string[] = []
    const refused: string[] = []
    const full = new Set(already_full)
    const stored = new Map<string, number>()
    for (const one of tried) {
      if ('refused' in one) {
        full.add(one.recipient_id)
        refused.push(one.refused)
        continue
      }
      const { recipient_id, message } = one.letter
      const count = stored.get(recipient_id) ?? 0
      stored.set(recipient_id, count)
      if (!full.has(recipient_id) && (await this.#append(one.letter, one.number))) {
        stored.set(recipient_id, count + 1)
        requeued.push(message.message_id)
      } else {
        full.add(recipient_id)
        refused.push(message.message_id)
      }
    }
    if (stored.size > 0)
      grown(Number(await dead_letters.run(FINISH, project, [claim, ...[...stored].flat()])))
    return { requeued, refused, full }
  }

  #append({ project, recipient_id, message, attempts }: DeadLetter, number: number): Promise<boolean> {
    const address: Address = { project, client_id: recipient_id }
    const renewed = renewMessage(message, this.options.now())
    return this.options.append(address, renewed, attempts, { instance: NAME, number })
  }
}

/** Letters that were claimed, with the numbers of their calls, as `take-over.lua` answers them. */
function lettersOf(project: string, claim: string, texts: readonly string[]): Tried[] {
  const base = Number.parseInt(claim, 10)
  return texts.map((text, i) => ({ letter: readNumbered(text, project).letter, number: base + i + 1 }))
}

type ClaimAnswer = [
  through: number,
  after: number,
  more: number,
  bytes: number,
  claim: string,
  ...what: (string | number)[],
]

import type { Address } from '../../values.ts'
import type { DueIndex } from '../addresses/due-index.ts'
import { type DeadLetters, MARK_MS } from './dead-letters.ts'
import { CLAIM_MS, type Requeues } from './requeues.ts'

/** How often the marks of one project are looked through at most. */
const MARKS_EVERY_MS = 3_600_000

export interface RecoveryOptions {
  readonly due: DueIndex
  readonly dead_letters: DeadLetters
  readonly requeues: Requeues
  /** Names this process. */
  readonly instance: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * Finds what is due at the dead letters of projects: claims whose instance has ended, and old marks. Both are
 * in the index of what is due, under addresses that no client has. Each requeue has one of its own, so that
 * an instance which has found nothing left to do removes no other's.
 */
export class Recovery {
  #requeues = 0

  constructor(private readonly options: RecoveryOptions) {}

  /** As {@link RequeuesOptions.begin}. */
  async begin(project: string): Promise<() => void> {
    const { due, instance, now } = this.options
    const address = { project, client_id: `#requeue:${instance}:${++this.#requeues}` }
    // Twice, since the claim is yet to be made; whoever looks too early finds none.
    await due.keep(address, now() + 2 * CLAIM_MS)
    return () => {
      // One that stays is removed by whoever looks at it.
      due.done(address, Number.POSITIVE_INFINITY).catch(() => undefined)
    }
  }

  /** Letters of a project were stored. */
  marked(project: string): void {
    this.options.due.note({ project, client_id: MARKS }, this.options.now() + MARK_MS)
  }

  /** Whether an address that is due is one of these. */
  concerns({ client_id }: Address): boolean {
    return client_id.startsWith('#')
  }

  /** Does what is due at one of these addresses. @throws Error: it is due again soon */
  async sweep(address: Address): Promise<void> {
    const { due, dead_letters, requeues, now } = this.options
    const claims_ms = await requeues.takeOver(address.project)
    if (address.client_id !== MARKS) return due.done(address, claims_ms)
    const marks_ms = Math.max(await dead_letters.forget(address.project), now() + MARKS_EVERY_MS)
    await due.done(address, Math.min(claims_ms, marks_ms))
  }
}

const MARKS = '#marks'

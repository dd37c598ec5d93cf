import type { Limits } from '../../../src/core/limits.ts'
import type { Random } from '../random.ts'
import type { Faults } from './faults.ts'
import type { Instance } from './instance.ts'
import type { Questions } from './questions.ts'
import type { RarePaths } from './rare-paths.ts'
import type { Schedule } from './schedule.ts'
import type { Truth } from './truth.ts'

/** What brokers, and what lies under them, have of the cluster. */
export interface World {
  readonly schedule: Schedule
  readonly random: Random
  readonly faults: Faults
  readonly limits: Limits
  readonly truth: Truth
  readonly questions: Questions
  readonly rare: RarePaths
  readonly newId: () => string
  readonly newEpoch: () => string
  readonly failed: (fault: unknown) => void
}

/** An address as it is, whatever anybody was told of it. */
export interface Seen {
  readonly changes: number
  readonly pending: number
  /** The session that holds it. */
  readonly session_id: string | undefined
}

/** What lies under the brokers. */
export interface Ground {
  /** They are not up yet. */
  readonly instances: readonly Instance[]
  /** How long what should be read may lie about, while calls fail and when they do not. */
  readonly patience: Readonly<Record<'faulty' | 'healed', { lies_ms: number; replaced_ms: number }>>
  /** How long an answer may be under way after the call was carried out, in milliseconds. */
  readonly answer_ms_max: number
  /** A crash may leave acknowledged what it kept from the caller of a read with `auto`. */
  readonly crash_takes: boolean
  /** @returns undefined for an address that does not exist */
  seen(client_id: string): Seen | undefined
  /** Messages that are not acknowledged, nor dead and buried. */
  unsettled(): number
  /** Calls succeed from now on. */
  healed?(): void
  /** @throws Error for something that must not be so when all is at rest */
  checkAtRest?(): Promise<void>
}

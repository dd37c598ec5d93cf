import type { Level } from './boot.ts'
import type { Disk } from './disk.ts'

export interface LogOptions {
  readonly disk: Disk
  readonly level: Level
  /** Of this machine's boot; undefined where there is none: then every start counts as after another boot. */
  readonly boot_id: string | undefined
  readonly segment_bytes?: number | undefined
  /** What is kept for effects in the last segment while no next one can be made. */
  readonly reserve_bytes?: number | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly report: (trouble: Error | string) => void
  /** Told of what is no fault, such as that one is over. */
  readonly note?: ((sentence: string) => void) | undefined
  /**
   * Appends that were answered as failed are still in the log, and would be delivered: the process must end.
   */
  readonly fatal?: ((reason: string) => void) | undefined
  /** Told while the log is read. */
  readonly progress?: ((read_bytes: number, total_bytes: number) => void) | undefined
}

export interface LogStatus {
  readonly segments: number
  readonly bytes: number
  /** Milliseconds since the epoch. */
  readonly last_sync_at: number | undefined
  /** What does not work at present. */
  readonly trouble: string | undefined
  /** While appends are refused for want of space, or writing fails. */
  readonly free_bytes?: number | undefined
}

/** What a backup copies: the first `size` bytes of each file. */
export interface Pinned {
  readonly files: readonly { readonly name: string; readonly size: number }[]
  release(): void
}

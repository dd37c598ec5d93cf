import { PROBE } from '../../memory/probe.ts'
import type { Log } from '../log/log.ts'
import type { Recorder } from '../records/recorder.ts'
import { type Living, relocate } from './relocation.ts'

/** Bytes that the log may have beyond half as much again as what lives in it. */
const SLACK_BYTES = 32 * 1024 * 1024
/** What an address takes in the log, roughly. */
const ADDRESS_BYTES = 160
/** How long one step may hold everything else up, and how many bytes it may write. */
const STEP_MS = 2
const STEP_BYTES = 256 * 1024
/** Steps begin at least this far apart. */
const PAUSE_MS = 6

/**
 * Keeps the log short: writes anew what lives in its oldest segment, and deletes it, while the log is longer
 * than half as much again as all that lives.
 */
export class Retention {
  #running: { readonly segment: number; readonly steps: Generator<void> } | undefined
  /** Segments whose deletion waits for the sync of what was written anew. */
  #dropping = false
  #stepped_ms = 0
  /** Bytes that may still be written anew: a log in which all lives is not written over and over. */
  #allowed: number
  #counted: number

  constructor(
    private readonly log: Log,
    private readonly recorder: Recorder,
    private readonly living: Living,
    /** Writes what the recorder has. */
    private readonly write: () => void,
    private readonly slack_bytes = SLACK_BYTES,
    private readonly elapsed_ms = () => performance.now(),
  ) {
    this.#counted = log.bytes
    this.#allowed = 2 * log.bytes + slack_bytes
  }

  /** About how many bytes of the log a start would bring back. */
  get live_bytes(): number {
    const { clients } = this.living
    const { json_units, json_bytes, records_bytes } = this.recorder
    let addresses = 0
    for (const [name, { clients: of_project }] of clients.projects)
      if (name !== PROBE.project) addresses += of_project.size
    const per_unit = json_units === 0 ? 1 : json_bytes / json_units
    return Math.round(clients.meter.bytes * per_unit + addresses * ADDRESS_BYTES + records_bytes)
  }

  get #over(): boolean {
    return this.log.bytes > 1.5 * this.live_bytes + this.slack_bytes
  }

  /**
   * Does a piece of the work, if there is any. Not to be called while anything is drained from the dead
   * letters that may come back.
   */
  step(): void {
    const began_ms = this.elapsed_ms()
    if (this.#dropping || began_ms - this.#stepped_ms < PAUSE_MS) return
    this.#count()
    if (!this.#running && !this.#begin()) return
    this.#stepped_ms = began_ms
    const before = this.recorder.pending_bytes
    const { segment, steps } = this.#running!
    for (;;) {
      if (steps.next().done) {
        this.#running = undefined
        void this.#drop(segment)
        break
      }
      if (this.recorder.pending_bytes - before > STEP_BYTES || this.elapsed_ms() - began_ms > STEP_MS) break
    }
    this.#allowed -= this.recorder.pending_bytes - before
  }

  /** Each byte that is written for other reasons allows two to be written anew. */
  #count(): void {
    this.#allowed += 2 * Math.max(0, this.log.written - this.#counted)
    this.#counted = this.log.written
  }

  #begin(): boolean {
    const { oldest, segment } = this.log
    if (oldest >= segment || !this.#over || this.#allowed < 0) return false
    const contents = this.recorder.contents.get(oldest)
    const steps = contents ? relocate(contents, this.recorder, this.living) : nothing()
    this.#running = { segment: oldest, steps }
    return true
  }

  async #drop(segment: number): Promise<void> {
    this.#dropping = true
    this.write()
    try {
      await this.log.sync()
      await this.log.drop(segment)
      this.recorder.contents.delete(segment)
    } catch {
      // It stays, and is tried again.
    } finally {
      this.#dropping = false
    }
  }
}

function* nothing(): Generator<void> {}

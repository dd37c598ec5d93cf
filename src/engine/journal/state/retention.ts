import { PROBE } from '../../memory/probe.ts'
import type { Log } from '../log/log.ts'
import type { Recorder } from '../records/recorder.ts'
import { fits, type Living, overwriteHistory, relocate } from './relocation.ts'

/** Bytes that the log may have beyond half as much again as what lives in it. */
const SLACK_BYTES = 32 * 1024 * 1024
/** What an address takes in the log, roughly. */
const ADDRESS_BYTES = 160
/** How long one step may hold everything else up, and how many bytes it may write. */
const STEP_MS = 2
const STEP_BYTES = 256 * 1024
/** Steps begin at least this far apart. */
const PAUSE_MS = 6
/** How often a full disk is looked at for what could be deleted. */
const FULL_PAUSE_MS = 250

/**
 * Keeps the log short: writes anew what lives in its oldest segment, and deletes it, while the log is longer
 * than half as much again as all that lives. On a full disk, whatever its length, while what lives in the
 * oldest segment takes little of the reserve: acknowledgements need the rest.
 */
export class Retention {
  #running:
    | {
        readonly segment: number
        readonly steps: Generator<void>
        /** It fits in the reserve. */
        readonly fits: boolean
      }
    | undefined
  /** Segments whose deletion waits for the sync of what was written anew. */
  #dropping = false
  #stepped_ms = 0
  #looked_ms = Number.NEGATIVE_INFINITY
  /** Bytes that may still be written anew: a log in which all lives is not written over and over. */
  #allowed: number
  #counted: number
  #restated = 0

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
    this.#allowed = 2 * log.bytes + SLACK_BYTES
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
    if (this.#dropping || began_ms - this.#stepped_ms < PAUSE_MS || this.log.exhausted) return
    this.#count()
    if (this.log.refuses && !this.#running?.fits) this.#running = undefined
    if (!this.#running && !this.#begin(began_ms)) return
    this.#stepped_ms = began_ms
    const before = this.recorder.pending_bytes
    const { segment, steps } = this.#running!
    let bytes = 0
    let done = false
    while (!done && bytes < STEP_BYTES && this.elapsed_ms() - began_ms < STEP_MS) {
      done = steps.next().done === true
      bytes = this.recorder.pending_bytes - before
    }
    this.#allowed -= bytes
    this.#restated += bytes
    if (!done) return
    this.#running = undefined
    void this.#drop(segment)
  }

  /** Each byte that is written for other reasons allows two to be written anew. */
  #count(): void {
    const { written } = this.log
    this.#allowed += 2 * Math.max(0, written - this.#counted - this.#restated)
    this.#counted = written
    this.#restated = 0
  }

  #begin(now_ms: number): boolean {
    const { oldest, segment, refuses } = this.log
    if (oldest >= segment) return false
    const contents = this.recorder.contents.get(oldest)
    if (refuses) {
      if (now_ms - this.#looked_ms < FULL_PAUSE_MS) return false
      this.#looked_ms = now_ms
      // History gives way to new messages, as in a mailbox.
      if (contents) overwriteHistory(contents)
      if (contents && !fits(contents, this.living, this.log.reserve_left / 2)) return false
    } else if (!this.#over || this.#allowed < 0) return false
    const steps = contents ? relocate(contents, this.recorder, this.living) : nothing()
    this.#running = { segment: oldest, steps, fits: refuses !== undefined }
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

import type { Level } from './boot.ts'
import { codeOf, type Disk } from './disk.ts'
import type { Frame, Position } from './frame.ts'
import { EMPTY, type KeptEffects } from './kept-effects.ts'
import { mend } from './mend.ts'
import type { Segments } from './segments.ts'
import { UNSYNCED_BYTES_MAX, Unsynced } from './unsynced.ts'
import type { Writer } from './writer.ts'

export interface SyncingOptions {
  readonly disk: Disk
  readonly level: Level
  readonly report: (trouble: Error | string) => void
  readonly fatal?: ((reason: string) => void) | undefined
}

interface Waiting {
  /** How many frames have to be synced. */
  readonly through: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/**
 * Syncs what was written, one sync at a time; all that comes meanwhile is the next one's.
 *
 * | state | what has happened | appends | next |
 * |---|---|---|---|
 * | well | | written | |
 * | mending | a sync has failed | written | the frames are written into a new segment: well, or failing |
 * | failing | that has failed as well | refused | `full`: the frames were cut off. A try each second: well |
 * | lost (`normal`) | as failing, with too many frames to have kept them | refused | until the next start |
 * | dead (`full`) | frames could not be cut off | refused | the process has to end |
 */
export class Syncing {
  readonly unsynced = new Unsynced()
  /** Why nothing is synced at present. */
  trouble: string | undefined
  dead = false
  /** Told how long each sync took, in seconds. */
  observed: ((seconds: number) => void) | undefined
  #lost = false
  #running: Promise<void> | undefined
  /** One was asked for while another was under way, which does not cover what was written since it began. */
  #again = false
  #waiting: Waiting[] = []

  constructor(
    private readonly options: SyncingOptions,
    private readonly segments: Segments,
    private readonly writer: Writer,
    private readonly kept: KeptEffects,
  ) {}

  get failing(): boolean {
    return this.trouble !== undefined
  }

  /** Frames may be written behind the last one. */
  get writable(): boolean {
    return !this.dead && (this.options.level === 'normal' || !this.failing)
  }

  get idle(): boolean {
    return this.unsynced.written === this.unsynced.synced
  }

  /** A frame was written. @param waits its appends are undone when it cannot be synced */
  written({ bytes, length, appends_at }: Frame, waits: boolean): void {
    const { level } = this.options
    this.unsynced.add({ bytes, length, appends_at: waits ? appends_at : length }, level === 'normal')
    if (this.unsynced.bytes > UNSYNCED_BYTES_MAX / 2 && !this.failing) this.begin()
  }

  /**
   * Syncs on this thread, where the disk is quick and has one file to sync.
   *
   * @returns whether all that is written is synced; if not, {@link done} says when it is
   */
  here(): boolean {
    const { segments, writer, unsynced } = this
    const { end, sequence, synced } = writer
    const { name, named } = segments.tail
    if (this.#running || this.failing || this.dead || synced.segment !== end.segment || !named) return false
    const started = performance.now()
    try {
      if (!this.options.disk.syncHere(name)) return false
    } catch (error) {
      this.#running = this.#run(Promise.reject(error))
      return false
    }
    this.#synced(end, sequence, unsynced.written, started)
    return true
  }

  #synced(end: Position, sequence: number, through: number, started: number): void {
    this.writer.synced = end
    this.writer.synced_sequence = sequence
    this.unsynced.syncedThrough(through)
    this.observed?.((performance.now() - started) / 1000)
  }

  /** Resolves when all that is written is synced. @throws Error when it cannot be */
  done(): Promise<void> {
    if (this.failing || this.dead) return Promise.reject(new Error(this.trouble))
    if (this.idle) return Promise.resolve()
    const done = new Promise<void>((resolve, reject) =>
      this.#waiting.push({ through: this.unsynced.written, resolve, reject }),
    )
    this.begin()
    return done
  }

  /** Begins a sync, or has another one follow the one under way. While syncs fail, one more try. */
  begin(): void {
    this.#again = this.#running !== undefined
    if (this.#running || this.#lost || this.dead) return
    this.#running = this.#run()
  }

  /** Resolves when no sync is under way. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running
  }

  /** @param begun the first sync, if that has begun */
  async #run(begun?: Promise<void>): Promise<void> {
    do {
      this.#again = false
      try {
        await (begun ?? (this.failing ? this.#retry() : this.#sync()))
      } catch (error) {
        if (!(await this.#mended(error))) break
      }
      begun = undefined
      this.#resolve()
    } while (this.#waiting.length > 0 || (this.#again && !this.idle))
    // Before anything else runs: who comes from here on begins the next one.
    this.#running = undefined
  }

  /** Older segments first: what is noted as synced vouches for all before it. */
  async #sync(): Promise<void> {
    const { disk } = this.options
    const { segments, writer, unsynced } = this
    const { end, sequence, synced } = writer
    const through = unsynced.written
    const started = performance.now()
    for (const segment of segments.list.filter(({ number }) => number >= synced.segment)) {
      if (segment.number > end.segment) break
      await disk.sync(segment.name)
      if (!segment.named) {
        await disk.syncDirectory()
        segment.named = true
      }
      if (segment.number < end.segment) disk.close(segment.name)
    }
    this.#synced(end, sequence, through, started)
  }

  /** @returns false when the frames could not be written again either */
  async #mended(error: unknown): Promise<boolean> {
    const { unsynced, options } = this
    const was_failing = this.failing
    if (!was_failing) {
      options.report(`syncing failed (${codeOf(error)}); what was written goes into a new segment`)
      if (unsynced.lost) this.#lost = true
      else
        try {
          await this.#mend()
          return true
        } catch (again) {
          error = again
        }
    }
    this.trouble = `syncing fails: ${codeOf(error)}`
    if (this.#lost) this.trouble += ', and there was too much to write it again'
    if (!was_failing) options.report(this.trouble)
    if (options.level === 'full') this.#cut()
    const cause = new Error(this.trouble, { cause: error })
    for (const { reject } of this.#waiting.splice(0)) reject(cause)
    return false
  }

  async #mend(): Promise<void> {
    const started = performance.now()
    await mend(this.options.disk, this.segments, this.writer, this.unsynced)
    this.observed?.((performance.now() - started) / 1000)
  }

  async #retry(): Promise<void> {
    const { kept, unsynced } = this
    if (this.options.level === 'full' && !kept.empty) {
      const frame = kept.before(EMPTY)
      kept.clear()
      unsynced.add(frame, false)
    }
    await this.#mend()
    this.trouble = undefined
    this.options.report('syncing works again')
  }

  /**
   * Cuts the frames that were not synced off their files: what stays there is delivered after the next start.
   */
  #cut(): void {
    const { disk, report, fatal } = this.options
    const { segments, writer, unsynced, kept } = this
    try {
      for (const segment of [...segments.list].reverse()) {
        if (segment.number < writer.synced.segment) break
        const size = segment.number === writer.synced.segment ? writer.synced.offset : 0
        if (segment.size > size) disk.truncate(segment.name, size)
        segment.size = size
        segment.end = size
      }
    } catch (error) {
      this.dead = true
      const reason = `what could not be synced cannot be cut off the log: ${codeOf(error)}`
      report(reason)
      fatal?.(reason)
    }
    writer.sequence = writer.synced_sequence
    kept.addOlder(unsynced.takeBack())
  }

  #resolve(): void {
    const { synced } = this.unsynced
    let done = 0
    while (done < this.#waiting.length && this.#waiting[done]!.through <= synced) done++
    for (const { resolve } of this.#waiting.splice(0, done)) resolve()
  }
}

import type { MaybePromise } from '../../../core/maybe-promise.ts'
import { type BootNote, type Level, removeBoot, writeBoot } from './boot.ts'
import { codeOf, type Disk } from './disk.ts'
import { type Frame, HEAD_BYTES } from './frame.ts'
import { EMPTY, KeptEffects } from './kept-effects.ts'
import { type Opened, openSegments } from './opening.ts'
import type { Segments } from './segments.ts'
import { Syncing } from './syncing.ts'
import type { Cut } from './verdict.ts'
import { Writer } from './writer.ts'

const SEGMENT_BYTES = 16 * 1024 * 1024
const RESERVE_BYTES = 4 * 1024 * 1024
const TICK_MS = 1000
/** Of the reserve, so much is for what nobody can be refused: what time does, and a turn that has begun. */
const LAST_BYTES = 64 * 1024

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
  /** Appends that were answered as failed are still in the log, and would be delivered: the process must end. */
  readonly fatal?: ((reason: string) => void) | undefined
  /** Told while the log is read. */
  readonly progress?: ((read_bytes: number, total_bytes: number) => void) | undefined
}

export interface LogStart {
  readonly log: Log
  /** `new`: an empty log. `clean`: stopped in order. `same_boot`: the process died. `other_boot`: the machine did. */
  readonly how: 'new' | 'clean' | 'same_boot' | 'other_boot'
  /** The level that the last process ran with; `normal` where that is unknown, undefined when new. */
  readonly level_before: Level | undefined
  /** A torn tail that was cut off. */
  readonly cut: Cut | undefined
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

/** An append-only log of frames, in segments. */
export class Log {
  /** Told of each write and each sync, in seconds. */
  observe: { written(seconds: number): void; synced(seconds: number): void } | undefined
  readonly #disk: Disk
  readonly #segments: Segments
  readonly #writer: Writer
  readonly #syncing: Syncing
  readonly #kept = new KeptEffects()
  readonly #reserve_bytes: number
  readonly #last_bytes: number
  /** Why the last frame could not be written. */
  #write_trouble: string | undefined
  /** A frame would have used up the reserve. */
  #reached_reserve = false
  /** The last process's note could only be removed. */
  #boot_trouble: string | undefined
  #noting = false
  #last_sync_at: number | undefined
  #last_tick_at = 0
  #closed = false

  private constructor(
    private readonly options: LogOptions,
    opened: Opened,
  ) {
    const { disk, level, report, fatal } = options
    this.#disk = disk
    this.#segments = opened.segments
    this.#writer = new Writer(disk, opened.segments, opened.sequence, opened.synced)
    this.#syncing = new Syncing({ disk, level, report, fatal }, this.#segments, this.#writer, this.#kept)
    this.#syncing.observed = (seconds) => {
      this.#last_sync_at = options.now()
      this.observe?.synced(seconds)
    }
    this.#reserve_bytes = options.reserve_bytes ?? RESERVE_BYTES
    this.#last_bytes = Math.min(LAST_BYTES, this.#reserve_bytes / 4)
  }

  /**
   * Reads everything, and yields to the event loop in between. Until {@link begin}, the next start takes the log
   * as this one did.
   *
   * @param visit gets the body of each frame in order, and must not keep the bytes
   * @throws Damage; then nothing was changed
   */
  static async open(
    options: LogOptions,
    visit: (body: Uint8Array, segment: number) => void,
  ): Promise<LogStart> {
    const { disk, boot_id, progress, segment_bytes = SEGMENT_BYTES } = options
    const opened = await openSegments({ disk, boot_id, progress, segment_bytes }, visit)
    const log = new Log(options, opened)
    const { how, boot, cut } = opened
    return { log, how, level_before: how === 'new' ? undefined : (boot?.level ?? 'normal'), cut }
  }

  /** Notes that this process writes to the log. Before it, only what any start may find may be written. */
  async begin(): Promise<void> {
    try {
      await this.#noteBoot()
    } catch (error) {
      this.#boot_trouble = codeOf(error)
      await removeBoot(this.#disk)
    }
    if (this.#segments.wants_next) void this.#prepare()
  }

  /** Bytes of all frames written so far. */
  get written(): number {
    return this.#writer.bytes
  }

  /** Number of the segment that frames go to at present. */
  get segment(): number {
    return this.#segments.current.number
  }

  /** Number of the oldest segment. */
  get oldest(): number {
    return this.#segments.list[0]!.number
  }

  /** Bytes of all segment files, the prepared one included. */
  get bytes(): number {
    return this.#segments.bytes
  }

  /**
   * Why appends are to be refused at present. `full`: there is no next segment, and less than the reserve is
   * left in this one. `failed`: a sync and its repetition failed, or too much waits for a sync.
   */
  get refuses(): 'full' | 'failed' | undefined {
    if (this.#syncing.failing || this.#syncing.dead || this.#syncing.overrun) return 'failed'
    if (!this.#segments.stuck) return undefined
    return this.#reached_reserve || this.#segments.room < this.#reserve_bytes ? 'full' : undefined
  }

  /** Bytes that effects have while `refuses` is `full`. */
  get reserve_left(): number {
    return this.#segments.room - this.#last_bytes
  }

  /** Not even effects fit any more. */
  get exhausted(): boolean {
    if (!this.#kept.empty) return true
    const { refuses } = this
    if (refuses !== 'full' || this.reserve_left > 0) return refuses === 'failed'
    // Beyond what was prepared, there may be some space still.
    return (this.#free() ?? 0) < this.#last_bytes
  }

  /** The last frame could not be written. */
  get failing(): boolean {
    return this.#write_trouble !== undefined
  }

  get status(): LogStatus {
    const { trouble } = this.#segments
    return {
      segments: this.#segments.list.length,
      bytes: this.bytes,
      last_sync_at: this.#last_sync_at,
      trouble:
        this.#syncing.trouble ??
        this.#write_trouble ??
        (trouble === undefined ? undefined : `no next segment can be made: ${codeOf(trouble)}`) ??
        this.#boot_trouble,
      ...((this.failing || this.refuses === 'full') && { free_bytes: this.#free() }),
    }
  }

  /**
   * Writes a frame. The caller may use `frame.bytes` again as soon as this has returned. The effects of a frame
   * that fails are kept, and written in front of the next one. An empty frame writes nothing.
   *
   * @param waits with `full`: to wait until it is synced, and all that was written before
   * @throws Error when the appends could not be stored, or rejects; then nothing of them is in the log. With
   *   `waits`, also when the effects could not be: then they are kept. Once closed
   */
  commit(frame: Frame, waits: boolean): MaybePromise<void> {
    if (this.#closed) throw new Error('the log is closed')
    if (frame.length > HEAD_BYTES) {
      const has_appends = frame.length > frame.appends_at
      const failure = (has_appends ? this.#refusal(frame.length) : undefined) ?? this.#write(frame, waits)
      if (failure) {
        if (has_appends) this.#writeEffects({ ...frame, length: frame.appends_at })
        else this.#kept.add(frame)
        if (has_appends || waits) throw failure
      }
      if (this.#segments.wants_next && !this.#segments.stuck) void this.#prepare()
    }
    if (waits && this.options.level === 'full' && !this.#syncing.idle) return this.#syncing.done()
  }

  /** Resolves when all that was given to {@link commit} so far is synced. @throws Error when it cannot be */
  async sync(): Promise<void> {
    this.#writeKept()
    if (!this.#kept.empty) throw new Error(this.#syncing.trouble ?? this.#write_trouble)
    await this.#syncing.done()
  }

  /** To be called about every 200 ms: syncs once a second, and tries again what did not work. */
  tick(): void {
    const now = this.options.now()
    if (this.#closed || (now >= this.#last_tick_at && now - this.#last_tick_at < TICK_MS)) return
    this.#last_tick_at = now
    if (this.#segments.wants_next) void this.#prepare()
    this.#writeKept()
    if (!this.#syncing.idle || this.#syncing.failing) this.#syncing.begin()
    if (this.#boot_trouble !== undefined) void this.#noteBootAgain()
  }

  /**
   * Deletes the oldest segment, once no backup has it pinned. The caller has written what lives in it again,
   * and awaited {@link sync}.
   *
   * @throws Error for another segment than the oldest, or the one that frames go to
   */
  drop(segment: number): Promise<void> {
    return this.#segments.drop(segment)
  }

  /** Syncs, and keeps the segments there are from being deleted until released. */
  async pin(): Promise<Pinned> {
    const release = this.#segments.pin()
    try {
      await this.sync()
    } catch (error) {
      release()
      throw error
    }
    const { segment, offset } = this.#writer.synced
    const files = this.#segments.list
      .filter(({ number }) => number <= segment)
      .map(({ name, number, end }) => ({ name, size: number === segment ? offset : end }))
    return { files, release }
  }

  /**
   * Syncs and notes the clean stop. Where that cannot be noted, as on a full disk, the next start takes care.
   *
   * @throws Error when syncing does not work
   */
  async close(): Promise<void> {
    this.#closed = true
    await this.#segments.close()
    try {
      if (this.#syncing.failing) this.#syncing.begin()
      await this.#syncing.settled()
      await this.sync()
      await this.#noteStop()
    } finally {
      await this.#syncing.settled()
      for (const { name } of this.#segments.list) this.#disk.close(name)
    }
  }

  /** @returns why a frame with appends is not to be written */
  #refusal(length: number): Error | undefined {
    const { refuses } = this
    if (refuses) return new Error(refuses === 'full' ? 'the disk is full' : 'syncing fails')
    // A big one would use up the reserve.
    if (!this.#segments.stuck || this.#segments.room - length >= this.#reserve_bytes) return undefined
    this.#reached_reserve = true
    return new Error('the disk is full')
  }

  /** @returns why it could not be written; then nothing of it was */
  #write(frame: Frame, waits: boolean): Error | undefined {
    if (!this.#syncing.writable) return new Error(this.#syncing.trouble)
    const whole = this.#kept.empty ? frame : this.#kept.before(frame)
    const started = this.observe ? performance.now() : 0
    try {
      this.#writer.write(whole.bytes, whole.length)
    } catch (error) {
      this.#failedWriting(error)
      return error instanceof Error ? error : new Error(String(error))
    }
    this.observe?.written((performance.now() - started) / 1000)
    if (!this.#kept.empty) this.#kept.clear()
    this.#write_trouble = undefined
    this.#syncing.written(whole, waits)
    return undefined
  }

  #writeEffects(frame: Frame): void {
    if (frame.length > HEAD_BYTES && this.#write(frame, false)) this.#kept.add(frame)
  }

  #writeKept(): void {
    if (!this.#kept.empty) this.#write(EMPTY, false)
  }

  #failedWriting(error: unknown): void {
    const trouble = `writing fails: ${codeOf(error)}`
    if (trouble !== this.#write_trouble) this.options.report(trouble)
    this.#write_trouble = trouble
  }

  async #prepare(): Promise<void> {
    const { trouble } = this.#segments
    await this.#segments.prepare()
    const { trouble: after, stuck } = this.#segments
    if (!stuck) this.#reached_reserve = false
    if (after !== undefined && trouble === undefined)
      this.options.report(`no next segment can be made: ${codeOf(after)}`)
  }

  async #noteBoot(clean = false): Promise<void> {
    const { boot_id, level } = this.options
    const { number, end } = this.#segments.tail
    const note: BootNote = { boot_id, level }
    const at = { segment: number, offset: end, oldest: this.oldest }
    await writeBoot(this.#disk, clean ? { ...note, clean: at } : note)
  }

  async #noteStop(): Promise<void> {
    try {
      if (this.#writer.failed) {
        // Behind the end that is noted, nothing may come to light.
        this.#writer.eraseTorn()
        await this.#disk.sync(this.#segments.current.name)
      }
      await this.#noteBoot(true)
    } catch (error) {
      this.options.report(`the stop could not be noted, and counts as a kill: ${codeOf(error)}`)
    }
  }

  async #noteBootAgain(): Promise<void> {
    if (this.#noting) return
    this.#noting = true
    try {
      await this.#noteBoot()
      this.#boot_trouble = undefined
    } catch {
      // It stays without: see `removeBoot`.
    }
    this.#noting = false
  }

  #free(): number | undefined {
    try {
      return this.#disk.free()
    } catch {
      return undefined
    }
  }
}

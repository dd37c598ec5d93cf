import type { MaybePromise } from '../../../core/maybe-promise.ts'
import { type BootNote, type Level, removeBoot, writeBoot } from './boot.ts'
import { codeOf } from './disk.ts'
import { type Frame, HEAD_BYTES } from './frame.ts'
import { EMPTY, KeptEffects } from './kept-effects.ts'
import { type Opened, openSegments } from './opening.ts'
import type { LogOptions, LogStatus, Pinned } from './options.ts'
import type { Segments } from './segments.ts'
import { Syncing } from './syncing.ts'
import type { Cut } from './verdict.ts'
import { Writer } from './writer.ts'

const SEGMENT_BYTES = 16 * 1024 * 1024
const RESERVE_BYTES = 4 * 1024 * 1024
const TICK_MS = 1000
/** Of the reserve, so much is for what nobody can be refused: what time does, and a turn that has begun. */
const LAST_BYTES = 64 * 1024

export type { LogOptions, LogStatus, Pinned } from './options.ts'

export interface LogStart {
  readonly log: Log
  /**
   * `new`: an empty log. `clean`: stopped in order. `same_boot`: the process died. `other_boot`: the machine
   * did.
   */
  readonly how: 'new' | 'clean' | 'same_boot' | 'other_boot'
  /** The level that the last process ran with; `normal` where that is unknown, undefined when new. */
  readonly level_before: Level | undefined
  /** What was read comes from a backup. */
  readonly restored: boolean
  /** A torn tail that was cut off. */
  readonly cut: Cut | undefined
}

/** An append-only log of frames, in segments. */
export class Log {
  /** Told of each write and each sync, in seconds. */
  observe: { written(seconds: number): void; synced(seconds: number): void } | undefined
  readonly #segments: Segments
  readonly #writer: Writer
  readonly #syncing: Syncing
  readonly #kept = new KeptEffects()
  readonly #reserve_bytes: number
  readonly #last_bytes: number
  /** Why the last frame could not be written. */
  #write_trouble: string | undefined
  /** The last process's note could only be removed. */
  #boot_trouble: string | undefined
  #noting: Promise<void> | undefined
  /** While no next segment can be made: a frame was refused that would have used up the reserve. */
  #short = false
  #last_sync_at: number | undefined
  #last_tick_at = 0
  #closed = false

  private constructor(
    private readonly options: LogOptions,
    opened: Opened,
  ) {
    const { disk, level, report, fatal } = options
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
   * Reads everything, and yields to the event loop in between. Until {@link begin}, the next start takes the
   * log as this one did.
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
    const level_before = how === 'new' ? undefined : (boot?.level ?? 'normal')
    return { log, how, level_before, restored: boot?.restored === true, cut }
  }

  /** Notes that this process writes to the log. Before it, only what any start may find may be written. */
  async begin(): Promise<void> {
    try {
      await this.#noteBoot()
    } catch (error) {
      this.#boot_trouble = `the start cannot be noted: ${codeOf(error)}`
      await removeBoot(this.options.disk)
    }
    // Not before: the old note may name the oldest one.
    await this.#segments.dropEmpty()
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

  /** Bytes that are sure to be there for further frames, full disk or not. */
  get room(): number {
    return this.#segments.room
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
   * Why appends are to be refused at present. `full`: there is no next segment, and no more than the reserve
   * is left in this one. `failed`: a sync and its repetition failed.
   */
  get refuses(): 'full' | 'failed' | undefined {
    if (this.#syncing.failing || this.#syncing.dead) return 'failed'
    const { stuck, room } = this.#segments
    return stuck && (this.#short || room < this.#reserve_bytes) ? 'full' : undefined
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
    return {
      segments: this.#segments.list.length,
      bytes: this.bytes,
      last_sync_at: this.#last_sync_at,
      trouble: this.#trouble,
      ...((this.failing || this.refuses === 'full') && { free_bytes: this.#free() }),
    }
  }

  get #trouble(): string | undefined {
    const { trouble } = this.#segments
    return (
      this.#syncing.trouble ??
      this.#write_trouble ??
      (trouble === undefined ? undefined : `no next segment can be made: ${codeOf(trouble)}`) ??
      this.#boot_trouble
    )
  }

  /**
   * Writes a frame. The caller may use `frame.bytes` again as soon as this has returned. The effects of a
   * frame that fails are kept, and written in front of the next one. An empty frame writes nothing.
   *
   * @param waits with `full`: to wait until it is synced, and all that was written before. Without it, what
   *   the frame appends counts as an effect when a sync fails
   * @throws Error, or rejects, when the appends could not be stored; then nothing of them is in the log. With
   *   `waits`, also when the effects could not be: then they are kept. It throws for any frame once it is
   *   closed
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
    if (!waits || this.options.level !== 'full' || this.#syncing.idle || this.#syncing.here()) return
    return this.#syncing.done()
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
    if (this.#boot_trouble !== undefined) this.#noting ??= this.#noteBootAgain()
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
    await Promise.all([this.#segments.close(), this.#noting])
    try {
      if (this.#syncing.failing) this.#syncing.begin()
      await this.#syncing.settled()
      await this.sync()
      await this.#noteStop()
    } finally {
      await this.#syncing.settled()
      for (const { name } of this.#segments.list) this.options.disk.close(name)
    }
  }

  /** @returns why a frame with appends is not to be written */
  #refusal(length: number): Error | undefined {
    const { stuck, room } = this.#segments
    if (stuck && room - length < this.#reserve_bytes) this.#short = true
    return this.refuses && new Error(this.#trouble ?? 'the disk fails')
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
    this.#kept.clear()
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
    if (!stuck) this.#short = false
    if ((after === undefined) === (trouble === undefined)) return
    if (after === undefined) this.options.note?.('a next segment could be made again')
    else this.options.report(`no next segment can be made: ${codeOf(after)}`)
  }

  async #noteBoot(clean = false): Promise<void> {
    const { boot_id, level } = this.options
    const note: BootNote = { boot_id, level }
    const end = { ...this.#writer.end, oldest: this.oldest }
    await writeBoot(this.options.disk, clean ? { ...note, clean: end } : note)
  }

  async #noteStop(): Promise<void> {
    try {
      if (this.#writer.failed) {
        // Behind the end that is noted, nothing may come to light.
        this.#writer.eraseTorn()
        await this.options.disk.sync(this.#segments.current.name)
      }
      await this.#noteBoot(true)
    } catch (error) {
      this.options.report(`the stop could not be noted, and counts as a kill: ${codeOf(error)}`)
    }
  }

  async #noteBootAgain(): Promise<void> {
    try {
      await this.#noteBoot()
      this.#boot_trouble = undefined
    } catch {
      // It stays without: see `removeBoot`.
    }
    this.#noting = undefined
  }

  #free(): number | undefined {
    try {
      return this.options.disk.free()
    } catch {
      return undefined
    }
  }
}

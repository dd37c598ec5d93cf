import type { BootNote } from '../log/boot.ts'
import type { Disk } from '../log/disk.ts'
import { claimedLength, HEAD_BYTES, type Head, sequenceAfter } from '../log/frame.ts'
import { voidFrom } from '../log/opening.ts'
import { findVoucher, type SegmentFile } from '../log/scan.ts'
import { nameOf } from '../log/segments.ts'

/** A place in a data directory where something else was written than is there. */
export interface Gap {
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset: number
  /** Bytes of the file that could not be used. */
  readonly bytes: number
  /** How many frames are missing here; undefined where nothing says it. */
  frames: number | undefined
  /** What is wrong there, in words. */
  readonly what: string
}

/** What is known of a log besides its segments. */
export interface SalvageOptions {
  readonly disk: Disk
  /** All segments that there are, oldest first. */
  readonly files: readonly SegmentFile[]
  readonly boot: BootNote | undefined
}

/**
 * Reads every good frame of a damaged log, in order. After damage it goes on with the frame after the damaged
 * one, where its header is good, and else with the next that it finds. What a start would pass over as void
 * is passed over. Changes nothing.
 *
 * @param visit gets the body of each frame, and must not keep it. If it throws, the frame counts as damaged
 * @returns what could not be read, in the order of the log
 */
export async function salvage(
  { disk, files, boot }: SalvageOptions,
  visit: (body: Uint8Array, segment: number) => void,
): Promise<Gap[]> {
  const limits = voidFrom(disk, files)
  const reading = new Salvage(visit, files[0]?.number === 1 ? 1 : undefined)
  const ceilings = await supersededFrom(files)
  let number = boot?.clean?.oldest ?? files[0]?.number ?? 1
  for (const [i, file] of files.entries()) {
    for (; number < file.number; number++) reading.missing(number)
    await reading.file(file, limits[i] ?? file.size, ceilings[i])
    number = file.number + 1
  }
  for (const last = boot?.clean?.segment ?? (files.length > 0 || !boot ? 0 : 1); number <= last; number++)
    reading.missing(number)
  reading.endedAt(boot)
  return reading.gaps
}

/**
 * Where a segment was written anew from some frame on, the older form of these frames is in the segments
 * before it. A mark in its head says so, but that may be damaged.
 *
 * @returns for each segment, the first sequence number that later segments have
 */
async function supersededFrom(files: readonly SegmentFile[]): Promise<(number | undefined)[]> {
  const ceilings: (number | undefined)[] = []
  let first: number | undefined
  for (let i = files.length - 1; i >= 0; i--) {
    ceilings[i] = first
    const file = files[i]!
    const at = await findVoucher(file, 0, undefined)
    const sequence = at === undefined ? undefined : (await file.frame(at))!.sequence
    file.release()
    if (sequence !== undefined && (first === undefined || isBefore(sequence, first))) first = sequence
  }
  return ceilings
}

/** How far a damaged log has been read. */
class Salvage {
  readonly gaps: Gap[] = []
  /** Gaps since the last good frame. */
  #open: Gap[] = []
  /** The end of the last good frame. */
  #end: { readonly file: SegmentFile; readonly offset: number } | undefined

  /** @param sequence of the next frame, if that is known */
  constructor(
    private readonly visit: (body: Uint8Array, segment: number) => void,
    private sequence: number | undefined,
  ) {}

  missing(number: number): void {
    this.#note({ file: nameOf(number), offset: 0, bytes: 0, frames: undefined, what: 'the file is missing' })
  }

  /** @param limit what lies beyond is void @param ceiling frames from this sequence number on are void */
  async file(file: SegmentFile, limit: number, ceiling: number | undefined): Promise<void> {
    let at = 0
    while (limit - at >= HEAD_BYTES) {
      const head = await file.frame(at)
      if (head && at + head.length <= limit && this.#follows(head)) {
        if (ceiling === undefined || isBefore(head.sequence, ceiling)) await this.#take(file, at, head)
        at += head.length
        continue
      }
      if ((await file.endOfContent(at)) <= at) break
      const next = await this.#next(file, at, limit)
      if (next === undefined) break
      this.#damaged(file, at, next)
      at = next
    }
    const content_end = Math.min(limit, await file.endOfContent(at))
    if (content_end > at) this.#damaged(file, at, content_end)
    this.#end = { file, offset: at }
    file.release()
  }

  /** What a process that stopped in order said of the end. */
  endedAt(boot: BootNote | undefined): void {
    const { clean } = boot ?? {}
    if (!clean || !this.#end || this.#open.length > 0) return
    const { file, offset } = this.#end
    if (file.number !== clean.segment || offset >= clean.offset) return
    const what = `the log ended at byte ${clean.offset} when it was stopped`
    this.#note({ file: file.name, offset, bytes: 0, frames: undefined, what })
  }

  async #take(file: SegmentFile, at: number, { length, sequence }: Head): Promise<void> {
    this.#counted(file, at, sequence)
    this.sequence = sequenceAfter(sequence)
    if (length === HEAD_BYTES) return
    const body = (await file.from(at, length)).subarray(HEAD_BYTES, length)
    try {
      this.visit(body, file.number)
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error)
      this.gaps.push({ file: file.name, offset: at, bytes: length, frames: 1, what })
    }
  }

  /** Tells from the number of a good frame how many are missing before it. */
  #counted(file: SegmentFile, at: number, sequence: number): void {
    const frames = this.sequence === undefined ? 0 : sequenceAfter(sequence, -this.sequence)
    if (frames > 0 && this.#open.length === 0)
      this.gaps.push({
        file: file.name,
        offset: at,
        bytes: 0,
        frames,
        what: 'frames are missing before this',
      })
    const [only] = this.#open
    if (only && this.#open.length === 1 && this.sequence !== undefined) only.frames = frames
    this.#open = []
  }

  /** Whether a frame may come next. One from before stands where it does not belong. */
  #follows({ sequence }: Head): boolean {
    return this.sequence === undefined || !isBefore(sequence, this.sequence)
  }

  /**
   * Where the next frame begins. A text inside a damaged frame may look like one: what cannot have so many
   * frames before it is none.
   */
  async #next(file: SegmentFile, at: number, limit: number): Promise<number | undefined> {
    const expected = this.sequence
    const fits = async (next: number, frames_max: number) => {
      const head = await file.frame(next)
      if (!head || next + head.length > limit || !this.#follows(head)) return false
      const before =
        expected === undefined || this.#open.length > 0 ? 0 : sequenceAfter(head.sequence, -expected)
      return before <= frames_max
    }
    const behind = at + claimedLength(await file.from(at, HEAD_BYTES), 0)
    if (behind <= limit - HEAD_BYTES && (await fits(behind, 1))) return behind
    for (let from = at + 1; ; ) {
      const found = await findVoucher(file, from, undefined)
      if (found === undefined || found > limit - HEAD_BYTES) return undefined
      if (await fits(found, Math.ceil((found - at) / HEAD_BYTES))) return found
      from = found + 1
    }
  }

  #damaged({ name: file }: SegmentFile, offset: number, end: number): void {
    const what = 'this is no frame of the log'
    this.#note({ file, offset, bytes: end - offset, frames: undefined, what })
  }

  #note(gap: Gap): void {
    this.gaps.push(gap)
    this.#open.push(gap)
  }
}

function isBefore(sequence: number, other: number): boolean {
  return ((sequence - other) | 0) < 0
}

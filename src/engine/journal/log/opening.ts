import { TEMPORARY as BOOT_TEMPORARY, type BootNote, readBoot } from './boot.ts'
import { Damage } from './damage.ts'
import { type Disk, writeAll } from './disk.ts'
import { frameAt, HEAD_BYTES, type Position } from './frame.ts'
import { FILE as MEND } from './mend.ts'
import { type Reading, readFrames, SegmentFile } from './scan.ts'
import { NEXT, nameOf, newSegment, numberOf, type Segment, Segments } from './segments.ts'
import { type Cut, tornTail } from './verdict.ts'
import { eraseTail } from './writer.ts'

export interface ReadingOptions {
  readonly disk: Disk
  readonly boot_id: string | undefined
  readonly progress?: ((read_bytes: number, total_bytes: number) => void) | undefined
}

export interface OpeningOptions extends ReadingOptions {
  readonly segment_bytes: number
}

/** A log that has been read, and that frames can be written to. */
export interface Opened {
  readonly segments: Segments
  /** Of the next frame. */
  readonly sequence: number
  readonly synced: Position
  readonly how: 'new' | 'clean' | 'same_boot' | 'other_boot'
  readonly boot: BootNote | undefined
  readonly cut: Cut | undefined
}

/** What a process may leave that it was about to rename. */
const TEMPORARY: readonly string[] = [NEXT, MEND, BOOT_TEMPORARY]

/** A log as it was found, and judged. */
export interface Found {
  /** All segments, oldest first; at least one. */
  readonly files: readonly SegmentFile[]
  readonly boot: BootNote | undefined
  readonly same_boot: boolean
  readonly read: Read
  /** The torn tail behind its last frame. */
  readonly cut: Cut | undefined
}

/**
 * Reads the segments of a directory and judges their end. Changes nothing.
 *
 * @returns undefined for a directory in which nothing was ever written
 * @throws Damage
 */
export async function readLog(
  options: ReadingOptions,
  visit: (body: Uint8Array, segment: number) => void,
): Promise<Found | undefined> {
  const { disk, boot_id } = options
  const boot = readBoot(disk)
  const files = segmentFiles(options)
  if (files.length === 0) {
    if (boot) throw new Damage(nameOf(boot.clean?.oldest ?? 1), 0, 'the file is missing')
    return undefined
  }
  checkNumbers(files, boot)
  const same_boot = boot?.boot_id !== undefined && boot.boot_id === boot_id
  const read = await readSegments(disk, files, visit)
  const cut = await tornTail(read.end, files.slice(read.last), boot, same_boot)
  return { files, boot, same_boot, read, cut }
}

/**
 * Reads the segments of a directory, judges their end, and makes it one that frames can be written behind.
 *
 * @throws Damage; then nothing was changed
 */
export async function openSegments(
  options: OpeningOptions,
  visit: (body: Uint8Array, segment: number) => void,
): Promise<Opened> {
  const { disk } = options
  const found = await readLog(options, visit)
  removeTemporary(disk)
  if (!found) return { ...(await newLog(options)), how: 'new', boot: undefined, cut: undefined }
  const { files, boot, same_boot, cut } = found
  const { end, reading, last, ends } = found.read
  const list = files.slice(0, last + 1).map((file, i) => {
    const segment = newSegment(file.number, file.size, file.size)
    segment.end = ends[i]!
    segment.named = true
    return segment
  })
  const current = list[last]!
  // Once the tail is gone, what came behind it would pass for damage.
  const later = files.slice(last + 1)
  // Without a stop in order, the disk may have something where this machine's memory has zeros. An empty one
  // was cut off when it could not be synced, and may come back with a power cut.
  const keeps_next = boot?.clean !== undefined && later.length > 0 && later[0]!.size > 0
  for (const file of later.slice(keeps_next ? 1 : 0).reverse()) disk.remove(file.name)
  const next = keeps_next ? newSegment(later[0]!.number, later[0]!.size, later[0]!.size) : undefined
  if (next) next.named = true
  await disk.syncDirectory()
  if (cut) await erase(disk, current, files[last]!)
  if (!boot?.clean) await syncAgain(disk, list, reading.synced)
  const segments = new Segments(disk, list, next, options.segment_bytes)
  await goOn(segments)
  const has_frames = ends.some((offset) => offset > 0)
  return {
    segments,
    sequence: reading.sequence ?? 1,
    synced: end,
    how: boot?.clean ? 'clean' : same_boot ? 'same_boot' : boot || has_frames ? 'other_boot' : 'new',
    boot,
    cut,
  }
}

/** The segments that there are, oldest first. */
export function segmentFiles({ disk, progress }: Pick<ReadingOptions, 'disk' | 'progress'>): SegmentFile[] {
  let read = 0
  const found = disk
    .list()
    .flatMap(({ name, size }) => {
      const number = numberOf(name)
      return number === undefined ? [] : [{ number, name, size }]
    })
    .sort((a, b) => a.number - b.number)
  const total = found.reduce((sum, { size }) => sum + size, 0)
  const told = (bytes: number) => {
    read += bytes
    progress?.(Math.min(read, total), total)
  }
  return found.map(({ number, name, size }) => new SegmentFile(disk, number, name, size, told))
}

function checkNumbers(files: readonly SegmentFile[], boot: BootNote | undefined): void {
  let expected = boot?.clean?.oldest ?? files[0]!.number
  for (const { number } of files) {
    if (number !== expected) throw new Damage(nameOf(expected), 0, 'the file is missing')
    expected++
  }
}

async function newLog({
  disk,
  segment_bytes,
}: OpeningOptions): Promise<Pick<Opened, 'segments' | 'sequence' | 'synced'>> {
  const segments = new Segments(disk, [newSegment(0, 0, 0)], undefined, segment_bytes)
  await segments.prepare()
  if (!segments.next) throw segments.trouble
  segments.advance()
  segments.list.shift()
  return { segments, sequence: 1, synced: { segment: 1, offset: 0 } }
}

export interface Read {
  readonly end: Position
  readonly reading: Reading
  /** Index of the segment that `end` is in. */
  readonly last: number
  /** End of the frames of each segment up to it. */
  readonly ends: readonly number[]
}

/** Reads frames up to the first that is not good, or to the end. @throws Damage */
async function readSegments(
  disk: Disk,
  files: readonly SegmentFile[],
  visit: (body: Uint8Array, segment: number) => void,
): Promise<Read> {
  const limits = voidFrom(disk, files)
  const reading: Reading = { sequence: files[0]!.number === 1 ? 1 : undefined, synced: undefined }
  const ends: number[] = []
  for (const [i, file] of files.entries()) {
    const limit = limits[i]
    const end = limit === 0 ? 0 : await readFrames(file, limit ?? file.size, reading, visit)
    ends.push(end)
    if (end !== limit) {
      const next = files.find((_, j) => j > i && limits[j] !== 0)
      const head = await next?.frame(0)
      if (!head || head.sequence !== reading.sequence)
        return { end: { segment: file.number, offset: end }, reading, last: i, ends }
    }
    file.release()
  }
  throw new Error('the last segment has no end')
}

/**
 * @returns for each segment, the offset from which on a mark in a later one says that it is void, if one does
 */
export function voidFrom(disk: Disk, files: readonly SegmentFile[]): (number | undefined)[] {
  const limits: (number | undefined)[] = files.map(() => undefined)
  for (const [j, file] of files.entries()) {
    const bytes = disk.read(file.name, 0, HEAD_BYTES)
    const mark = bytes.length === HEAD_BYTES ? frameAt(bytes, 0, file.number) : undefined
    if (!mark) continue
    for (let i = 0; i < j; i++) {
      const { number } = files[i]!
      if (number < mark.synced.segment) continue
      limits[i] = Math.min(limits[i] ?? Infinity, number === mark.synced.segment ? mark.synced.offset : 0)
    }
  }
  return limits
}

function removeTemporary(disk: Disk): void {
  for (const { name } of disk.list()) if (TEMPORARY.includes(name)) disk.remove(name)
}

/** Takes away what lies behind the frames of a segment. */
async function erase(disk: Disk, segment: Segment, file: SegmentFile): Promise<void> {
  try {
    eraseTail(disk, segment.name, segment.end, await file.endOfContent(segment.end))
  } catch {
    disk.truncate(segment.name, segment.end)
    segment.size = segment.end
  }
}

/**
 * Brings what was written and perhaps not synced to the disk. It is written once more first: where a sync had
 * failed, the system takes it for synced.
 */
async function syncAgain(disk: Disk, list: readonly Segment[], synced: Position | undefined): Promise<void> {
  const from = synced ?? { segment: 0, offset: 0 }
  for (const segment of list) {
    if (segment.number < from.segment) continue
    let at = segment.number === from.segment ? from.offset : 0
    try {
      while (at < segment.end) {
        const bytes = disk.read(segment.name, at, Math.min(1024 * 1024, segment.end - at))
        writeAll(disk, segment.name, at, bytes)
        at += bytes.length
      }
    } catch {
      // On a full disk that copies on writing; then syncing has to do.
    }
    await disk.sync(segment.name)
    disk.close(segment.name)
  }
  await disk.syncDirectory()
}

/**
 * Chooses where frames go on: behind the last one, where the rest of its segment is prepared, or in the next.
 */
async function goOn(segments: Segments): Promise<void> {
  if (segments.room > 0) return
  if (!segments.next) await segments.prepare()
  if (segments.next) segments.advance()
  else segments.current.limit = Math.max(segments.segment_bytes, segments.current.size)
}

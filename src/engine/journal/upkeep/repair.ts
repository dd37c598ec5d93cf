import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { StartRefused } from '../../../core/errors.ts'
import { newEpoch } from '../../new-epoch.ts'
import { syncDirectory, writeFormat } from '../directory/format.ts'
import { type Level, removeBoot, writeBoot } from '../log/boot.ts'
import type { Disk } from '../log/disk.ts'
import { HEAD_BYTES } from '../log/frame.ts'
import { NodeDisk } from '../log/node-disk.ts'
import { segmentFiles } from '../log/opening.ts'
import { newSegment, Segments } from '../log/segments.ts'
import { Writer } from '../log/writer.ts'
import { type Checked, type CheckOptions, check, type ReadAll, readAll } from './check.ts'
import { type Counts, type Holding, hold } from './holding.ts'
import type { QuietDirectory } from './quiet-directory.ts'
import { restateAll } from './restate.ts'
import type { Gap } from './salvage.ts'

export interface RepairOptions extends CheckOptions {
  /** Where the directory is copied to first; must not be there yet. */
  readonly copy: string
  /** This version, such as `mcp-broker 1.2.3`. */
  readonly by: string
}

/** What came of a repair. */
export interface Repaired {
  /** What could not be saved. Empty: nothing was wrong, and nothing was changed. */
  readonly damage: readonly Gap[]
  /** What was saved. */
  readonly saved: Counts
  /** The directory as it is afterwards. */
  readonly after: Checked
}

/** The new log, until it is whole. */
const FILE = 'repair.tmp'
const PIECE_BYTES = 256 * 1024
/** The end of the longest segment: what a frame's header can name. */
const SEGMENT_BYTES_MAX = 2 ** 32 - 1

/**
 * Saves what can be read of a damaged data directory, and writes it down anew, with new epochs: what is gone
 * may have been read. The directory is copied aside first. If this is broken off, the directory is as before
 * or repaired: the new log takes effect by its name, with a mark that makes all older segments void.
 *
 * @throws the error of the file system
 */
export async function repair(directory: QuietDirectory, options: RepairOptions): Promise<Repaired> {
  const { path, format_damage } = directory
  const { copy, by } = options
  const disk = new NodeDisk(path)
  const read = await readAll(disk, options)
  const in_log = read.damage.length > 0
  const holding = hold(read.loaded, read.recorder, options.now, in_log ? 'offsets' : undefined, newEpoch)
  const damage = [...(format_damage ? [format_damage] : []), ...read.damage]
  if (damage.length > 0) {
    copyAside(path, copy)
    if (format_damage) writeFormat(path, by)
    if (in_log) await writeAnew(disk, read, holding)
  }
  const after = await check(disk, options)
  return { damage, saved: holding.counts, after }
}

/** Copies all files but those of the lock. Nothing is left of the copy when that fails. */
function copyAside(from: string, to: string): void {
  try {
    mkdirSync(to, { mode: 0o700 })
  } catch (error) {
    throw noCopy(to, error)
  }
  try {
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      if (!entry.isFile() || entry.name === 'lock' || entry.name === 'pid') continue
      const copied = join(to, entry.name)
      copyFileSync(join(from, entry.name), copied, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
      syncFile(copied)
    }
    syncDirectory(to)
  } catch (error) {
    rmSync(to, { recursive: true, force: true })
    throw noCopy(to, error)
  }
}

function noCopy(to: string, cause: unknown): StartRefused {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const fix = 'Nothing was changed. Say with --copy where the directory may be copied to.'
  return new StartRefused(`The directory cannot be copied to ${to}: ${reason}.`, fix, { cause })
}

function syncFile(file: string): void {
  const descriptor = openSync(file, 'r+')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Puts a new log with all that lives in the place of the old one. Broken off at any step, the disk has the
 * old one, which no start accepts, or the new one.
 */
export async function writeAnew(disk: Disk, { recorder, boot }: ReadAll, holding: Holding): Promise<void> {
  const old = segmentFiles({ disk })
  const number = Math.max(old.at(-1)?.number ?? 0, boot?.clean?.segment ?? 0) + 1
  const oldest = old[0]?.number ?? number
  const end = await writeSegment(disk, number, oldest, recorder, holding)
  const level: Level = boot?.level ?? 'normal'
  const { name } = newSegment(number, 0, 0)
  // Until the new log has its name, this note has every start refuse the old one; afterwards it is true.
  await writeBoot(disk, { level, clean: { segment: number, offset: end, oldest } })
  disk.rename(FILE, name)
  await disk.syncDirectory()
  await removeBoot(disk)
  // The oldest first: those that are left have no gap then.
  for (const file of old) disk.remove(file.name)
  disk.close(name)
  await writeBoot(disk, { level, clean: { segment: number, offset: end, oldest: number } })
}

/** @returns where its frames end */
async function writeSegment(
  disk: Disk,
  number: number,
  oldest: number,
  recorder: ReadAll['recorder'],
  holding: Holding,
): Promise<number> {
  if (disk.list().some(({ name }) => name === FILE)) disk.remove(FILE)
  const segment = { ...newSegment(number, 0, Number.POSITIVE_INFINITY), name: FILE }
  const mark = { segment: oldest, offset: 0 }
  const writer = new Writer(disk, new Segments(disk, [segment], undefined, 0), 1, mark)
  writer.write(new Uint8Array(HEAD_BYTES), HEAD_BYTES)
  const write = () => {
    const { bytes, length } = recorder.frame(undefined)
    if (segment.end + length > SEGMENT_BYTES_MAX)
      throw new Error('There is more to save than one file of the log can hold.')
    // True by the time that the file has its name.
    writer.synced = { segment: number, offset: segment.end }
    writer.write(bytes, length)
    recorder.reset()
  }
  recorder.segment = number
  for (const _ of restateAll(holding, recorder)) if (recorder.pending_bytes > PIECE_BYTES) write()
  if (recorder.pending) write()
  await disk.sync(FILE)
  return segment.end
}

import { type Disk, writeAll } from './disk.ts'
import { type Frame, HEAD_BYTES, seal, sequenceAfter } from './frame.ts'
import { newSegment, type Segments } from './segments.ts'
import type { Unsynced } from './unsynced.ts'
import type { Writer } from './writer.ts'

/** The new segment, until it is synced. */
export const FILE = 'mend.tmp'

/**
 * Writes what is not synced into a new segment, behind a mark that voids what older ones hold beyond what was
 * synced, and syncs that. For a sync that has failed is never tried again on the same file: the system takes
 * the pages for written. Frames may be written meanwhile; they are taken over as well.
 *
 * @throws what the disk throws. Then frames go on where they did; or, where only the new segment's name could
 *   not be synced, in the new segment, and nothing more counts as synced
 */
export async function mend(
  disk: Disk,
  segments: Segments,
  writer: Writer,
  unsynced: Unsynced,
): Promise<void> {
  const number = segments.current.number + 1
  const through = unsynced.written
  let sequence = writer.synced_sequence
  let end = 0
  const put = ({ bytes, length }: Frame) => {
    seal(bytes, length, number, sequence, writer.synced)
    writeAll(disk, FILE, end, bytes)
    sequence = sequenceAfter(sequence)
    end += length
  }
  let size = 0
  let synced = 0
  let synced_sequence = 0
  writer.held = true
  try {
    if (disk.list().some(({ name }) => name === FILE)) disk.remove(FILE)
    size = segments.lend(FILE)
    put({ bytes: new Uint8Array(HEAD_BYTES), length: HEAD_BYTES, appends_at: HEAD_BYTES })
    const { length } = unsynced.frames
    for (const frame of unsynced.frames) put(frame)
    synced = end
    synced_sequence = sequence
    await disk.sync(FILE)
    for (const frame of unsynced.frames.slice(length)) put(frame)
    const segment = newSegment(number, Math.max(size, end), Math.max(size, end, segments.segment_bytes))
    segment.end = end
    forget(segments, writer)
    segments.adopt(FILE, segment)
  } catch (error) {
    discard(disk)
    throw error
  } finally {
    writer.held = false
  }
  writer.sequence = sequence
  await disk.syncDirectory()
  segments.current.named = true
  writer.synced = { segment: number, offset: synced }
  writer.synced_sequence = synced_sequence
  unsynced.syncedThrough(through)
}

/** What older segments hold beyond what was synced is not theirs any more. */
function forget(segments: Segments, { synced }: Writer): void {
  for (const segment of segments.list) {
    if (segment.number < synced.segment) continue
    segment.end = segment.number === synced.segment ? synced.offset : 0
  }
}

function discard(disk: Disk): void {
  try {
    disk.remove(FILE)
  } catch {
    // It is removed before the next try, or at the next start.
  }
}

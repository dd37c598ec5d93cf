import { type Disk, writeAll } from './disk.ts'
import { HEAD_BYTES, type Position, seal, sequenceAfter } from './frame.ts'
import type { Segments } from './segments.ts'

const ZEROS = new Uint8Array(256 * 1024)

/** Writes frames at the end of the log. */
export class Writer {
  /** No segment is begun at present: the next number is taken. */
  held = false
  /** Sequence of the first frame that is not synced. */
  synced_sequence: number
  /** Of all frames written. */
  bytes = 0
  /** A write has failed: what it left is on the disk, or was erased since. */
  failed = false
  /** End of what a failed write may have left behind the last frame; 0 when there is nothing. */
  #torn_end = 0

  /**
   * @param sequence of the next frame
   * @param synced the end of what is known to be on the disk
   */
  constructor(
    private readonly disk: Disk,
    private readonly segments: Segments,
    public sequence: number,
    public synced: Position,
  ) {
    this.synced_sequence = sequence
  }

  /** The end of the last frame. */
  get end(): Position {
    const { number, end } = this.segments.tail
    return { segment: number, offset: end }
  }

  /**
   * Writes a frame, in a new segment where this one has no room for it.
   *
   * @param bytes the frame, whose header is filled in
   * @throws what the disk throws; then nothing of it is in the log
   */
  write(bytes: Uint8Array, length: number): void {
    const { segments } = this
    this.eraseTorn()
    const before = segments.current
    if (before.end + length > before.limit && before.end > 0 && !this.held) segments.advance()
    const { current } = segments
    seal(bytes, length, current.number, this.sequence, this.synced)
    try {
      writeAll(this.disk, current.name, current.end, bytes.subarray(0, length))
    } catch (error) {
      this.#takeBack(current !== before && current.size === 0, current.end + length)
      throw error
    }
    this.bytes += length
    current.end += length
    if (current.end > current.size) current.size = current.end
    this.sequence = sequenceAfter(this.sequence)
  }

  #takeBack(is_new: boolean, torn_end: number): void {
    this.failed = true
    try {
      if (is_new) {
        this.segments.back()
        return
      }
    } catch {
      // Then it stays, and is emptied.
    }
    this.#torn_end = torn_end
    try {
      this.eraseTorn()
    } catch {
      // The next write tries again, and fails if that fails.
    }
  }

  /** Erases what a failed write has left. @throws what the disk throws */
  eraseTorn(): void {
    if (this.#torn_end === 0) return
    const { current } = this.segments
    try {
      // First what lies behind the prepared bytes: as long as its header stands, all this is one torn frame.
      if (this.#torn_end > current.size) this.disk.truncate(current.name, current.size)
      eraseTail(this.disk, current.name, current.end, Math.min(this.#torn_end, current.size))
    } catch {
      this.disk.truncate(current.name, current.end)
      current.size = current.end
      current.limit = Math.max(current.end, this.segments.segment_bytes)
    }
    this.#torn_end = 0
  }
}

/**
 * Writes zeros over a torn frame, its header last: until then that says how far it may reach.
 *
 * @throws what the disk throws
 */
export function eraseTail(disk: Disk, file: string, from: number, to: number): void {
  const body = Math.min(from + HEAD_BYTES, to)
  for (let at = body; at < to; at += ZEROS.length)
    writeAll(disk, file, at, ZEROS.subarray(0, Math.min(ZEROS.length, to - at)))
  if (body > from) writeAll(disk, file, from, ZEROS.subarray(0, body - from))
}

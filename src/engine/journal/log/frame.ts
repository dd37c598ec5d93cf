import { crc32 } from 'node:zlib'

/**
 * A frame on the disk, little endian:
 *
 * | bytes | what |
 * |---|---|
 * | 0 | u32 length of the body |
 * | 4 | u32 crc32 of all that follows |
 * | 8 | u32 number of the segment that it is in |
 * | 12 | u32 sequence: one more than that of the frame before, in all segments |
 * | 16 | u64 `synced_through`: (segment << 32) + offset of the end of what was synced when it was written |
 * | 24 | body |
 *
 * A frame without a body is a **mark**. It is the first of its segment, and says that all that earlier
 * segments hold beyond its `synced_through` is void. See `mend.ts`.
 */
export const HEAD_BYTES = 24

/** Bytes of one frame, gathered during a turn. The first `HEAD_BYTES` are left for the log's own header. */
export interface Frame {
  readonly bytes: Uint8Array
  /** End of what is used of `bytes`. */
  readonly length: number
  /** Effects lie before this, appends from here on. */
  readonly appends_at: number
}

/** A place in the log. */
export interface Position {
  readonly segment: number
  /** Bytes from the start of the segment's file. */
  readonly offset: number
}

export function isAfter(a: Position, b: Position): boolean {
  return a.segment > b.segment || (a.segment === b.segment && a.offset > b.offset)
}

/** Writes the header of the frame that takes the first `length` bytes. */
export function seal(
  bytes: Uint8Array,
  length: number,
  segment: number,
  sequence: number,
  synced: Position,
): void {
  const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES)
  head.setUint32(0, length - HEAD_BYTES, true)
  head.setUint32(8, segment, true)
  head.setUint32(12, sequence, true)
  head.setUint32(16, synced.offset, true)
  head.setUint32(20, synced.segment, true)
  head.setUint32(4, crc32(bytes.subarray(8, length)), true)
}

/** What a good frame says. */
export interface Head {
  /** Bytes of the whole frame. */
  readonly length: number
  readonly sequence: number
  readonly synced: Position
}

/** Bytes of the whole frame whose header begins at `at`, if that is to be believed. */
export function claimedLength(bytes: Uint8Array, at: number): number {
  return HEAD_BYTES + u32(bytes, at)
}

/**
 * Reads the frame at an offset.
 *
 * @param bytes has the whole of its header at least
 * @returns undefined unless all of it is there, whole, and made for this segment
 */
export function frameAt(bytes: Uint8Array, at: number, segment: number): Head | undefined {
  if (u32(bytes, at + 8) !== segment) return undefined
  const length = claimedLength(bytes, at)
  if (length > bytes.length - at) return undefined
  if (crc32(bytes.subarray(at + 8, at + length)) !== u32(bytes, at + 4)) return undefined
  const synced = { segment: u32(bytes, at + 20), offset: u32(bytes, at + 16) }
  return { length, sequence: u32(bytes, at + 12), synced }
}

/** The sequence number `by` after this one. They begin again after 2^32. */
export function sequenceAfter(sequence: number, by = 1): number {
  return (sequence + by) >>> 0
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

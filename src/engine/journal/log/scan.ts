import { Damage } from './damage.ts'
import type { Disk } from './disk.ts'
import {
  claimedLength,
  frameAt,
  HEAD_BYTES,
  type Head,
  isAfter,
  type Position,
  sequenceAfter,
} from './frame.ts'

/** Bytes that are read at once. */
export const WINDOW_BYTES = 8 * 1024 * 1024
const ZEROS = Buffer.alloc(64 * 1024)

/** A segment's file, read one window at a time; the event loop gets its turn before each. */
export class SegmentFile {
  #window: Uint8Array = new Uint8Array(0)
  #at = 0
  #length = 0

  /** @param told of the bytes that were read, each time */
  constructor(
    private readonly disk: Disk,
    readonly number: number,
    readonly name: string,
    readonly size: number,
    private readonly told: (bytes: number) => void = () => undefined,
  ) {}

  /**
   * The bytes from `at` on, `length` of them at least, or up to the end of the file. They hold until the next
   * call.
   */
  async from(at: number, length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.size - at)
    if (at < this.#at || at + wanted > this.#at + this.#length) {
      await new Promise(setImmediate)
      this.#window = this.disk.read(this.name, at, Math.max(length, WINDOW_BYTES))
      this.#at = at
      this.#length = this.#window.length
      this.told(this.#window.length)
    }
    return this.#window.subarray(at - this.#at)
  }

  /** Gives up the memory of what was read. */
  release(): void {
    this.#window = new Uint8Array(0)
    this.#length = 0
  }

  /** @returns the good frame at an offset, if there is one */
  async frame(at: number): Promise<Head | undefined> {
    if (this.size - at < HEAD_BYTES) return undefined
    const head = await this.from(at, HEAD_BYTES)
    if (head.length < HEAD_BYTES) return undefined
    return frameAt(await this.from(at, claimedLength(head, 0)), 0, this.number)
  }

  /** @returns the offset after the last byte from `at` on that is not zero; `at` if there is none */
  async endOfContent(at: number): Promise<number> {
    let end = at
    for (let next = at; next < this.size; ) {
      const bytes = await this.from(next, 1)
      if (bytes.length === 0) break
      const last = lastNotZero(bytes)
      if (last >= 0) end = next + last + 1
      next += bytes.length
    }
    return end
  }
}

/** @returns the index of the last byte that is not zero, or -1 */
function lastNotZero(bytes: Uint8Array): number {
  for (let end = bytes.length; end > 0; ) {
    const start = Math.max(0, end - ZEROS.length)
    if (ZEROS.compare(bytes, start, end, 0, end - start) !== 0) {
      for (let i = end - 1; i >= start; i--) if (bytes[i] !== 0) return i
    }
    end = start
  }
  return -1
}

/** How far the frames of the segments read so far go. */
export interface Reading {
  /** Of the next frame; undefined until one has been read, unless that is known. */
  sequence: number | undefined
  /** What the last frame says was synced. */
  synced: Position | undefined
}

/**
 * Reads the frames of a segment, from its start.
 *
 * @param limit what lies beyond is void
 * @returns the offset after the last good one
 * @throws Damage for a good frame with another sequence number
 */
export async function readFrames(
  file: SegmentFile,
  limit: number,
  reading: Reading,
  visit: (body: Uint8Array, segment: number) => void,
): Promise<number> {
  let at = 0
  while (limit - at >= HEAD_BYTES) {
    let bytes = await file.from(at, HEAD_BYTES)
    if (bytes.length < HEAD_BYTES) return at
    let local = 0
    // All frames that are whole in what was read.
    for (;;) {
      if (bytes.length - local < HEAD_BYTES) break
      const claimed = claimedLength(bytes, local)
      if (at + claimed > limit) return at
      if (claimed > bytes.length - local) {
        bytes = await file.from(at, claimed)
        local = 0
      }
      const head = frameAt(bytes, local, file.number)
      if (!head) return at
      if (reading.sequence !== undefined && head.sequence !== reading.sequence) {
        if (at === 0) return at
        throw new Damage(file.name, at, `frame ${head.sequence} stands where ${reading.sequence} belongs`)
      }
      if (head.length > HEAD_BYTES)
        visit(bytes.subarray(local + HEAD_BYTES, local + head.length), file.number)
      reading.sequence = sequenceAfter(head.sequence)
      reading.synced = head.synced
      at += head.length
      local += head.length
      if (limit - at < HEAD_BYTES) return at
    }
  }
  return at
}

/**
 * Looks for a good frame that says that the log was synced beyond a place, byte by byte.
 *
 * @param beyond undefined: any good frame
 * @returns its offset
 */
export async function findVoucher(
  file: SegmentFile,
  from: number,
  beyond: Position | undefined,
): Promise<number | undefined> {
  const { number } = file
  const [b0, b1, b2, b3] = [number & 255, (number >> 8) & 255, (number >> 16) & 255, number >>> 24]
  for (let at = from; file.size - at >= HEAD_BYTES; ) {
    const bytes = await file.from(at, HEAD_BYTES)
    const last = bytes.length - HEAD_BYTES
    if (last < 0) return undefined
    let i = 0
    while (i <= last) {
      if (bytes[i + 8] === b0 && bytes[i + 9] === b1 && bytes[i + 10] === b2 && bytes[i + 11] === b3) break
      i++
    }
    at += i
    if (i > last) continue
    const head = at + claimedLength(bytes, i) <= file.size ? await file.frame(at) : undefined
    if (head && (!beyond || isAfter(head.synced, beyond))) return at
    at += head?.length ?? 1
  }
  return undefined
}

import { HEAD_BYTES } from '../log/frame.ts'

const BYTES_MIN = 64 * 1024
/** A buffer that one large turn has made longer than this is given back after it. */
const BYTES_KEPT = 1024 * 1024
/** The longest UTF-8 of one UTF-16 code unit. */
const UTF8_MAX = 3

/** Gathers the bytes of one frame, after room for its header. Numbers are little endian. */
export class Writer {
  #buffer = Buffer.allocUnsafe(BYTES_MIN)
  #view = viewOf(this.#buffer)
  #at = HEAD_BYTES

  /** What has been written, the header's room included; good until the next `reset`. */
  get bytes(): Uint8Array {
    const { buffer, byteOffset, length } = this.#buffer
    return new Uint8Array(buffer, byteOffset, length)
  }

  /** Where the next byte goes. */
  get length(): number {
    return this.#at
  }

  get empty(): boolean {
    return this.#at === HEAD_BYTES
  }

  /** Begins a new frame. */
  reset(): void {
    this.#at = HEAD_BYTES
    if (this.#buffer.length > BYTES_KEPT) this.#resize(BYTES_MIN)
  }

  /** Makes sure that so many bytes fit, which are then written without another look. */
  reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#buffer.length) return
    this.#resize(2 ** Math.ceil(Math.log2(needed)))
  }

  u8(value: number): void {
    this.#buffer[this.#at++] = value
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }

  /** A number as it is: offsets, versions, and times in milliseconds since the epoch. */
  number(value: number): void {
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  /** Overwrites a `u32` that was written before. */
  patch(at: number, value: number): void {
    this.#view.setUint32(at, value, true)
  }

  /** A text behind its length in bytes. Reserves its room itself. */
  text(text: string): void {
    this.reserve(4 + text.length * UTF8_MAX)
    const bytes = this.#buffer.write(text, this.#at + 4, 'utf8')
    this.u32(bytes)
    this.#at += bytes
  }

  /** A value, as JSON. So no caller can have bytes of its choice written that look like a frame. */
  json(value: unknown): void {
    this.text(JSON.stringify(value))
  }

  #resize(size: number): void {
    const buffer = Buffer.allocUnsafe(size)
    buffer.set(this.#buffer.subarray(0, Math.min(this.#at, size)))
    this.#buffer = buffer
    this.#view = viewOf(buffer)
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length)
}

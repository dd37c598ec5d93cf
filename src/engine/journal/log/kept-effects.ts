import { type Frame, HEAD_BYTES } from './frame.ts'

/** Effects whose frames could not be written or synced: they go in front of the next frame. */
export class KeptEffects {
  #parts: Uint8Array[] = []
  bytes = 0

  get empty(): boolean {
    return this.bytes === 0
  }

  /** Keeps a copy of the effects of a frame. */
  add(frame: Frame): void {
    this.#put(frame, this.#parts.length)
  }

  /** The same for frames that are older than all that is kept, oldest first. */
  addOlder(frames: readonly Frame[]): void {
    let at = 0
    for (const frame of frames) at += this.#put(frame, at)
  }

  /** @returns how many parts were put in at an index: 0 or 1 */
  #put({ bytes, appends_at }: Frame, at: number): number {
    if (appends_at <= HEAD_BYTES) return 0
    this.#parts.splice(at, 0, bytes.slice(HEAD_BYTES, appends_at))
    this.bytes += appends_at - HEAD_BYTES
    return 1
  }

  /** A frame with what is kept, and then what is in `frame`. */
  before(frame: Frame): Frame {
    const bytes = new Uint8Array(frame.length + this.bytes)
    let at = HEAD_BYTES
    for (const part of this.#parts) {
      bytes.set(part, at)
      at += part.length
    }
    bytes.set(frame.bytes.subarray(HEAD_BYTES, frame.length), at)
    return { bytes, length: bytes.length, appends_at: frame.appends_at + this.bytes }
  }

  clear(): void {
    if (this.empty) return
    this.#parts = []
    this.bytes = 0
  }
}

/** A frame with nothing in it. */
export const EMPTY: Frame = { bytes: new Uint8Array(HEAD_BYTES), length: HEAD_BYTES, appends_at: HEAD_BYTES }

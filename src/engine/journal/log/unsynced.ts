import type { Frame } from './frame.ts'

/** Bytes of frames that are kept until they are synced. */
export const UNSYNCED_BYTES_MAX = 8 * 1024 * 1024

/**
 * Frames that were written and not synced yet, oldest first. They are counted from the start of the process.
 */
export class Unsynced {
  readonly frames: Frame[] = []
  bytes = 0
  written = 0
  synced = 0
  /** Up to here frames were not kept, because there were too many. */
  #lost = 0

  /** Some of what is not synced could not be written again. */
  get lost(): boolean {
    return this.#lost > this.synced
  }

  /** Keeps a copy of a frame. @param bounded gives all up when there is too much */
  add(frame: Frame, bounded: boolean): void {
    this.written++
    if (bounded && this.bytes + frame.length > UNSYNCED_BYTES_MAX) {
      this.frames.length = 0
      this.bytes = 0
      this.#lost = this.written
      return
    }
    this.frames.push({ ...frame, bytes: frame.bytes.slice(0, frame.length) })
    this.bytes += frame.length
  }

  /** Everything up to this count is synced. */
  syncedThrough(count: number): void {
    const done = this.frames.length - (this.written - Math.max(count, this.#lost))
    for (const { length } of this.frames.splice(0, done)) this.bytes -= length
    this.synced = count
  }

  /** Takes all frames out, as if they had not been written. */
  takeBack(): Frame[] {
    this.bytes = 0
    this.written -= this.frames.length
    return this.frames.splice(0)
  }
}

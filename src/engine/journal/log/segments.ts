import type { Disk } from './disk.ts'

/** A file of frames. */
export interface Segment {
  readonly number: number
  readonly name: string
  /** Bytes of the file: what was prepared of it, or written if that is more. */
  size: number
  /** End of its frames. */
  end: number
  /** A frame that would reach beyond this begins the next segment, unless this one is empty. */
  limit: number
  /** Its name is known to be on the disk. */
  named: boolean
}

const NAME = /^(\d{8,})\.log$/
/** The next segment, until it is whole. */
export const NEXT = 'next.tmp'

export function nameOf(number: number): string {
  return `${String(number).padStart(8, '0')}.log`
}

/** @returns undefined for a file that is no segment */
export function numberOf(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/**
 * The segments of a log, oldest first, and the one that is prepared for when the last is full. Their numbers
 * have no gaps.
 */
export class Segments {
  /** Why the last preparation failed; undefined once one has worked. */
  trouble: unknown
  #preparing: Promise<void> | undefined
  #closed = false
  #pins = 0
  #unpinned: (() => void)[] = []

  /** @param next the prepared one @param segment_bytes size of those that are made */
  constructor(
    private readonly disk: Disk,
    readonly list: Segment[],
    public next: Segment | undefined,
    readonly segment_bytes: number,
  ) {}

  /** The one that frames go to. */
  get current(): Segment {
    return this.list[this.list.length - 1]!
  }

  get bytes(): number {
    let bytes = this.next?.size ?? 0
    for (const { size } of this.list) bytes += size
    return bytes
  }

  /** Bytes of the current segment that are sure to be there, full disk or not. */
  get room(): number {
    const { size, end } = this.current
    return size - end
  }

  /** No next segment could be prepared. */
  get stuck(): boolean {
    return this.trouble !== undefined && this.next === undefined
  }

  /** It is time to prepare the next one. */
  get wants_next(): boolean {
    return this.next === undefined && this.#preparing === undefined && this.room < this.segment_bytes / 2
  }

  /** The last one with frames; the first one if there are none. */
  get tail(): Segment {
    return this.list.findLast(({ end }) => end > 0) ?? this.list[0]!
  }

  /** Prepares the next segment, unless that is under way. Never rejects: see {@link trouble}. */
  prepare(): Promise<void> {
    this.#preparing ??= this.#prepare().finally(() => {
      this.#preparing = undefined
    })
    return this.#preparing
  }

  /** No segment is made or deleted any more once this has resolved. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#preparing
  }

  async #prepare(): Promise<void> {
    let made = false
    try {
      // One that fails half-way would meanwhile take the room of what is written.
      if (this.#free() < this.segment_bytes) throw noSpace()
      await this.disk.prepare(NEXT, this.segment_bytes)
      const next = newSegment(this.current.number + 1, this.segment_bytes, this.segment_bytes)
      this.disk.rename(NEXT, next.name)
      this.next = next
      made = true
      this.trouble = undefined
      await this.disk.syncDirectory()
      next.named = true
    } catch (error) {
      // A segment that is not named yet is named with its first sync.
      if (!made) this.trouble = error
    }
  }

  #free(): number {
    try {
      return this.disk.free()
    } catch {
      return Number.POSITIVE_INFINITY
    }
  }

  /** Goes on in the prepared segment, or in one that its first write makes. */
  advance(): void {
    this.list.push(this.next ?? newSegment(this.current.number + 1, 0, this.segment_bytes))
    this.next = undefined
  }

  /** Undoes {@link advance} to a segment that was not prepared and could not be written to. */
  back(): void {
    const { name } = this.current
    if (this.disk.list().some((file) => file.name === name)) this.disk.remove(name)
    this.list.pop()
  }

  /**
   * Gives the space of the prepared segment to a file.
   *
   * @returns its bytes; 0 when there is none
   */
  lend(file: string): number {
    if (!this.next) return 0
    const { name, size } = this.next
    this.disk.rename(name, file)
    this.next = undefined
    return size
  }

  /** Makes a file of frames the current segment, in the place of one that is prepared. */
  adopt(file: string, segment: Segment): void {
    this.disk.rename(file, segment.name)
    if (this.next?.number === segment.number) this.next = undefined
    this.list.push(segment)
  }

  /** Deletes the oldest segment once nothing is pinned. */
  async drop(number: number): Promise<void> {
    while (this.#pins > 0) await new Promise<void>((resolve) => this.#unpinned.push(resolve))
    const oldest = this.list[0]!
    if (this.#closed) throw new Error('the log is closed')
    if (oldest.number !== number || this.list.length === 1)
      throw new Error(`segment ${number} is not the oldest, or frames go to it`)
    this.disk.remove(oldest.name)
    this.list.shift()
    await this.disk.syncDirectory()
  }

  /**
   * Deletes the oldest segments while there are no frames in them: nothing would tell that none are missing.
   */
  async dropEmpty(): Promise<void> {
    while (this.list[0]!.end === 0 && this.list.length > 1) await this.drop(this.list[0]!.number)
  }

  /** Keeps all segments from being deleted. @returns ends that */
  pin(): () => void {
    this.#pins++
    let pinned = true
    return () => {
      if (!pinned) return
      pinned = false
      if (--this.#pins > 0) return
      for (const resolve of this.#unpinned.splice(0)) resolve()
    }
  }
}

function noSpace(): Error {
  return Object.assign(new Error('no space is left for a segment'), { code: 'ENOSPC' })
}

/** @param size bytes that are prepared of it */
export function newSegment(number: number, size: number, limit: number): Segment {
  return { number, name: nameOf(number), size, end: 0, limit, named: false }
}

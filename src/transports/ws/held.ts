import { Answers } from './answers.ts'

/** A batch under way, whose answers are gathered for one JSON array. */
export class Batch {
  /** The index in `requests` of the first that has not begun. */
  next = 0
  /** Calls that have begun, and whose answers are still missing in the array. */
  unanswered = 0
  answers: Answers
  /** How much of these is counted in the connection's `kept_chars`. */
  kept_chars = 0

  /** @param request_chars the average length of a request */
  constructor(
    readonly requests: readonly unknown[],
    readonly request_chars: number,
  ) {
    this.answers = new Answers(requests, request_chars, true)
  }

  get begun(): boolean {
    return this.next === this.requests.length
  }
}

/** What a held frame counts for beyond its length, in characters. */
const FRAME_CHARS = 64

/**
 * The calls of a connection that may not begin yet: the rest of a batch, then frames in the order they came.
 * It exists while there is a reason to hold calls up, and until the last of them has begun.
 */
export class Held {
  /** How many reasons hold the calls up; none begins while there is one. */
  reasons = 0
  batch: Batch | undefined
  /** A frame that was taken out, and has to wait again. It goes before the others. */
  first: string | Buffer | undefined
  /** New frames are pushed to the first list; the second holds the oldest in reverse, to be popped. */
  #came: (string | Buffer)[] = []
  #turned: (string | Buffer)[] = []
  #chars = 0

  /** What the frames count for, in characters. */
  get chars(): number {
    return this.#chars
  }

  push(frame: string | Buffer): void {
    this.#came.push(frame)
    this.#chars += FRAME_CHARS + frame.length
  }

  /** Takes the oldest frame; undefined when there is none. */
  shift(): string | Buffer | undefined {
    const { first } = this
    if (first !== undefined) {
      this.first = undefined
      return first
    }
    if (this.#turned.length === 0) {
      this.#turned = this.#came.reverse()
      this.#came = []
    }
    const frame = this.#turned.pop()
    if (frame !== undefined) this.#chars -= FRAME_CHARS + frame.length
    return frame
  }
}

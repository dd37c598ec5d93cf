/** A batch under way. Its answers are gathered for one JSON array. */
export class Batch {
  /** Where in `requests` the first lies that has not begun. */
  next = 0
  /** Begun, and yet to be answered in the array. */
  unanswered = 0
  answers: string[] = []
  /** Of the gathered answers. */
  chars = 0
  /** Of these, counted among what its connection has the broker keep. */
  kept_chars = 0

  /** @param request_chars of one request, on average */
  constructor(
    readonly requests: readonly unknown[],
    readonly request_chars: number,
  ) {}

  get begun(): boolean {
    return this.next === this.requests.length
  }
}

/** What an empty frame weighs. */
const FRAME_CHARS = 64

/**
 * What a connection has asked for and may not begin yet: the rest of a batch, then frames as they came. There
 * for as long as something holds them up, and while they go on.
 */
export class Held {
  /** How many things hold them up: nothing begins before all are over. */
  reasons = 0
  batch: Batch | undefined
  /** As they came, and the oldest turned round to be taken from the end. */
  #came: (string | Buffer)[] = []
  #turned: (string | Buffer)[] = []
  #chars = 0

  /** What the frames weigh, in characters. */
  get chars(): number {
    return this.#chars
  }

  push(frame: string | Buffer): void {
    this.#came.push(frame)
    this.#chars += FRAME_CHARS + frame.length
  }

  /** Takes the oldest frame; undefined when there is none. */
  shift(): string | Buffer | undefined {
    if (this.#turned.length === 0) {
      this.#turned = this.#came.reverse()
      this.#came = []
    }
    const frame = this.#turned.pop()
    if (frame !== undefined) this.#chars -= FRAME_CHARS + frame.length
    return frame
  }
}

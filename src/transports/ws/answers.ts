/**
 * The answers to one frame, or to a part of a batch. They are held back until the end of the turn, and are
 * one frame again then.
 */
export class Answers {
  readonly json: string[] = []
  /** The length of the answers, in characters. */
  chars = 0
  /** Whether all of them are here. */
  complete = false
  /** Whether the connection holds them back. */
  held = false
  /** A flush under way covers those from `stored` to here; earlier ones covered those before. */
  sealed = 0
  stored = 0

  /**
   * @param requests the parsed frame; undefined if no flush that fails concerns its calls
   * @param request_chars the length of a request, on average
   * @param batched whether the frame is a batch, which is answered by an array
   */
  constructor(
    readonly requests: unknown,
    private readonly request_chars: number,
    readonly batched: boolean,
  ) {}

  /** The one answer to a frame that is no batch. */
  static single(json: string, request?: unknown, request_chars = 0): Answers {
    const answers = new Answers(request, request_chars, false)
    answers.add(json)
    answers.complete = true
    return answers
  }

  add(json: string): void {
    this.json.push(json)
    this.chars += json.length
  }

  /** What is in memory for them, in characters: the requests are kept with their answers. */
  get held_chars(): number {
    return this.chars + this.json.length * this.request_chars
  }

  /** A flush begins. */
  seal(): void {
    this.stored = this.sealed
    this.sealed = this.json.length
  }

  /** Whether a flush has covered all of them. */
  get covered(): boolean {
    return this.sealed === this.json.length
  }
}

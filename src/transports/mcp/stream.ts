import type { DoorContext } from '../door.ts'

/** Frames that may lie unread in a stream before nothing more is sent that is only a hint. */
const BACKLOG_FRAMES_MAX = 16
/** How often streams are looked at; fine enough for comments and slow readers. */
const TICK_MS = 500

const COMMENT = new TextEncoder().encode(': \n\n')

/** What the owner of a stream is told. */
export interface StreamCare {
  /** Called once, when the source has ended, the client has gone or the stream was ended. */
  onEnd(): void
  /** Called again and again while the client keeps up. */
  onWritable?(): void
  /** Has the source end the stream in its own way; without it, the stream just ends. */
  close?(): void
}

/** Whether a response is a stream of events. */
export function isEventStream(
  response: Response,
): response is Response & { body: ReadableStream<Uint8Array> } {
  return response.body !== null && response.headers.get('content-type') === 'text/event-stream'
}

/** What is used of a reader; Bun's types name two that do not agree. */
interface Source {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

/**
 * One event stream on its way to a client: what the SDK writes, with a comment at the start (Bun sends the headers with
 * the first bytes only) and whenever it has been quiet. Its queue is the only one there is, and can be looked at.
 */
export class LiveStream {
  readonly body: ReadableStream<Uint8Array>
  #controller!: ReadableStreamDefaultController<Uint8Array>
  readonly #source: Source
  readonly #now: () => number
  readonly #care: StreamCare
  #written_ms: number
  #stalled_ms: number | undefined
  #ended = false

  constructor(source: ReadableStream<Uint8Array>, now: () => number, care: StreamCare) {
    this.#source = source.getReader() as Source
    this.#now = now
    this.#care = care
    this.#written_ms = now()
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller
        controller.enqueue(COMMENT)
      },
      cancel: () => this.#leave(),
    })
    this.#pump()
  }

  /** Whether the client keeps up, so that a hint does not pile up unread. */
  get writable(): boolean {
    return !this.#ended && this.#unread <= BACKLOG_FRAMES_MAX
  }

  /** Looks after the stream: a comment when it was quiet for `comment_ms`, the end when unread for `stalled_ms_max`. */
  tend(now: number, comment_ms: number, stalled_ms_max: number): void {
    if (this.#unread === 0) {
      this.#stalled_ms = undefined
      if (now - this.#written_ms >= comment_ms) this.#write(COMMENT)
    } else {
      this.#stalled_ms ??= now
      if (now - this.#stalled_ms >= stalled_ms_max) this.end()
    }
    if (this.writable) this.#care.onWritable?.()
  }

  /** Ends the stream as its protocol says goodbye. */
  close(): void {
    if (this.#care.close) this.#care.close()
    else this.end()
  }

  /** Ends the stream for both sides; what is queued still goes out if the client takes it. */
  end(): void {
    if (this.#ended) return
    this.#controller.close()
    this.#leave()
  }

  get #unread(): number {
    return 1 - (this.#controller.desiredSize ?? 1)
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#source.read()
        if (done || value === undefined || this.#ended) break
        this.#write(value)
      }
    } catch {
      // A source that fails has no more to say; the SDK reports it where it fails.
    }
    this.end()
  }

  #write(frame: Uint8Array): void {
    this.#written_ms = this.#now()
    this.#controller.enqueue(frame)
  }

  #leave(): void {
    if (this.#ended) return
    this.#ended = true
    // The source has ended already, or learns here that nobody listens any more.
    this.#source.cancel().catch(() => undefined)
    this.#care.onEnd()
  }
}

/** All event streams of this door. */
export class Streams {
  readonly #open = new Set<LiveStream>()
  readonly #context: DoorContext
  readonly #endChore: () => void

  constructor(context: DoorContext) {
    this.#context = context
    this.#endChore = context.housekeeping.every(TICK_MS, () => this.#tend())
  }

  get open(): number {
    return this.#open.size
  }

  /** Takes a stream of the SDK into care. */
  carry(source: ReadableStream<Uint8Array>, care: StreamCare): LiveStream {
    const stream: LiveStream = new LiveStream(source, this.#context.broker.now, {
      ...care,
      onEnd: () => {
        this.#open.delete(stream)
        care.onEnd()
      },
    })
    this.#open.add(stream)
    return stream
  }

  /** Ends all streams, spread over `drain_ms`, so that their clients do not come back in one moment. */
  async close(drain_ms: number): Promise<void> {
    const streams = [...this.#open]
    const slice = Math.ceil(streams.length / DRAIN_SLICES)
    for (let at = 0; at < streams.length; at += slice) {
      if (at > 0) await Bun.sleep(drain_ms / DRAIN_SLICES)
      for (const stream of streams.slice(at, at + slice)) stream.close()
    }
    this.#endChore()
  }

  #tend(): void {
    const { broker, config } = this.#context
    const now = broker.now()
    for (const stream of this.#open)
      stream.tend(now, config.stream_comment_seconds * 1000, config.slow_reader_seconds * 1000)
  }
}

const DRAIN_SLICES = 20

import { type DoorContext, spread } from '../door.ts'
import { type Exchange, endAnswers } from './exchange.ts'

/** While more frames than this are unread, no hints are sent. */
const BACKLOG_FRAMES_MAX = 16
/** Longer frames go out in pieces, so that a reader's progress can be seen. */
const PIECE_BYTES = 64 * 1024
/** How often streams are checked; often enough for comments and slow readers. */
const TICK_MS = 500
/** A connection whose stream is over is closed after this long without a request. */
const KEEP_ALIVE_SECONDS = 30

const COMMENT = new TextEncoder().encode(': \n\n')

/** What the owner of a stream asks of it and is told. */
export interface StreamCare {
  /**
   * The event id that the stream resumes after. It is sent first: a client that is cut again may know only
   * ids that it got on this connection.
   */
  readonly resumed_from?: string
  /** Called once, when the source has ended, the client has gone or the stream was cut. */
  onEnd?(): void
  /** Called at every check while the client keeps up. */
  onWritable?(): void
  /** Ends the stream at shutdown. A stream without it carries an answer, and ends with that. */
  close?(): void
}

function idEvent(event_id: string): Uint8Array {
  return new TextEncoder().encode(`id: ${event_id}\ndata: \n\n`)
}

export type EventStreamResponse = Response & { body: ReadableStream<Uint8Array> }

export function isEventStream(response: Response): response is EventStreamResponse {
  return response.body !== null && response.headers.get('content-type') === 'text/event-stream'
}

/** The part of a stream's reader that is used here: Bun's types have two readers that do not agree. */
interface Source {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

/**
 * One event stream from the SDK to a client. It adds a comment at the start (Bun sends the headers only with
 * the first bytes) and whenever the stream has been quiet. Its queue is the only one between the two, and it
 * is checked: a client that reads nothing is cut off.
 */
export class LiveStream {
  readonly body: ReadableStream<Uint8Array>
  readonly #source: Source
  readonly #exchange: Exchange
  readonly #now: () => number
  readonly #care: StreamCare
  #controller!: ReadableStreamDefaultController<Uint8Array>
  #queue: Uint8Array[] = []
  /** Whether the client waits for the next frame. */
  #hungry = false
  #written_ms: number
  #stalled_ms: number | undefined
  #held = false
  #source_ended = false
  #over = false

  constructor(source: ReadableStream<Uint8Array>, exchange: Exchange, now: () => number, care: StreamCare) {
    this.#source = source.getReader() as Source
    this.#exchange = exchange
    this.#now = now
    this.#care = care
    this.#written_ms = now()
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller
        controller.enqueue(care.resumed_from === undefined ? COMMENT : idEvent(care.resumed_from))
      },
      pull: () => this.#feed(),
      cancel: () => this.#leave(),
    })
    this.#pump()
  }

  /** Whether the client keeps up. If not, no hints are sent, so that they do not pile up unread. */
  get writable(): boolean {
    return !this.#source_ended && !this.#over && this.#queue.length <= BACKLOG_FRAMES_MAX
  }

  /**
   * Checks the stream: sends comments, and cuts a client that reads nothing.
   *
   * @param comment_ms a stream that was quiet for this long gets a comment
   * @param stalled_ms_max a stream that took nothing for this long is cut
   */
  tend(now: number, comment_ms: number, stalled_ms_max: number): void {
    if (!this.#held) {
      // Bun closes a connection without traffic; from here on, this method decides when to cut it.
      this.#held = true
      this.#exchange.timeout(0)
    }
    if (this.#queue.length > 0 || this.#source_ended) {
      this.#stalled_ms ??= now
      if (now - this.#stalled_ms >= stalled_ms_max) this.cut()
    } else if (now - this.#written_ms >= comment_ms) this.#write(COMMENT)
    if (this.writable) this.#care.onWritable?.()
  }

  /** Ends the stream at shutdown, unless it carries an answer. */
  close(): void {
    this.#care.close?.()
  }

  /** Ends the stream for both sides and drops what is unread. */
  cut(): void {
    if (this.#over) return
    this.#controller.close()
    this.#leave()
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#source.read()
        if (done || value === undefined || this.#over) break
        for (let at = 0; at < value.length; at += PIECE_BYTES)
          this.#write(value.subarray(at, at + PIECE_BYTES))
      }
    } catch {
      // A source that fails sends nothing more; the SDK reports the failure itself.
    }
    this.#source_ended = true
    if (this.#hungry) this.cut()
  }

  #write(frame: Uint8Array): void {
    this.#written_ms = this.#now()
    if (this.#hungry) {
      this.#hungry = false
      this.#controller.enqueue(frame)
    } else this.#queue.push(frame)
  }

  /** The client asks for more. */
  #feed(): void {
    this.#stalled_ms = undefined
    const frame = this.#queue.shift()
    if (frame) this.#controller.enqueue(frame)
    else if (this.#source_ended) this.cut()
    else this.#hungry = true
  }

  #leave(): void {
    if (this.#over) return
    this.#over = true
    this.#hungry = false
    this.#queue = []
    if (this.#held) this.#exchange.timeout(KEEP_ALIVE_SECONDS)
    // A source that has not ended learns here that nobody reads it any more.
    this.#source.cancel().catch(() => undefined)
    endAnswers(this.#exchange.request)
    this.#care.onEnd?.()
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

  /** Wraps a stream of the SDK, and looks after it until it ends. */
  carry(
    response: EventStreamResponse,
    exchange: Exchange,
    care: StreamCare = {},
  ): { stream: LiveStream; response: Response } {
    const stream: LiveStream = new LiveStream(response.body, exchange, this.#context.broker.now, {
      ...care,
      onEnd: () => {
        this.#open.delete(stream)
        care.onEnd?.()
      },
    })
    this.#open.add(stream)
    return { stream, response: new Response(stream.body, response) }
  }

  /** Ends all streams over `drain_ms`; in this time, calls under way are answered. */
  async close(drain_ms: number): Promise<void> {
    await spread([...this.#open], drain_ms, (stream) => stream.close())
    for (const stream of this.#open) stream.cut()
    this.#endChore()
  }

  #tend(): void {
    const { broker, config } = this.#context
    const now = broker.now()
    for (const stream of this.#open)
      stream.tend(now, config.stream_comment_seconds * 1000, config.slow_reader_seconds * 1000)
  }
}

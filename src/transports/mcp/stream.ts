import { type DoorContext, spread } from '../door.ts'
import { type Exchange, endAnswers } from './exchange.ts'

/** Frames that may lie unread before nothing more is sent that is only a hint. */
const BACKLOG_FRAMES_MAX = 16
/** Longer frames go out in pieces, so that a reader's progress can be seen. */
const PIECE_BYTES = 64 * 1024
/** How often streams are looked at; fine enough for comments and slow readers. */
const TICK_MS = 500
/** Once its stream is over, a connection is closed when nothing is asked on it for this long. */
const KEEP_ALIVE_SECONDS = 30

const COMMENT = new TextEncoder().encode(': \n\n')

/** What the owner of a stream wants of it, and is told. */
export interface StreamCare {
  /** The event id that it goes on from. It is said first: a client may come back without one it was not sent here. */
  readonly resumed_from?: string
  /** Called once, when the source has ended, the client has gone or the stream was cut. */
  onEnd?(): void
  /** Called again and again while the client keeps up. */
  onWritable?(): void
  /** Ends the stream when the broker shuts down; without it, the stream is one of an answer, which comes first. */
  close?(): void
}

function idEvent(event_id: string): Uint8Array {
  return new TextEncoder().encode(`id: ${event_id}\ndata: \n\n`)
}

export type EventStream = Response & { body: ReadableStream<Uint8Array> }

export function isEventStream(response: Response): response is EventStream {
  return response.body !== null && response.headers.get('content-type') === 'text/event-stream'
}

/** What is used of a stream's reader; Bun's types name two that do not agree. */
interface Source {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

/**
 * One event stream on its way to a client: what the SDK writes, with a comment at the start (Bun sends the headers with
 * the first bytes only) and whenever it has been quiet. Its queue is the only one there is, and it is looked at: who
 * reads nothing is cut off.
 */
export class LiveStream {
  readonly body: ReadableStream<Uint8Array>
  readonly #source: Source
  readonly #exchange: Exchange
  readonly #now: () => number
  readonly #care: StreamCare
  #controller!: ReadableStreamDefaultController<Uint8Array>
  #queue: Uint8Array[] = []
  /** The client takes what comes next at once. */
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

  /** Whether the client keeps up, so that a hint does not pile up unread. */
  get writable(): boolean {
    return !this.#source_ended && !this.#over && this.#queue.length <= BACKLOG_FRAMES_MAX
  }

  /**
   * Looks after the stream.
   *
   * @param comment_ms a stream that was quiet for this long gets a comment
   * @param stalled_ms_max a stream that took nothing for this long is cut
   */
  tend(now: number, comment_ms: number, stalled_ms_max: number): void {
    if (!this.#held) {
      // Bun closes a connection on which nothing is asked; from here on, comments and cuts do that here.
      this.#held = true
      this.#exchange.timeout(0)
    }
    if (this.#queue.length > 0 || this.#source_ended) {
      this.#stalled_ms ??= now
      if (now - this.#stalled_ms >= stalled_ms_max) this.cut()
    } else if (now - this.#written_ms >= comment_ms) this.#write(COMMENT)
    if (this.writable) this.#care.onWritable?.()
  }

  /** The broker shuts down: says goodbye where nothing is left to be answered. */
  close(): void {
    this.#care.close?.()
  }

  /** Ends the stream for both sides, dropping what is unread. */
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
      // A source that fails has no more to say; the SDK reports it where it fails.
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

  /** The client takes more. */
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
    // The source has ended already, or learns here that nobody listens any more.
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

  /** Takes a stream of the SDK into care. */
  carry(
    response: EventStream,
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

import type { SessionHandle } from '../../auth/session-handle.ts'
import { type Connection, HINTS_CHARS_MAX } from '../../broker/connection.ts'
import { BrokerError, type ErrorCode, errorBody } from '../../core/errors.ts'

/** What a stream tells its door. */
export interface StreamEvents {
  /** The stream takes more again. */
  drained(stream: EventStream): void
  /** The stream is over: the peer has gone, or the stream was closed. Called once. */
  gone(stream: EventStream): void
  /** Has Bun close the connection after this many seconds without traffic. */
  expire(seconds: number): void
}

/** How long a peer has to read the event `close` before its connection is cut. */
const CLOSE_SECONDS = 2

/**
 * One event stream of the HTML standard (section 9.2) over a Bun direct stream, whose `write` returns a
 * promise when the kernel takes no more. Nothing more is written until that promise resolves.
 */
export class EventStream implements Connection {
  readonly body: ReadableStream
  /** The session that the stream reads for; undefined until it has subscribed. */
  session: SessionHandle | undefined
  #controller: ReadableStreamDirectController | undefined
  #finish: (() => void) | undefined
  #queue = ''
  #writable = false
  #closed = false
  #written_ms: number

  constructor(
    private readonly events: StreamEvents,
    private readonly now: () => number,
  ) {
    this.#written_ms = now()
    this.body = new ReadableStream({
      type: 'direct',
      pull: (controller) => this.#open(controller),
      cancel: () => this.gone(),
    })
  }

  get open(): boolean {
    return !this.#closed
  }

  get writable(): boolean {
    return this.#writable
  }

  message(cursor: string, json: string): void {
    this.#queue += `id: ${cursor}\nevent: message\ndata: {"cursor":"${cursor}","message":${json}}\n\n`
  }

  notify(kind: 'receipt' | 'session', json: string): void {
    if (this.#queue.length <= HINTS_CHARS_MAX || this.flush()) this.event(kind, json)
  }

  /**
   * Queues an event.
   *
   * @param json on one line, as JSON.stringify writes it
   * @param retry_ms how long the client waits before a reconnect, from now on
   */
  event(name: string, json: string, id?: string, retry_ms?: number): void {
    if (retry_ms !== undefined) this.#queue += `retry: ${retry_ms}\n`
    if (id !== undefined) this.#queue += `id: ${id}\n`
    this.#queue += `event: ${name}\ndata: ${json}\n\n`
  }

  flush(): boolean {
    if (!this.#writable || !this.#controller) return false
    if (this.#queue === '') return true
    const queue = this.#queue
    this.#queue = ''
    this.#written_ms = this.now()
    const written: number | Promise<number> = this.#controller.write(queue)
    this.#controller.flush()
    if (!(written instanceof Promise)) return true
    this.#writable = false
    written.then(this.#drained, this.#drained)
    return false
  }

  /** Writes a comment if nothing was written for `quiet_ms`: peer and proxies see that the stream lives. */
  comment(quiet_ms: number): void {
    if (!this.#writable || this.now() - this.#written_ms < quiet_ms) return
    this.#queue += ':\n\n'
    this.flush()
  }

  /** Sends the reason as an event `close` and ends. A peer that does not read it is cut off soon after. */
  close(code: ErrorCode): void {
    if (this.#closed) return
    this.event('close', JSON.stringify(errorBody(new BrokerError(code))))
    const controller = this.#controller
    const queue = this.#queue
    this.gone()
    if (!controller) return
    // Set before the end: afterwards Bun no longer knows the request.
    this.events.expire(CLOSE_SECONDS)
    controller.write(queue)
    controller.end()
  }

  /** Releases everything: the peer has gone, or the stream was closed. */
  gone(): void {
    if (this.#closed) return
    this.#closed = true
    this.#writable = false
    this.#queue = ''
    this.#controller = undefined
    this.#finish?.()
    this.events.gone(this)
  }

  /** Bun calls this once; the stream lasts until the returned promise resolves. */
  #open(controller: ReadableStreamDirectController): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#controller = controller
    this.#drained()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#finish = resolve
    return promise
  }

  readonly #drained = (): void => {
    if (this.#closed) return
    this.#writable = true
    if (this.flush()) this.events.drained(this)
  }
}

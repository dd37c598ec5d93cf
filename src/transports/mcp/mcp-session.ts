import {
  ProtocolError,
  ProtocolErrorCode,
  type Server,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import { BrokerError } from '../../core/errors.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'
import type { DoorContext } from '../door.ts'
import { CANCELLED, type SessionEvents, streamOf } from './event-store.ts'
import type { Exchange } from './exchange.ts'
import { answerPlain, type PlainCall, sessionHeaders } from './fast-lane.ts'
import { addressOf, openInbox } from './inbox.ts'
import { isEventStream, type LiveStream, type Streams } from './live-stream.ts'
import { handleMethod, InboxParams } from './params.ts'
import type { ProgressReports } from './progress.ts'
import { createServer } from './server.ts'
import { InboxUpdates, SUBSCRIPTIONS_MAX } from './updates.ts'

/** The SDK's name for the stream that a GET opens. Hints are sent on it. */
const STANDALONE_STREAM = '_GET_stream'

/** Unanswered requests that one session may have: the SDK searches all of them for each answer. */
const ANSWERING_MAX = 256

/** How long a client waits before it reopens a stream that was cut. */
const RETRY_MS = 1000

/** What a session is built from. */
export interface SessionParts {
  readonly context: DoorContext
  readonly streams: Streams
  readonly progress: ProgressReports
  readonly events: SessionEvents
  readonly identity: Identity
  /** Called once, when the session ends: by DELETE or by `close`. */
  readonly onClose: () => void
}

/** One session of the 2025 era: an identity, the SDK's transport and server, and the inboxes it watches. */
export class McpSession {
  readonly id = crypto.randomUUID()
  readonly identity: Identity
  readonly #parts: SessionParts
  readonly #transport: WebStandardStreamableHTTPServerTransport
  readonly #server: Server
  readonly #updates: InboxUpdates
  #standalone: LiveStream | undefined
  /** The headers of answers to plain calls; made for the first. */
  #headers: Headers | undefined
  #initialized = false
  /** Requests and streams under way. */
  #busy = 0
  /**
   * When the last of these ended, in milliseconds since the epoch; undefined before the first, and while any
   * is under way.
   */
  idle_since_ms: number | undefined
  /** The ids of unanswered requests, each with all ids of its batch. */
  readonly #answering = new Map<unknown, readonly unknown[]>()

  constructor(parts: SessionParts) {
    this.#parts = parts
    this.identity = parts.identity
    this.identity.keeps_session = true
    this.#transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => this.id,
      onsessioninitialized: () => {
        this.#initialized = true
      },
      eventStore: parts.events,
      keepAliveMs: 0,
      retryInterval: RETRY_MS,
    })
    this.#server = createServer(parts.context, parts.progress, parts.identity)
    this.#server.onclose = () => {
      this.#updates.close()
      parts.events.clear()
      parts.onClose()
    }
    this.#updates = new InboxUpdates(
      parts.context.broker,
      () => this.#standalone?.writable ?? false,
      (uri) => {
        this.#server
          .sendResourceUpdated({ uri })
          .catch((err) => parts.context.log.debug({ err }, 'hint not sent'))
      },
    )
    this.#offerSubscriptions()
  }

  /** Whether the SDK has accepted the client's `initialize`. */
  get initialized(): boolean {
    return this.#initialized
  }

  connect(): Promise<void> {
    return this.#server.connect(this.#transport)
  }

  /** Answers a plain call, without the SDK. @throws BrokerError `invalid_request`, `too_many_waiting` */
  servePlain(plain: PlainCall, request: Request): MaybePromise<Response> {
    this.#refuseInUse([plain.id])
    this.#headers ??= sessionHeaders(this.id)
    const answered = answerPlain(this.#parts.context, this.identity, plain, request, this.#headers)
    if (answered instanceof Promise) return answered.finally(this.#use([plain.id]))
    if (this.#busy === 0) this.#rest()
    return answered
  }

  /**
   * Answers any request, with the SDK.
   *
   * @throws BrokerError `invalid_request`, `too_many_waiting`, `too_many_connections`, `method_not_allowed`
   */
  async serve(exchange: Exchange): Promise<Response> {
    const { request, body } = exchange
    const ids = idsIn(body)
    this.#refuseInUse(ids)
    const release = this.#use(ids)
    try {
      if (request.method === 'GET') return await this.#handleGet(exchange, release)
      const response = await this.#transport.handleRequest(request, { parsedBody: body })
      this.#retireCancelled(body)
      if (!isEventStream(response)) {
        release()
        return response
      }
      return this.#parts.streams.carry(response, exchange, { onEnd: release }).response
    } catch (error) {
      release()
      throw error
    }
  }

  close(): Promise<void> {
    return this.#server.close()
  }

  /**
   * Refuses an id that is in use: the SDK keeps one stream for each id, and a second one would never end.
   *
   * @throws BrokerError `invalid_request` for an id that is in use, `too_many_waiting`
   */
  #refuseInUse(ids: readonly unknown[]): void {
    if (this.#answering.size + ids.length > ANSWERING_MAX)
      throw new BrokerError('too_many_waiting', {
        detail: `A session has at most ${ANSWERING_MAX} requests that are not answered yet.`,
        retry_after_ms: 1000,
      })
    if ((ids.length > 1 && new Set(ids).size < ids.length) || ids.some((id) => this.#answering.has(id)))
      throw new BrokerError('invalid_request', {
        field: '/id',
        detail: 'A request of this session with the same id has not been answered yet.',
        next: 'Give each request of a session an id of its own.',
      })
  }

  /** Counts requests as under way. @returns a function that ends this; only its first call does anything */
  #use(ids: readonly unknown[]): () => void {
    for (const id of ids) this.#answering.set(id, ids)
    this.#busy++
    this.idle_since_ms = undefined
    let released = false
    return () => {
      if (released) return
      released = true
      for (const id of ids) this.#answering.delete(id)
      if (--this.#busy === 0) this.#rest()
    }
  }

  #rest(): void {
    this.idle_since_ms = this.#parts.context.broker.now()
  }

  /**
   * Opens the stream for hints, or resumes a stream.
   *
   * @throws BrokerError `too_many_connections`; `method_not_allowed` when the stream to resume is over:
   * clients reopen any stream that ends without an answer, and only this status stops them
   */
  async #handleGet(exchange: Exchange, release: () => void): Promise<Response> {
    const { request } = exchange
    const leave = this.#parts.context.connections.enter()
    const done = () => {
      leave()
      release()
    }
    try {
      const last_event_id = request.headers.get('last-event-id')
      const standalone = last_event_id === null || streamOf(last_event_id) === STANDALONE_STREAM
      // The previous stream may be dead without our knowing, so the newest wins.
      if (standalone) this.#standalone?.cut()
      const response = await this.#transport.handleRequest(request)
      if (!isEventStream(response)) {
        done()
        return response
      }
      if (!standalone && (await hasEnded(response.body)))
        throw new BrokerError('method_not_allowed', STREAM_OVER)
      // The caller counts as connected while this stream is open.
      const endStreaming = standalone ? this.#parts.context.broker.hub.streams(this.identity) : undefined
      const carried = this.#parts.streams.carry(response, exchange, {
        ...(standalone || !takesEmptyData(request) ? {} : { resumed_from: last_event_id }),
        close: () => carried.stream.cut(),
        onEnd: () => {
          endStreaming?.()
          if (this.#standalone === carried.stream) this.#standalone = undefined
          done()
        },
        ...(standalone ? { onWritable: this.#updates.flush } : {}),
      })
      if (standalone) this.#standalone = carried.stream
      return carried.response
    } catch (error) {
      done()
      throw error
    }
  }

  #offerSubscriptions(): void {
    const { context, identity } = this.#parts
    handleMethod(this.#server, this.#parts, 'resources/subscribe', InboxParams, async ({ uri }) => {
      const address = await openInbox(context.broker, identity, uri)
      if (this.#updates.size >= SUBSCRIPTIONS_MAX)
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `A session subscribes to at most ${SUBSCRIPTIONS_MAX} inboxes. Unsubscribe from one first.`,
        )
      this.#updates.watch(address, uri)
      return {}
    })
    handleMethod(this.#server, this.#parts, 'resources/unsubscribe', InboxParams, ({ uri }) => {
      const address = addressOf(identity, uri)
      if (address) this.#updates.unwatch(address)
      return {}
    })
  }

  /**
   * Ends the requests that a body cancels. The SDK never answers these: without this, their streams and what
   * the SDK keeps of them would stay for ever.
   */
  #retireCancelled(body: unknown): void {
    for (const message of Array.isArray(body) ? body : [body]) {
      const { method, params } = (message ?? {}) as { method?: unknown; params?: { requestId?: unknown } }
      const id = params?.requestId
      if (method !== 'notifications/cancelled' || (typeof id !== 'string' && typeof id !== 'number')) continue
      // The stream of a batch stays open for its other requests.
      if ((this.#answering.get(id)?.length ?? 1) === 1) this.#transport.closeSSEStream(id)
      this.#transport
        .send({ jsonrpc: '2.0', id, error: CANCELLED })
        // There is no such request, or it has been answered.
        .catch(() => undefined)
    }
  }
}

const STREAM_OVER = {
  detail: 'This stream is over, and all of it has been sent: nothing is left to resume.',
  next: 'Do not open it again. A GET without Last-Event-ID opens the stream for notifications.',
}

/** Whether a stream has ended without content, as the SDK ends a resumed stream that has nothing to send. */
async function hasEnded(body: ReadableStream<Uint8Array>): Promise<boolean> {
  const reader = body.getReader()
  const ended = reader.closed.then(
    () => true,
    () => true,
  )
  const first = await Promise.race([ended, new Promise<false>((resolve) => setImmediate(resolve, false))])
  reader.releaseLock()
  return first
}

/** Whether the client accepts an event that only carries an id. Source: MCP 2025-11-25, transports. */
function takesEmptyData({ headers }: Request): boolean {
  return (headers.get('mcp-protocol-version') ?? '') >= '2025-11-25'
}

/** The ids of the requests in a body, which may be a batch. */
function idsIn(body: unknown): readonly unknown[] {
  return [body].flat().flatMap((message) => {
    const { method, id } = (message ?? {}) as { method?: unknown; id?: unknown }
    return method === undefined || id === undefined ? [] : [id]
  })
}

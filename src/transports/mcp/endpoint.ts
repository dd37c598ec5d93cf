import {
  createMcpHandler,
  isLegacyRequest,
  type McpHttpHandler,
  preloadSchemas,
} from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import { asksToWait } from '../../broker/command.ts'
import { COMMANDS_BY_NAME } from '../../broker/commands/index.ts'
import { BrokerError } from '../../core/errors.ts'
import type { MaybePromise } from '../../engine/engine.ts'
import type { DoorContext } from '../door.ts'
import { reportTo } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { isListen, serveListen } from './listen.ts'
import type { ToolInput } from './result.ts'
import { createServer } from './server.ts'
import { Sessions } from './sessions.ts'
import { isEventStream, Streams } from './stream.ts'
import { Waits } from './waits.ts'

/** What is behind `/mcp`: both eras of the protocol, served by the SDK. Loaded with the first request. */
export class Endpoint {
  readonly #context: DoorContext
  readonly #streams: Streams
  readonly #waits: Waits
  readonly #sessions: Sessions
  /** Of the 2026 era, whose requests each stand alone: one answers with JSON, one with a stream from the start. */
  readonly #direct: McpHttpHandler
  readonly #streaming: McpHttpHandler
  readonly #identities = new WeakMap<Request, Identity>()

  constructor(context: DoorContext) {
    preloadSchemas()
    this.#context = context
    this.#streams = new Streams(context)
    this.#waits = new Waits(context)
    this.#sessions = new Sessions(context, this.#streams, this.#waits)
    this.#direct = this.#modernHandler('auto')
    this.#streaming = this.#modernHandler('sse')
  }

  /** Answers one request, whichever era it belongs to. @throws BrokerError */
  serve(exchange: Exchange): MaybePromise<Response> {
    return exchange.plain ? this.#sessions.serve(exchange) : this.#serve(exchange)
  }

  async #serve(exchange: Exchange): Promise<Response> {
    const { request, identity, body } = exchange
    if (request.method !== 'POST') {
      // The 2026 era knows POST alone.
      if (!request.headers.has('mcp-session-id')) throw new BrokerError('method_not_allowed')
      return this.#sessions.serve(exchange)
    }
    if (await isLegacyRequest(request, body)) return this.#sessions.serve(exchange)
    if (isListen(body)) return serveListen(this.#context, this.#streams, this.#waits, exchange, body)
    this.#identities.set(request, identity)
    const handler = mayWait(body) ? this.#streaming : this.#direct
    const response = await handler.fetch(request, { parsedBody: body })
    return isEventStream(response) ? this.#streams.carry(response, exchange).response : response
  }

  /** Ends streams over `drain_ms`, then sessions. */
  async close(drain_ms: number): Promise<void> {
    await this.#streams.close(drain_ms)
    await this.#sessions.close()
    await Promise.all([this.#direct.close(), this.#streaming.close()])
    this.#waits.close()
  }

  #modernHandler(responseMode: 'auto' | 'sse'): McpHttpHandler {
    return createMcpHandler(
      ({ requestInfo }) => {
        const identity = requestInfo && this.#identities.get(requestInfo)
        if (!identity) throw new Error('a request reached the SDK without its identity')
        return createServer(this.#context, this.#waits, identity)
      },
      {
        legacy: 'reject',
        responseMode,
        keepAliveMs: 0,
        onerror: reportTo(this.#context.log),
      },
    )
  }
}

/** Whether a request may have to wait for its answer, so that the stream must be open before: proxies time out. */
function mayWait(body: unknown): boolean {
  const { method, params } = (body ?? {}) as {
    method?: unknown
    params?: { name?: unknown; arguments?: ToolInput } | null
  }
  if (method !== 'tools/call' || typeof params?.name !== 'string') return false
  const command = COMMANDS_BY_NAME.get(params.name)
  return command !== undefined && asksToWait(command, params.arguments ?? undefined)
}

import {
  createMcpHandler,
  isLegacyRequest,
  type McpHttpHandler,
  preloadSchemas,
} from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import { asksToWait } from '../../broker/command.ts'
import { TOOLS_BY_NAME } from '../../broker/commands/index.ts'
import { BrokerError } from '../../core/errors.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'
import type { DoorContext } from '../door.ts'
import type { Exchange } from './exchange.ts'
import { isListen, serveListen } from './listen.ts'
import { isEventStream, Streams } from './live-stream.ts'
import { ProgressReports } from './progress.ts'
import { reportTo } from './protocol-errors.ts'
import type { ToolInput } from './result.ts'
import { createServer } from './server.ts'
import { SessionTable } from './session-table.ts'

/** Serves both eras of the protocol at `/mcp` with the SDK. Loaded with the first request that needs it. */
export class Endpoint {
  readonly #context: DoorContext
  readonly #streams: Streams
  readonly #progress: ProgressReports
  readonly #sessions: SessionTable
  /** Handlers of the 2026 era: one answers in JSON if it can, the other opens a stream at once. */
  readonly #direct: McpHttpHandler
  readonly #streaming: McpHttpHandler
  readonly #identities = new WeakMap<Request, Identity>()

  constructor(context: DoorContext) {
    preloadSchemas()
    this.#context = context
    this.#streams = new Streams(context)
    this.#progress = new ProgressReports(context)
    this.#sessions = new SessionTable(context, this.#streams, this.#progress)
    this.#direct = this.#modernHandler('auto')
    this.#streaming = this.#modernHandler('sse')
  }

  /** Answers one request of either era. @throws BrokerError */
  serve(exchange: Exchange): MaybePromise<Response> {
    return exchange.plain ? this.#sessions.serve(exchange) : this.#serve(exchange)
  }

  async #serve(exchange: Exchange): Promise<Response> {
    const { request, identity, body } = exchange
    if (request.method !== 'POST') {
      // The 2026 era has no method but POST.
      if (!request.headers.has('mcp-session-id')) throw new BrokerError('method_not_allowed')
      return this.#sessions.serve(exchange)
    }
    if (await isLegacyRequest(request, body)) return this.#sessions.serve(exchange)
    if (isListen(body)) return serveListen(this.#context, this.#streams, this.#progress, exchange, body)
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
    this.#progress.close()
  }

  #modernHandler(responseMode: 'auto' | 'sse'): McpHttpHandler {
    return createMcpHandler(
      ({ requestInfo }) => {
        const identity = requestInfo && this.#identities.get(requestInfo)
        if (!identity) throw new Error('a request reached the SDK without its identity')
        return createServer(this.#context, this.#progress, identity)
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

/** Whether a request may wait. Its stream then opens before the answer comes, since proxies time out. */
function mayWait(body: unknown): boolean {
  const { method, params } = (body ?? {}) as {
    method?: unknown
    params?: { name?: unknown; arguments?: ToolInput } | null
  }
  if (method !== 'tools/call' || typeof params?.name !== 'string') return false
  const command = TOOLS_BY_NAME.get(params.name)
  return command !== undefined && asksToWait(command, params.arguments ?? undefined)
}

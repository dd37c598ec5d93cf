import { Elysia } from 'elysia'
import { asBrokerError } from '../../core/errors.ts'
import { correlationId, credentials, type Door, type DoorContext, logFailure, OriginGuard } from '../door.ts'
import { errorResponse, readJson } from './body.ts'
import type { Endpoint } from './endpoint.ts'
import { isEventStream } from './stream.ts'

/** MCP over Streamable HTTP at `/mcp`, both eras on the one URL. Sources: MCP 2025-11-25 and 2026-07-28, transports. */
export function mcpDoor(context: DoorContext): Door {
  const { config, keys, log } = context
  const guard = new OriginGuard(config)
  let endpoint: Promise<Endpoint> | undefined

  /** The SDK is most of this door's memory: a broker that is never asked over MCP does without it. */
  const load = () => {
    endpoint ??= import('./endpoint.ts').then(({ Endpoint }) => new Endpoint(context))
    return endpoint
  }

  const answer = async (request: Request): Promise<Response> => {
    let body: unknown
    try {
      guard.check(request.headers)
      const identity = keys.identify(credentials(request.headers, queryOf(request)))
      if (request.method === 'POST') body = await readJson(request, config.body_bytes_max)
      return await (await load()).serve(request, identity, body)
    } catch (thrown) {
      const correlation_id = correlationId()
      logFailure(log, 'mcp', thrown, correlation_id)
      return errorResponse(asBrokerError(thrown), correlation_id, (body as { id?: unknown } | undefined)?.id)
    }
  }

  const routes = new Elysia().all(
    '/mcp',
    async ({ request, server }) => {
      const response = await answer(request)
      // Bun closes a connection on which nothing is asked; a stream is looked after by its comments.
      if (isEventStream(response)) server?.timeout(request, 0)
      return response
    },
    { parse: 'none' },
  )

  return {
    routes,
    close: async (drain_ms) => (await endpoint)?.close(drain_ms),
  }
}

function queryOf({ url }: Request): URLSearchParams {
  const at = url.indexOf('?')
  return new URLSearchParams(at === -1 ? '' : url.slice(at))
}

import { Elysia } from 'elysia'
import type { Identity } from '../../auth/identity.ts'
import { BrokerError } from '../../core/errors.ts'
import { jsonFlaw } from '../../core/json.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { readJson } from '../body.ts'
import type { DirectDoor, DirectHandler, DoorContext, HttpServer } from '../door.ts'
import { Gate, type HttpContext } from '../gate.ts'
import { RPC_DIALECT } from './dialect.ts'
import type { Endpoint } from './endpoint.ts'
import { answerPlain, plainCall, type Recognise } from './fast-lane.ts'

/** Deeper than any payload that a command takes, so that the command itself refuses a deep payload. */
const BODY_DEPTH_MAX = 128

/** Messages in one batch (revision 2025-03-26 only). All answers of a batch are in memory at once. */
const BATCH_MAX = 16

/**
 * MCP over Streamable HTTP at `/mcp`, both eras on one URL. Sources: MCP 2025-11-25 and 2026-07-28,
 * transports.
 *
 * @param recognise picks the calls that are answered without the SDK; their answers are the same
 */
export function mcpDoor(context: DoorContext, recognise: Recognise = plainCall): DirectDoor {
  const gate = new Gate(context, RPC_DIALECT)
  let loading: Promise<Endpoint> | undefined
  let endpoint: Endpoint | undefined

  /** Loads the SDK, most of this door's memory. Plain calls of the 2026 era do not need it. */
  const load = (): MaybePromise<Endpoint> => {
    if (endpoint) return endpoint
    loading ??= import('./endpoint.ts').then(({ Endpoint }) => {
      endpoint = new Endpoint(context)
      return endpoint
    })
    return loading.catch((error) => {
      loading = undefined
      throw error
    })
  }

  const serve = (request: Request, server: HttpServer | null, identity: Identity): MaybePromise<Response> => {
    const serveBody = (body: unknown) => {
      const plain = body === undefined ? undefined : recognise(request.headers, body)
      if (plain?.era === '2026') return answerPlain(context, identity, plain, request)
      const timeout = (seconds: number) => server?.timeout(request, seconds)
      return then(load(), (endpoint) => endpoint.serve({ request, identity, body, plain, timeout }))
    }
    return request.method === 'POST'
      ? readJson(request, context.config.body_bytes_max, (body) => serveBody(checkMessage(body)))
      : serveBody(undefined)
  }

  const handle: DirectHandler = (request, server) =>
    gate.answer(request, 'mcp', (identity) => serve(request, server, identity))
  return {
    routes: new Elysia().all('/mcp', ({ request, server }: HttpContext) => handle(request, server), {
      parse: 'none',
    }),
    direct: { '/mcp': handle },
    async close(drain_ms) {
      await Promise.all([gate.idle(drain_ms), loading?.then((opened) => opened.close(drain_ms))])
    },
  }
}

/** Checks a body. @throws BrokerError `invalid_json` if empty, `invalid_request`, `nesting_too_deep` */
function checkMessage(body: unknown): unknown {
  if (body === undefined) throw new BrokerError('invalid_json', { detail: 'The body is empty.' })
  if (Array.isArray(body) && body.length > BATCH_MAX)
    throw new BrokerError('invalid_request', {
      detail: `A batch holds at most ${BATCH_MAX} messages; this one holds ${body.length}.`,
    })
  if (jsonFlaw(body, BODY_DEPTH_MAX) === 'depth')
    throw new BrokerError('nesting_too_deep', {
      detail: `The body is nested deeper than ${BODY_DEPTH_MAX} levels.`,
    })
  return body
}

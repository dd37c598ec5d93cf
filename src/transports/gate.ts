import { ANYBODY, type Identity } from '../auth/identity.ts'
import { asBrokerError } from '../core/errors.ts'
import { readPast } from './body.ts'
import {
  correlationId,
  credentials,
  type DoorContext,
  type HttpServer,
  logFailure,
  OriginGuard,
} from './door.ts'
import { problem } from './problem.ts'

/** What the doors use of Elysia's request context. */
export interface HttpContext {
  readonly request: Request
  /** The parameters in the path; undefined on a path without any. */
  readonly params: Record<string, string> | undefined
  readonly server: HttpServer | null
}

/** Carries out one request. It throws an error to refuse the request; the gate renders the error. */
export type Handler = (identity: Identity) => Response | Promise<Response>

/** What differs between the doors behind the gate. */
export interface Dialect {
  /** Headers that a page of an allowed origin may send. */
  readonly request_headers: string
  /** Headers that such a page may read. */
  readonly response_headers: string
  /** Renders what was thrown. */
  error(thrown: unknown, correlation_id: string): Response
}

const HTTP_DIALECT: Dialect = {
  request_headers: 'authorization, content-type, last-event-id, x-api-key, x-project-id',
  response_headers: 'retry-after, x-correlation-id',
  error: (thrown, correlation_id) => problem(asBrokerError(thrown), correlation_id),
}

const METHODS = 'GET, POST, DELETE, OPTIONS'
/** How long a browser may remember a preflight's answer. */
const PREFLIGHT_SECONDS = 600
const NO_QUERY = new URLSearchParams()

/**
 * Every plain HTTP request comes in through the gate. It refuses foreign origins, identifies the caller,
 * renders and logs errors under an id, and adds the CORS headers of an allowed origin to the answer.
 */
export class Gate {
  readonly #guard: OriginGuard
  #answering = 0
  #whenIdle: (() => void) | undefined

  constructor(
    private readonly context: DoorContext,
    private readonly dialect: Dialect = HTTP_DIALECT,
  ) {
    this.#guard = new OriginGuard(context.config)
  }

  /**
   * @param name of the command or route, for the log
   * @param open whether it needs no key
   */
  async answer(request: Request, name: string, handler: Handler, open = false): Promise<Response> {
    let identity: Identity | undefined
    let origin: string | null = null
    let response: Response
    let correlation_id: string | undefined
    const { calls } = this.context
    const begun_ms = calls?.now() ?? 0
    this.#answering++
    try {
      origin = this.#guard.check(request.headers)
      if (origin !== null && isPreflight(request)) response = preflight(this.dialect)
      else {
        identity = open ? ANYBODY : this.context.keys.identify(credentials(request.headers, queryOf(request)))
        response = await handler(identity)
      }
    } catch (thrown) {
      correlation_id = correlationId()
      // A client that has gone in the middle of its body is no fault to log, and reads no answer.
      if (!isAbort(thrown, request)) logFailure(this.context.log, name, thrown, correlation_id, identity)
      response = this.dialect.error(thrown, correlation_id)
    }
    if (response.status >= 400) await endRefused(request, response)
    if (origin !== null) {
      response.headers.set('access-control-allow-origin', origin)
      response.headers.set('access-control-expose-headers', this.dialect.response_headers)
      response.headers.append('vary', 'origin')
    }
    if (calls) {
      const { method } = request
      const { status } = response
      correlation_id ??= response.headers.get('x-correlation-id') ?? undefined
      calls.write({ method, command: name, status, begun_ms, correlation_id })
    }
    if (--this.#answering === 0) this.#whenIdle?.()
    return response
  }

  /** Resolves when nothing is being answered, or after `ms_max`. */
  async idle(ms_max: number): Promise<void> {
    if (this.#answering === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenIdle = resolve
    const timer = setTimeout(resolve, ms_max)
    await promise
    clearTimeout(timer)
  }
}

/** Closes the connection if a refused body does not end soon: Bun would read it for as long as it comes. */
export async function endRefused(request: Request, response: Response): Promise<void> {
  if (request.headers.has('transfer-encoding') && !(await readPast(request)))
    response.headers.set('connection', 'close')
}

/** The query of a request, without parsing the rest of its URL. */
export function queryOf(request: Request): URLSearchParams {
  const { url } = request
  const at = url.indexOf('?')
  return at === -1 ? NO_QUERY : new URLSearchParams(url.slice(at + 1))
}

/**
 * A JSON answer that must not be cached. It ends with a newline, for terminals.
 *
 * @param json already encoded
 */
export function jsonResponse(json: string, status = 200): Response {
  return new Response(`${json}\n`, {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  })
}

function isPreflight({ method, headers }: Request): boolean {
  return method === 'OPTIONS' && headers.has('access-control-request-method')
}

/** Says what an allowed origin may send; the gate says which origin that is. Source: Fetch, CORS. */
function preflight({ request_headers }: Dialect): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': request_headers,
      'access-control-max-age': String(PREFLIGHT_SECONDS),
    },
  })
}

function isAbort(thrown: unknown, request: Request): boolean {
  return thrown instanceof DOMException && thrown.name === 'AbortError' && request.signal.aborted
}

import { Elysia } from 'elysia'
import type { Identity } from '../../auth/identity.ts'
import { type Command, runToStored } from '../../broker/command.ts'
import { COMMANDS } from '../../broker/commands/index.ts'
import { BrokerError } from '../../core/errors.ts'
import { preferredType } from '../accept.ts'
import { readJson } from '../body.ts'
import { correlationId, type Door, type DoorContext, IDLE_SECONDS } from '../door.ts'
import { EVENTS_PATH } from '../events.ts'
import { Gate, type Handler, type HttpContext, jsonResponse, queryOf } from '../gate.ts'
import { bodyInput, joinInput, queryInput } from '../input.ts'
import { notAllowed } from '../problem.ts'
import { BACKUP_PATH, backup } from './backup.ts'
import { live, Readiness } from './health.ts'
import { PathTable } from './paths.ts'
import { readings, status } from './status.ts'
import { welcome } from './welcome.ts'

/** How many characters of an unknown path an error repeats. */
const PATH_SHOWN_MAX = 200

/** Keeps Elysia from reading the body: `readJson` does, within our limits. */
const OWN_BODY = { parse: 'none' } as const

/** Paths of other doors that take only GET; other methods on them are refused here. */
const OTHER_DOORS = [EVENTS_PATH, '/v1/ws']

/**
 * Where a refused client looks for an authorization server. There is none, and these paths say so without a
 * key: a client that is told here that a key is needed goes on and tries to register. Sources: RFC 9728, RFC
 * 8414, RFC 7591.
 */
const OF_AN_AUTHORITY = /^\/(\.well-known\/.*|register\/?)$/
const NO_AUTHORITY =
  'No authority gives out keys here: get one from the operator, where one is needed, and give it as "Authorization: Bearer <key>".'

/** Plain HTTP: a route for each row of the command table, and the pages for operators and people. */
export function httpDoor(context: DoorContext): Door {
  const { broker, log } = context
  const gate = new Gate(context)
  const routes = new Elysia()
  const paths = new PathTable()
  for (const path of OTHER_DOORS) paths.add('GET', path)
  for (const command of COMMANDS) {
    const { method, path } = command.http
    paths.add(method, path)
    routes.route(
      method,
      elysiaPath(path),
      // Destructured here: Elysia reads which parts are used, and does not parse the others.
      ({ request, params, server }: HttpContext) =>
        gate.answer(request, command.name, (identity) =>
          request.method === method
            ? carryOut(context, command, identity, { request, params, server })
            : // A HEAD request comes through the GET route, and must not take messages out of a mailbox.
              notAllowed(paths.methods(path), correlationId()),
        ),
      OWN_BODY,
    )
  }

  const page = (path: string, handler: (request: Request, identity: Identity) => ReturnType<Handler>) => {
    paths.add('GET', path)
    const answer = async (request: Request, identity: Identity) => {
      const response = await handler(request, identity)
      await broker.end_of_turn.over()
      return response
    }
    routes.get(path, ({ request }) => gate.answer(request, path, (identity) => answer(request, identity)))
  }
  const started_ms = broker.now()
  page('/v1/status', ({ headers }, identity) => status(context, identity, headers.get('accept'), started_ms))
  // Loaded at the first request for it, like the OpenAPI document below: most brokers need neither.
  const metrics = once(() => import('../../observability/metrics.ts').then(({ Metrics }) => new Metrics()))
  page('/metrics', async () => {
    const { content_type, text } = await (await metrics()).scrape(await readings(context))
    return new Response(text, { headers: { 'content-type': content_type, 'cache-control': 'no-store' } })
  })
  const document = once(() => import('./openapi.ts').then(({ openApi }) => openApi(COMMANDS, broker.limits)))
  const document_json = once(async () => JSON.stringify(await document()))
  page('/openapi/json', async () => jsonResponse(await document_json()))
  page('/openapi', async ({ headers }) => {
    if (preferredType(headers.get('accept'), ['application/json', 'text/html']) !== 'text/html')
      return jsonResponse(await document_json())
    const { openApiPage } = await import('./openapi-page.ts')
    return openApiPage(await document())
  })
  page('/', ({ headers }) => welcome(headers.get('accept'), context.config.ttl_seconds))

  paths.add('POST', BACKUP_PATH)
  routes.post(
    BACKUP_PATH,
    ({ request }) => gate.answer(request, 'backup', (identity) => backup(context, identity)),
    OWN_BODY,
  )

  const readiness = new Readiness(broker, (err) => log.error({ err }, 'readiness'))
  paths.add('GET', '/health/live')
  paths.add('GET', '/health/ready')
  routes.get('/health/live', () => live())
  routes.get('/health/ready', () => readiness.answer())

  routes.all(
    '/*',
    ({ request, path }) => {
      const open = OF_AN_AUTHORITY.test(path)
      return gate.answer(
        request,
        'unknown_route',
        () => {
          const methods = paths.methodsOf(path)
          if (methods.length === 0)
            throw new BrokerError('unknown_route', {
              detail: `There is nothing at ${path.slice(0, PATH_SHOWN_MAX)}.`,
              ...(open ? { next: NO_AUTHORITY } : {}),
            })
          return notAllowed(methods, correlationId())
        },
        open,
      )
    },
    OWN_BODY,
  )
  return { routes, close: (drain_ms) => gate.idle(drain_ms) }
}

async function carryOut(
  { broker, config }: DoorContext,
  command: Command,
  identity: Identity,
  { request, params, server }: HttpContext,
): Promise<Response> {
  const query = queryOf(request)
  const rest =
    command.http.method === 'POST'
      ? await readJson(request, config.body_bytes_max, (body) => bodyInput(body, query))
      : queryInput(command.input, query)
  const input = joinInput(params, rest)
  if (!command.waits) {
    const output = await runToStored(broker, command, identity, input)
    return jsonResponse(JSON.stringify(output), command.http.status)
  }
  // A stopping broker ends waits at once: without this refusal, a polling client would ask again and again.
  if (broker.stopping) throw new BrokerError('shutting_down', { retry_after_ms: SHUTDOWN_RETRY_MS })
  server?.timeout(request, 0)
  try {
    const output = await runToStored(broker, command, identity, input, { signal: request.signal })
    return jsonResponse(JSON.stringify(output), command.http.status)
  } finally {
    // Without this, an idle keep-alive connection would stay open for ever.
    server?.timeout(request, IDLE_SECONDS)
  }
}

const SHUTDOWN_RETRY_MS = 2000

/** A path in Elysia's notation, `:client_id` for `{client_id}`. */
function elysiaPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1')
}

/** Makes a value the first time it is needed. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

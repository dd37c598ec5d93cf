import type { Server, WebSocketHandler } from 'bun'
import { Elysia } from 'elysia'
import { asBrokerError, BrokerError, ERRORS } from '../../core/errors.ts'
import {
  correlationId,
  credentials,
  type Door,
  type DoorContext,
  logFailure,
  OriginGuard,
  spread,
} from '../door.ts'
import { endRefused, queryOf } from '../gate.ts'
import { problem } from '../problem.ts'
import { type ConnectionEvents, WsConnection } from './connection.ts'
import { onFrame, relieved } from './frames.ts'
import { refuseUnstored } from './rpc.ts'

export const SUBPROTOCOL = 'mcp-broker.v1'
/** A peer that came without a key must authenticate within this time. */
const AUTHENTICATE_MS_MAX = 5000
/** A peer that does not answer the close is cut after this time. */
const CLOSE_MS_MAX = 3000

/** The WebSocket door, which takes the events of its sockets from Bun and not through Elysia. */
export interface WsDoor extends Door {
  readonly websocket: WebSocketHandler<WsConnection>
}

/** The WebSocket door, `/v1/ws`: JSON-RPC 2.0 in text frames. */
export function wsDoor(context: DoorContext): WsDoor {
  const { broker, keys, config, connections, housekeeping } = context
  const guard = new OriginGuard(config)
  const open = new Set<WsConnection>()

  const events: ConnectionEvents = {
    drained: (connection) => broker.hub.drained(connection),
    held: (connection) => broker.end_of_turn.hold(connection),
    unstored: (connection, answers) => refuseUnstored(context, connection, answers),
    relieved: (connection) => relieved(context, connection),
  }

  housekeeping.every(1000, () => {
    const now = broker.now()
    for (const connection of open) tend(connection, now)
  })
  const tend = (connection: WsConnection, now: number) => {
    const { opened_ms, closed_ms, closing_ms, heard_ms, pinged_ms, identity } = connection
    const since_ms = closed_ms ?? closing_ms
    if (since_ms !== undefined) {
      if (now - since_ms > CLOSE_MS_MAX) connection.terminate()
    } else if (!identity && now - opened_ms > AUTHENTICATE_MS_MAX) connection.close('authentication_timeout')
    // A paused socket reads no signs of life, so its silence says nothing.
    else if (connection.paused) return
    else if (pinged_ms !== undefined && now - Math.max(pinged_ms, heard_ms) > config.pong_seconds * 1000)
      connection.close('no_pong')
    else if (pinged_ms === undefined && now - heard_ms > config.ping_seconds * 1000) connection.ping()
  }

  /** Any frame counts as a sign of life. */
  const heard = (connection: WsConnection) => {
    connection.heard_ms = broker.now()
    const session = connection.identity?.session ?? broker.hub.readingFor(connection)
    if (session) broker.heard(session)
  }

  /**
   * Upgrades a request to a WebSocket. A bad key is refused after the upgrade, with a close code.
   *
   * @throws BrokerError `forbidden_origin`, `upgrade_required`, `shutting_down`
   */
  const upgrade = (request: Request, server: Server<WsConnection> | null): Response | undefined => {
    guard.check(request.headers)
    if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket')
      throw new BrokerError('upgrade_required')
    if (broker.stopping) throw new BrokerError('shutting_down', { retry_after_ms: 1000 })
    const { headers } = request
    const offered = subprotocols(headers)
    // By default Bun chooses the first subprotocol that is offered, which may be a key.
    if (offered.length > 0 && !offered.includes(SUBPROTOCOL))
      throw new BrokerError('upgrade_required', {
        detail: `Subprotocols are offered, and "${SUBPROTOCOL}" is not among them.`,
        next: `Offer "${SUBPROTOCOL}" besides, or none.`,
      })
    const { key, project } = credentials(headers, queryOf(request), offered)
    const data = new WsConnection({ key, project }, events, config.buffer_bytes_max, broker.now)
    const upgraded = server?.upgrade(request, {
      data,
      ...(offered.length > 0 ? { headers: { 'sec-websocket-protocol': SUBPROTOCOL } } : {}),
    })
    if (!upgraded) throw new BrokerError('upgrade_required')
    return undefined
  }

  const routes = new Elysia()
    // Only errors before the upgrade come here; afterwards the connection tells the peer itself.
    .onError(async ({ error, request }) => {
      const correlation_id = correlationId()
      logFailure(context.log, '/v1/ws', error, correlation_id)
      const refusal = problem(asBrokerError(error), correlation_id)
      await endRefused(request, refusal)
      return refusal
    })
    .get('/v1/ws', ({ request, server }) => upgrade(request, server))

  /**
   * Bun calls these directly. Through Elysia, a wrapper for each event and a promise for each frame would
   * cost more than most frames do.
   */
  const websocket: WebSocketHandler<WsConnection> = {
    open(socket) {
      const { data: connection } = socket
      connection.opened(socket)
      open.add(connection)
      try {
        connection.leave = connections.enter()
        const said = connection.takeCredentials()
        if (said.key !== undefined || !keys.required) connection.identity = keys.identify(said, true)
      } catch (error) {
        const code =
          error instanceof BrokerError && 'close_code' in ERRORS[error.code] ? error.code : 'unauthenticated'
        connection.close(code)
      }
    },
    message({ data: connection }, frame) {
      if (!connection.open) return
      heard(connection)
      onFrame(context, connection, frame)
    },
    pong({ data: connection }, said) {
      heard(connection)
      if (connection.ponged(String(said))) broker.hub.confirmed(connection)
    },
    drain({ data: connection }) {
      connection.drained()
    },
    close({ data: connection }) {
      connection.leave?.()
      open.delete(connection)
      connection.closed()
      broker.hub.leave(connection)
    },
  }

  return {
    routes,
    websocket,
    async close(drain_ms) {
      await spread([...open], drain_ms, (connection) => connection.close('shutting_down'))
    },
  }
}

function subprotocols(headers: Headers): string[] {
  const names = (headers.get('sec-websocket-protocol') ?? '').split(',').map((name) => name.trim())
  return names.filter((name) => name !== '')
}

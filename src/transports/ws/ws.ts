import type { ServerWebSocket } from 'bun'
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
import { problem } from '../problem.ts'
import { WsConnection } from './connection.ts'
import { onFrame } from './rpc.ts'

export const SUBPROTOCOL = 'mcp-broker.v1'
/** A peer that came without a key must authenticate within this time. */
const AUTHENTICATE_MS_MAX = 5000
/** A peer that takes no part in the close is cut after this time. */
const CLOSE_MS_MAX = 3000

/** What Elysia keeps with the socket, and ours beside it. */
interface SocketData {
  connection?: WsConnection
  leave?: () => void
}

/** The WebSocket door, `/v1/ws`: JSON-RPC 2.0 in text frames. */
export function wsDoor(context: DoorContext): Door {
  const { broker, keys, config, connections, housekeeping } = context
  const guard = new OriginGuard(config)
  const open = new Set<WsConnection>()
  /** Answered in this turn of the event loop, to be written at its end. */
  let answered = new Set<WsConnection>()

  const events = {
    drained: (connection: WsConnection) => broker.hub.drained(connection),
    queued(connection: WsConnection) {
      if (answered.size === 0) setImmediate(writeAnswers)
      answered.add(connection)
    },
  }
  const writeAnswers = () => {
    const due = answered
    answered = new Set()
    for (const connection of due) connection.flush()
  }

  housekeeping.every(1000, () => {
    const now = broker.now()
    for (const connection of open) tend(connection, now)
  })
  const tend = (connection: WsConnection, now: number) => {
    const { opened_ms, closed_ms, heard_ms, pinged_ms, identity } = connection
    if (closed_ms !== undefined) {
      if (now - closed_ms > CLOSE_MS_MAX) connection.terminate()
    } else if (!identity && now - opened_ms > AUTHENTICATE_MS_MAX) connection.close('authentication_timeout')
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

  const routes = new Elysia()
    // Only what is thrown before the upgrade comes here: afterwards the connection says it itself.
    .onError(({ error }) => {
      const correlation_id = correlationId()
      logFailure(context.log, '/v1/ws', error, correlation_id)
      return problem(asBrokerError(error), correlation_id)
    })
    .get('/v1/ws', ({ request }) => {
      guard.check(request.headers)
      throw new BrokerError('upgrade_required')
    })
    .ws('/v1/ws', {
      beforeHandle({ request, set }) {
        guard.check(request.headers)
        if (broker.stopping) throw new BrokerError('shutting_down', { retry_after_ms: 1000 })
        if (subprotocols(request.headers).includes(SUBPROTOCOL))
          set.headers['sec-websocket-protocol'] = SUBPROTOCOL
      },
      open(ws) {
        const socket = ws.raw as unknown as ServerWebSocket<SocketData>
        const connection = new WsConnection(socket, events, config.buffer_bytes_max, broker.now)
        socket.data.connection = connection
        open.add(connection)
        try {
          socket.data.leave = connections.enter()
          const { request } = ws.data
          const said = credentials(
            request.headers,
            new URL(request.url).searchParams,
            subprotocols(request.headers),
          )
          if (said.key !== undefined || !keys.required) connection.identity = keys.identify(said)
        } catch (error) {
          const code =
            error instanceof BrokerError && 'close_code' in ERRORS[error.code]
              ? error.code
              : 'unauthenticated'
          connection.close(code)
        }
      },
      message(ws, frame) {
        const { connection } = ws.raw.data as SocketData
        if (!connection || connection.closed_ms !== undefined) return
        heard(connection)
        onFrame(context, connection, frame)
      },
      pong(ws: unknown) {
        const { connection } = (ws as ServerWebSocket<SocketData>).data
        if (!connection) return
        heard(connection)
        if (connection.ponged()) broker.hub.confirmed(connection)
      },
      drain(ws) {
        ;(ws.raw.data as SocketData).connection?.drained()
      },
      close(ws) {
        const { connection, leave } = ws.raw.data as SocketData
        leave?.()
        if (!connection) return
        open.delete(connection)
        connection.closed_ms ??= broker.now()
        connection.gone.abort()
        broker.hub.leave(connection)
      },
    })

  return {
    routes,
    async close(drain_ms) {
      await spread([...open], drain_ms, (connection) => connection.close('shutting_down'))
    },
  }
}

function subprotocols(headers: Headers): string[] {
  return (headers.get('sec-websocket-protocol') ?? '').split(',').map((name) => name.trim())
}

import { Elysia } from 'elysia'
import type { Logger } from 'pino'
import { Keys } from './auth/identity.ts'
import { Broker } from './broker/broker.ts'
import { turnClock } from './broker/clock.ts'
import { collectsWhenQuiet } from './broker/collection.ts'
import { Housekeeping } from './broker/housekeeping.ts'
import { exposure } from './config/checks.ts'
import type { Config } from './config/schema.ts'
import type { Engine } from './engine/engine.ts'
import { MemoryEngine, type MemoryEngineOptions } from './engine/memory.ts'
import { REFUSED_BYTES_MAX } from './transports/body.ts'
import { CallLog } from './transports/call-log.ts'
import { ConnectionCount, type DoorContext, IDLE_SECONDS } from './transports/door.ts'
import { httpDoor } from './transports/http/http.ts'
import { mcpDoor } from './transports/mcp/mcp.ts'
import { sseDoor } from './transports/sse/sse.ts'
import { wsDoor } from './transports/ws/ws.ts'

/** A broker that runs. */
export interface App {
  /** Where it is reached, such as `http://127.0.0.1:8123`. */
  readonly url: string
  readonly broker: Broker
  /** Stops accepting, answers who waits, closes sockets over the drain time. Safe to call twice. */
  stop(): Promise<void>
}

/**
 * Builds the parts and starts them in order.
 *
 * @param newEngine makes the engine; a test may put something round it
 * @throws Error when it would listen beyond loopback with no keys set, or cannot listen at all
 */
export async function startApp(
  config: Config,
  log: Logger,
  newEngine: (options: MemoryEngineOptions) => Engine = (options) => new MemoryEngine(options),
): Promise<App> {
  const keys = new Keys(config.admin_key)
  const exposed = exposure(config)
  if (exposed) throw new Error(`${exposed.what} ${exposed.fix}`)
  const report = (err: unknown) => log.error({ err }, 'fault')
  const now = turnClock()
  const engine = newEngine({
    limits: config,
    now,
    newId: () => crypto.randomUUID(),
    newEpoch,
  })
  const broker = new Broker({
    engine,
    limits: config,
    now,
    newId: () => Bun.randomUUIDv7(),
    waiting_max: config.waiting_max,
    stalled_ms_max: config.slow_reader_seconds * 1000,
    report,
  })
  const housekeeping = new Housekeeping(Date.now, report)
  const connections = new ConnectionCount(config.connections_max)
  const calls = log.isLevelEnabled('debug') ? new CallLog(log) : undefined
  const context: DoorContext = { broker, keys, config, log, calls, housekeeping, connections }
  const sockets = wsDoor(context)
  const mcp = mcpDoor(context)
  const doors = [sockets, sseDoor(context), mcp, httpDoor(context)]

  await broker.start()
  housekeeping.every(TEND_MS, () => broker.tend())
  housekeeping.every((config.stale_seconds * 1000) / 3, () => broker.heardOpen())
  housekeeping.every(
    COLLECT_MS,
    collectsWhenQuiet(broker, () => Bun.gc(true)),
  )

  const server = new Elysia({
    // Elysia's default would share the port with another process, and the messages among the two.
    serve: {
      // Bun answers with no reason what is larger than this, so the doors refuse before.
      maxRequestBodySize: config.body_bytes_max + 2 * REFUSED_BYTES_MAX,
      idleTimeout: IDLE_SECONDS,
      reusePort: false,
      routes: mcp.direct,
    },
  })
  for (const door of doors) server.use(door.routes)
  const websocket = {
    ...sockets.websocket,
    maxPayloadLength: config.body_bytes_max,
    backpressureLimit: SOCKET_BUFFER_BYTES_MAX,
    closeOnBackpressureLimit: true,
    idleTimeout: WS_IDLE_SECONDS,
    sendPings: false,
  }
  server.listen({ hostname: config.host, port: config.port, websocket })
  const listening = server.server
  if (!listening) throw new Error(`Cannot listen on ${config.host}:${config.port}.`)
  housekeeping.start()
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${listening.port}`
  log.info({ url }, 'listening')

  let stopping: Promise<void> | undefined
  const stop = async () => {
    log.info('stopping')
    // Stops accepting; it would resolve only when the last connection is gone, which is ours to see to.
    void listening.stop()
    broker.release()
    // The turn in which those who waited are answered, before their connections close.
    await new Promise((resolve) => setImmediate(resolve))
    await Promise.all(doors.map((door) => door.close(config.drain_seconds * 1000)))
    housekeeping.stop()
    await listening.stop(true)
    await engine.stop()
    log.info('stopped')
  }
  return {
    url,
    broker,
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

/** How often the broker looks at what time has brought. */
const TEND_MS = 200
/** How often it looks whether there is memory to give back. */
const COLLECT_MS = 10_000
/** Far beyond what a connection hands over before it stops at the first sign of backpressure. */
const SOCKET_BUFFER_BYTES_MAX = 64 * 1024 * 1024
/** The door pings and closes by itself long before; this is for a socket that it has lost sight of. */
const WS_IDLE_SECONDS = 240

/** Names a mailbox's history: 10 characters of base 36 from the CSPRNG. */
function newEpoch(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10))
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join('')
}

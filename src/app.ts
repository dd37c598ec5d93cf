import { resolve } from 'node:path'
import { type AnyElysia, Elysia } from 'elysia'
import type { Logger } from 'pino'
import { version } from '../package.json'
import { Keys } from './auth/identity.ts'
import { Broker } from './broker/broker.ts'
import { turnClock } from './broker/clock.ts'
import { collectsWhenQuiet } from './broker/collection.ts'
import { Housekeeping } from './broker/housekeeping.ts'
import { registerFolder } from './broker/protocols/registration/folder.ts'
import { exposure } from './config/checks.ts'
import type { Config } from './config/schema.ts'
import { logLevelOf, StartRefused } from './core/errors.ts'
import type { Loading, Progress } from './core/loading.ts'
import type { MaybePromise } from './core/maybe-promise.ts'
import type { SchemaBounds } from './core/protocol/schema/bounds.ts'
import type { Engine } from './engine/engine.ts'
import { JournalEngine } from './engine/journal/journal.ts'
import { MemoryEngine, type MemoryEngineOptions } from './engine/memory/memory.ts'
import { newEpoch } from './engine/new-epoch.ts'
import { REFUSED_BYTES_MAX } from './transports/body.ts'
import { CallLog } from './transports/call-log.ts'
import { ConnectionCount, type DoorContext, IDLE_SECONDS } from './transports/door.ts'
import { httpDoor } from './transports/http/http.ts'
import { startingHandler } from './transports/http/starting.ts'
import { RPC_DIALECT } from './transports/mcp/dialect.ts'
import { mcpDoor } from './transports/mcp/mcp.ts'
import { sseDoor } from './transports/sse/sse.ts'
import { wsDoor } from './transports/ws/ws.ts'

/** A broker that listens. */
export interface App {
  /** Its address, such as `http://127.0.0.1:8123`. */
  readonly url: string
  readonly broker: Broker
  /**
   * Resolves when the engine has started and the doors are open. Until then the broker answers that it is
   * starting. Rejects when it cannot start, or was stopped before it had; it has stopped listening then.
   */
  readonly started: Promise<void>
  /**
   * Stops accepting, ends waiting calls, closes connections over the drain time. Safe to call twice. Before
   * it has started it only stops listening, at once; the engine is stopped when its start is over.
   */
  stop(): Promise<void>
}

/** What an engine is made with. Making one touches no disk: that is for its `start`. */
export interface EngineOptions extends MemoryEngineOptions {
  /** To be told while the engine starts, if that may take long. */
  readonly progress?: Progress
  /** Takes trouble that no caller can be told of. */
  readonly report: (trouble: unknown) => void
}

export type NewEngine = (options: EngineOptions) => Engine

/** Makes the engine that the settings ask for. The one on Redis is loaded first: most processes do without. */
export async function engineOf(config: Config, log: Logger): Promise<NewEngine> {
  const { redis_url: url, redis_prefix: prefix, redis_wait_replicas: wait_replicas, data_dir } = config
  if (url === undefined) return (options) => chosenEngine(config, options, log)
  if (data_dir !== undefined) {
    const { refuseMessagesIn } = await import('./engine/journal/upkeep/unused.ts')
    await refuseMessagesIn(data_dir, `mcp-broker ${version}`)
    log.warn(`data_dir is not used, since there is a redis_url: ${resolve(data_dir)}`)
  }
  const ca = config.redis_ca_file === undefined ? undefined : await authorities(config.redis_ca_file)
  const { openRedis } = await import('./engine/redis/open.ts')
  const note = (sentence: string) => log.warn(sentence)
  return (options) => openRedis({ url, prefix, ca, wait_replicas, note }, options)
}

/** The certificates in a file. @throws StartRefused when it cannot be read */
async function authorities(path: string): Promise<string> {
  try {
    return await Bun.file(path).text()
  } catch (error) {
    throw new StartRefused(
      `redis_ca_file cannot be read: ${(error as Error).message}`,
      'Name a file that holds certificates in PEM.',
    )
  }
}

/** The engine in this process. */
function chosenEngine(config: Config, options: EngineOptions, log: Logger): Engine {
  const { data_dir, journal_sync, redis_url } = config
  if (redis_url !== undefined) throw new Error('the engine on Redis has to be loaded: see engineOf')
  if (data_dir === undefined) return new MemoryEngine(options)
  return new JournalEngine({
    ...options,
    level: journal_sync,
    // Loaded only here: what locks the directory takes memory.
    open: async () =>
      (await import('./engine/journal/volume.ts')).openVolume(data_dir, `mcp-broker ${version}`),
    note: (sentence) => log.warn(sentence),
    fatal(reason) {
      log.fatal(reason)
      process.exit(1)
    },
  })
}

/**
 * Opens the broker, and waits until it has started. @throws Error as {@link openApp}, and as its `started`
 */
export async function startApp(config: Config, log: Logger, newEngine?: NewEngine): Promise<App> {
  const app = openApp(config, log, newEngine ?? (await engineOf(config, log)))
  await app.started
  return app
}

/**
 * Builds the parts, listens, and begins to start them in order.
 *
 * @param newEngine makes the engine, as {@link engineOf} does; a test may wrap it
 * @param told is told how far the engine has come
 * @throws Error when the settings expose it without keys (see `exposure`), or when it cannot listen
 */
export function openApp(
  config: Config,
  log: Logger,
  newEngine: NewEngine = (options) => chosenEngine(config, options, log),
  told: Progress = () => undefined,
): App {
  const keys = new Keys(config.admin_key)
  const exposed = exposure(config)
  if (exposed) throw new Error(`${exposed.what} ${exposed.fix}`)
  const report = (err: unknown) => log[logLevelOf(err)]({ err }, 'fault')
  const now = turnClock()
  const loading: Loading = { loaded_bytes: undefined, total_bytes: undefined }
  const engine = newEngine({
    limits: () => config,
    now,
    newId: () => crypto.randomUUID(),
    newEpoch,
    progress(loaded_bytes, total_bytes) {
      Object.assign(loading, { loaded_bytes, total_bytes })
      told(loaded_bytes, total_bytes)
    },
    report,
  })
  const broker = new Broker({
    engine,
    limits: config,
    now,
    newId: () => Bun.randomUUIDv7(),
    waiting_max: config.waiting_max,
    stalled_ms_max: config.slow_reader_seconds * 1000,
    protocols: config,
    schema_bounds: schemaBounds(config),
    report,
  })
  const housekeeping = new Housekeeping(Date.now, report)
  const connections = new ConnectionCount(config.connections_max)
  const calls = log.isLevelEnabled('debug') ? new CallLog(log) : undefined
  const context: DoorContext = { broker, keys, config, log, calls, housekeeping, connections }
  const sockets = wsDoor(context)
  const mcp = mcpDoor(context)
  const doors = [sockets, sseDoor(context), mcp, httpDoor(context)]

  housekeeping.every(TEND_MS, () => broker.tend())
  housekeeping.every((config.stale_seconds * 1000) / 3, () => broker.heardOpen())
  housekeeping.every(
    COLLECT_MS,
    collectsWhenQuiet(broker, () => Bun.gc(true)),
  )

  const serve = {
    // Bun refuses a larger body without a reason, so the doors refuse at a lower limit, with one.
    maxRequestBodySize: config.body_bytes_max + 2 * REFUSED_BYTES_MAX,
    idleTimeout: IDLE_SECONDS,
    // Elysia's default would share the port, and so the messages, with another process.
    reusePort: false,
  }
  const server = new Elysia({ serve: { ...serve, routes: mcp.direct } })
  // The doors are a module that Elysia waits for: when it is there, Elysia hands all routes to Bun's server,
  // in place of the handler that answers until then. No request pays for that afterwards.
  const opened = Promise.withResolvers<(app: AnyElysia) => AnyElysia>()
  server.use(opened.promise)
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
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${listening.port}`
  // In the turn in which it began to listen, so that no request comes before.
  const fetch = startingHandler(context, { '/mcp': RPC_DIALECT }, loading)
  listening.reload({ ...serve, routes: {}, fetch })

  let stopping: Promise<void> | undefined
  let running = false
  const unlessStopped = () => {
    if (stopping) throw new Error('The broker was stopped before it had started.')
  }
  const start = async () => {
    await broker.start()
    try {
      unlessStopped()
      if (config.protocols !== undefined)
        await registerFolder(broker, config.protocols, (told) => log.info(told, 'protocol registered'))
      unlessStopped()
      opened.resolve((app) => doors.reduce((all, door) => all.use(door.routes), app))
      await server.modules
      // Elysia has handed its routes over by the end of the turn.
      await new Promise((resolve) => setImmediate(resolve))
      unlessStopped()
    } catch (error) {
      await Promise.try(() => engine.flush()).catch(report)
      await engine.stop()
      throw error
    }
    running = true
    housekeeping.start()
    log.info({ url }, 'listening')
  }
  const started = start().catch(async (error: unknown) => {
    await listening.stop(true)
    throw error
  })
  // Whoever stops the broker before it has started need not wait for this.
  started.catch(() => undefined)

  const stop = async () => {
    log.info('stopping')
    if (!running) {
      await listening.stop(true)
      log.info('stopped')
      return
    }
    // Stops accepting. Not awaited: it resolves when the last connection is gone, and the doors close those.
    void listening.stop()
    broker.release()
    await within(ANSWER_MS_MAX, broker.idle())
    // Refuses what is still being checked, so that its callers get an answer.
    broker.protocols.stop()
    // One turn of the event loop, in which the last calls are answered before their connections close.
    await new Promise((resolve) => setImmediate(resolve))
    await Promise.all(doors.map((door) => door.close(config.drain_seconds * 1000)))
    housekeeping.stop()
    // What the doors still hold back goes out, and what was done since is stored.
    const storing = Promise.try(() => broker.end_of_turn.last()).then(() => engine.flush())
    await within(STORE_MS_MAX, storing.catch(report))
    await listening.stop(true)
    await engine.stop()
    log.info('stopped')
  }
  return {
    url,
    broker,
    started,
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

/** At a stop, calls under way are waited for so long, and the engine to store what they did. */
const ANSWER_MS_MAX = 1000
const STORE_MS_MAX = 3000
/** How often expiries, leases and slow connections are looked at. */
const TEND_MS = 200
/** How often the broker looks for memory to give back. */
const COLLECT_MS = 10_000
/** Far more than a connection hands over before it stops at the first sign of backpressure. */
const SOCKET_BUFFER_BYTES_MAX = 64 * 1024 * 1024
/** For a socket that the door has lost track of: it pings and closes its own much earlier. */
const WS_IDLE_SECONDS = 240

function schemaBounds(config: Config): SchemaBounds {
  return {
    bytes_max: config.schema_bytes_max,
    depth_max: config.schema_depth_max,
    subschemas_max: config.schema_parts_max,
    references_max: config.schema_refs_max,
    enum_max: config.schema_enum_max,
    pattern_chars_max: config.pattern_chars_max,
    repeat_max: config.pattern_repeat_max,
  }
}

/** Waits for work, but no longer than so. */
async function within(ms: number, work: MaybePromise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, ms)
  try {
    await Promise.race([work, late.promise])
  } finally {
    // It would keep the process that has stopped.
    clearTimeout(timer)
  }
}

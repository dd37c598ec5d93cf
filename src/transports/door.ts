import type { AnyElysia } from 'elysia'
import type { Logger } from 'pino'
import type { Credentials, Identity, Keys } from '../auth/identity.ts'
import type { Broker } from '../broker/broker.ts'
import type { Housekeeping } from '../broker/housekeeping.ts'
import type { Config } from '../config/schema.ts'
import { BrokerError, logLevelOf } from '../core/errors.ts'
import { isLoopback } from '../core/loopback.ts'
import type { CallLog } from './call-log.ts'

export { correlationId } from './call-log.ts'

/** What every door is built from. */
export interface DoorContext {
  readonly broker: Broker
  readonly keys: Keys
  readonly config: Config
  readonly log: Logger
  /** Logs every request and call; undefined where nobody wants to read of them. */
  readonly calls?: CallLog | undefined
  readonly housekeeping: Housekeeping
  /** Live sockets and streams of all doors, against `connections_max`. */
  readonly connections: ConnectionCount
}

/** A connection without a request for this long is closed; streams and waiting calls are exempt. */
export const IDLE_SECONDS = 30

/** Counts sockets and streams over all doors. */
export class ConnectionCount {
  #open = 0

  constructor(private readonly connections_max: number) {}

  get open(): number {
    return this.#open
  }

  /** Takes a place. @throws BrokerError `too_many_connections` @returns a function to give it back, once */
  enter(): () => void {
    if (this.#open >= this.connections_max)
      throw new BrokerError('too_many_connections', { retry_after_ms: 1000 })
    this.#open++
    let left = false
    return () => {
      if (!left) this.#open--
      left = true
    }
  }
}

/**
 * The credentials in a request, read when asked for. A key in the query is ignored: URLs end up in logs.
 *
 * @param subprotocols of a WebSocket; a browser passes its key as `bearer.<key>`
 */
export function credentials(
  headers: Headers,
  query: URLSearchParams,
  subprotocols: readonly string[] = [],
): Credentials {
  return {
    get key() {
      const authorization = headers.get('authorization')
      const bearer =
        authorization !== null && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : undefined
      const subprotocol = subprotocols.find((name) => name.startsWith('bearer.'))?.slice('bearer.'.length)
      return bearer ?? headers.get('x-api-key') ?? subprotocol
    },
    get project() {
      return headers.get('x-project-id') ?? query.get('project') ?? undefined
    },
  }
}

/**
 * Refuses requests that a foreign web page made a browser send: the Host must be one of ours (against DNS
 * rebinding), and so must the Origin if there is one. Source: MCP 2025-11-25, transports, security warning.
 */
export class OriginGuard {
  readonly #hosts: ReadonlySet<string>
  readonly #origins: ReadonlySet<string>
  readonly #any_host: boolean
  /** The last host that passed: nearly all requests name the same one. */
  #last_host: string | undefined

  constructor(config: Config) {
    this.#hosts = new Set([
      ...LOOPBACK_NAMES,
      config.host.toLowerCase(),
      `[${config.host.toLowerCase()}]`,
      ...config.allowed_hosts.map((h) => h.toLowerCase()),
    ])
    this.#origins = new Set(config.allowed_origins.map((origin) => origin.toLowerCase()))
    // A broker bound beyond loopback is reached under names that cannot be known here.
    this.#any_host = !isLoopback(config.host) && config.allowed_hosts.length === 0
  }

  /** @returns the Origin, where there is one @throws BrokerError `forbidden_origin` */
  check(headers: Headers): string | null {
    const host = headers.get('host')
    if (!this.#any_host && host !== this.#last_host) this.#checkHost(host)
    const origin = headers.get('origin')
    if (origin === null || this.#origins.has(origin.toLowerCase()) || this.#isOwn(origin, host)) return origin
    throw new BrokerError('forbidden_origin', { detail: `The Origin "${origin}" is not allowed.` })
  }

  #checkHost(host: string | null): void {
    if (host === null || !this.#hosts.has(hostname(host)))
      throw new BrokerError('forbidden_origin', {
        detail: `The Host "${host ?? ''}" is not one of this broker's names.`,
      })
    this.#last_host = host
  }

  #isOwn(origin: string, host: string | null): boolean {
    const url = URL.parse(origin)
    if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false
    return url.host === host?.toLowerCase() || LOOPBACK_NAMES.has(url.hostname)
  }
}

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/** The name in a Host header, without its port. */
function hostname(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '')
}

/** Logs a failed call, once: faults of our own as errors, the caller's at level debug. */
export function logFailure(
  log: Logger,
  command: string,
  thrown: unknown,
  correlation_id: string,
  identity?: Identity,
): void {
  const who = identity?.session?.client_id
  if (thrown instanceof BrokerError)
    log.debug({ correlation_id, command, code: thrown.code, client_id: who }, 'refused')
  else log[logLevelOf(thrown)]({ correlation_id, command, client_id: who, err: thrown }, 'failed')
}

/** What the doors use of Bun's server. */
export interface HttpServer {
  /** Closes the request's connection after this many seconds without traffic; 0: never. */
  timeout(request: Request, seconds: number): void
}

/** A door: its routes, and how it is shut. */
export interface Door {
  readonly routes: AnyElysia
  /** Ends its live connections over at most `drain_ms`; resolves when it has. */
  close(drain_ms: number): Promise<void>
}

/** Answers requests of all methods. */
export type DirectHandler = (request: Request, server: HttpServer | null) => Promise<Response>

/**
 * A door that Bun calls directly for some paths, which costs less than through Elysia. Elysia routes the
 * same paths with a trailing slash.
 */
export interface DirectDoor extends Door {
  readonly direct: Readonly<Record<string, DirectHandler>>
}

const DRAIN_MS_EACH = 50

/** Calls `each` for all items, spread over at most `drain_ms`: clients must not reconnect all at once. */
export async function spread<T>(
  items: readonly T[],
  drain_ms: number,
  each: (item: T) => void,
): Promise<void> {
  const turns = Math.min(items.length, 50)
  // A few clients are no crowd: a broker with few connections stops sooner.
  const span_ms = Math.min(drain_ms, items.length * DRAIN_MS_EACH)
  for (let turn = 0; turn < turns; turn++) {
    for (let i = turn; i < items.length; i += turns) each(items[i]!)
    await Bun.sleep(span_ms / turns)
  }
}

import { BrokerError } from '../../core/errors.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'
import type { DoorContext } from '../door.ts'
import { EventLog } from './event-store.ts'
import type { Exchange } from './exchange.ts'
import type { Streams } from './live-stream.ts'
import { McpSession } from './mcp-session.ts'
import type { ProgressReports } from './progress.ts'

const TICK_MS = 500
/** How long sent events are kept for a client that resumes with Last-Event-ID. */
const RESUME_MS = 300_000
/** A session that has been idle for less than this is not closed to make room for a new one. */
const EVICTABLE_IDLE_MS = 60_000
/** The longest `initialize`: the SDK keeps what a client says of itself as long as the session lasts. */
const INITIALIZE_CHARS_MAX = 16 * 1024

/** The sessions of the 2025 era: bounded in number, closed when idle for too long. */
export class SessionTable {
  readonly #sessions = new Map<string, McpSession>()
  readonly #log: EventLog
  readonly #endChore: () => void

  constructor(
    private readonly context: DoorContext,
    private readonly streams: Streams,
    private readonly progress: ProgressReports,
  ) {
    this.#log = new EventLog(context.broker.now)
    this.#endChore = context.housekeeping.every(TICK_MS, () => this.#tend())
  }

  /**
   * Answers one request of the 2025 era.
   *
   * @throws BrokerError `mcp_session_required`, `unknown_mcp_session`, `too_many_mcp_sessions`,
   * `body_too_large`, and what {@link McpSession.serve} throws
   */
  serve(exchange: Exchange): MaybePromise<Response> {
    const { request, identity, plain } = exchange
    const session_id = request.headers.get('mcp-session-id')
    if (session_id === null) return this.#begin(exchange)
    const session = this.#sessions.get(session_id)
    // A session belongs to the key that began it; for any other key it does not exist.
    if (session?.identity.key_id !== identity.key_id || session?.identity.project !== identity.project)
      throw new BrokerError('unknown_mcp_session')
    return plain && session.initialized ? session.servePlain(plain, request) : session.serve(exchange)
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    this.#endChore()
    await Promise.all([...this.#sessions.values()].map((session) => session.close()))
  }

  async #begin(exchange: Exchange): Promise<Response> {
    const { identity } = exchange
    const body = withoutIcons(exchange.body)
    if ((body as { method?: unknown } | null)?.method !== 'initialize')
      throw new BrokerError('mcp_session_required')
    const chars = JSON.stringify(body).length
    if (chars > INITIALIZE_CHARS_MAX)
      throw new BrokerError('body_too_large', {
        detail: `initialize is ${chars} characters of JSON; at most ${INITIALIZE_CHARS_MAX} are taken.`,
        next: 'Say less of the client and what it can do: all of it is kept as long as the session.',
      })
    await this.#makeRoom()
    const session: McpSession = new McpSession({
      context: this.context,
      streams: this.streams,
      progress: this.progress,
      events: this.#log.open(),
      identity,
      onClose: () => void this.#sessions.delete(session.id),
    })
    this.#sessions.set(session.id, session)
    try {
      await session.connect()
      return await session.serve({ ...exchange, body })
    } finally {
      // The `initialize` was invalid, so the session never began.
      if (!session.initialized) await session.close()
    }
  }

  /**
   * Closes the session that is idle longest, if there are too many.
   *
   * @throws BrokerError `too_many_mcp_sessions`
   */
  async #makeRoom(): Promise<void> {
    if (this.#sessions.size < this.context.config.mcp_sessions_max) return
    let longest: McpSession | undefined
    let since_ms = this.context.broker.now() - EVICTABLE_IDLE_MS
    for (const session of this.#sessions.values()) {
      if (session.idle_since_ms === undefined || session.idle_since_ms > since_ms) continue
      longest = session
      since_ms = session.idle_since_ms
    }
    if (!longest) throw new BrokerError('too_many_mcp_sessions', { retry_after_ms: 1000 })
    await longest.close()
  }

  #tend(): void {
    this.#log.expire(RESUME_MS)
    const before = this.context.broker.now() - this.context.config.mcp_session_idle_seconds * 1000
    for (const session of this.#sessions.values())
      if (session.idle_since_ms !== undefined && session.idle_since_ms <= before)
        session.close().catch((err) => this.context.log.error({ err }, 'an MCP session did not close'))
  }
}

/** Drops the icons of a client: they may be whole images, and nothing here uses them. */
function withoutIcons(body: unknown): unknown {
  const { params } = (body ?? {}) as { params?: { clientInfo?: { icons?: unknown } } }
  if (params?.clientInfo?.icons === undefined) return body
  const { icons, ...clientInfo } = params.clientInfo
  return { ...(body as object), params: { ...params, clientInfo } }
}

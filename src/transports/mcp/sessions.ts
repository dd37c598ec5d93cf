import { BrokerError } from '../../core/errors.ts'
import type { MaybePromise } from '../../engine/engine.ts'
import type { DoorContext } from '../door.ts'
import { EventLog } from './event-store.ts'
import type { Exchange } from './exchange.ts'
import { McpSession } from './session.ts'
import type { Streams } from './stream.ts'
import type { Waits } from './waits.ts'

const TICK_MS = 500
/** How long what was sent is kept for a client that comes back with Last-Event-ID. */
const RESUME_MS = 300_000
/** A session idle for less is not given up to make room for a new one. */
const EVICTABLE_IDLE_MS = 60_000

/** The sessions of the 2025 era: bounded in number, forgotten when idle. */
export class Sessions {
  readonly #sessions = new Map<string, McpSession>()
  /** Since when those with nothing under way are idle, the longest idle first; milliseconds since the epoch. */
  readonly #idle = new Map<McpSession, number>()
  readonly #log: EventLog
  readonly #endChore: () => void

  constructor(
    private readonly context: DoorContext,
    private readonly streams: Streams,
    private readonly waits: Waits,
  ) {
    this.#log = new EventLog(context.broker.now)
    this.#endChore = context.housekeeping.every(TICK_MS, () => this.#tend())
  }

  /**
   * Answers one request of the 2025 era.
   *
   * @throws BrokerError `mcp_session_required`, `unknown_mcp_session`, `too_many_mcp_sessions`, `too_many_connections`
   */
  serve(exchange: Exchange): MaybePromise<Response> {
    const { request, identity, plain } = exchange
    const session_id = request.headers.get('mcp-session-id')
    if (session_id === null) return this.#begin(exchange)
    const session = this.#sessions.get(session_id)
    // A session is its key's alone: for any other it does not exist.
    if (session?.identity.key_id !== identity.key_id || session?.identity.project !== identity.project)
      throw new BrokerError('unknown_mcp_session')
    this.#idle.delete(session)
    return plain && session.initialized ? session.answer(plain, request) : session.handle(exchange)
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    this.#endChore()
    await Promise.all([...this.#sessions.values()].map((session) => session.close()))
  }

  async #begin(exchange: Exchange): Promise<Response> {
    const { identity, body } = exchange
    if ((body as { method?: unknown } | null)?.method !== 'initialize')
      throw new BrokerError('mcp_session_required')
    await this.#makeRoom()
    const session: McpSession = new McpSession({
      context: this.context,
      streams: this.streams,
      waits: this.waits,
      events: this.#log.open(),
      identity,
      onIdle: () => {
        if (this.#sessions.has(session.id)) this.#idle.set(session, this.context.broker.now())
      },
      onClose: () => {
        this.#sessions.delete(session.id)
        this.#idle.delete(session)
      },
    })
    this.#sessions.set(session.id, session)
    try {
      await session.connect()
      return await session.handle(exchange)
    } finally {
      // A request to initialize that was itself invalid.
      if (!session.initialized) await session.close()
    }
  }

  /** @throws BrokerError `too_many_mcp_sessions` when all there may be are in use */
  async #makeRoom(): Promise<void> {
    if (this.#sessions.size < this.context.config.mcp_sessions_max) return
    const [longest] = this.#idle
    if (!longest || this.context.broker.now() - longest[1] < EVICTABLE_IDLE_MS)
      throw new BrokerError('too_many_mcp_sessions', { retry_after_ms: 1000 })
    await longest[0].close()
  }

  #tend(): void {
    this.#log.expire(RESUME_MS)
    const before = this.context.broker.now() - this.context.config.mcp_session_idle_seconds * 1000
    for (const [session, since_ms] of this.#idle) {
      if (since_ms > before) break
      session.close().catch((err) => this.context.log.error({ err }, 'an MCP session did not close'))
    }
  }
}

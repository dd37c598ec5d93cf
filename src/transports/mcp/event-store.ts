import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server'

/** What one session may have kept for it, beyond the newest. */
const SESSION_EVENTS_MAX = 256
const SESSION_BYTES_MAX = 256 * 1024
/** What all sessions together may have kept for them. */
const BYTES_MAX = 64 * 1024 * 1024

/** What an event takes beyond its text. */
const EVENT_CHARS = 400

interface StoredEvent {
  readonly owner: SessionEvents
  readonly number: number
  readonly stream_id: string
  readonly json: string
  readonly chars: number
  readonly stored_ms: number
}

/**
 * What was sent on the streams of the 2025 era, for clients that come back with Last-Event-ID. Each session sees its own
 * events alone; the oldest go first when there is too much, or when nobody has come for them.
 */
export class EventLog {
  readonly #events = new Set<StoredEvent>()
  #bytes = 0

  /** @param now milliseconds since the epoch */
  constructor(
    private readonly now: () => number,
    private readonly bytes_max = BYTES_MAX,
  ) {}

  get bytes(): number {
    return this.#bytes
  }

  /** The store of a new session. */
  open(): SessionEvents {
    return new SessionEvents(this, this.now)
  }

  add(event: StoredEvent): void {
    this.#events.add(event)
    this.#bytes += event.chars
    for (const oldest of this.#events) {
      if (this.#bytes <= this.bytes_max) break
      oldest.owner.forget(oldest)
    }
  }

  remove(event: StoredEvent): void {
    if (this.#events.delete(event)) this.#bytes -= event.chars
  }

  /** Forgets what was sent more than `age_ms` ago. */
  expire(age_ms: number): void {
    const before = this.now() - age_ms
    for (const oldest of this.#events) {
      if (oldest.stored_ms > before) break
      oldest.owner.forget(oldest)
    }
  }
}

/** The events of one session: an id of another session, or of none, names nothing here. */
export class SessionEvents implements EventStore {
  readonly #prefix = crypto.randomUUID().slice(0, 8)
  readonly #events = new Set<StoredEvent>()
  #bytes = 0
  #last = 0

  constructor(
    private readonly log: EventLog,
    private readonly now: () => number,
  ) {}

  async storeEvent(stream_id: string, message: JSONRPCMessage): Promise<string> {
    const json = JSON.stringify(message)
    const number = ++this.#last
    if (json !== PRIMING && !('error' in message && message.error === CANCELLED)) {
      const chars = json.length + EVENT_CHARS
      const event = { owner: this, number, stream_id, json, chars, stored_ms: this.now() }
      this.#events.add(event)
      this.#bytes += chars
      this.log.add(event)
      for (const oldest of this.#events) {
        // The newest stays however long it is: it may be the answer that a client comes back for.
        if (oldest === event || (this.#bytes <= SESSION_BYTES_MAX && this.#events.size <= SESSION_EVENTS_MAX))
          break
        this.forget(oldest)
      }
    }
    return `${this.#prefix}.${number}.${stream_id}`
  }

  async getStreamIdForEventId(event_id: string): Promise<string | undefined> {
    return this.#parse(event_id)?.stream_id
  }

  async replayEventsAfter(
    last_event_id: string,
    { send }: { send: (event_id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const from = this.#parse(last_event_id)
    if (!from) throw new Error('That event id is not of this session.')
    for (const { number, stream_id, json } of [...this.#events])
      if (stream_id === from.stream_id && number > from.number)
        await send(`${this.#prefix}.${number}.${stream_id}`, JSON.parse(json) as JSONRPCMessage)
    return from.stream_id
  }

  forget(event: StoredEvent): void {
    if (!this.#events.delete(event)) return
    this.#bytes -= event.chars
    this.log.remove(event)
  }

  clear(): void {
    for (const event of [...this.#events]) this.forget(event)
  }

  #parse(event_id: string): { number: number; stream_id: string } | undefined {
    const match = EVENT_ID.exec(event_id)
    return match?.[1] === this.#prefix ? { number: Number(match[2]), stream_id: match[3]! } : undefined
  }
}

/** The stream that an event id names; undefined when it is none. */
export function streamOf(event_id: string): string | undefined {
  return EVENT_ID.exec(event_id)?.[3]
}

const EVENT_ID = /^([0-9a-f]{8})\.([0-9]{1,15})\.([0-9A-Za-z_-]{1,64})$/
/** Answers a cancelled request. It is not kept: a client that gave up does not come back for it. */
export const CANCELLED = { code: -32600, message: 'Cancelled' }
/** The first event of a stream, which only carries an id to resume from. */
const PRIMING = '{}'

import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server'

/** Limits of the events kept for one session; its newest event is kept whatever its size. */
const SESSION_EVENTS_MAX = 256
const SESSION_BYTES_MAX = 256 * 1024
/** Limit of the events kept for all sessions together. */
const BYTES_MAX = 64 * 1024 * 1024

/** What an event counts for beyond its text, in characters. */
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
 * The events sent on streams of the 2025 era, kept for clients that resume with Last-Event-ID. Each session
 * sees only its own events. The oldest events are dropped when there are too many, or when they are too old.
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

  /** Opens the store of a new session. */
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

  /** Drops events that were sent more than `age_ms` ago. */
  expire(age_ms: number): void {
    const before = this.now() - age_ms
    for (const oldest of this.#events) {
      if (oldest.stored_ms > before) break
      oldest.owner.forget(oldest)
    }
  }
}

/** The events of one session. An event id of another session, or a malformed one, finds nothing here. */
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
        // The newest event stays whatever its size: it may be the answer that a client resumes for.
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

/** The stream that an event id belongs to; undefined for a malformed id. */
export function streamOf(event_id: string): string | undefined {
  return EVENT_ID.exec(event_id)?.[3]
}

const EVENT_ID = /^([0-9a-f]{8})\.([0-9]{1,15})\.([0-9A-Za-z_-]{1,64})$/
/** The error that ends a cancelled request. It is not kept: a client that gave up does not resume for it. */
export const CANCELLED = { code: -32600, message: 'Cancelled' }
/** The first event of a stream, which only carries an id to resume from. */
const PRIMING = '{}'

import type { ServerWebSocket } from 'bun'
import type { Identity } from '../../auth/identity.ts'
import type { Connection } from '../../broker/connection.ts'
import { ERRORS, type ErrorCode } from '../../core/errors.ts'

/** A frame that gathers messages ends at this size, in characters. */
const FRAME_CHARS_MAX = 256 * 1024
/** What the connection tells its door. */
export interface ConnectionEvents {
  /** The transport takes more again. */
  drained(connection: WsConnection): void
  /** Something is queued: call `flush` at the end of this turn. */
  queued(connection: WsConnection): void
}

/**
 * One WebSocket. Everything that leaves it is queued as JSON and written once in a turn of the event loop: each in a frame
 * of its own, or gathered into JSON arrays where the subscriber asked for batches.
 */
export class WsConnection implements Connection {
  /** Undefined until the peer is authenticated. */
  identity: Identity | undefined
  /** Gather what is due in one turn into one frame. */
  batch = false
  /** Calls which have not been answered yet. */
  calls = 0
  /** Aborts the waiting calls when the peer goes. */
  readonly gone = new AbortController()
  readonly opened_ms: number
  /** When anything last came from the peer, in milliseconds since the epoch. */
  heard_ms: number
  /** When an unanswered ping was sent; undefined when none is out. */
  pinged_ms: number | undefined
  /** When the close was asked for; undefined while open. */
  closed_ms: number | undefined
  #queue: string[] = []
  #queued_chars = 0
  #writable = true
  /** The ping that is out asked for proof of arrival, and another is to follow its pong. One ping is out at a time. */
  #probing = false
  #probe_due = false

  constructor(
    private readonly socket: ServerWebSocket<unknown>,
    private readonly events: ConnectionEvents,
    private readonly buffer_bytes_max: number,
    private readonly now: () => number,
  ) {
    this.opened_ms = now()
    this.heard_ms = this.opened_ms
  }

  message(cursor: string, json: string): void {
    this.#push(`{"jsonrpc":"2.0","method":"message","params":{"cursor":"${cursor}","message":${json}}}`)
  }

  notify(kind: 'receipt' | 'session', json: string): void {
    this.#push(`{"jsonrpc":"2.0","method":"${kind}","params":${json}}`)
  }

  /** Queues the answer to a call, or to a batch of them; a peer which lets answers pile up is closed. */
  answer(json: string): void {
    // What lies here already counts, and not this answer: one that is large says nothing of its reader.
    if (this.#queued_chars > this.buffer_bytes_max) this.flush()
    if (this.#queued_chars > this.buffer_bytes_max) this.close('slow_reader')
    else {
      this.#push(json)
      this.events.queued(this)
    }
  }

  flush(): boolean {
    if (this.closed_ms !== undefined) return false
    if (this.#writable && this.#queue.length > 0) this.socket.cork(() => this.#write())
    if (this.#writable && this.#probe_due && this.pinged_ms === undefined) {
      this.#probe_due = false
      this.#probing = true
      this.ping()
    }
    return this.#writable
  }

  probe(): void {
    // A probe that is still out was asked for by an earlier subscription: its pong proves nothing to this one.
    this.#probing = false
    this.#probe_due = true
    this.flush()
  }

  /** Asks whether anybody is there. */
  ping(): void {
    this.pinged_ms = this.now()
    this.socket.ping()
  }

  /** The pong to the ping that was out. @returns whether it proves the arrival of what was flushed before a probe */
  ponged(): boolean {
    const proves = this.#probing
    this.pinged_ms = undefined
    this.#probing = false
    this.flush()
    return proves
  }

  /** The socket has written all it had buffered. */
  drained(): void {
    this.#writable = true
    if (this.flush()) this.events.drained(this)
  }

  close(code: ErrorCode): void {
    if (this.closed_ms !== undefined) return
    this.flush()
    this.closed_ms = this.now()
    this.#queue = []
    const entry = ERRORS[code]
    this.socket.close('close_code' in entry ? entry.close_code : 1011, code)
  }

  /** Cuts a socket whose peer does not take part in the close. */
  terminate(): void {
    this.socket.terminate()
  }

  #push(json: string): void {
    if (this.closed_ms !== undefined) return
    this.#queue.push(json)
    this.#queued_chars += json.length
  }

  #write(): void {
    const queue = this.#queue
    let sent = 0
    while (sent < queue.length && this.#writable) {
      let end = sent + 1
      let chars = queue[sent]!.length
      if (this.batch)
        while (end < queue.length && chars + queue[end]!.length < FRAME_CHARS_MAX)
          chars += queue[end++]!.length
      const frame = end - sent === 1 ? queue[sent]! : `[${queue.slice(sent, end).join(',')}]`
      // -1: taken, but behind a peer that does not read; 0: dropped, because the socket is closed.
      if (this.socket.sendText(frame) <= 0) this.#writable = false
      this.#queued_chars -= chars
      sent = end
    }
    this.#queue = sent === queue.length ? [] : queue.slice(sent)
  }
}

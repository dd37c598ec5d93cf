import type { ServerWebSocket } from 'bun'
import type { Credentials, Identity } from '../../auth/identity.ts'
import type { Call } from '../../broker/command.ts'
import { type Connection, HINTS_CHARS_MAX } from '../../broker/connection.ts'
import { ERRORS, type ErrorCode } from '../../core/errors.ts'
import type { Held } from './held.ts'

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
  /** Frames that began as they came. */
  frames = 0
  /** Calls that were asked to wait, and do. */
  waiting = 0
  /** What is kept for unanswered calls, in characters; calls that wait are counted apart. */
  kept_chars = 0
  /** What has come and may not begin yet; undefined while nothing holds it up. */
  held: Held | undefined
  /** Nothing is read from the socket. */
  paused = false
  /** Gives back the place among the open connections; undefined where there was none. */
  leave: (() => void) | undefined
  /** What the calls of this connection know of it. */
  readonly call: Call
  readonly opened_ms: number
  /** When anything last came from the peer, in milliseconds since the epoch. */
  heard_ms: number
  /** When an unanswered ping was sent; undefined when none is out. */
  pinged_ms: number | undefined
  /** When the close was asked for; undefined while open. */
  closed_ms: number | undefined
  /** Set when the socket opens, before anything can come or go. */
  #socket!: ServerWebSocket<WsConnection>
  /** Frames that are whole; then what gathers for the next, elements of a JSON array with commas between. */
  #frames: string[] = []
  #gathered = ''
  /** What gathers is to be an array: it has several elements, or answers a batch. */
  #many = false
  #queued_chars = 0
  #writable = true
  #gone: AbortController | undefined
  /** The ping that is out asked for proof of arrival, and another is to follow its pong. One ping is out at a time. */
  #probing = false
  #probe_due = false
  /** What the ping that is out says, which its pong repeats. */
  #ping_no = 0

  constructor(
    private said: Credentials | undefined,
    private readonly events: ConnectionEvents,
    private readonly buffer_bytes_max: number,
    private readonly now: () => number,
  ) {
    this.opened_ms = now()
    this.heard_ms = this.opened_ms
    this.call = new WsCall(this)
  }

  get open(): boolean {
    return this.closed_ms === undefined
  }

  opened(socket: ServerWebSocket<WsConnection>): void {
    this.#socket = socket
  }

  /** What the upgrade said of who it is, once: a key is not kept. */
  takeCredentials(): Credentials {
    const said = this.said ?? { key: undefined, project: undefined }
    this.said = undefined
    return said
  }

  /** Aborts the calls that wait, when the peer goes; made when the first call waits, and aborted for one that is too late. */
  get signal(): AbortSignal {
    this.#gone ??= new AbortController()
    if (this.closed_ms !== undefined) this.#gone.abort()
    return this.#gone.signal
  }

  message(cursor: string, json: string): void {
    this.#push(`{"jsonrpc":"2.0","method":"message","params":{"cursor":"${cursor}","message":${json}}}`)
  }

  notify(kind: 'receipt' | 'session', json: string): void {
    if (this.#queued_chars <= HINTS_CHARS_MAX || this.flush())
      this.#push(`{"jsonrpc":"2.0","method":"${kind}","params":${json}}`)
  }

  /** Queues the answer to a call, or to a batch of calls; a peer which lets answers pile up is closed. */
  answer(answers: readonly string[], batched: boolean): void {
    // What lies here already counts, and not this answer: one that is large says nothing of its reader.
    if (this.#queued_chars > this.buffer_bytes_max) this.flush()
    if (this.#queued_chars > this.buffer_bytes_max) this.close('slow_reader')
    else {
      this.#push(answers.join(','), batched)
      this.events.queued(this)
    }
  }

  flush(): boolean {
    if (this.closed_ms !== undefined) return false
    if (this.#writable && this.#queued_chars > 0) this.#write()
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

  /** Reads nothing more, so that the peer has to stop sending. What has been read already still comes. */
  pause(): void {
    if (this.paused) return
    this.paused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.#socket.resume()
  }

  /** Asks whether anybody is there. */
  ping(): void {
    this.pinged_ms = this.now()
    this.#socket.ping(String(++this.#ping_no))
  }

  /**
   * A pong has come. One that nobody asked for, which a peer may send at any time, proves nothing.
   *
   * @returns whether it proves the arrival of what was flushed before a probe
   */
  ponged(said: string): boolean {
    if (this.pinged_ms === undefined || said !== String(this.#ping_no)) return false
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
    this.#frames = []
    this.#gathered = ''
    this.held = undefined
    // To read that the peer closes, too.
    this.resume()
    const entry = ERRORS[code]
    this.#socket.close('close_code' in entry ? entry.close_code : 1011, code)
  }

  /** Cuts a socket whose peer does not take part in the close. */
  terminate(): void {
    this.#socket.terminate()
  }

  /** The socket is closed, by whichever end. */
  closed(): void {
    this.closed_ms ??= this.now()
    this.held = undefined
    this.#gone?.abort()
  }

  /** Queues what makes a frame of its own, or is gathered with others. @param many it is several elements of an array */
  #push(json: string, many = false): void {
    if (this.closed_ms !== undefined) return
    this.#queued_chars += json.length
    if (!this.batch) this.#frames.push(many ? `[${json}]` : json)
    else if (this.#gathered === '') {
      this.#gathered = json
      this.#many = many
    } else {
      this.#gathered = `${this.#gathered},${json}`
      this.#many = true
    }
    if (this.#gathered.length >= FRAME_CHARS_MAX) this.#frames.push(this.#seal())
  }

  /** The frame of what has gathered. */
  #seal(): string {
    const frame = this.#many ? `[${this.#gathered}]` : this.#gathered
    this.#gathered = ''
    return frame
  }

  #write(): void {
    if (this.#frames.length === 0) {
      this.#queued_chars = 0
      this.#send(this.#seal())
      return
    }
    if (this.#gathered !== '') this.#frames.push(this.#seal())
    let sent = 0
    this.#socket.cork(() => {
      while (this.#writable && sent < this.#frames.length) this.#send(this.#frames[sent++]!)
    })
    this.#frames.splice(0, sent)
    this.#queued_chars = 0
    for (const frame of this.#frames) this.#queued_chars += frame.length
  }

  #send(frame: string): void {
    // -1: taken, but behind a peer that does not read; 0: dropped, because the socket is closed.
    if (this.#socket.sendText(frame) <= 0) this.#writable = false
  }
}

/** What a call that came over a connection knows of it. */
class WsCall implements Call {
  constructor(readonly connection: WsConnection) {}

  get signal(): AbortSignal {
    return this.connection.signal
  }
}

import type { ServerWebSocket } from 'bun'
import type { Credentials, Identity } from '../../auth/identity.ts'
import type { Call } from '../../broker/command.ts'
import { type Connection, HINTS_CHARS_MAX } from '../../broker/connection.ts'
import type { Holder } from '../../broker/end-of-turn.ts'
import { ERRORS, type ErrorCode } from '../../core/errors.ts'
import type { Answers } from './answers.ts'
import type { Held } from './held.ts'

/** A frame that gathers messages is complete once it has reached this size, in characters. */
const FRAME_CHARS_MAX = 256 * 1024

/** What the connection tells its door. */
export interface ConnectionEvents {
  /** The transport takes more again. */
  drained(connection: WsConnection): void
  /** It holds answers, and did not before. */
  held(connection: WsConnection): void
  /** The flush that covers some of these answers has failed. */
  unstored(connection: WsConnection, answers: Answers): void
  /** The answers that made it `full` have been handed over. */
  relieved(connection: WsConnection): void
}

/**
 * One WebSocket. What it sends is queued as JSON and written once in a turn of the event loop: each value in
 * a frame of its own, or gathered into JSON arrays where the subscriber asked for batches. Answers are held
 * before they are queued, until a flush has covered them.
 */
export class WsConnection implements Connection, Holder {
  /** Undefined until the peer is authenticated. */
  identity: Identity | undefined
  /** Whether what is due in one turn is gathered into one frame. */
  batch = false
  /** Unanswered calls that were asked to wait. */
  waiting = 0
  /** What is kept for other unanswered calls and for their batches' answers, in characters. */
  kept_chars = 0
  /** What is in memory for complete answers that are held, in characters. */
  answers_chars = 0
  /** Whether these are so long that further calls are held up. */
  full = false
  /** Received calls that may not begin yet; undefined while nothing is held up. */
  held: Held | undefined
  /** Whether reading from the socket is paused. */
  paused = false
  /** Gives back the place among the open connections; undefined where there was none left. */
  leave: (() => void) | undefined
  /** Passed to each call of this connection. */
  readonly call: Call
  readonly opened_ms: number
  /** When anything last came from the peer, in milliseconds since the epoch. */
  heard_ms: number
  /** When the unanswered ping was sent; undefined when none is under way. */
  pinged_ms: number | undefined
  /** When the close began; undefined while open. */
  closed_ms: number | undefined
  /** Set when the socket opens, before anything is received or sent. */
  #socket!: ServerWebSocket<WsConnection>
  /** Complete frames; then the next one as it is gathered: elements of a JSON array, separated by commas. */
  #frames: string[] = []
  #gathered = ''
  /** Whether the gathered frame is an array: it has several elements, or answers a batch. */
  #many = false
  #queued_chars = 0
  /** Not covered by a flush yet, in the order they came. */
  #answers: Answers[] = []
  /** The code to close with once the held answers have been written, and since when. */
  #closing: ErrorCode | undefined
  closing_ms: number | undefined
  #writable = true
  #gone: AbortController | undefined
  /** Whether the ping under way is a probe, and whether one follows its pong. Only one ping is under way. */
  #probing = false
  #probe_due = false
  /** The number that the last ping carries; its pong repeats it. */
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
    return this.closed_ms === undefined && this.#closing === undefined
  }

  opened(socket: ServerWebSocket<WsConnection>): void {
    this.#socket = socket
  }

  /** The credentials of the upgrade request. Only the first call returns them, so that no key is kept. */
  takeCredentials(): Credentials {
    const said = this.said ?? { key: undefined, project: undefined }
    this.said = undefined
    return said
  }

  /**
   * Aborted when the socket closes, which ends the calls that wait. Made for the first call that asks for
   * it; a call that asks after the close gets it aborted.
   */
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

  /** Holds answers until the end of the turn. Incomplete ones stay, and are held again when more come. */
  answer(answers: Answers): void {
    if (!this.open) return
    if (answers.complete) this.answers_chars += answers.held_chars
    if (answers.held || answers.chars === 0) return
    answers.held = true
    if (this.#answers.push(answers) === 1) this.events.held(this)
  }

  seal(): void {
    for (const answers of this.#answers) answers.seal()
  }

  failed(): void {
    for (const answers of this.#answers) this.events.unstored(this, answers)
  }

  /** Queues the covered answers. A peer that lets answers pile up is disconnected. */
  handOver(): void {
    const held = this.#answers
    this.#answers = []
    for (const answers of held) {
      if (!answers.covered) this.#answers.push(answers)
      else {
        answers.held = false
        // A later flush that fails does not concern those that are here already.
        answers.stored = answers.sealed
        if (answers.complete) this.#queueAnswers(answers)
      }
    }
  }

  #queueAnswers({ json, batched, held_chars }: Answers): void {
    this.answers_chars -= held_chars
    // Only what is queued already counts against the limit: one large answer does not make a slow reader.
    if (this.#queued_chars > this.buffer_bytes_max) this.flush()
    if (this.#queued_chars > this.buffer_bytes_max) this.#shut('slow_reader')
    else this.#push(json.length === 1 ? json[0]! : json.join(','), batched)
  }

  write(): boolean {
    this.flush()
    const holds = this.#answers.length > 0
    if (this.#closing !== undefined && !holds) this.#shut(this.#closing)
    else if (this.full && this.answers_chars <= this.buffer_bytes_max) this.events.relieved(this)
    return holds
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
    // A probe still under way is of an earlier subscription: its pong proves nothing to this one.
    this.#probing = false
    this.#probe_due = true
    this.flush()
  }

  /** Stops reading, so that the peer has to stop sending. Frames that were read already still arrive. */
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

  /** Asks the peer for a pong. */
  ping(): void {
    this.pinged_ms = this.now()
    this.#socket.ping(String(++this.#ping_no))
  }

  /**
   * Takes a pong. A pong that answers no ping, which a peer may send at any time, proves nothing.
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

  /** Closes at once, or after the held answers have been written. No call begins any more. */
  close(code: ErrorCode): void {
    if (!this.open) return
    this.held = undefined
    if (this.#answers.length === 0) this.#shut(code)
    else {
      this.#closing = code
      this.closing_ms = this.now()
    }
  }

  #shut(code: ErrorCode): void {
    if (this.closed_ms !== undefined) return
    this.flush()
    this.closed_ms = this.now()
    this.#frames = []
    this.#gathered = ''
    this.#answers = []
    this.held = undefined
    // A paused socket would not read the peer's close frame.
    this.resume()
    const entry = ERRORS[code]
    this.#socket.close('close_code' in entry ? entry.close_code : 1011, code)
  }

  /** Cuts a socket whose peer does not answer the close. */
  terminate(): void {
    this.#socket.terminate()
  }

  /** The socket has been closed, by either end. */
  closed(): void {
    this.closed_ms ??= this.now()
    this.#answers = []
    this.held = undefined
    this.#gone?.abort()
  }

  /** Queues JSON as a frame, or gathers it with others. @param many it is several elements of an array */
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

  /** Completes the gathered frame. */
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
    // -1: buffered, because the peer does not read; 0: dropped, because the socket is closed.
    if (this.#socket.sendText(frame) <= 0) this.#writable = false
  }
}

/** What the broker knows of a call that came over a WebSocket. */
class WsCall implements Call {
  constructor(readonly connection: WsConnection) {}

  get signal(): AbortSignal {
    return this.connection.signal
  }
}

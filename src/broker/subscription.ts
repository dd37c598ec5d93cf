import { formatCursor } from '../core/cursor.ts'
import type { AckMode, Due } from '../core/entry.ts'
import { BrokerError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import { messageJson } from '../core/message.ts'
import type { Position } from '../core/position.ts'
import type { Session } from '../core/session.ts'
import type { Address, Announcement, Engine, MaybePromise } from '../engine/engine.ts'
import type { Connection } from './connection.ts'

export interface SubscriptionOptions {
  readonly ack: AckMode
  /** Tell of acknowledgements of the messages that this client sent, and not only of failures. */
  readonly receipts: boolean
  /** Tell of sessions that come, fall silent and go. */
  readonly sessions: boolean
}

/** What a subscription needs of the broker. */
export interface SubscriptionBroker {
  readonly engine: Engine
  readonly now: () => number
  readonly limits: Limits
  readonly counters: { delivered: number }
  inBackground(work: MaybePromise<unknown>): void
}

/** Who reads what, how, and from where. */
export interface Reading {
  readonly address: Address
  readonly session: Session
  readonly connection: Connection
  readonly options: SubscriptionOptions
  readonly position: Position
}

/** What one turn of the event loop reads from a mailbox for one subscriber; the rest waits for the next turn. */
const READ_MESSAGES_MAX = 256
const READ_BYTES_MAX = 64 * 1024
/**
 * A subscriber is probed when so many messages are unconfirmed, or so many bytes, or at the latest after this long; and before
 * they are the most of a mailbox, where the limits are small: what is unconfirmed takes the room of what comes.
 */
const PROBE_MESSAGES = 256
const PROBE_BYTES = 1024 * 1024
const PROBE_INTERVAL_MS = 500
/** What expires sooner than this is probed at once: unconfirmed, it would die as if nobody had read it. */
const PROBE_EXPIRY_MS = 2 * PROBE_INTERVAL_MS

/**
 * One connection's reading of one mailbox. An announcement says that there is something to read, and once in a turn of the
 * event loop it is read: live delivery, reconnect, a slow reader and a lost announcement are the same case.
 */
export class Subscription {
  readonly address: Address
  readonly session: Session
  readonly connection: Connection
  readonly options: SubscriptionOptions
  readonly #position: Position
  /** The mailbox may hold more than was read. */
  #behind = true
  #reading = false
  /** Sent under a lease, waiting to be confirmed; the first `#probed` of them are covered by a probe under way. */
  #unconfirmed: number[] = []
  #probed = 0
  #probed_ms = 0
  /** Of the messages that were sent since the last probe: their bytes, and when the first of them expires. */
  #unprobed_bytes = 0
  #unprobed_expires_ms = Number.POSITIVE_INFINITY
  #closed = false
  /** Counted among those that the hub flushes at the end of this turn. */
  dirty = false
  /** Since when the transport takes nothing more, in milliseconds since the epoch; undefined while it does. */
  stalled_ms: number | undefined
  /** How the engine is told: where arrival can be confirmed, `auto` leases until it is. */
  readonly #engine_ack: AckMode

  constructor(
    private readonly broker: SubscriptionBroker,
    reading: Reading,
  ) {
    const { address, session, connection, options, position } = reading
    this.address = address
    this.session = session
    this.connection = connection
    this.options = options
    this.#position = position
    this.#engine_ack = options.ack === 'auto' && connection.probe ? 'manual' : options.ack
  }

  announced({ offset, redelivery }: Announcement): void {
    if (redelivery && this.options.ack !== 'none') this.#position.redeliver.push(offset)
    this.#behind = true
  }

  /** Writes what is due; called once in a turn of the event loop. Resolves to whether there is more to do at once. */
  flush(): MaybePromise<boolean> {
    if (this.#closed || this.#reading) return false
    if (!this.connection.flush()) {
      this.stalled_ms ??= this.broker.now()
      return false
    }
    this.stalled_ms = undefined
    return this.#behind && this.#read()
  }

  /** The other end has shown that all covered by the last probe has arrived. */
  confirmed(): void {
    const arrived = this.#unconfirmed.splice(0, this.#probed)
    this.#probed = 0
    if (arrived.length > 0)
      this.broker.inBackground(this.broker.engine.settle(this.address, { offsets: arrived }))
    this.probe()
  }

  /** Asks for confirmation where it is due. */
  probe(): void {
    if (this.#probed > 0 || this.#unconfirmed.length === 0) return
    const now = this.broker.now()
    if (now - this.#probed_ms < PROBE_INTERVAL_MS && !this.#probesEarly(now)) return
    this.#unprobed_bytes = 0
    this.#unprobed_expires_ms = Number.POSITIVE_INFINITY
    this.#probed = this.#unconfirmed.length
    this.#probed_ms = now
    this.connection.probe?.()
  }

  #probesEarly(now: number): boolean {
    const { mailbox_messages_max, mailbox_bytes_max } = this.broker.limits
    return (
      this.#unprobed_expires_ms - now < PROBE_EXPIRY_MS ||
      this.#unconfirmed.length >= Math.min(PROBE_MESSAGES, mailbox_messages_max / 4) ||
      this.#unprobed_bytes >= Math.min(PROBE_BYTES, mailbox_bytes_max / 8)
    )
  }

  close(): void {
    this.#closed = true
  }

  #read(): MaybePromise<boolean> {
    this.#reading = true
    this.#behind = false
    const due = this.broker.engine.read(this.address, this.#position, {
      limit: READ_MESSAGES_MAX,
      bytes_max: READ_BYTES_MAX,
      ack: this.#engine_ack,
    })
    return due instanceof Promise ? due.then((due) => this.#send(due)) : this.#send(due)
  }

  /** @returns whether there is more to read at once */
  #send(due: readonly Due[]): boolean {
    this.#reading = false
    if (this.#closed) return false
    if (this.#position.lapped) throw new BrokerError('slow_reader')
    if (due.length === 0) return this.#behind
    const { connection, broker } = this
    const { epoch } = this.#position
    const confirms = this.options.ack === 'auto' && connection.probe !== undefined
    let bytes = 0
    for (const { offset, safe_offset, message, attempt } of due) {
      bytes += message.bytes
      connection.message(formatCursor(epoch, safe_offset), messageJson(message, attempt))
      if (!confirms) continue
      this.#unconfirmed.push(offset)
      if (message.expires_ms < this.#unprobed_expires_ms) this.#unprobed_expires_ms = message.expires_ms
    }
    if (due.length === READ_MESSAGES_MAX || bytes >= READ_BYTES_MAX) this.#behind = true
    this.#unprobed_bytes += bytes
    broker.counters.delivered += due.length
    if (!connection.flush()) this.stalled_ms ??= broker.now()
    this.probe()
    return this.#behind && this.stalled_ms === undefined
  }
}

import type { SessionHandle } from '../auth/session-handle.ts'
import { formatCursor } from '../core/cursor.ts'
import { BrokerError, StorageFailed } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { AckMode, Due, Lease, Take } from '../core/mailbox/entry.ts'
import type { Position } from '../core/mailbox/position.ts'
import type { MaybePromise } from '../core/maybe-promise.ts'
import { messageJson } from '../core/message.ts'
import type { SessionEnd } from '../core/session.ts'
import type { Engine } from '../engine/engine.ts'
import type { Address, Read } from '../engine/values.ts'
import type { Connection } from './connection.ts'
import { unlessEnded } from './ended.ts'

export interface SubscriptionOptions {
  readonly ack: AckMode
  /** Send receipts when this client's messages are acknowledged, and not only when they fail. */
  readonly receipts: boolean
  /** Tell when sessions come, fall silent or end. */
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

/** Which mailbox is read, for which session, over which connection, how, and from where. */
export interface Reading {
  readonly address: Address
  readonly session: SessionHandle
  readonly connection: Connection
  readonly options: SubscriptionOptions
  readonly position: Position
}

/** The most that one subscription reads in a turn of the event loop; the rest waits for the next turn. */
const READ_MESSAGES_MAX = 256
const READ_BYTES_MAX = 64 * 1024
/**
 * A connection is probed when this many messages or bytes are unconfirmed, or at the latest after this long.
 * A mailbox with small limits is probed earlier, because unconfirmed messages take the room of new ones.
 */
const PROBE_MESSAGES = 256
const PROBE_BYTES = 1024 * 1024
const PROBE_INTERVAL_MS = 500
/** A message that expires sooner than this is probed at once: unconfirmed, it would expire as unread. */
const PROBE_EXPIRY_MS = 2 * PROBE_INTERVAL_MS

/**
 * One connection that reads one mailbox. An announcement only says that there is something to read; the
 * subscription reads at the end of the turn, at most once, and writes when that is stored. Live delivery,
 * reconnect, a slow reader and a lost announcement are the same case.
 */
export class Subscription {
  readonly address: Address
  readonly session: SessionHandle
  readonly connection: Connection
  readonly options: SubscriptionOptions
  #position: Position
  /** The mailbox may hold more than has been read. */
  #behind = true
  /** From when it asks for messages until it has handed them over. */
  #reading = false
  #due: readonly Due[] = NOTHING_DUE
  /** Leases of what was sent, not confirmed yet. A probe under way covers the first `#probed` of them. */
  #unconfirmed: Lease[] = []
  #probed = 0
  #probed_ms = 0
  /** Bytes of the messages sent since the last probe, and when the first of them expires. */
  #unprobed_bytes = 0
  #unprobed_expires_ms = Number.POSITIVE_INFINITY
  #closed = false
  /** It reads at the end of the turn. */
  dirty = false
  /** What is kept of hints for this reader, in characters; see `hints.ts`. */
  hint_chars = 0
  /** When the transport stopped taking data, in milliseconds since the epoch; undefined if it has not. */
  stalled_ms: number | undefined
  /** What the engine is asked: where arrival can be confirmed, `auto` leases until it is. */
  readonly #take: Take

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
    this.#take = {
      limit: READ_MESSAGES_MAX,
      bytes_max: READ_BYTES_MAX,
      ack: options.ack === 'auto' && connection.probe ? 'manual' : options.ack,
      session_id: session.session_id,
    }
  }

  /** A read has failed: the next one looks again. */
  failed(): void {
    this.#reading = false
    this.#behind = true
  }

  /** There may be something to read. */
  announced(): void {
    this.#behind = true
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Reads what is due, and writes nothing of it. @returns whether {@link send} has something to do */
  read(): MaybePromise<boolean> {
    if (this.#closed || this.#reading) return false
    if (!this.connection.flush()) {
      this.stalled_ms ??= this.broker.now()
      return false
    }
    this.stalled_ms = undefined
    return this.#behind && this.#read()
  }

  /** Acknowledges what the last probe covers: the other end has shown that it arrived. */
  confirmed(): void {
    const arrived = this.#unconfirmed.splice(0, this.#probed)
    this.#probed = 0
    if (arrived.length > 0) this.broker.inBackground(this.#settle(arrived))
    this.probe()
  }

  /** Acknowledges deliveries; where the storage fails, the next confirmation does. */
  async #settle(arrived: readonly Lease[]): Promise<void> {
    const leases = { epoch: this.#position.epoch, of: arrived }
    try {
      await this.broker.engine.settle(this.address, { session_id: this.session.session_id, leases })
    } catch (error) {
      if (!(error instanceof StorageFailed)) throw error
      this.#unconfirmed.unshift(...arrived)
    }
  }

  /** Sends a probe if one is due. */
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
    const read = this.broker.engine.read(this.address, this.#position, this.#take)
    return read instanceof Promise ? read.then((read) => this.#hasRead(read)) : this.#hasRead(read)
  }

  /** @throws BrokerError `slow_reader`, `session_replaced`, `session_ended` */
  #hasRead(answer: Read | SessionEnd): boolean {
    if (this.#closed) return false
    const { due, position, lapped } = unlessEnded(answer)
    if (lapped) throw new BrokerError('slow_reader')
    this.#due = due
    this.#position = position!
    // Also without any: until it is handed over, another read would be from the same position.
    this.#reading = due.length > 0 || this.#behind
    return this.#reading
  }

  /** Hands over what was read, and writes it. @returns whether there is more to read at once */
  send(): boolean {
    const due = this.#due
    this.#due = NOTHING_DUE
    this.#reading = false
    if (this.#closed) return false
    if (due.length === 0) return this.#behind
    const { connection, broker } = this
    const { epoch } = this.#position
    const confirms = this.options.ack === 'auto' && connection.probe !== undefined
    let bytes = 0
    for (const delivery of due) {
      const { safe_offset, message, attempt } = delivery
      bytes += message.bytes
      connection.message(formatCursor(epoch, safe_offset), messageJson(message, attempt))
      if (!confirms) continue
      this.#unconfirmed.push(delivery)
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

const NOTHING_DUE: readonly Due[] = []

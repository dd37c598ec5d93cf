import type { Identity } from '../../../src/auth/identity.ts'
import type { Message } from '../../../src/core/message.ts'
import { newIdentity } from '../identity.ts'
import type { Cluster } from './cluster.ts'
import { FarWire } from './far-wire.ts'

/** So long may the end of a turn take in simulated time, with other events between its steps. */
const END_OF_TURN_MS = 200

/** A client with a connection that reads its mailbox live. */
export class LiveClient {
  wire: FarWire | undefined
  cursor: string | undefined
  #identity: Identity = newIdentity()
  #session_id: string | undefined
  #connecting = false
  /** What came under a lease and is not acknowledged. */
  readonly #in_hand = new Set<string>()

  /**
   * @param confirms its connection shows what has arrived, and `auto` acknowledges that. If not, what is sent
   *   counts as read, and the cursor brings back what was lost: it is never forgotten then
   */
  constructor(
    private readonly cluster: Cluster,
    readonly client_id: string,
    private readonly ack: 'auto' | 'manual',
    private readonly confirms: boolean,
  ) {}

  /** Whether it would read what comes. */
  get reads(): boolean {
    return this.wire?.open === true && !this.wire.stalled
  }

  /** Connects to any instance that is up. @param takeover as another process of the same client */
  async connect(takeover: boolean): Promise<void> {
    if (this.#connecting || (this.wire?.open && !takeover)) return
    this.#connecting = true
    const { cluster, client_id, ack } = this
    const instance = cluster.someUp()
    const identity = cluster.keep(newIdentity())
    const wire = this.#newWire(instance)
    if (takeover) {
      this.#in_hand.clear()
      if (this.#forgetful && cluster.random.chance(0.5)) this.cursor = undefined
    }
    const resumes = takeover ? undefined : this.#session_id
    try {
      const input = { client_id, ...(resumes === undefined ? {} : { session_id: resumes }) }
      const checked = await cluster.command(instance, identity, 'checkin_client', input, wire)
      this.#session_id = (checked as { session_id: string }).session_id
      wire.session_id = this.#session_id
      if (takeover) cluster.rare.took('takeover')
      if (this.cursor !== undefined) cluster.rare.took('resumed after a cursor')
      const how = { ack, receipts: false, sessions: false }
      const begun = await instance.answered(() =>
        instance.broker.subscribe(identity, wire, undefined, this.cursor, how),
      )
      this.cursor ??= begun.cursor
      this.wire = wire
      this.#identity = identity
    } catch (error) {
      cluster.expects(error)
      wire.hangUp()
    } finally {
      this.#connecting = false
    }
  }

  get #forgetful(): boolean {
    return this.ack === 'manual' || this.confirms
  }

  #newWire(instance: ReturnType<Cluster['someUp']>): FarWire {
    const { cluster, client_id } = this
    const attempts = new Map<string, number>()
    const last = new Map<string, number>()
    return new FarWire(instance, client_id, cluster, this.confirms, {
      sent: (cursor, message) => {
        const { message_id, sender_id, priority, attempt = 1, expires_at } = message
        const { offset } = cluster.truth.sent(client_id, message)
        cluster.assert(
          attempt > (attempts.get(message_id) ?? 0),
          `${message_id} comes with one attempt twice`,
        )
        attempts.set(message_id, attempt)
        const line = `${sender_id} ${priority}`
        if (attempt === 1) {
          cluster.assert(offset > (last.get(line) ?? 0), `${message_id} is overtaken`)
          last.set(line, offset)
        }
        // It was in time when it was read.
        const read_ms = cluster.schedule.now - cluster.ground.answer_ms_max - END_OF_TURN_MS
        cluster.assert(Date.parse(expires_at!) > read_ms, `${message_id} is sent when it has expired`)
        cluster.truth.checkCursor(client_id, cursor)
      },
      arrived: (cursor, message) => this.#got(cursor, message),
    })
  }

  #got(cursor: string, message: Message): void {
    this.cluster.came(this.client_id, message)
    this.cursor = cursor
    if (this.ack === 'manual') this.#in_hand.add(message.message_id)
  }

  /** Acknowledges all it has in hand. */
  async settle(): Promise<void> {
    const { cluster, wire } = this
    const message_ids = [...this.#in_hand]
    if (message_ids.length === 0 || !wire?.open || !wire.instance.up) return
    try {
      await cluster.command(wire.instance, this.#identity, 'ack_messages', { message_ids }, wire)
      for (const id of message_ids) this.#in_hand.delete(id)
    } catch (error) {
      cluster.expects(error)
    }
  }

  /** Ends its session, hangs up, and may be back at once at another instance. */
  async part(): Promise<void> {
    const { cluster, wire } = this
    if (!wire?.open || !wire.instance.up || this.#connecting) return
    this.#in_hand.clear()
    try {
      const parted = cluster.command(wire.instance, this.#identity, 'disconnect_session', {}, wire)
      if (cluster.random.chance(0.5)) void this.connect(true)
      await parted
      cluster.rare.took('parted')
    } catch (error) {
      cluster.expects(error)
    } finally {
      wire.hangUp()
    }
  }

  /** It loses what it has in hand, which comes again when the leases are over. */
  lose(): void {
    this.#in_hand.clear()
  }

  /** The connection fails. @param noticed whether the broker hears of it */
  cut(noticed: boolean): void {
    if (noticed) this.wire?.hangUp()
    else this.wire?.cut()
  }
}

import { until } from '../harness.ts'
import { type Acks, type Delivered, Ledger, type Line, type Status } from './ledger.ts'
import { connect, type Link } from './links.ts'
import { LiveReader, PollingReader, type Reader } from './readers.ts'
import type { BrokerUnderTest } from './real-broker.ts'
import { type Recipient, Sender } from './senders.ts'

/** Until the broker ends, so many sends have to be accepted, and then it has so long at most. */
const RECEIPTS_MIN = 20
const END_MS_MAX = 400
const RECEIPTS_AT_END = 100
/** Everything is read by then: a lease that was lost has run out, and what expires is dead. */
const DRAIN_MS_MAX = 60_000
const ASKED_AT_ONCE = 100
/** How long a client stays at one of several brokers. */
const VISIT_MS_MIN = 500
const VISIT_MS = 3000
const TURNED_AWAY_MS = 25

/** Read by nobody until the end. */
const LATER = 'later'
/** What is sent there expires. */
const GRAVE = 'grave'

/** All clients of one broker, and what it has promised them. */
export class Traffic {
  readonly ledger: Ledger
  readonly #readers: readonly Reader[]
  readonly #senders: readonly Sender[]

  constructor() {
    const acks: [string, Acks][] = [
      ['live-manual', 'cursor'],
      ['live-auto', 'pong'],
      ['http-auto', 'answer'],
      ['http-manual', 'manual'],
      ['mcp-auto', 'answer'],
      ['mcp-manual', 'manual'],
      [LATER, 'none'],
      [GRAVE, 'none'],
    ]
    const ledger = new Ledger(acks)
    this.ledger = ledger
    this.#readers = [
      new LiveReader('live-manual', 'manual', ledger),
      new LiveReader('live-auto', 'auto', ledger),
      new PollingReader('http-auto', 'http', 'auto', ledger),
      new PollingReader('http-manual', 'http', 'manual', ledger),
      new PollingReader('mcp-auto', 'mcp2026', 'auto', ledger),
      new PollingReader('mcp-manual', 'mcp2025', 'manual', ledger),
    ]
    const recipients: Recipient[] = acks.map(([client_id]) => ({
      client_id,
      priorities: !client_id.startsWith('live-'),
      expires: client_id === GRAVE,
    }))
    this.#senders = [
      new Sender('sender-ws', 'ws', recipients, ledger),
      new Sender('sender-http', 'http', recipients, ledger),
      new Sender('sender-mcp2025', 'mcp2025', recipients, ledger),
      new Sender('sender-mcp2026', 'mcp2026', recipients, ledger),
    ]
  }

  /** Runs until the broker, which has been started, is ended in the midst of it. @param end ends it */
  async runUntilEnd(broker: BrokerUnderTest, end: () => Promise<void>): Promise<void> {
    const never = new AbortController().signal
    const clients = [...this.#senders, ...this.#readers].map((client) => client.run(broker, never))
    const working = Promise.all(clients)
    // A client that fails before the end has found a fault.
    await Promise.race([this.#accepted(RECEIPTS_MIN), working])
    await Promise.race([Bun.sleep(Math.random() * END_MS_MAX), working])
    await end()
    await working
    this.ledger.nextRun()
  }

  /** Runs until `over`; each client chooses a broker anew now and then. */
  async roam(pick: () => Promise<BrokerUnderTest>, over: AbortSignal): Promise<void> {
    const clients = [...this.#senders, ...this.#readers]
    await Promise.all(
      clients.map(async (client) => {
        while (!over.aborted) {
          const visit = AbortSignal.any([over, AbortSignal.timeout(VISIT_MS_MIN + Math.random() * VISIT_MS)])
          await client.run(await pick(), visit)
          // One that was turned away comes again a little later.
          if (!visit.aborted) await Bun.sleep(TURNED_AWAY_MS)
        }
      }),
    )
  }

  /**
   * Lets everybody finish: all is accepted, read and acknowledged, and compared with what the broker says.
   */
  async finish(broker: BrokerUnderTest, stored: string): Promise<void> {
    const sent = new AbortController()
    const read = new AbortController()
    const reading = Promise.all(this.#readers.map((reader) => reader.run(broker, read.signal)))
    const sending = Promise.all(this.#senders.map((sender) => sender.run(broker, sent.signal)))
    await Promise.race([this.#accepted(RECEIPTS_AT_END), reading, sending])
    sent.abort()
    await Promise.race([sending, reading])
    const link = await connect(broker, 'ws')
    await link.call('checkin_client', { client_id: 'auditor' })
    const statusOf = new Map<string, Status>()
    await Promise.race([
      until('all to be read or dead', () => this.#allDone(link, statusOf), DRAIN_MS_MAX).catch(() => {}),
      reading,
    ])
    read.abort()
    await reading
    link.close()

    await this.#readLater(broker)
    for (const { client_id } of this.#senders)
      for (const message of await everything(broker, client_id)) this.ledger.bounced(client_id, message)
    await this.compare(broker, stored)
  }

  /** Compares what was promised with what the broker says. */
  async compare(broker: BrokerUnderTest, stored: string): Promise<void> {
    const link = await connect(broker, 'ws')
    await link.call('checkin_client', { client_id: 'auditor' })
    const statusOf = new Map<string, Status>()
    await ask(link, this.ledger.lines, statusOf)
    link.close()
    this.ledger.settle(statusOf, stored)
    for (const { client_id } of this.#readers)
      for (const { message_id } of await everything(broker, client_id))
        this.ledger.violation(`${client_id} has read everything, and gets ${message_id}`)
  }

  /** Waits until so many further sends are accepted. */
  async #accepted(count: number): Promise<void> {
    const { counts } = this.ledger
    const enough = counts.receipts + count
    await until(`${count} receipts`, () => counts.receipts >= enough || undefined, 20_000)
  }

  /** Nobody has read these, so each comes for the first time. */
  async #readLater(broker: BrokerUnderTest): Promise<void> {
    for (const message of await everything(broker, LATER)) {
      const line = this.ledger.delivered(LATER, message)
      if (line === undefined) continue
      if (line.attempt !== 1) this.ledger.violation(`${line.key} came first as attempt ${line.attempt}`)
      this.ledger.acknowledged([line])
    }
  }

  /** Asks after what was not done at the last time. */
  async #allDone(link: Link, statusOf: Map<string, Status>): Promise<true | undefined> {
    const isOpen = ({ recipient_id, message_id = '' }: Line) =>
      recipient_id !== LATER && !(statusOf.has(message_id) && DONE.has(statusOf.get(message_id)))
    const open = this.ledger.lines.filter(isOpen)
    await ask(link, open, statusOf)
    return !open.some(isOpen) || undefined
  }
}

/** Nothing more will come of a message; nor of one that is lost. */
const DONE: ReadonlySet<Status> = new Set(['acknowledged', 'dead_lettered', undefined] as const)

/** Asks where messages are. A message that the broker does not know has no status. */
async function ask(link: Link, lines: readonly Line[], statusOf: Map<string, Status>): Promise<void> {
  const ids = lines.flatMap(({ message_id }) => message_id ?? [])
  for (let i = 0; i < ids.length; i += ASKED_AT_ONCE)
    await Promise.all(
      ids.slice(i, i + ASKED_AT_ONCE).map(async (message_id) => {
        const answer = await link.call('get_message_status', { message_id }).catch((error: Error) => {
          if (error.message.includes('"unknown_message"')) return { status: undefined }
          throw error
        })
        statusOf.set(message_id, answer.status as Status)
      }),
    )
}

/** All that is pending for a client; reading acknowledges it. */
async function everything(broker: BrokerUnderTest, client_id: string): Promise<Delivered[]> {
  const link = await connect(broker, 'http')
  const found: Delivered[] = []
  for (;;) {
    const { messages } = await link.call('get_messages', { client_id, ack: 'auto', limit: 1000 })
    found.push(...(messages as Delivered[]))
    if ((messages as Delivered[]).length === 0) return found
  }
}

import { Random } from '../simulation/random.ts'
import type { Acks, Delivered, Ledger, Line } from './ledger.ts'
import { connect, connectLive, type DoorName, Gone, type Link } from './links.ts'
import type { BrokerUnderTest } from './real-broker.ts'
import { checkin } from './senders.ts'

/** Few with `auto`: so many may be lost with an answer, which the ledger has to allow. */
const READ_LIMIT = { auto: 5, manual: 20 }
const WAIT_SECONDS = 0.2
/** Of the messages that are read with `manual`, some are given back. */
const NACKED = 0.05
/** How often a live reader comes back without its cursor. */
const WITHOUT_CURSOR = 0.2

/** A client that reads one mailbox as long as there is a broker. */
export interface Reader {
  readonly client_id: string
  readonly acks: Acks
  /** Reads until the broker is gone, or until `over`; then what it has read is acknowledged. */
  run(broker: BrokerUnderTest, over: AbortSignal): Promise<void>
}

const newRandom = () => new Random(Math.floor(Math.random() * 2 ** 31))

/** Reads by `get_messages`, through any door. */
export class PollingReader implements Reader {
  readonly acks: Acks
  #session_id: string | undefined
  readonly #random = newRandom()

  constructor(
    readonly client_id: string,
    private readonly door: DoorName,
    private readonly ack: 'auto' | 'manual',
    private readonly ledger: Ledger,
  ) {
    this.acks = ack === 'auto' ? 'answer' : 'manual'
  }

  async run(broker: BrokerUnderTest, over: AbortSignal): Promise<void> {
    let link: Link | undefined
    try {
      link = await connect(broker, this.door)
      this.#session_id = await checkin(link, this.ledger, this.client_id, this.#session_id)
      while (!over.aborted) await this.#read(link)
    } catch (error) {
      if (!(error instanceof Gone)) throw error
    } finally {
      link?.close()
    }
  }

  async #read(link: Link): Promise<void> {
    const { client_id, ack, ledger } = this
    const input = { client_id, ack, limit: READ_LIMIT[ack], wait_seconds: WAIT_SECONDS }
    const answer = await link.call('get_messages', input).catch((error) => {
      if (ack === 'auto' && error instanceof Gone) ledger.lostAnswer(client_id, READ_LIMIT.auto)
      throw error
    })
    const lines = read(ledger, client_id, answer.messages as Delivered[])
    if (ack === 'auto') ledger.acknowledged(lines)
    else await giveBack(link, client_id, await acknowledge(link, ledger, client_id, lines, this.#random))
  }
}

/** Reads live over a WebSocket, and resumes by cursor. */
export class LiveReader implements Reader {
  readonly acks: Acks
  #session_id: string | undefined
  /** Up to where it has read, and done what it does with messages. */
  #cursor: string | undefined
  readonly #random = newRandom()

  constructor(
    readonly client_id: string,
    private readonly ack: 'auto' | 'manual',
    private readonly ledger: Ledger,
  ) {
    this.acks = ack === 'auto' ? 'pong' : 'cursor'
  }

  async run(broker: BrokerUnderTest, over: AbortSignal): Promise<void> {
    const { client_id, ack, ledger } = this
    /** Arrived, and not acknowledged yet; with the cursor that came with the last of them. */
    let arrived: Line[] = []
    let cursor: string | undefined
    let link: Awaited<ReturnType<typeof connectLive>> | undefined
    try {
      link = await connectLive(broker)
      link.live.onmessage = (delivery) => {
        arrived.push(...read(ledger, client_id, [delivery.message]))
        cursor = delivery.cursor
        if (ack === 'auto') this.#cursor = cursor
      }
      this.#session_id = await checkin(link, ledger, client_id, this.#session_id)
      await this.#subscribe(link)
      while (!over.aborted) {
        const batch = arrived
        const through = cursor
        arrived = []
        if (ack === 'manual' && batch.length > 0) {
          const back = await acknowledge(link, ledger, client_id, batch, this.#random)
          this.#cursor = through
          await giveBack(link, client_id, back)
        }
        await Promise.race([Bun.sleep(5), link.live.closed])
        if (broker.ending) break
      }
    } catch (error) {
      if (!(error instanceof Gone)) throw error
    } finally {
      link?.close()
      // What is still in the socket has arrived, too.
      await link?.live.closed
    }
  }

  async #subscribe(link: Link): Promise<void> {
    const forget = this.ack === 'manual' && this.#random.chance(WITHOUT_CURSOR)
    const after = forget ? undefined : this.#cursor
    const answer = await link.call('subscribe', { ack: this.ack, ...(after === undefined ? {} : { after }) })
    if (after !== undefined && answer.recovered !== true)
      this.ledger.violation(`${this.client_id} did not resume after ${after}: ${JSON.stringify(answer)}`)
  }
}

/** Notes what was read. @returns the lines of it */
function read(ledger: Ledger, client_id: string, messages: readonly Delivered[]): Line[] {
  return messages.map((message) => ledger.delivered(client_id, message)).filter((line) => line !== undefined)
}

/** Acknowledges messages. @returns some that are to be given back instead */
async function acknowledge(
  link: Link,
  ledger: Ledger,
  client_id: string,
  lines: readonly Line[],
  random: Random,
): Promise<Line[]> {
  const back = new Set(lines.filter(() => random.chance(NACKED)))
  // One that came twice since the last time is acknowledged once.
  const done = [...new Set(lines.filter((line) => !back.has(line)))]
  if (done.length > 0) {
    ledger.acknowledging(done)
    const answer = await link.call('ack_messages', { client_id, message_ids: ids(done) })
    if ((answer.unknown as string[]).length > 0)
      ledger.violation(`${client_id} acknowledged unknown messages: ${JSON.stringify(answer)}`)
    ledger.acknowledged(done)
  }
  return [...back]
}

async function giveBack(link: Link, client_id: string, lines: readonly Line[]): Promise<void> {
  if (lines.length > 0) await link.call('nack_messages', { client_id, message_ids: ids(lines) })
}

const ids = (lines: readonly Line[]) => lines.map(({ message_id }) => message_id!)

import { Random } from '../simulation/random.ts'
import type { Ledger, Line, Receipt } from './ledger.ts'
import { connect, connectLive, type DoorName, Gone, type Link, type Told } from './links.ts'
import type { BrokerUnderTest } from './real-broker.ts'

/** Accepted sends of one sender that are sent again after each start. */
const SENT_AGAIN = 20
const SENT_AT_ONCE_MAX = 5
const PAUSE_MS_MAX = 15
/** Payloads are short, but for some, which a kill may cut anywhere. */
const FILLER_CHARS_MAX = 40_000
const EXPIRES_AFTER_SECONDS = 1
const PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const

/** A mailbox as senders see it. */
export interface Recipient {
  readonly client_id: string
  /** Whether messages of all priorities go there; else one only, so that a cursor leaves nothing out. */
  readonly priorities: boolean
  readonly expires: boolean
}

/** A client that sends as long as there is a broker, and sends again what may not have been accepted. */
export class Sender {
  readonly #lines: Line[] = []
  #inputs = new Map<Line, Record<string, unknown>>()
  #session_id: string | undefined
  #sent = 0

  constructor(
    readonly client_id: string,
    private readonly door: DoorName,
    private readonly recipients: readonly Recipient[],
    private readonly ledger: Ledger,
    private readonly random: Random = new Random(Math.floor(Math.random() * 2 ** 31)),
  ) {}

  /** Sends until the broker is gone, or until `over`; then what it has sent is accepted. */
  async run(broker: BrokerUnderTest, over: AbortSignal): Promise<void> {
    let link: Link | undefined
    try {
      link = await this.#connect(broker)
      this.#session_id = await checkin(link, this.ledger, this.client_id, this.#session_id)
      await this.#again(link)
      while (!over.aborted) {
        const count = this.random.between(1, SENT_AT_ONCE_MAX)
        await all(Array.from({ length: count }, () => this.#send(link!, this.#begin())))
        await Bun.sleep(this.random.between(1, PAUSE_MS_MAX))
      }
    } catch (error) {
      if (!(error instanceof Gone)) throw error
    } finally {
      link?.close()
    }
  }

  /** Over a WebSocket it is also told which messages were acknowledged; it leaves its bounces pending. */
  async #connect(broker: BrokerUnderTest): Promise<Link> {
    if (this.door !== 'ws') return connect(broker, this.door)
    const link = await connectLive(broker)
    link.live.onreceipt = ({ message_id, status }: Told) => {
      if (status === 'acknowledged') this.ledger.told(message_id)
    }
    const call = async (command: string, input: Record<string, unknown>) => {
      const answer = await link.call(command, input)
      if (command === 'checkin_client') await link.call('subscribe', { ack: 'none', receipts: true })
      return answer
    }
    return { call, close: () => link.close() }
  }

  /** Sends again what was not answered, and some of what was: the same receipts come. */
  async #again(link: Link): Promise<void> {
    const open = this.#lines.filter(({ receipt }) => receipt === undefined)
    const accepted = this.#lines.filter(({ receipt }) => receipt !== undefined)
    const sample = [...accepted.slice(-SENT_AGAIN / 2)]
    for (let n = 0; n < SENT_AGAIN / 2 && accepted.length > 0; n++) sample.push(this.random.pick(accepted))
    await all([...open, ...sample].map((line) => this.#send(link, line)))
  }

  #begin(): Line {
    const { client_id, priorities, expires } = this.random.pick(this.recipients)
    const key = `${this.client_id}-${++this.#sent}`
    const line = this.ledger.sending(key, this.client_id, client_id, expires)
    const filler = this.random.chance(0.05)
      ? { filler: 'x'.repeat(this.random.between(1, FILLER_CHARS_MAX)) }
      : {}
    this.#lines.push(line)
    this.#inputs.set(line, {
      sender_id: this.client_id,
      recipient_id: client_id,
      payload: { key, ...filler },
      idempotency_key: key,
      ...(expires ? { ttl_seconds: EXPIRES_AFTER_SECONDS } : {}),
      ...(priorities ? { priority: this.random.pick(PRIORITIES) } : {}),
    })
    return line
  }

  async #send(link: Link, line: Line): Promise<void> {
    const answer = await link.call('send_message', this.#inputs.get(line)!)
    this.ledger.accepted(line, answer as unknown as Receipt)
  }
}

/**
 * Checks in, and resumes the session if there is one.
 *
 * @returns the session's id
 */
export async function checkin(
  link: Link,
  ledger: Ledger,
  client_id: string,
  session_id: string | undefined,
): Promise<string> {
  const answer = await link.call('checkin_client', {
    client_id,
    ...(session_id === undefined ? {} : { session_id }),
  })
  if (session_id !== undefined && (answer.resumed !== true || answer.session_id !== session_id))
    ledger.violation(`${client_id} did not resume its session: ${JSON.stringify(answer)}`)
  return answer.session_id as string
}

/** Waits for all of them, also when one fails: what the others are answered counts. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).filter((one) => one.status === 'rejected')
  // A fault goes before a broker that is gone.
  const first = failed.find(({ reason }) => !(reason instanceof Gone)) ?? failed[0]
  if (first) throw first.reason
}

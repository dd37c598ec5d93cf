import { until } from '../../tests/harness.ts'
import { RawWs } from '../../tests/raw-ws.ts'
import {
  connectReader,
  connectRpc,
  connectSender,
  type Delivered,
  Refused,
  type Rpc,
  sendRequest,
} from '../clients/rpc.ts'
import { Ledger, openLoop, payloadJson } from '../open-loop.ts'
import { startBroker } from '../peers/broker.ts'
import type { Scenario } from '../scenario.ts'
import { Window } from '../window.ts'

const FAST = 45
const SLOW = 5
const FAST_RATE = 1000
/** To each slow reader: more than its socket and its mailbox hold in the time, so that all bounds are met. */
const SLOW_RATE = 100
const SLOW_CHARS = 8000
const WARM_SECONDS = 2
const SECONDS = 14
/** The bounds of five mailboxes, their sockets' buffers, and what the runtime adds. */
const MEMORY_MB_MAX = 300
const CLOSE_SLOW_READER = 3008
/** Fewer, and the mailboxes were not full: then their bound was not seen. */
const REFUSED_PERCENT_MIN = 10
const WAKE_MS_MAX = 5000
const RESUME_MS_MAX = 10_000

export const slowReaders: Scenario = {
  name: 'slow-readers',
  summary:
    '50 pairs, 5 of whose readers stop reading under 800 KB/s each; the others read 1,000 messages/s; then the slow ones resume',
  in_short: false,
  async run(run) {
    await using server = await startBroker()
    const warm = FAST_RATE * WARM_SECONDS
    const total = FAST_RATE * (WARM_SECONDS + SECONDS)
    const ledger = new Ledger(total)
    const senders = await Promise.all(
      Array.from({ length: FAST }, async (_, i) => {
        await connectReader(server.url, `fast-${i}`, ({ message }) => ledger.arrive(message.payload))
        return connectSender(server.url, `sender-${i}`)
      }),
    )
    const slow = await Promise.all(
      Array.from({ length: SLOW }, (_, i) => SlowPair.open(server.url, `slow-${i}`)),
    )
    run.say(`${WARM_SECONDS + SECONDS} s, ${SLOW} of ${FAST + SLOW} do not read`)
    let memory_bytes_max = 0
    const window = new Window(server, ledger)
    const slow_every = FAST_RATE / (SLOW_RATE * SLOW)
    await openLoop({ interval_ms: 1000 / FAST_RATE, total }, (n, intended_ms) => {
      if (n === warm) window.begin()
      senders[n % FAST]!.send(sendRequest(`fast-${n % FAST}`, payloadJson(n, intended_ms)))
      if (n % slow_every === 0) slow[(n / slow_every) % SLOW]!.send(intended_ms)
      if (n % FAST_RATE === 0) memory_bytes_max = Math.max(memory_bytes_max, server.memoryBytes())
    })
    await ledger.settle()
    const { rate } = window.end()
    run.say('the slow ones resume')
    const told = (await Promise.all(slow.map((pair) => pair.wake()))).filter(Boolean).length
    const lost = await Promise.all(slow.map((pair) => pair.resume(server.url)))
    const sent = slow.reduce((sum, pair) => sum + pair.sent, 0)
    const refused = slow.reduce((sum, pair) => sum + pair.refused, 0)
    const latency = ledger.latency(warm)
    return {
      rows: [
        {
          what: 'the fast',
          rate,
          latency,
          memory_bytes: memory_bytes_max,
          lost: ledger.lost,
          twice: ledger.twice,
          budgets: [
            { what: 'p99', bound: 'at most', limit: 10, value: latency.p99, unit: 'ms' },
            {
              what: 'memory',
              bound: 'at most',
              limit: MEMORY_MB_MAX,
              value: memory_bytes_max / 1e6,
              unit: 'MB',
            },
          ],
        },
        {
          what: 'the slow',
          memory_bytes: server.memoryBytes(),
          lost: lost.reduce((sum, n) => sum + n, 0),
          twice: slow.reduce((sum, pair) => sum + pair.twice, 0),
          budgets: [
            {
              what: `told by ${CLOSE_SLOW_READER}`,
              bound: 'at least',
              limit: 100,
              value: (told / SLOW) * 100,
              unit: '%',
            },
            {
              what: 'refused with mailbox_full',
              bound: 'at least',
              limit: REFUSED_PERCENT_MIN,
              value: (refused / sent) * 100,
              unit: '%',
            },
          ],
          note: `of ${SLOW} readers, and of ${sent} messages to them`,
        },
      ],
    }
  },
}

/** A reader that does not read, and who sends to it. */
class SlowPair {
  sent = 0
  /** Because the mailbox was full. */
  refused = 0
  twice = 0
  /** Refused for another reason, which is none. */
  #failed = 0
  readonly #accepted = new Set<number>()
  readonly #received = new Set<number>()
  readonly #answers: Promise<void>[] = []
  #cursor: string | undefined

  private constructor(
    private readonly own: { readonly client_id: string; readonly session_id: string },
    private readonly sender: Rpc,
    private readonly reader: RawWs,
  ) {}

  static async open(url: string, client_id: string): Promise<SlowPair> {
    const sender = await connectSender(url, `to-${client_id}`)
    const reader = await RawWs.connect(url)
    reader.send({ jsonrpc: '2.0', id: 1, method: 'checkin_client', params: { client_id } })
    reader.send({ jsonrpc: '2.0', id: 2, method: 'subscribe', params: { batch: true } })
    await until('the subscription', () => frames(reader).some(({ id }) => id === 2) || undefined)
    reader.pause()
    const session_id = frames(reader).find(({ id }) => id === 1)!.result!.session_id
    return new SlowPair({ client_id, session_id }, sender, reader)
  }

  send(intended_ms: number): void {
    const n = this.sent++
    const payload = JSON.parse(payloadJson(n, intended_ms, SLOW_CHARS))
    const answer = this.sender.call('send_message', { recipient_id: this.own.client_id, payload })
    this.#answers.push(
      answer.then(
        () => void this.#accepted.add(n),
        (error) => {
          if (error instanceof Refused && error.code === 'mailbox_full') this.refused++
          else this.#failed++
        },
      ),
    )
  }

  /** Reads what its socket still holds. @returns whether the broker closed it as a slow reader */
  async wake(): Promise<boolean> {
    await Promise.all(this.#answers)
    this.reader.resume()
    const ended = await until('the close', () => this.reader.ended || undefined, WAKE_MS_MAX).catch(
      () => false,
    )
    for (const { params } of frames(this.reader)) if (params) this.#receive(params)
    return ended && this.reader.frames().close_code === CLOSE_SLOW_READER
  }

  /** Resumes on a new connection and reads on. @returns how many messages never came, nor were refused for want of room */
  async resume(url: string): Promise<number> {
    const rpc = await connectRpc(url, (delivered) => this.#receive(delivered))
    await rpc.call('checkin_client', this.own)
    await rpc.call(
      'subscribe',
      this.#cursor === undefined ? { batch: true } : { batch: true, after: this.#cursor },
    )
    const lost = () => this.#accepted.difference(this.#received).size
    await until('the rest', () => lost() === 0 || undefined, RESUME_MS_MAX).catch(() => {})
    return lost() + this.#failed
  }

  #receive({ cursor, message }: Delivered): void {
    const { n } = message.payload
    this.#cursor = cursor
    if (this.#received.has(n)) this.twice++
    this.#received.add(n)
  }
}

interface Frame {
  readonly id?: number
  readonly result?: { readonly session_id: string }
  readonly params?: Delivered
}

/** All that has arrived on a socket, its arrays flattened. */
function frames(reader: RawWs): Frame[] {
  return reader.frames().texts.flatMap((text) => JSON.parse(text) as Frame | Frame[])
}

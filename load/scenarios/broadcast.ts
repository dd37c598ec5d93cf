import { connectReader, connectSender } from '../clients/rpc.ts'
import { connectWebSocket } from '../clients/websocket.ts'
import { drained, Ledger, openLoop, payloadJson } from '../open-loop.ts'
import { compare, windows } from '../pairs.ts'
import { startBroker } from '../peers/broker.ts'
import { type Measured, type Run, ratio, type Scenario } from '../scenario.ts'
import { Window } from '../window.ts'
import { measuredDirect } from './direct.ts'

const SUBSCRIBERS = 1000
const PER_FRAME = 10
/** What one driver process can receive. */
const DELIVERIES_PER_SECOND = 250_000
/** So many subscribers, evenly among all, have every message read and timed; of the others the numbers are looked at. */
const SAMPLED = 20
/** A subscriber's connecting costs the driver more than its messages: so many at once. */
const CONNECTING_MAX = 100

export const broadcast: Scenario = {
  name: 'broadcast',
  summary: 'one publisher, frames of 10 broadcasts, to 50 and to 1,000 subscribers',
  in_short: true,
  connections: SUBSCRIBERS,
  async run(run) {
    const few = run.short ? [] : [50]
    const most = `to ${SUBSCRIBERS}`
    const measured = await compare(
      run,
      [...few, SUBSCRIBERS].map((subscribers) => ({
        name: `to ${subscribers}`,
        measure: () => measureBroadcast(run, subscribers),
      })),
    )
    const direct = await measuredDirect(run)
    return {
      rows: [...measured].map(([what, one]) => ({
        what,
        ...one!,
        budgets: what === most ? ratio('CPU per delivery to direct', one, direct, 'at most', 0.9, 0.25) : [],
      })),
    }
  },
}

async function measureBroadcast(run: Run, subscribers: number): Promise<Measured> {
  await using server = await startBroker()
  const { warm_seconds, seconds } = windows(run)
  // Beyond 2,000 broadcasts/s the publisher would be what is measured.
  const interval_ms = Math.max(5, (PER_FRAME * subscribers * 1000) / DELIVERIES_PER_SECOND)
  const warm_frames = Math.round((warm_seconds * 1000) / interval_ms)
  const total = warm_frames + Math.round((seconds * 1000) / interval_ms)
  const messages = total * PER_FRAME
  // One number for each message at each of the sampled.
  const sampled = new Ledger(messages * SAMPLED)
  const counted = new Rows(messages * (subscribers - SAMPLED))
  const subscribe = async (n: number) => {
    const sample = Math.floor((n * SAMPLED) / subscribers)
    if (n > 0 && sample === Math.floor(((n - 1) * SAMPLED) / subscribers))
      await subscribeCounting(server.url, n, counted)
    else
      await connectReader(server.url, `subscriber-${n}`, ({ message: { payload } }) =>
        sampled.arrive({ n: payload.n * SAMPLED + sample, t: payload.t }),
      )
  }
  for (let first = 0; first < subscribers; first += CONNECTING_MAX)
    await Promise.all(
      Array.from({ length: Math.min(CONNECTING_MAX, subscribers - first) }, (_, i) => subscribe(first + i)),
    )
  const publisher = await connectSender(server.url, 'publisher')

  const window = new Window(server, {
    get arrived() {
      return counted.arrived + sampled.arrived
    },
    get last_ms() {
      return Math.max(counted.last_ms, sampled.last_ms)
    },
  })
  await openLoop({ interval_ms, total }, (frame, intended_ms) => {
    if (frame === warm_frames) window.begin()
    const requests = Array.from(
      { length: PER_FRAME },
      (_, i) =>
        `{"jsonrpc":"2.0","method":"broadcast_message","params":{"payload":${payloadJson(frame * PER_FRAME + i, intended_ms)}}}`,
    )
    publisher.send(`[${requests.join(',')}]`)
  })
  await drained(() => counted.lost + sampled.lost)
  return {
    ...window.end(),
    latency: sampled.latency(warm_frames * PER_FRAME * SAMPLED),
    lost: counted.lost + sampled.lost,
    twice: counted.twice + sampled.twice,
  }
}

/** What arrived at many readers, each of whom is sent the same numbers in a row. */
class Rows {
  /** Different messages, all readers together. */
  arrived = 0
  twice = 0
  /** On the clock of `performance.now`. */
  last_ms = Number.NaN

  /** @param total all readers together */
  constructor(private readonly total: number) {}

  get lost(): number {
    return this.total - this.arrived
  }

  /**
   * Notes what came to one reader in a frame.
   *
   * @param next the number it is due
   * @returns the number it is due then
   */
  arrive(next: number, messages: number, first: number, last: number): number {
    // What has numbers below the next has come before.
    const fresh = Math.min(messages, Math.max(0, last + 1 - Math.max(first, next)))
    this.arrived += fresh
    this.twice += messages - fresh
    this.last_ms = performance.now()
    return Math.max(next, last + 1)
  }
}

/** Reads no more of a frame than how many messages it has, and the numbers of the first and the last: a thousand share a driver. */
async function subscribeCounting(url: string, n: number, rows: Rows): Promise<void> {
  const subscribed = Promise.withResolvers<void>()
  let next = 0
  const socket = await connectWebSocket(`${url}/v1/ws`, (text) => {
    const messages = occurrences(text, '"message_id":')
    if (messages > 0)
      next = rows.arrive(next, messages, numberAt(text, text.indexOf(N)), numberAt(text, text.lastIndexOf(N)))
    else if (text.includes('"id":2')) subscribed.resolve()
  })
  socket.onclose = ({ code }) => subscribed.reject(new Error(`the connection was closed with ${code}`))
  const checkin = { client_id: `subscriber-${n}` }
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'checkin_client', params: checkin }))
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'subscribe', params: { batch: true } }))
  await subscribed.promise
}

/** Before a payload's number. */
const N = '"payload":{"n":'

function numberAt(text: string, at: number): number {
  return Number.parseInt(text.slice(at + N.length, at + N.length + 10), 10)
}

function occurrences(text: string, part: string): number {
  let count = 0
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) count++
  return count
}

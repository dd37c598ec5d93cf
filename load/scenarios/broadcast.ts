import { connectRpc } from '../clients/rpc.ts'
import { Ledger, openLoop, payloadJson } from '../open-loop.ts'
import { compare, windows } from '../pairs.ts'
import { startBroker } from '../peers/broker.ts'
import { connectWebSocket } from '../peers/peer.ts'
import { type Measured, type Run, ratio, type Scenario } from '../scenario.ts'
import { directCpu } from './direct.ts'

const PER_FRAME = 10
/** What one driver process can receive. */
const DELIVERIES_PER_SECOND = 250_000
/** So many subscribers have every message read and timed; of the others, what arrives is counted. */
const SAMPLED = 20
/** A subscriber's connecting costs the driver more than its messages: so many at once. */
const CONNECTING_MAX = 100

export const broadcast: Scenario = {
  name: 'broadcast',
  summary: 'one publisher, frames of 10 broadcasts, to 50 and to 1,000 subscribers',
  in_short: true,
  async run(run) {
    const few = run.short ? [] : [50]
    const measured = await compare(
      run,
      [...few, 1000].map((subscribers) => ({
        name: `to ${subscribers}`,
        measure: () => measureBroadcast(run, subscribers),
      })),
    )
    const direct_cpu_us = await directCpu(run)
    return {
      rows: [...measured].map(([what, one]) => ({
        what,
        ...one!,
        budgets:
          what === 'to 1000'
            ? ratio('CPU per delivery to direct', one!.cpu_us, direct_cpu_us, 'at most', 0.9, 0.25)
            : [],
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
  const ledgers = Array.from({ length: SAMPLED }, () => new Ledger(messages))
  const counted = new Uint32Array(subscribers - SAMPLED)
  for (let first = 0; first < subscribers; first += CONNECTING_MAX)
    await Promise.all(
      Array.from({ length: Math.min(CONNECTING_MAX, subscribers - first) }, (_, i) => {
        const n = first + i
        return n < SAMPLED
          ? subscribe(server.url, n, ledgers[n]!)
          : subscribeCounting(server.url, n, (some) => {
              counted[n - SAMPLED]! += some
            })
      }),
    )
  const publisher = await connectRpc(server.url)
  await publisher.call('checkin_client', { client_id: 'publisher' })

  const arrived = () =>
    counted.reduce((sum, n) => sum + n, 0) + ledgers.reduce((sum, ledger) => sum + ledger.arrived, 0)
  let cpu_before = 0
  let arrived_before = 0
  await openLoop({ interval_ms, total }, (frame, intended_ms) => {
    if (frame === warm_frames) {
      cpu_before = server.cpuMicroseconds()
      arrived_before = arrived()
    }
    const requests = Array.from(
      { length: PER_FRAME },
      (_, i) =>
        `{"jsonrpc":"2.0","method":"broadcast_message","params":{"payload":${payloadJson(frame * PER_FRAME + i, intended_ms)}}}`,
    )
    publisher.send(`[${requests.join(',')}]`)
  })
  for (const ledger of ledgers) await ledger.settle()
  // The rest of them are as far by now, or a second later.
  if (counted.some((n) => n < messages)) await Bun.sleep(1000)
  const delivered = arrived() - arrived_before
  return {
    rate: delivered / seconds,
    latency: ledgers[0]!.latency(warm_frames * PER_FRAME),
    cpu_us: (server.cpuMicroseconds() - cpu_before) / delivered,
    memory_bytes: server.memoryBytes(),
    lost:
      counted.reduce((sum, n) => sum + Math.max(0, messages - n), 0) +
      ledgers.reduce((sum, ledger) => sum + ledger.lost, 0),
    twice:
      counted.reduce((sum, n) => sum + Math.max(0, n - messages), 0) +
      ledgers.reduce((sum, ledger) => sum + ledger.twice, 0),
  }
}

async function subscribe(url: string, n: number, ledger: Ledger): Promise<void> {
  const rpc = await connectRpc(url, ({ message }) => ledger.arrive(message.payload))
  await rpc.call('checkin_client', { client_id: `subscriber-${n}` })
  await rpc.call('subscribe', { batch: true })
}

/** Counts messages without parsing them: a thousand readers share one driver. */
async function subscribeCounting(url: string, n: number, onSome: (messages: number) => void): Promise<void> {
  const subscribed = Promise.withResolvers<void>()
  const socket = await connectWebSocket(`${url.replace('http', 'ws')}/v1/ws`, (text) => {
    const messages = occurrences(text, '"message_id":')
    if (messages > 0) onSome(messages)
    else if (text.includes('"id":2')) subscribed.resolve()
  })
  const checkin = { client_id: `subscriber-${n}` }
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'checkin_client', params: checkin }))
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'subscribe', params: { batch: true } }))
  await subscribed.promise
}

function occurrences(text: string, part: string): number {
  let count = 0
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) count++
  return count
}

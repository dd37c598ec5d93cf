import { MeasuredBroker } from '../broker.ts'
import { quantile, type Result } from '../report.ts'

export interface SessionsOptions {
  readonly sessions: number
  /** Messages per second, all sessions together. */
  readonly rate: number
  readonly seconds: number
  readonly p99_ms_max: number
}

/** How often the driver looks which messages are due. */
const TICK_MS = 2
const DRAIN_MS_MAX = 5000

interface Session {
  readonly socket: WebSocket
  readonly client_id: string
}

/**
 * Sessions that send to each other at a fixed rate, whatever the broker does: each message has an intended time, and its
 * latency counts from there, so that a stall of the broker or of the driver is seen and not left out.
 */
export async function sessions(options: SessionsOptions): Promise<Result> {
  await using broker = await MeasuredBroker.start()
  const total = Math.round(options.rate * options.seconds)
  const latencies = new Float64Array(total)
  const seen = new Uint8Array(total)
  let received = 0
  let twice = 0
  const onMessage = ({ n, intended }: { n: number; intended: number }) => {
    if (seen[n]) twice++
    else latencies[received++] = performance.now() - intended
    seen[n] = 1
  }
  const open = await Promise.all(
    Array.from({ length: options.sessions }, (_, i) => connect(broker.url, `session-${i}`, onMessage)),
  )
  const cpu_before = broker.cpuMicroseconds()
  await sendAtRate(open, options.rate, total)
  const deadline = performance.now() + DRAIN_MS_MAX
  while (received < total && performance.now() < deadline) await Bun.sleep(5)
  const cpu_us = (broker.cpuMicroseconds() - cpu_before) / Math.max(1, received)
  const memory_bytes = broker.memoryBytes()
  for (const { socket } of open) socket.close()

  const sorted = latencies.slice(0, received).sort()
  const latency = {
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  }
  const lost = total - received
  const missed: string[] = []
  if (lost > 0) missed.push(`${lost} of ${total} messages lost`)
  if (!(latency.p99 <= options.p99_ms_max))
    missed.push(`p99 ${latency.p99.toFixed(1)} ms > ${options.p99_ms_max} ms`)
  return {
    scenario: `${options.sessions} sessions at ${options.rate}/s`,
    rate: received / options.seconds,
    latency,
    cpu_us,
    memory_bytes,
    lost,
    twice,
    missed,
    budget: `p99 ≤ ${options.p99_ms_max} ms, none lost`,
  }
}

async function sendAtRate(open: readonly Session[], rate: number, total: number): Promise<void> {
  const start = performance.now()
  const interval_ms = 1000 / rate
  for (let n = 0; n < total; ) {
    const now = performance.now()
    for (; n < total && start + n * interval_ms <= now; n++) {
      const sender = open[n % open.length]!
      // The next session but a moving number on, so that everybody talks with everybody.
      const recipient = open[(n + 1 + (Math.floor(n / open.length) % (open.length - 1))) % open.length]!
      sender.socket.send(
        JSON.stringify({
          jsonrpc: '2.0',
          method: 'send_message',
          params: {
            recipient_id: recipient.client_id,
            payload: { n, intended: start + n * interval_ms, pad: PAD },
          },
        }),
      )
    }
    await Bun.sleep(TICK_MS)
  }
}

/** Makes a message about 200 bytes of JSON. */
const PAD = 'x'.repeat(120)

async function connect(
  url: string,
  client_id: string,
  onMessage: (payload: { n: number; intended: number }) => void,
): Promise<Session> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`)
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  const subscribed = new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      for (const frame of [JSON.parse(String(data))].flat()) {
        if (frame.method === 'message') onMessage(frame.params.message.payload)
        else if (frame.id === 2) resolve(undefined)
      }
    }
  })
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'checkin_client', params: { client_id } }))
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'subscribe', params: { batch: true } }))
  await subscribed
  return { socket, client_id }
}

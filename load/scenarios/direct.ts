import { type Peer } from '../peers/peer.ts'
import { BROKER } from '../peers/broker.ts'
import { RELAY_PEER } from '../peers/relay.ts'
import { NATS } from '../peers/nats.ts'

const PAD = 'x'.repeat(160)

async function measure(peer: Peer, pairs: number, rate: number, seconds: number, tick_ms: number, single: boolean) {
  await using server = await peer.start()
  if (!server) return
  const warm = rate * 1.5
  const total = rate * seconds + warm
  const seen = new Uint8Array(total)
  const lat: number[] = []
  let received = 0, twice = 0
  const onMessage = ({ n, t }: { n: number; t: number }) => {
    if (seen[n]) twice++
    seen[n] = 1
    received++
    if (n >= warm) lat.push(performance.now() - t)
  }
  const ends = await Promise.all(Array.from({ length: pairs }, async (_, i) => {
    await peer.connect(server, `sink-${i}`, onMessage)
    return peer.connect(server, `source-${i}`)
  }))
  const start = performance.now() + 10
  const interval = 1000 / rate
  let n = 0
  let cpu = 0
  let mycpu = process.cpuUsage()
  while (n < total) {
    const now = performance.now()
    const due = Math.min(total, Math.floor((now - start) / interval))
    if (n < warm && due >= warm) { cpu = server.cpuMicroseconds(); mycpu = process.cpuUsage() }
    const batches: string[][] = Array.from({ length: pairs }, () => [])
    for (; n < due; n++) batches[n % pairs]!.push(`{"n":${n},"t":${start + n * interval},"pad":"${PAD}"}`)
    for (let i = 0; i < pairs; i++) {
      if (batches[i]!.length === 0) continue
      if (single) for (const p of batches[i]!) ends[i]!.send(`sink-${i}`, [p])
      else ends[i]!.send(`sink-${i}`, batches[i]!)
    }
    await Bun.sleep(tick_ms)
  }
  const deadline = performance.now() + 3000
  while (received < total && performance.now() < deadline) await Bun.sleep(5)
  const used = server.cpuMicroseconds() - cpu
  const mine = process.cpuUsage(mycpu)
  lat.sort((a, b) => a - b)
  console.log(peer.name.padEnd(12), 'cpu/msg', (used / (total - warm)).toFixed(2), 'driver', ((mine.user + mine.system) / (total - warm)).toFixed(2), 'lost', total - received, 'twice', twice, 'p50', lat[lat.length >> 1]?.toFixed(1), 'p99', lat[Math.floor(lat.length * 0.99)]?.toFixed(1), 'MB', (server.memoryBytes() / 1e6).toFixed(0))
}
const [rate, seconds, tick, single] = process.argv.slice(2).map(Number)
for (const peer of [RELAY_PEER, NATS, BROKER]) await measure(peer, 50, rate!, seconds!, tick!, single === 1)
process.exit(0)

import { pino } from 'pino'
import { testConfig } from '../../tests/harness.ts'
import { Keys } from '../../src/auth/identity.ts'
import { Broker } from '../../src/broker/broker.ts'
import { MemoryEngine } from '../../src/engine/memory.ts'
import { Housekeeping } from '../../src/broker/housekeeping.ts'
import { ConnectionCount } from '../../src/transports/door.ts'
import { WsConnection } from '../../src/transports/ws/connection.ts'
import { onFrame } from '../../src/transports/ws/rpc.ts'

const PAIRS = 50
const BATCH = Number(process.argv[2] ?? 20)
const ROUNDS = Number(process.argv[3] ?? 1000)
const PAD = 'x'.repeat(160)
const tick = () => new Promise<void>((r) => setImmediate(r))

async function relay() {
  const due: string[][] = Array.from({ length: PAIRS }, () => [])
  let chars = 0
  let stampMs = 0, stamp = ''
  const map = new Map(due.map((d, i) => [`sink-${i}`, d]))
  return async (texts: string[]) => {
    for (const text of texts)
      for (const m of JSON.parse(text)) {
        const now = Date.now()
        if (now !== stampMs) { stampMs = now; stamp = new Date(now).toISOString() }
        map.get(m.params.recipient_id)!.push(JSON.stringify({ id: Bun.randomUUIDv7(), from: 'source-1', sent_at: stamp, payload: m.params.payload }))
      }
    await tick()
    for (const d of due) { chars += Buffer.byteLength(`[${d.join(',')}]`); d.length = 0 }
  }
}
async function broker() {
  const config = testConfig({ history_messages_max: Number(process.env.HIST ?? 1024) })
  const now = Date.now
  const engine = new MemoryEngine({ limits: config, now, newId: () => Bun.randomUUIDv7(), newSessionId: () => crypto.randomUUID(), newEpoch: () => 'k3k3k3k3k3' } as never)
  const report = (e: unknown) => console.error(e)
  const b = new Broker({ engine, limits: config, now, newId: () => Bun.randomUUIDv7(), waiting_max: 10, stalled_ms_max: 1e6, report })
  await b.start()
  const context = { broker: b, keys: new Keys(undefined), config, log: pino({ level: 'silent' }), housekeeping: new Housekeeping(now, report), connections: new ConnectionCount(1000) } as never
  let chars = 0
  const pinged: WsConnection[] = []
  const make = () => {
    let c: WsConnection
    const socket = { cork: (f: () => void) => f(), sendText(t: string) { chars += Buffer.byteLength(t); return 1 }, ping() { pinged.push(c) }, close() {} }
    c = new WsConnection(undefined, { drained() {}, queued(c: WsConnection) { c.flush() } } as never, 1e9, now)
    c.opened(socket as never)
    c.identity = { project: 'default', key_id: undefined, scopes: new Set(['read', 'write']), session: undefined } as never
    return c
  }
  const sources: WsConnection[] = []
  const rpc = (c: WsConnection, method: string, params: object) => onFrame(context, c, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
  for (let i = 0; i < PAIRS; i++) {
    const sink = make(), source = make()
    rpc(sink, 'checkin_client', { client_id: `sink-${i}` })
    rpc(sink, 'subscribe', { batch: true })
    rpc(source, 'checkin_client', { client_id: `source-${i}` })
    sources.push(source)
  }
  return async (texts: string[]) => {
    for (let i = 0; i < texts.length; i++) onFrame(context, sources[i]!, texts[i]!)
    await tick()
    for (const c of pinged.splice(0)) if (c.ponged()) b.hub.confirmed(c)
  }
}
async function run(name: string, make: () => Promise<(t: string[]) => Promise<void>>) {
  const go = await make()
  let n = 0
  const frames = () => Array.from({ length: PAIRS }, (_, p) => '[' + Array.from({ length: BATCH }, () => `{"jsonrpc":"2.0","method":"send_message","params":{"recipient_id":"sink-${p}","payload":{"n":${n++},"t":${performance.now()},"pad":"${PAD}"}}}`).join(',') + ']')
  const pre = Array.from({ length: 20 }, frames)
  for (let i = 0; i < 200; i++) await go(pre[i % 20]!)
  const c0 = process.cpuUsage(), t0 = performance.now()
  for (let i = 0; i < ROUNDS; i++) await go(pre[i % 20]!)
  const c = process.cpuUsage(c0)
  const msgs = ROUNDS * PAIRS * BATCH
  console.log(name.padEnd(8), 'cpu µs/msg', ((c.user + c.system) / msgs).toFixed(3), 'wall', (((performance.now() - t0) * 1000) / msgs).toFixed(3), 'MB', (process.memoryUsage.rss() / 1e6).toFixed(0))
}
if (process.env.ONLY !== '1') await run('relay', relay)
if (process.env.ONLY !== 'relay') await run('broker', broker)
if (process.env.HEAP) { const { heapStats } = await import("bun:jsc"); const show = (w: string) => { const h = heapStats(); console.log(w, h.heapSize/1e6, h.heapCapacity/1e6, h.extraMemorySize/1e6, Object.entries(h.objectTypeCounts).sort((a,b)=>b[1]-a[1]).slice(0,8)) }; show("before"); Bun.gc(true); show("after"); console.log(process.memoryUsage()) }
process.exit(0)

import { join } from 'node:path'
import { connectReader, connectSender } from '../clients/rpc.ts'
import { temporaryFolder } from '../folder.ts'
import { startBroker } from '../peers/broker.ts'
import type { Row, Run, Scenario } from '../scenario.ts'
import type { Server } from '../server.ts'

const AT_REST_MB_MAX = 60
/** After the start, before memory is read. */
const SETTLE_MS = 4000
const BURST_BYTES = 1e9
const BACK_MS_MAX = 60_000
const BACK_TIMES_MAX = 1.5
const PAIRS = 50
/** Large ones, and small ones between them. */
const PAYLOAD_CHARS = [64, 1, 256, 1, 128, 1].map((kilobytes) => kilobytes * 1024)
/** Shorter than the wait, so that no history of the burst is kept beyond it. */
const TTL_SECONDS = 5
/** Messages of one pair on their way at once: well within what a mailbox holds. */
const IN_FLIGHT = 4
const ROOT = join(import.meta.dir, '../..')

export const rest: Scenario = {
  name: 'rest',
  summary:
    'memory at rest, from source and compiled; then 1 GB of payloads of 1 to 256 KB through it, and back',
  in_short: false,
  async run(run) {
    await using server = await startBroker()
    run.say('from source, at rest')
    await Bun.sleep(SETTLE_MS)
    const at_rest = server.memoryBytes()
    return {
      rows: [
        atRest('from source', at_rest),
        atRest('compiled', await compiledAtRest(run)),
        await burst(run, server, at_rest),
      ],
    }
  },
}

function atRest(what: string, memory_bytes: number): Row {
  return {
    what: `${what}, at rest`,
    memory_bytes,
    lost: 0,
    twice: 0,
    budgets: [
      { what: 'memory', bound: 'at most', limit: AT_REST_MB_MAX, value: memory_bytes / 1e6, unit: 'MB' },
    ],
  }
}

/** Compiles as the package does, but into a temporary folder. */
async function compiledAtRest(run: Run): Promise<number> {
  run.say('compiling')
  const program = join(temporaryFolder(), 'mcp-broker')
  const { scripts } = (await Bun.file(join(ROOT, 'package.json')).json()) as { scripts: { build: string } }
  const [, options] = scripts.build.split('bun build ')
  const built = Bun.spawnSync(
    [process.execPath, 'build', ...options!.replace('dist/mcp-broker', program).split(' ')],
    { cwd: ROOT, stdout: 'ignore', stderr: 'pipe' },
  )
  if (!built.success) throw new Error(`it does not compile: ${built.stderr}`)
  await using server = await startBroker({ program })
  run.say('compiled, at rest')
  await Bun.sleep(SETTLE_MS)
  return server.memoryBytes()
}

async function burst(run: Run, server: Server, at_rest: number): Promise<Row> {
  run.say('1 GB through it')
  const began_ms = performance.now()
  const pairs = await Promise.all(Array.from({ length: PAIRS }, (_, i) => sendMuch(server.url, i)))
  const seconds = (performance.now() - began_ms) / 1000
  const messages = pairs.reduce((sum, { sent }) => sum + sent, 0)
  const peak = server.memoryBytes()
  run.say('waiting for what was read to be acknowledged')
  await allAcknowledged(server.url)
  for (const { close } of pairs) close()
  run.say('waiting for its memory to be given back')
  const burst_over_ms = performance.now()
  while (server.memoryBytes() > at_rest * BACK_TIMES_MAX && performance.now() - burst_over_ms < BACK_MS_MAX)
    await Bun.sleep(250)
  const memory_bytes = server.memoryBytes()
  const back_seconds = (performance.now() - burst_over_ms) / 1000
  return {
    what: 'after 1 GB',
    rate: messages / seconds,
    memory_bytes,
    lost: messages - pairs.reduce((sum, { received }) => sum + received, 0),
    twice: pairs.reduce((sum, { twice }) => sum + twice, 0),
    budgets: [
      {
        what: 'memory to rest',
        bound: 'at most',
        limit: BACK_TIMES_MAX,
        value: memory_bytes / at_rest,
        unit: '×',
      },
    ],
    note: `${(peak / 1e6).toFixed(0)} MB when the burst ended, looked at for ${back_seconds.toFixed(1)} s`,
  }
}

/** A reader that left sooner would leave letters behind that expire, and the dead ones are kept. */
async function allAcknowledged(url: string): Promise<void> {
  const deadline_ms = performance.now() + TTL_SECONDS * 1000
  for (;;) {
    const answer = await fetch(`${url}/v1/status`, { headers: { accept: 'application/json' } })
    const { mailboxes } = (await answer.json()) as { mailboxes: { pending: number; leased: number } }
    if (mailboxes.pending + mailboxes.leased === 0) return
    if (performance.now() > deadline_ms) throw new Error(`${JSON.stringify(mailboxes)} after the burst`)
    await Bun.sleep(50)
  }
}

interface Pair {
  readonly sent: number
  /** Different messages. */
  readonly received: number
  readonly twice: number
  close(): void
}

/** Sends one pair's share, as fast as receipts come. */
async function sendMuch(url: string, pair: number): Promise<Pair> {
  const received = new Set<number>()
  let twice = 0
  const reader = await connectReader(url, `sink-${pair}`, ({ message: { payload } }) => {
    if (received.has(payload.n)) twice++
    received.add(payload.n)
  })
  const sender = await connectSender(url, `source-${pair}`)
  let sent = 0
  let bytes = 0
  const send = async () => {
    while (bytes < BURST_BYTES / PAIRS) {
      const n = sent++
      const payload = { n, pad: 'x'.repeat(PAYLOAD_CHARS[n % PAYLOAD_CHARS.length]!) }
      bytes += payload.pad.length
      await sender.call('send_message', { recipient_id: `sink-${pair}`, payload, ttl_seconds: TTL_SECONDS })
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, send))
  const deadline_ms = performance.now() + TTL_SECONDS * 1000
  while (received.size < sent && performance.now() < deadline_ms) await Bun.sleep(5)
  return {
    sent,
    received: received.size,
    twice,
    close() {
      reader.close()
      sender.close()
    },
  }
}

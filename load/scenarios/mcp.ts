import { join } from 'node:path'
import autocannon from 'autocannon'
import { post } from '../clients/events.ts'
import { initialize, modernCall, sessionCall, type ToolRequest } from '../clients/mcp.ts'
import { connectReader } from '../clients/rpc.ts'
import { drained, Ledger, openLoop } from '../open-loop.ts'
import { type Contender, compare, referenceRows, windows } from '../pairs.ts'
import { BROKER, startBroker } from '../peers/broker.ts'
import { type Measured, type Row, type Run, ratio, type Scenario } from '../scenario.ts'
import { Server } from '../server.ts'
import type { Latency } from '../stats.ts'

/** Connections, each an agent of its own. */
const AGENTS = 50
/** Whom they report to. */
const LEADS = 5
/** Well below what the slowest of them takes, for the latencies. */
const PACED_CALLS_PER_SECOND = 2000
const PACED_SECONDS = 5

type Era = '2026' | '2025'

const SDK = 'SDK createMcpHandler'
const ELYSIA = 'plain Elysia POST'

export const mcp: Scenario = {
  name: 'mcp',
  summary:
    'autocannon, 50 agents that report to 5 leads: send_message as an MCP tool call of both eras, as fast as it goes',
  in_short: true,
  async run(run) {
    const eras: Era[] = ['2026', '2025']
    const contenders: Contender[] = [
      ...eras.map((era) => contender(run, `${BROKER.name}, ${era}`, ReadBroker.start, era)),
      ...eras.map((era) => contender(run, `${SDK}, ${era}`, reference('mcp-sdk'), era)),
      contender(run, ELYSIA, reference('elysia-post'), '2026'),
    ]
    const measured = await compare(run, contenders)
    const rows: Row[] = []
    for (const era of eras) {
      const what = `${BROKER.name}, ${era}`
      const flat_out = measured.get(what)!
      const paced = run.short ? undefined : await pacedLatency(run, era)
      rows.push({
        what,
        ...flat_out,
        latency: paced?.latency,
        lost: flat_out.lost + (paced?.failed ?? 0),
        note: paced && `latencies at ${PACED_CALLS_PER_SECOND.toLocaleString('en')} calls/s`,
        budgets: [
          ...ratio('less CPU than the SDK', flat_out, measured.get(`${SDK}, ${era}`), 'at least', 2.6, 8),
          ...ratio('CPU to Elysia POST', flat_out, measured.get(ELYSIA), 'at most', 2.7, 2),
        ],
      })
      measured.delete(what)
    }
    return { rows: [...rows, ...referenceRows(measured)] }
  },
}

/** What is called, and what has come of the calls. */
interface Called extends AsyncDisposable {
  readonly server: Server
  /** Messages that their readers got; undefined where nothing is delivered. */
  readonly delivered?: number
  readonly twice: number
}

function reference(name: string): () => Promise<Called> {
  const path = join(import.meta.dir, `../references/${name}.ts`)
  return async () => {
    const server = await Server.start((port) => [process.execPath, path, String(port)])
    return { server, twice: 0, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
  }
}

/** A broker whose mailboxes are read, so that none is full: what a call costs includes its message's delivery. */
class ReadBroker implements Called {
  delivered = 0
  twice = 0

  private constructor(readonly server: Server) {}

  static async start(): Promise<ReadBroker> {
    const broker = new ReadBroker(await startBroker())
    for (let i = 0; i < LEADS; i++) {
      let last_id = ''
      await connectReader(broker.server.url, `lead-${i}`, ({ message: { message_id } }) => {
        // Ids rise in the order of a mailbox.
        if (message_id <= last_id) broker.twice++
        else {
          broker.delivered++
          last_id = message_id
        }
      })
    }
    return broker
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server[Symbol.asyncDispose]()
  }
}

/** Calls as fast as answers come: CPU per call is told best by a server that has no idle turns. */
function contender(run: Run, name: string, start: () => Promise<Called>, era: Era): Contender {
  return {
    name,
    async measure(): Promise<Measured> {
      await using called = await start()
      const { server } = called
      const { warm_seconds, seconds } = windows(run)
      const requests = await prepare(server.url, era)
      const warm = await cannon(server.url, requests, Math.floor(warm_seconds))
      const cpu_before = server.cpuMicroseconds()
      const { answered, failed, rate } = await cannon(server.url, requests, seconds)
      // At the end of a run up to a call of each agent is carried out whose answer is not waited for.
      const undelivered = () =>
        Math.max(0, warm.answered + answered - (called.delivered ?? Number.POSITIVE_INFINITY))
      await drained(undelivered)
      return {
        rate,
        cpu_us: (server.cpuMicroseconds() - cpu_before) / answered,
        memory_bytes: server.memoryBytes(),
        lost: warm.failed + failed + undelivered(),
        twice: called.twice,
      }
    },
  }
}

/** One request for each agent, with a session of its own where the era has such. */
function prepare(url: string, era: Era): Promise<ToolRequest[]> {
  return Promise.all(
    Array.from({ length: AGENTS }, async (_, i) => {
      const payload = { pad: 'x'.repeat(150) }
      const input = { sender_id: `agent-${i}`, recipient_id: `lead-${i % LEADS}`, payload }
      return era === '2026'
        ? modernCall(i, 'send_message', input)
        : sessionCall(i, 'send_message', input, await initialize(url))
    }),
  )
}

async function cannon(
  url: string,
  requests: readonly ToolRequest[],
  seconds: number,
): Promise<{ answered: number; failed: number; rate: number }> {
  let next = 0
  const run = await autocannon({
    url: `${url}/mcp`,
    method: 'POST',
    connections: requests.length,
    duration: seconds,
    setupClient(client) {
      const { headers, body } = requests[next++ % requests.length]!
      client.setHeadersAndBody({ 'content-type': 'application/json', ...headers }, body)
    },
    verifyBody: (body) => isAnswer(String(body)),
  })
  // Timeouts are among the errors; what is no answer is a mismatch, whatever its status.
  const answered = run['2xx'] + run.non2xx - run.mismatches
  return { answered, failed: run.errors + run.mismatches, rate: answered / run.duration }
}

function isAnswer(body: string): boolean {
  return body.includes('"result":') && !body.includes('"isError":true')
}

/** From the time that a call was due, at a fixed pace that leaves the server idle in between. */
async function pacedLatency(run: Run, era: Era): Promise<{ latency: Latency; failed: number }> {
  run.say(`${era}: latencies at ${PACED_CALLS_PER_SECOND} calls/s`)
  await using called = await ReadBroker.start()
  const { url } = called.server
  const requests = await prepare(url, era)
  const warm = PACED_CALLS_PER_SECOND
  const total = warm + PACED_CALLS_PER_SECOND * PACED_SECONDS
  const ledger = new Ledger(total)
  await openLoop({ interval_ms: 1000 / PACED_CALLS_PER_SECOND, total }, (n, t) => {
    const { headers, body } = requests[n % AGENTS]!
    const own = body.replace(/"id":\d+/, `"id":${n}`)
    post(`${url}/mcp`, own, headers).then(
      (answer) => isAnswer(answer) && ledger.arrive({ n, t }),
      () => {},
    )
  })
  await ledger.settle()
  return { latency: ledger.latency(warm), failed: ledger.lost }
}

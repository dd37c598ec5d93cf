import { Mix } from '../mix.ts'
import { Ledger, openLoop } from '../open-loop.ts'
import { startBroker } from '../peers/broker.ts'
import type { Row, Run, Scenario } from '../scenario.ts'
import { Window } from '../window.ts'

const WARM_SECONDS = 3
const SECONDS = 12

export const mixed: Scenario = {
  name: 'mixed',
  summary:
    '50 sessions that talk to each other, a frame or call per message: 40 by WebSocket, 5 by events and HTTP, 5 by MCP tools',
  in_short: false,
  async run(run) {
    return { rows: [await talk(run, 1000, 10), await talk(run, 5000, 25)] }
  },
}

async function talk(run: Run, rate: number, p99_ms_max: number): Promise<Row> {
  await using server = await startBroker()
  const warm = rate * WARM_SECONDS
  const total = warm + rate * SECONDS
  const ledger = new Ledger(total)
  using mix = await Mix.open(server.url, ledger.arrive)
  run.say(`${rate} messages/s for ${WARM_SECONDS + SECONDS} s`)
  const window = new Window(server, ledger)
  await openLoop({ interval_ms: 1000 / rate, total }, (n, intended_ms) => {
    if (n === warm) window.begin()
    mix.send(n, intended_ms)
  })
  await ledger.settle()
  const latency = ledger.latency(warm)
  return {
    what: `${rate}/s`,
    ...window.end(),
    latency,
    lost: ledger.lost,
    twice: ledger.twice,
    budgets: [{ what: 'p99', bound: 'at most', limit: p99_ms_max, value: latency.p99, unit: 'ms' }],
  }
}

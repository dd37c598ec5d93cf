import { measureMix } from '../mix.ts'
import { startBroker } from '../peers/broker.ts'
import type { Row, Run, Scenario } from '../scenario.ts'

const WINDOWS = { warm_seconds: 3, seconds: 12 }

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
  run.say(`${rate} messages/s for ${WINDOWS.warm_seconds + WINDOWS.seconds} s`)
  const measured = await measureMix(server, [server.url], rate, WINDOWS)
  return {
    what: `${rate}/s`,
    ...measured,
    budgets: [{ what: 'p99', bound: 'at most', limit: p99_ms_max, value: measured.latency.p99, unit: 'ms' }],
  }
}

import { type Result, table } from './report.ts'
import { calls, HTTP_SEND, MCP_SEND } from './scenarios/calls.ts'
import { sessions } from './scenarios/sessions.ts'

/** Every scenario with its budget, by the name it is called by. */
const SCENARIOS: Record<string, () => Promise<Result>> = {
  sessions: () => sessions({ sessions: 50, rate: 1000, seconds: 30, p99_ms_max: 50 }),
  http: () => calls({ ...HTTP_SEND, connections: 50, seconds: 10, p99_ms_max: 100 }),
  mcp: () => calls({ ...MCP_SEND, connections: 50, seconds: 10, p99_ms_max: 250 }),
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !Object.hasOwn(SCENARIOS, name))
if (unknown.length > 0) {
  console.error(
    `There is no scenario ${unknown.join(', ')}. Scenarios: ${Object.keys(SCENARIOS).join(', ')}.`,
  )
  process.exit(2)
}

const results: Result[] = []
for (const [name, run] of Object.entries(SCENARIOS)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.error(`${name} …`)
  results.push(await run())
}
console.log(table(results))
for (const { scenario, missed } of results)
  for (const sentence of missed) console.log(`${scenario}: ${sentence}`)
process.exit(results.some(({ missed }) => missed.length > 0) ? 1 : 0)

import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { html } from './report/html.ts'
import { type Report, thisMachine } from './report/report.ts'
import { cells, table } from './report/table.ts'
import { faults, loosened, type Result, type Run, type Scenario } from './scenario.ts'
import { SCENARIOS } from './suite.ts'

const USAGE = `bun run load [--short] [--soak-minutes N] [scenario…]

Runs the scenarios named, or all, and prints one table; writes load/results/latest.json and latest.html.
Exits with 1 when a budget is missed or a message lost, with 2 when it was asked for what there is not.

  --short           ratios only, less time for each, budgets loosened by half
  --soak-minutes N  length of the soak (10)
  --list            what scenarios there are
`
const RESULTS = new URL('results/', import.meta.url).pathname

process.exit(await main(process.argv.slice(2)))

async function main(args: string[]): Promise<number> {
  const asked = readArguments(args)
  if (typeof asked === 'string') {
    console.error(asked)
    return 2
  }
  if (asked.help) console.log(USAGE)
  if (asked.list) for (const { name, summary } of SCENARIOS) console.log(`${name.padEnd(15)}${summary}`)
  if (asked.help || asked.list) return 0

  // The servers are killed when this process exits; a signal alone would leave them.
  for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const])
    process.on(signal, () => process.exit(code))
  const began_ms = Date.now()
  const results = await runAll(asked.scenarios, asked)
  const report: Report = {
    began_at: new Date(began_ms).toISOString(),
    seconds: (Date.now() - began_ms) / 1000,
    short: asked.short,
    machine: await thisMachine(),
    results,
  }
  return conclude(report)
}

interface Asked {
  readonly scenarios: readonly Scenario[]
  readonly short: boolean
  readonly soak_minutes: number
  readonly list: boolean
  readonly help: boolean
}

/** @returns what was asked for, or a sentence that says why it cannot be */
function readArguments(args: string[]): Asked | string {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    return `${(error as Error).message}\n\n${USAGE}`
  }
  const { values, positionals } = parsed
  const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name))
  if (unknown.length > 0)
    return `There is no scenario ${unknown.join(', ')}. Scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')}.`
  const soak_minutes = Number(values['soak-minutes'])
  if (!(soak_minutes > 0)) return `--soak-minutes takes minutes above 0, not "${values['soak-minutes']}".`
  const { short, list, help } = values
  const wanted = ({ name, in_short }: Scenario) =>
    positionals.length > 0 ? positionals.includes(name) : in_short || !short
  return { scenarios: SCENARIOS.filter(wanted), short, soak_minutes, list, help }
}

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      'soak-minutes': { type: 'string', default: '10' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
}

/** Runs the scenarios one after the other. One that breaks is a result too: the rest still runs. */
async function runAll(
  scenarios: readonly Scenario[],
  { short, soak_minutes }: { short: boolean; soak_minutes: number },
): Promise<Result[]> {
  const began_ms = performance.now()
  let now = ''
  const run: Run = {
    short,
    soak_minutes,
    say: (text) => console.error(`${clock(performance.now() - began_ms)}  ${now}  ${text}`),
  }
  const results: Result[] = []
  for (const [i, scenario] of scenarios.entries()) {
    const { name, summary } = scenario
    now = `[${i + 1}/${scenarios.length}] ${name}`
    run.say(summary)
    const result = { scenario: name, summary, ...(await outcome(scenario, run)) }
    results.push(result)
    for (const row of result.rows) run.say(cells(row).filter(Boolean).join('  '))
    // What the last scenario left in the driver must not be collected during the next.
    Bun.gc(true)
  }
  return results
}

async function outcome(scenario: Scenario, run: Run): Promise<Pick<Result, 'rows' | 'series'>> {
  try {
    const measured = await scenario.run(run)
    if (!run.short) return measured
    return { ...measured, rows: measured.rows.map((row) => ({ ...row, budgets: loosened(row.budgets) })) }
  } catch (error) {
    console.error(error)
    const broke = error instanceof Error ? error.message : String(error)
    return { rows: [{ what: 'broke off', lost: 0, twice: 0, budgets: [], broke }] }
  }
}

/** Prints and writes what came of it. @returns the exit code */
function conclude(report: Report): number {
  console.log(`\n${table(report.results)}\n`)
  const wrong = report.results.flatMap(({ scenario, rows }) =>
    rows.flatMap((row) => faults(row).map((fault) => `${scenario}, ${row.what}: ${fault}`)),
  )
  for (const sentence of wrong) console.log(sentence)
  mkdirSync(RESULTS, { recursive: true })
  writeFileSync(`${RESULTS}latest.json`, `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(`${RESULTS}latest.html`, html(report))
  console.log(
    `${wrong.length === 0 ? 'All budgets met' : `${wrong.length} missed`}, in ${clock(report.seconds * 1000)}.`,
  )
  console.log(`load/results/latest.html\nload/results/latest.json`)
  return wrong.length === 0 ? 0 : 1
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openFilesMax, SPARE_FILES } from './files.ts'
import { isAvailable, NOT_AVAILABLE, SOAK_KEEPINGS, type SoakKeeping } from './keeping.ts'
import { html } from './report/html.ts'
import { type Report, thisMachine } from './report/report.ts'
import { figures, table } from './report/table.ts'
import { faults, loosened, type Result, type Run, type Scenario } from './scenario.ts'
import { killServers } from './server.ts'
import { SCENARIOS } from './suite.ts'

const USAGE = `bun run load [--short] [--soak-minutes N] [--soak-keeping K] [scenario…]

Runs the scenarios named, or all, and prints one table; writes it to load/results as JSON and as a page, after each scenario:
latest.* for all of them, short.* for the short form, else by the scenarios' names. Exits with 1 when a budget is missed or a message lost, with 2 when it was asked for what there is not.

  --short           ratios only, less time for each, budgets loosened by half
  --soak-minutes N  length of the soak, 2 to 600 (10)
  --soak-keeping K  where its broker keeps messages: memory; on disk, normal or full, and then its log is held to its bound;
                    or redis, and then there are two brokers
  --list            what scenarios there are
`
const RESULTS = join(import.meta.dir, 'results')
/** A scenario that takes longer hangs; the soak has its own time besides. */
const MINUTES_MAX = 10
const SHORT_MINUTES_MAX = 3
/** What a scenario opens that does not say. */
const CONNECTIONS = 100
/** What ends it, and the exit code. */
const SIGNALS = [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const

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
  for (const [signal, code] of SIGNALS) process.on(signal, () => process.exit(code))
  return runAll(asked)
}

interface Asked {
  readonly scenarios: readonly Scenario[]
  readonly short: boolean
  readonly soak_minutes: number
  readonly soak_keeping: SoakKeeping
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
  if (!(soak_minutes >= 2 && soak_minutes <= 600))
    return `--soak-minutes takes 2 to 600 minutes, not "${values['soak-minutes']}". The first of them is not judged.`
  const soak_keeping = SOAK_KEEPINGS.find((keeping) => keeping === values['soak-keeping'])
  if (soak_keeping === undefined)
    return `--soak-keeping takes ${SOAK_KEEPINGS.join(', ')}, not "${values['soak-keeping']}".`
  if (!isAvailable(soak_keeping)) return `--soak-keeping ${soak_keeping} is ${NOT_AVAILABLE}.`
  const { short, list, help } = values
  const wanted = ({ name, in_short }: Scenario) =>
    positionals.length > 0 ? positionals.includes(name) : in_short || !short
  return { scenarios: SCENARIOS.filter(wanted), short, soak_minutes, soak_keeping, list, help }
}

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      'soak-minutes': { type: 'string', default: '10' },
      'soak-keeping': { type: 'string', default: 'memory' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
}

/** Runs the scenarios one after the other. One that breaks is a result too: the rest still runs. @returns the exit code */
async function runAll({ scenarios, short, soak_minutes, soak_keeping }: Asked): Promise<number> {
  const began_ms = Date.now()
  const machine = await thisMachine()
  let now = ''
  const run: Run = {
    short,
    soak_minutes,
    soak_keeping,
    say: (text) => console.error(`${clock(Date.now() - began_ms)}  ${now}  ${text}`),
  }
  const results: Result[] = []
  const report = (): Report => ({
    began_at: new Date(began_ms).toISOString(),
    seconds: (Date.now() - began_ms) / 1000,
    short,
    soak_minutes,
    scenarios: scenarios.map(({ name }) => name),
    machine,
    results,
    wrong: wrongIn(results),
  })
  const file = nameOf(scenarios, short)
  for (const [i, scenario] of scenarios.entries()) {
    const { name, summary } = scenario
    now = `[${i + 1}/${scenarios.length}] ${name}`
    run.say(summary)
    const result = { scenario: name, summary, ...(await outcome(scenario, run)) }
    results.push(result)
    for (const row of result.rows) run.say(figures(row))
    write(file, report())
    // What the last scenario left in the driver must not be collected during the next.
    Bun.gc(true)
  }
  const { wrong, seconds } = report()
  console.log(`\n${table(results)}\n`)
  for (const sentence of wrong) console.log(sentence)
  console.log(
    `${wrong.length === 0 ? 'All budgets met' : `${wrong.length} missed`}, in ${clock(seconds * 1000)}.`,
  )
  console.log(`load/results/${file}.html\nload/results/${file}.json`)
  return wrong.length === 0 ? 0 : 1
}

/** Of the files that a run's results are written to: one that is only part of the suite leaves those of a whole run alone. */
function nameOf(scenarios: readonly Scenario[], short: boolean): string {
  if (scenarios.length === SCENARIOS.length && !short) return 'latest'
  const all = SCENARIOS.every((scenario) => scenario.in_short === scenarios.includes(scenario))
  const names = short && all ? [] : scenarios.map(({ name }) => name)
  return [...(short ? ['short'] : []), ...names].join('+')
}

async function outcome(scenario: Scenario, run: Run): Promise<Pick<Result, 'rows' | 'series'>> {
  const { connections = CONNECTIONS } = scenario
  const minutes = run.short ? SHORT_MINUTES_MAX : MINUTES_MAX + run.soak_minutes
  const over = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    killServers()
    over.reject(new Error(`it was not over after ${minutes} minutes`))
  }, minutes * 60_000)
  try {
    if (openFilesMax() < connections + SPARE_FILES)
      throw new Error(
        `it needs ${connections + SPARE_FILES} open files, and ${openFilesMax()} are allowed: see ulimit -n`,
      )
    const measured = await Promise.race([scenario.run(run), over.promise])
    if (!run.short) return measured
    return { ...measured, rows: measured.rows.map((row) => ({ ...row, budgets: loosened(row.budgets) })) }
  } catch (error) {
    console.error(error)
    const broke = error instanceof Error ? error.message : String(error)
    return { rows: [{ what: 'broke off', lost: 0, twice: 0, budgets: [], broke }] }
  } finally {
    clearTimeout(timer)
  }
}

/** What is wrong, a sentence each. */
function wrongIn(results: readonly Result[]): string[] {
  return results.flatMap(({ scenario, rows }) =>
    rows.flatMap((row) => faults(row).map((fault) => `${scenario}, ${row.what}: ${fault}`)),
  )
}

/** @param file without the end of its name */
function write(file: string, report: Report): void {
  mkdirSync(RESULTS, { recursive: true })
  const path = join(RESULTS, file)
  writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(`${path}.html`, html(report))
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

import { describe, expect, test } from 'bun:test'
import { FAULT_VARIABLE, type Fault } from './plant.ts'

/** How long one part of the suite may take, in milliseconds. */
const MS_MAX = 60_000

/** A file of the suite, and which of its tests. */
type Part = readonly [file: string, pattern: string]

const CONTRACT = 'tests/engine/memory.test.ts'
const SIMULATION: Part = ['tests/simulation/simulation.test.ts', 'nothing that was accepted disappears']
const LEASES: Part = [CONTRACT, 'leases']
const BOUNCES: Part = [CONTRACT, 'each death sends one to the sender']
const SESSIONS: Part = [CONTRACT, 'sessions']
const REDELIVERIES: Part = [CONTRACT, 'a lease that runs out is a failure']
const RECEIPTS: Part = ['tests/integration/end-of-turn.test.ts', 'nothing leaves before it is stored']

/** Where each fault must show. */
const SHOWS: Readonly<Record<Fault, readonly Part[]>> = {
  forgotten_redelivery: [REDELIVERIES, SIMULATION],
  older_attempt: [LEASES],
  doubled_bounce: [BOUNCES, SIMULATION],
  stale_session: [SESSIONS, SIMULATION],
  early_receipt: [RECEIPTS, SIMULATION],
}

interface Run {
  readonly passed: number
  readonly failed: number
  /** What the child said. */
  readonly output: string
}

/** Runs a part of the suite in a process of its own. @throws Error when it takes too long */
async function run([file, pattern]: Part, fault: Fault | undefined): Promise<Run> {
  const child = Bun.spawn([process.execPath, 'test', file, '-t', pattern], {
    env: {
      ...process.env,
      [FAULT_VARIABLE]: fault ?? '',
      MCP_BROKER_SIM_SEED: '',
      MCP_BROKER_SIM_RUNS: '30',
    },
    stdout: 'ignore',
    stderr: 'pipe',
    timeout: MS_MAX,
  })
  const output = await child.stderr.text()
  await child.exited
  if (child.signalCode) throw new Error(`${file} took too long:\n${output}`)
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, 'm').exec(output)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail'), output }
}

const parts = [...new Set(Object.values(SHOWS).flat())]

describe('a planted fault', () => {
  const each = Object.entries(SHOWS).flatMap(([fault, parts]) =>
    parts.map((part) => [fault as Fault, ...part] as const),
  )
  test.each(each)(
    '%s is found by %s, %s',
    async (fault, file, pattern) => {
      const { failed, output } = await run([file, pattern], fault)
      expect([output, failed > 0]).toEqual([output, true])
    },
    MS_MAX + 1000,
  )

  test.each(parts)(
    'is what makes %s fail, %s: without one it passes',
    async (file, pattern) => {
      const { passed, failed, output } = await run([file, pattern], undefined)
      expect([output, passed > 0, failed]).toEqual([output, true, 0])
    },
    MS_MAX + 1000,
  )
})

import { describe, expect, test } from 'bun:test'
import { BUGS, type Bug } from './faults.ts'
import { runSeed } from './memory-ground.ts'
import { RARE_PATHS } from './rare-paths.ts'
import { search, seedsFrom } from './searching.ts'

/** `MCP_BROKER_SIM_SEED` runs one seed again; `MCP_BROKER_INSTANCES_RUNS` says how many fresh ones otherwise. */
const SEED = process.env.MCP_BROKER_SIM_SEED
const RUNS = Number(process.env.MCP_BROKER_INSTANCES_RUNS ?? 300)
/** With fewer, what is rare may not come. */
const RARE_RUNS = 300
/** Seeds that have failed once. */
const REMEMBERED = [3169]
const MS_A_SEED = 200

function seeds(): Iterable<number> {
  if (SEED) return [Number(SEED)]
  return [...REMEMBERED, ...seedsFrom(Math.floor(Math.random() * 2 ** 31), RUNS)]
}

test(
  'several instances keep what they promise, whatever is lost between them',
  async () => {
    const { fell, rare } = await search(runSeed, seeds())
    if (fell) throw new Error(`MCP_BROKER_SIM_SEED=${fell.seed}: ${fell.failure}`)
    // A simulation in which nothing goes wrong proves nothing.
    if (SEED || RUNS < RARE_RUNS) return
    const never = RARE_PATHS.filter((path) => !rare.counts.has(path))
    expect(never).toEqual([])
  },
  60_000 + RUNS * MS_A_SEED,
)

test('the same seed has the same things happen in the same order', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  for (let i = 0; i < 10; i++) {
    const [first, second] = [await runSeed(seed + i), await runSeed(seed + i)]
    expect([seed + i, second.trace]).toEqual([seed + i, first.trace])
  }
  expect((await runSeed(seed)).trace).not.toBe((await runSeed(seed + 1)).trace)
}, 60_000)

/** So many seeds find each bug; one of them needs more. */
const OFTEN = 100
const SELDOM: Partial<Record<Bug, number>> = { told_when_handled: 5000 }

describe('a planted bug is found', () => {
  test.each(Object.entries(BUGS) as [Bug, string][])(
    '%s: %s',
    async (bug) => {
      const { fell } = await search(runSeed, seedsFrom(1, SELDOM[bug] ?? OFTEN), bug)
      expect(fell).toBeDefined()
      expect((await runSeed(fell!.seed)).failure).toBeUndefined()
    },
    180_000,
  )
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type RunSeed, search, seedsFrom } from '../instances/searching.ts'
import { BUGS, type Bug } from './faults.ts'
import { RARE_PATHS } from './rare-paths.ts'
import { runSeed } from './redis-ground.ts'
import { Server } from './server.ts'

/** `MCP_BROKER_SIM_SEED` runs one seed again; `MCP_BROKER_INSTANCES_RUNS` says how many fresh ones otherwise. */
const SEED = process.env.MCP_BROKER_SIM_SEED
const RUNS = Number(process.env.MCP_BROKER_INSTANCES_RUNS ?? 60)
/** With fewer, what is rare may not come. */
const RARE_RUNS = 300
/** Seeds that have failed once. */
const REMEMBERED = [741, 20_377, 20_404, 20_927]
const MS_A_SEED = 2000

let server: Server
const run: RunSeed<Bug> = (seed, bug) => runSeed(server, seed, bug)

beforeAll(async () => {
  server = await Server.start()
})
afterAll(() => server[Symbol.asyncDispose]())

function seeds(): Iterable<number> {
  if (SEED) return [Number(SEED)]
  return [...REMEMBERED, ...seedsFrom(Math.floor(Math.random() * 2 ** 31), RUNS)]
}

test(
  'several instances on Redis keep what they promise, whatever is lost on the way',
  async () => {
    const { fell, rare } = await search(run, seeds())
    if (fell) throw new Error(`MCP_BROKER_SIM_SEED=${fell.seed}: ${fell.failure}`)
    if (SEED || RUNS < RARE_RUNS) return
    const never = RARE_PATHS.filter((path) => !rare.counts.has(path))
    expect(never).toEqual([])
  },
  60_000 + RUNS * MS_A_SEED,
)

test('the same seed has the same things happen in the same order', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  for (let i = 0; i < 5; i++) {
    const [first, second] = [await run(seed + i), await run(seed + i)]
    expect([seed + i, second.trace]).toEqual([seed + i, first.trace])
  }
  expect((await run(seed)).trace).not.toBe((await run(seed + 1)).trace)
}, 60_000)

describe('a planted bug is found', () => {
  test.each(Object.entries(BUGS) as [Bug, string][])(
    '%s: %s',
    async (bug) => {
      const { fell } = await search(run, seedsFrom(1, 100), bug)
      expect(fell).toBeDefined()
      expect((await run(fell!.seed)).failure).toBeUndefined()
    },
    180_000,
  )
})

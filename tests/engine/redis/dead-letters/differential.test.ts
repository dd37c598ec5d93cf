import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Bench } from '../bench.ts'
import { Differential } from './differential.ts'

/** `MCP_BROKER_SIM_SEED` runs one seed again; `MCP_BROKER_REDIS_RUNS` says how many otherwise. */
const SEED = process.env.MCP_BROKER_SIM_SEED
const RUNS = Number(process.env.MCP_BROKER_REDIS_RUNS ?? 200)
const STEPS = 80

let bench: Bench

beforeAll(async () => {
  bench = await Bench.start()
})

afterAll(() => bench[Symbol.asyncDispose]())

async function firstDifference(first: number, last: number): Promise<string | undefined> {
  for (let seed = first; seed <= last; seed++) {
    try {
      await new Differential(seed, bench.run).run(STEPS)
    } catch (error) {
      return `MCP_BROKER_SIM_SEED=${seed}: ${error instanceof Error ? error.stack : error}`
    }
  }
  return undefined
}

test('dead letters are what they are with the memory engine', async () => {
  const [first, last] = SEED ? [Number(SEED), Number(SEED)] : [1, RUNS]
  expect(await firstDifference(first, last)).toBeUndefined()
}, 600_000)

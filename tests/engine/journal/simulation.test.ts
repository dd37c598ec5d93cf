import { expect, test } from 'bun:test'
import type { Disk } from '../../../src/engine/journal/log/disk.ts'
import { numberOf } from '../../../src/engine/journal/log/segments.ts'
import { type Counts, type Plant, Simulation } from './life.ts'
import { Store } from './store.ts'

/** `MCP_BROKER_SIM_SEED` runs one seed again; `MCP_BROKER_LOG_RUNS` says how many otherwise. */
const SEED = process.env.MCP_BROKER_SIM_SEED
const RUNS = Number(process.env.MCP_BROKER_LOG_RUNS ?? 5000)
const PLANTED_RUNS = 500

test('a log keeps its promises, whenever its process or its machine dies', async () => {
  const counts = newCounts()
  const [first, last] = SEED ? [Number(SEED), Number(SEED)] : [1, RUNS]
  const found = await firstProblem({}, counts, first, last)
  if (found) throw found
  if (!SEED) for (const count of Object.values(counts)) expect(count).toBeGreaterThan(RUNS / 10)
}, 60_000)

const PLANTS: Readonly<Record<string, Plant>> = {
  'a receipt before its sync': {
    log: (log) => around(log, { commit: (frame) => log.commit(frame, false) }),
  },
  'a segment that is deleted before what lived in it is synced': {
    store: class extends Store {
      protected override restated(): Promise<boolean> {
        return Promise.resolve(true)
      }
    },
  },
  'an older segment that is left unsynced when a later one vouches for it': {
    disk: (disk) =>
      around(disk, { sync: (file) => (isOlder(file, disk) ? Promise.resolve() : disk.sync(file)) }),
  },
}

for (const [fault, plant] of Object.entries(PLANTS))
  test(`finds ${fault}`, async () => {
    const found = await firstProblem(plant, newCounts(), 1, PLANTED_RUNS)
    expect(found?.message).toContain('MCP_BROKER_SIM_SEED=')
  })

async function firstProblem(
  plant: Plant,
  counts: Counts,
  first: number,
  last: number,
): Promise<Error | undefined> {
  for (let seed = first; seed <= last; seed++) {
    try {
      await new Simulation(seed, plant, counts).run()
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      return new Error(`MCP_BROKER_SIM_SEED=${seed}: ${text}`, { cause: error })
    }
  }
  return undefined
}

function newCounts(): Counts {
  return { turns: 0, kills: 0, power_cuts: 0, stops: 0, failed_syncs: 0, full: 0 }
}

/** The same with some methods replaced. */
function around<T extends object>(inner: T, methods: Partial<T>): T {
  return new Proxy(inner, {
    get(target, name) {
      const replaced = methods[name as keyof T]
      if (replaced) return replaced
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** A segment that has a later one with frames. */
function isOlder(file: string, disk: Disk): boolean {
  const number = numberOf(file)
  if (number === undefined) return false
  return disk.list().some(({ name }) => (numberOf(name) ?? 0) > number && disk.read(name, 0, 1)[0] !== 0)
}

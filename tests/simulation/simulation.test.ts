import { expect, test } from 'bun:test'
import { DiskWorld } from './disk-world.ts'
import { World } from './world.ts'

/** `MCP_BROKER_SIM_SEED` runs one seed again; `MCP_BROKER_SIM_RUNS` says how many fresh ones otherwise. */
const SEED = process.env.MCP_BROKER_SIM_SEED
const RUNS = Number(process.env.MCP_BROKER_SIM_RUNS ?? 1000)
const STEPS = 400

test(
  'nothing that was accepted disappears, whatever clients and networks do',
  async () => {
    const seeds = SEED
      ? [Number(SEED)]
      : Array.from({ length: RUNS }, () => Math.floor(Math.random() * 2 ** 31))
    const seen = {
      redelivered: 0,
      slow_readers: 0,
      takeovers: 0,
      dead: 0,
      undone: 0,
      failures: 0,
      rewritten: 0,
    }
    for (const seed of seeds) {
      const world = World.inMemory(seed)
      try {
        await world.run(STEPS)
      } catch (error) {
        throw new Error(`MCP_BROKER_SIM_SEED=${seed}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        })
      }
      seen.redelivered += world.broker.counters.redelivered
      seen.dead += world.broker.counters.dead.expired + world.broker.counters.dead.attempts_exhausted
      seen.slow_readers += world.slow_readers
      seen.takeovers += world.takeovers
      seen.failures += world.storage.failures
      seen.undone += world.ledger.undone
      seen.rewritten += world.ledger.rewritten
    }
    // A simulation in which nothing goes wrong proves nothing.
    if (seeds.length >= 100)
      for (const times of Object.values(seen)) expect(times).toBeGreaterThan(seeds.length)
  },
  60_000 + RUNS * 100,
)

test('a reader that was away is given all its mail, turn by turn, without a further nudge', async () => {
  const world = World.inMemory(1, { mailbox_messages_max: 1024, mailbox_overflow: 'reject' })
  expect(await world.backlog(1000)).toBe(1000)
})

const DISK_RUNS = Number(process.env.MCP_BROKER_SIM_RUNS ?? 300)

test(
  'a journal keeps its promises, whenever the process or the machine dies',
  async () => {
    const seeds = SEED
      ? [Number(SEED)]
      : Array.from({ length: DISK_RUNS }, () => Math.floor(Math.random() * 2 ** 31))
    const seen = { kills: 0, power_cuts: 0, compared: 0, full: 0, failed_syncs: 0, requeued: 0 }
    let dropped = 0
    for (const seed of seeds) {
      const world = new DiskWorld(seed)
      try {
        await world.run(STEPS)
      } catch (error) {
        throw new Error(`MCP_BROKER_SIM_SEED=${seed}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        })
      }
      for (const name of Object.keys(seen) as (keyof typeof seen)[]) seen[name] += world[name]
      dropped += world.storage.dropped
    }
    if (seeds.length >= 100)
      for (const [what, times] of Object.entries({ ...seen, dropped }))
        expect({ what, often: times > seeds.length }).toEqual({ what, often: true })
  },
  60_000 + DISK_RUNS * 300,
)

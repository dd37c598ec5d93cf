import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RealBroker } from './real-broker.ts'
import { Traffic } from './traffic.ts'

/** `MCP_BROKER_KILLS` says how often the broker is killed. */
const KILLS = Number(process.env.MCP_BROKER_KILLS ?? 5)
/** Enough to see what is wrong. */
const VIOLATIONS_SHOWN = 50
/** How often it is killed once more while it starts, and how long a start may take until then. */
const KILLED_AT_START = 0.3
const START_MS_MAX = 300

test(
  `a broker that is killed ${KILLS} times loses nothing that it accepted, and repeats nothing that was acknowledged`,
  async () => {
    const root = mkdtempSync(join(tmpdir(), 'mcp-broker-durability-'))
    await using broker = new RealBroker(join(root, 'data'))
    const traffic = new Traffic()
    await broker.start()
    for (let kill = 0; kill < KILLS; kill++) {
      await traffic.runUntilEnd(broker, () => broker.kill())
      while (Math.random() < KILLED_AT_START) await broker.startAndKill(Math.random() * START_MS_MAX)
      await broker.start()
    }
    await traffic.runUntilEnd(broker, () => broker.stop())
    await broker.start()
    await traffic.finish(broker, 'disk')
    await broker.stop()
    await broker.start()
    await traffic.compare(broker, 'disk')

    // What was broken comes with where the data lies that broke it.
    expect({ root, violations: traffic.ledger.violations.slice(0, VIOLATIONS_SHOWN) }).toEqual({
      root,
      violations: [],
    })
    expect(broker.faults()).toEqual([])
    // Kills that nobody noticed prove nothing.
    const { receipts, repeated_receipts, redeliveries, lost_answers } = traffic.ledger.counts
    expect(receipts).toBeGreaterThan(20 * KILLS)
    if (KILLS > 0)
      for (const count of [repeated_receipts, redeliveries, lost_answers]) expect(count).toBeGreaterThan(0)
    rmSync(root, { recursive: true })
  },
  120_000 + KILLS * 10_000,
)

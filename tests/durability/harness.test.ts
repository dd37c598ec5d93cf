import { expect, test } from 'bun:test'
import { CutBroker } from './cut-broker.ts'
import { RealBroker } from './real-broker.ts'
import { Traffic } from './traffic.ts'

const TEST_MS_MAX = 120_000

test(
  'nothing is held against a broker that forgets nothing, however often its connections are cut',
  async () => {
    await using broker = new CutBroker()
    const { ledger, ...traffic } = await over(broker, 2)
    await traffic.finish('memory')
    expect(ledger.violations).toEqual([])
    expect(ledger.counts.repeated_receipts).toBeGreaterThan(0)
    expect(ledger.counts.told).toBeGreaterThan(0)
  },
  TEST_MS_MAX,
)

test(
  'a broker that forgets everything is found out',
  async () => {
    await using broker = new RealBroker(undefined)
    const { ledger, ...traffic } = await over(broker, 2)
    await traffic.finish('memory')
    for (const found of ['is lost', 'did not resume its session', 'did not resume after', 'was stored twice'])
      expect(ledger.violations.some((violation) => violation.includes(found)) ? '' : found).toBe('')
  },
  TEST_MS_MAX,
)

/** Traffic that has seen the broker end so often. */
async function over(broker: CutBroker | RealBroker, times: number) {
  const traffic = new Traffic()
  await broker.start()
  for (let n = 0; n < times; n++) {
    await traffic.runUntilEnd(broker, () => broker.kill())
    await broker.start()
  }
  return { ledger: traffic.ledger, finish: (stored: string) => traffic.finish(broker, stored) }
}

import { expect, test } from 'bun:test'
import { Ledger, openLoop, payloadJson } from '../../load/open-loop.ts'

test('a stall of the driver changes no intended time, and nothing is left out', async () => {
  const intended: number[] = []
  await openLoop({ interval_ms: 2, total: 20 }, (n, intended_ms) => {
    intended.push(intended_ms)
    if (n === 5) Bun.sleepSync(20)
  })
  expect(intended).toHaveLength(20)
  for (const [n, at_ms] of intended.entries()) expect(at_ms).toBeCloseTo(intended[0]! + n * 2)
})

test('a payload carries its number and time, and is as long as was asked for', () => {
  const json = payloadJson(7, 12.5, 120)
  expect(json).toHaveLength(120)
  expect(JSON.parse(json)).toMatchObject({ n: 7, t: 12.5 })
  expect(JSON.parse(payloadJson(7, 12.5, 1))).toEqual({ n: 7, t: 12.5, pad: '' })
})

test('the ledger knows what was lost, what came twice, and how late each was', async () => {
  const ledger = new Ledger(4)
  const now_ms = performance.now()
  ledger.arrive({ n: 0, t: now_ms })
  ledger.arrive({ n: 2, t: now_ms - 1000 })
  ledger.arrive({ n: 2, t: now_ms - 2000 })
  expect([ledger.arrived, ledger.lost, ledger.twice]).toEqual([2, 2, 1])
  expect(ledger.latency(2).max).toBeWithin(1000, 1900)
  expect(ledger.latency(0, 2).max).toBeWithin(0, 900)
  for (const n of [1, 3]) ledger.arrive({ n, t: now_ms })
  await ledger.settle()
  expect(ledger.lost).toBe(0)
})

import { expect, test } from 'bun:test'
import { Strikes } from '../../../src/broker/validation/strikes.ts'

const MINUTE_MS = 60_000

test('three failures within a minute block a key for a minute, and no other', () => {
  const strikes = new Strikes()
  for (const now_ms of [1000, 2000]) strikes.add('a', now_ms)
  expect(strikes.blockedMs('a', 2000)).toBe(0)
  strikes.add('a', 3000)
  expect(strikes.blockedMs('a', 3000)).toBe(MINUTE_MS)
  expect(strikes.blockedMs('a', 3000 + MINUTE_MS - 1)).toBe(1)
  expect(strikes.blockedMs('a', 3000 + MINUTE_MS)).toBe(0)
  expect(strikes.blockedMs('b', 3000)).toBe(0)
})

test('failures that are far apart do not add up, and after a block the count begins anew', () => {
  const strikes = new Strikes()
  for (const now_ms of [0, 40_000, 61_000]) strikes.add('a', now_ms)
  expect(strikes.blockedMs('a', 61_000)).toBe(0)
  strikes.add('a', 62_000)
  expect(strikes.blockedMs('a', 62_000)).toBe(MINUTE_MS)
  for (const now_ms of [122_000, 122_001]) strikes.add('a', now_ms)
  expect(strikes.blockedMs('a', 122_001)).toBe(0)
})

test('a key is forgotten when its failures count no more, and not while it is blocked', () => {
  const strikes = new Strikes()
  for (const now_ms of [0, 1, 2]) strikes.add('blocked', now_ms)
  strikes.add('other', 50_000)
  expect(strikes.keys).toBe(2)
  expect(strikes.blockedMs('blocked', 50_000)).toBe(10_002)
  strikes.add('another', 70_000)
  expect(strikes.keys).toBe(2)
  expect(strikes.blockedMs('blocked', 70_000)).toBe(0)
})

import { expect, test } from 'bun:test'
import { isMet } from '../../load/scenario.ts'
import { memoryBudget, p99Budget } from '../../load/scenarios/soak.ts'
import type { Point } from '../../load/stats.ts'

/** A sample each 5 s, up and down by some noise. */
const points = (count: number, at: (seconds: number) => number, noise: number): Point[] =>
  Array.from({ length: count }, (_, i) => [60 + i * 5, at(i * 5) + (i % 2 === 0 ? noise : -noise)])

test('what stays level is within the budget, however it scatters', () => {
  for (const noise of [0.1, 5]) {
    expect(isMet(memoryBudget(points(108, () => 100, noise)))).toBe(true)
    expect(isMet(p99Budget(points(108, () => 3, noise / 5)))).toBe(true)
  }
})

test('what grows is not, though it scatters', () => {
  expect(isMet(memoryBudget(points(108, (s) => 100 + s / 60, 1)))).toBe(false)
  expect(isMet(p99Budget(points(108, (s) => 3 + s / 240, 0.5)))).toBe(false)
})

test('with too few samples nothing can be said, and that is missed', () => {
  for (const count of [0, 1, 2]) {
    expect(isMet(memoryBudget(points(count, () => 100, 1)))).toBe(false)
    expect(isMet(p99Budget(points(count, () => 3, 1)))).toBe(false)
  }
})

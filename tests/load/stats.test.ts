import { expect, test } from 'bun:test'
import { fitLine, latencyOf, quantile } from '../../load/stats.ts'

test('a quantile is the smallest value that enough of the others do not exceed', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  expect(quantile(hundred, 0.5)).toBe(50)
  expect(quantile(hundred, 0.99)).toBe(99)
  expect(quantile(hundred, 1)).toBe(100)
  expect(quantile([7], 0)).toBe(7)
  expect(quantile([7], 0.99)).toBe(7)
  expect(quantile([], 0.5)).toBeNaN()
})

test('what never arrived has no part in the latencies', () => {
  const { p50, p99, max } = latencyOf(Float64Array.of(5, Number.NaN, 10, 1, Number.NaN))
  expect([p50, p99, max]).toEqual([5, 10, 10])
})

test('a line is fitted through points, with the noise around it', () => {
  const rising = fitLine([
    [10, 7],
    [20, 9],
    [30, 11],
  ])
  expect(rising.slope).toBeCloseTo(0.2)
  expect(rising.intercept).toBeCloseTo(5)
  expect(rising.slope_error).toBeCloseTo(0)
  const noisy = fitLine([
    [0, 1],
    [1, 3],
    [2, 1],
    [3, 3],
  ])
  expect(noisy.slope).toBeCloseTo(0.4)
  expect(noisy.slope_error).toBeCloseTo(Math.sqrt(3.2 / 2 / 5))
  expect(fitLine([[4, 2]])).toEqual({ slope: 0, intercept: 2, slope_error: Number.NaN })
})

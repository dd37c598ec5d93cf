import { expect, test } from 'bun:test'
import { typical } from '../../load/pairs.ts'
import { verdict } from '../../load/report/table.ts'
import {
  type Budget,
  budgetText,
  faults,
  isAimed,
  isMet,
  loosened,
  type Row,
  ratio,
} from '../../load/scenario.ts'

const p99: Budget = { what: 'p99', bound: 'at most', limit: 10, value: 10, unit: 'ms' }
const row: Row = { what: 'mcp-broker', lost: 0, twice: 0, budgets: [] }

test('a bound includes its limit, and what could not be measured is not within it', () => {
  expect(isMet(p99)).toBe(true)
  expect(isMet({ ...p99, value: 10.01 })).toBe(false)
  expect(isMet({ ...p99, value: Number.NaN })).toBe(false)
  expect(isMet({ ...p99, bound: 'at least', value: 9.99 })).toBe(false)
  expect(isMet({ ...p99, bound: 'at least', value: Number.NaN })).toBe(false)
})

test('a ratio is how many times more, or how many times less', () => {
  expect(ratio('more', 3, 2, 'at most', 1.7)[0]).toMatchObject({ value: 1.5, limit: 1.7, unit: '×' })
  expect(ratio('less', 10, 100, 'at least', 8)[0]).toMatchObject({ value: 10, limit: 8 })
})

test('there is no ratio to what is not installed', () => {
  expect(ratio('more', 3, undefined, 'at most', 1.7)).toEqual([])
})

test('the short form keeps ratios only, loosened by half', () => {
  const most = ratio('more', 3, 2, 'at most', 2)
  const least = ratio('less', 10, 100, 'at least', 9)
  expect(loosened([p99, ...most, ...least]).map(({ limit }) => limit)).toEqual([3, 6])
})

test('a limit is held to; an aim beyond it is told, and no fault', () => {
  const [budget] = ratio('more', 2, 1, 'at most', 2.5, 1.5)
  expect([isMet(budget!), isAimed(budget!)]).toEqual([true, false])
  expect(budgetText(budget!)).toBe('more 2.00 ≤ 2.50 × (aim 1.50)')
  expect(verdict({ ...row, budgets: [budget!] }, budget)).toBe('short of its aim')
  expect(faults({ ...row, budgets: [budget!] })).toEqual([])
  const [reached] = ratio('more', 3, 2, 'at most', 2.5, 1.5)
  expect(isAimed(reached!)).toBe(true)
  expect(isAimed(p99)).toBe(true)
})

test('a row is at fault for a missed budget, for what it lost, and for breaking off', () => {
  expect(faults({ ...row, budgets: [p99] })).toEqual([])
  expect(faults({ ...row, budgets: [{ ...p99, value: 11 }] })).toEqual(['missed: p99 11.0 ≤ 10.0 ms'])
  expect(faults({ ...row, lost: 2 })).toEqual(['2 lost'])
  expect(faults({ ...row, broke: 'it did not start' })).toEqual(['it did not start'])
})

test('what a reference loses is no fault of the broker', () => {
  expect(faults({ ...row, lost: 2, reference: true })).toEqual([])
})

test('of several measurements one stands for all, but what was lost counts from each', () => {
  const all = [3, 1, 2].map((cpu_us) => ({ cpu_us, rate: cpu_us * 10, lost: 1, twice: cpu_us }))
  expect(typical(all, false)).toEqual({ cpu_us: 2, rate: 20, lost: 3, twice: 6 })
  expect(typical(all, true)).toEqual({ cpu_us: 1, rate: 10, lost: 3, twice: 6 })
  expect(typical([], false)).toBeUndefined()
})

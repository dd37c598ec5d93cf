import { expect, test } from 'bun:test'
import { typical } from '../../load/pairs.ts'
import { judgements } from '../../load/report/table.ts'
import {
  type Budget,
  budgetText,
  faults,
  isAimed,
  isMet,
  loosened,
  type Measured,
  type Row,
  ratio,
} from '../../load/scenario.ts'

const p99: Budget = { what: 'p99', bound: 'at most', limit: 10, value: 10, unit: 'ms' }
const cpu = (cpu_us: number, lost = 0): Measured => ({ cpu_us, lost, twice: 0 })
const row: Row = { what: 'mcp-broker', lost: 0, twice: 0, budgets: [] }

test('a bound includes its limit, and what could not be measured is not within it', () => {
  expect(isMet(p99)).toBe(true)
  expect(isMet({ ...p99, value: 10.01 })).toBe(false)
  expect(isMet({ ...p99, value: Number.NaN })).toBe(false)
  expect(isMet({ ...p99, bound: 'at least', value: 9.99 })).toBe(false)
  expect(isMet({ ...p99, bound: 'at least', value: Number.NaN })).toBe(false)
})

test('a ratio is how many times more, or how many times less', () => {
  expect(ratio('more', cpu(3), cpu(2), 'at most', 1.7)[0]).toMatchObject({
    value: 1.5,
    limit: 1.7,
    unit: '×',
  })
  expect(ratio('less', cpu(10), cpu(100), 'at least', 8)[0]).toMatchObject({ value: 10, limit: 8 })
})

test('there is no ratio to what is not installed', () => {
  expect(ratio('more', cpu(3), undefined, 'at most', 1.7)).toEqual([])
})

test('a ratio that cannot be measured is missed', () => {
  const of = (own: Measured | undefined, other: Measured) => ratio('more', own, other, 'at most', 1.7)
  for (const budgets of [of(cpu(Number.NaN), cpu(2)), of(undefined, cpu(2)), of(cpu(1), cpu(Number.NaN))])
    expect(faults({ ...row, budgets })).toEqual(['missed: more – ≤ 1.70 ×'])
})

test('nothing is compared with one that lost messages', () => {
  const budgets = ratio('more', cpu(3), cpu(2, 150_000), 'at most', 1.7)
  expect(faults({ ...row, budgets })).toEqual(['missed: more – ≤ 1.70 ×: the other lost 150000'])
})

test('the short form keeps ratios only, loosened by half', () => {
  const most = ratio('more', cpu(3), cpu(2), 'at most', 2)
  const least = ratio('less', cpu(10), cpu(100), 'at least', 9)
  expect(loosened([p99, ...most, ...least]).map(({ limit }) => limit)).toEqual([3, 6])
})

test('a limit is held to; an aim beyond it is told, and no fault', () => {
  const [budget] = ratio('more', cpu(2), cpu(1), 'at most', 2.5, 1.5)
  expect([isMet(budget!), isAimed(budget!)]).toEqual([true, false])
  expect(budgetText(budget!)).toBe('more 2.00 ≤ 2.50 × (aim 1.50)')
  expect(judgements({ ...row, budgets: [budget!] })).toEqual([
    { text: 'more 2.00 ≤ 2.50 × (aim 1.50)', verdict: 'short of its aim' },
  ])
  expect(faults({ ...row, budgets: [budget!] })).toEqual([])
  const [reached] = ratio('more', cpu(3), cpu(2), 'at most', 2.5, 1.5)
  expect(isAimed(reached!)).toBe(true)
  expect(isAimed(p99)).toBe(true)
})

test('a row is at fault for a missed budget, for what it lost, and for breaking off', () => {
  expect(faults({ ...row, budgets: [p99] })).toEqual([])
  expect(faults({ ...row, budgets: [{ ...p99, value: 11 }] })).toEqual(['missed: p99 11.0 ≤ 10.0 ms'])
  expect(faults({ ...row, lost: 2 })).toEqual(['2 lost'])
  expect(faults({ ...row, lost: Number.NaN })).toEqual(['NaN lost'])
  expect(faults({ ...row, broke: 'it did not start' })).toEqual(['it did not start'])
})

test('what a reference loses is no fault of the broker', () => {
  expect(faults({ ...row, lost: 2, reference: true })).toEqual([])
})

test('of several measurements one stands for all, but what was lost counts from each', () => {
  const all = [3, 1, 2].map((cpu_us) => ({ cpu_us, rate: cpu_us * 10, lost: 1, twice: cpu_us }))
  const summed = { cpu_us_rounds: [3, 1, 2], lost: 3, twice: 6 }
  expect(typical(all, false)).toEqual({ cpu_us: 2, rate: 20, ...summed })
  expect(typical(all, true)).toEqual({ cpu_us: 1, rate: 10, ...summed })
  expect(typical([], false)).toBeUndefined()
})

test('one that delivered nothing counts as the dearest, and what it lost is not forgotten', () => {
  const hung = cpu(Number.NaN, 100)
  for (const all of [
    [hung, cpu(2), cpu(1)],
    [cpu(1), hung, cpu(2)],
  ])
    expect(typical(all, false)).toMatchObject({ cpu_us: 2, lost: 100 })
  expect(typical([hung, cpu(2)], true)).toMatchObject({ cpu_us: 2, lost: 100 })
  expect(typical([hung, hung], true)).toMatchObject({ cpu_us: Number.NaN, lost: 200 })
})

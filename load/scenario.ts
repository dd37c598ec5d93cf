import type { SoakKeeping } from './keeping.ts'
import type { Latency, Point } from './stats.ts'

/** A bound that a measured figure is held to. */
export interface Budget {
  /** What is bounded, such as `CPU to bare relay`. */
  readonly what: string
  readonly bound: 'at most' | 'at least'
  readonly limit: number
  /** Where the broker is meant to come, where it has not yet: the limit is what it has reached, and is held to. */
  readonly aim?: number | undefined
  /** NaN where it could not be measured: then the budget is missed. */
  readonly value: number
  /** Why it could not be. */
  readonly unmeasured?: string | undefined
  /** `×` marks a ratio to something measured in the same run: the only budgets that the short form keeps. */
  readonly unit: '×' | 'µs' | 'ms' | 's' | '/s' | 'KB' | 'MB' | '%'
}

/** What was measured of one server under one workload. What does not apply is undefined. */
export interface Measured {
  /** Messages delivered, or calls answered, per second. */
  readonly rate?: number | undefined
  readonly latency?: Latency | undefined
  /** CPU time of the server per message or call, user and system, in microseconds. */
  readonly cpu_us?: number | undefined
  /** Where it was measured several times, that of each. */
  readonly cpu_us_rounds?: readonly number[]
  /** CPU time per message of the Redis server that it keeps messages in, in microseconds. */
  readonly redis_cpu_us?: number | undefined
  /** Resident memory of the server at the end, in bytes. */
  readonly memory_bytes?: number | undefined
  /** Messages that should have arrived and did not, or calls that failed. */
  readonly lost: number
  /** Messages that arrived again. Delivery is at least once: told, not judged. */
  readonly twice: number
}

/** One line of the table. */
export interface Row extends Measured {
  /** What was measured: the peer, or the variant of the scenario. */
  readonly what: string
  /** Measured for comparison: what it loses is no fault of the broker. */
  readonly reference?: boolean
  readonly budgets: readonly Budget[]
  readonly note?: string | undefined
  /** Why there is nothing measured: the scenario threw. */
  readonly broke?: string
}

/** A figure over time, with the line fitted through it. */
export interface Series {
  readonly title: string
  readonly unit: 'ms' | 'MB'
  /** Seconds since the start, and the figure. */
  readonly points: readonly Point[]
}

export interface Outcome {
  readonly rows: readonly Row[]
  readonly series?: readonly Series[]
}

/** What a scenario is told of the run that it is part of. */
export interface Run {
  /** The short form: less time for each measurement, ratios only. */
  readonly short: boolean
  readonly soak_minutes: number
  /** Where the broker of the soak keeps messages; in memory if it does not say. */
  readonly soak_keeping?: SoakKeeping
  /** Shows what is being done now. */
  say(text: string): void
  /** The broker in `direct`, once it has been measured in this run. */
  direct?: Measured | undefined
}

export interface Scenario {
  readonly name: string
  /** What it does, in a sentence. */
  readonly summary: string
  /** Whether the short form includes it. */
  readonly in_short: boolean
  /** Connections it has open at a time; 100 if it does not say. */
  readonly connections?: number
  run(run: Run): Promise<Outcome>
}

/** What a scenario came to, with its budgets as they were applied. */
export interface Result extends Outcome {
  readonly scenario: string
  readonly summary: string
}

/** In the short form a budget is loosened by half, because so short a measurement is noisy. */
const SHORT_SLACK = 1.5

/**
 * A ratio of two CPU figures of the same run; no budget where the other side is not installed. With one that lost messages
 * nothing is compared: it did less than it was asked.
 *
 * @param aim where it is not yet what it is meant to be
 */
export function ratio(
  what: string,
  own: Measured | undefined,
  other: Measured | undefined,
  bound: Budget['bound'],
  limit: number,
  aim?: number,
): Budget[] {
  if (!other) return []
  const [value, against] = [own?.cpu_us ?? Number.NaN, other.cpu_us ?? Number.NaN]
  const times = bound === 'at most' ? value / against : against / value
  const unmeasured = other.lost > 0 ? `the other lost ${other.lost}` : undefined
  return [{ what, bound, limit, aim, value: unmeasured ? Number.NaN : times, unmeasured, unit: '×' }]
}

/** The budgets as the short form keeps them: ratios only, loosened. */
export function loosened(budgets: readonly Budget[]): Budget[] {
  return budgets
    .filter(({ unit }) => unit === '×')
    .map((budget) => ({
      ...budget,
      limit: budget.bound === 'at most' ? budget.limit * SHORT_SLACK : budget.limit / SHORT_SLACK,
    }))
}

/** Whether the figure is within the bound. What could not be measured is not. */
export function isMet({ bound, limit, value }: Budget): boolean {
  return isWithin(value, bound, limit)
}

/** Whether it is where it is meant to come. */
export function isAimed({ bound, limit, aim = limit, value }: Budget): boolean {
  return isWithin(value, bound, aim)
}

function isWithin(value: number, bound: Budget['bound'], limit: number): boolean {
  return bound === 'at most' ? value <= limit : value >= limit
}

/** What is wrong with a row, one sentence each; none: it passed. */
export function faults({ lost, reference, budgets, broke }: Row): string[] {
  const missed = budgets.filter((budget) => !isMet(budget)).map((budget) => `missed: ${budgetText(budget)}`)
  // Not a number: nobody knows.
  if (!(lost <= 0 || reference)) missed.unshift(`${lost} lost`)
  if (broke !== undefined) missed.unshift(broke)
  return missed
}

/** A budget and what was measured, in words. */
export function budgetText({ what, bound, limit, aim, value, unmeasured, unit }: Budget): string {
  const sign = bound === 'at most' ? '≤' : '≥'
  const meant = aim === undefined ? '' : ` (aim ${figure(aim)})`
  const why = unmeasured === undefined ? '' : `: ${unmeasured}`
  return `${what} ${figure(value)} ${sign} ${figure(limit)} ${unit}${meant}${why}`
}

/** A figure with as many decimals as it deserves. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}

import semver from 'semver'
import { applyTo, draftOf, resultOf } from './apply.ts'
import type { Adapter, Operation } from './operations.ts'

export const STEPS_MAX = 8
/** How much one search may do, in comparisons of a range with a version: some 30 ms. */
const COMPARISONS_MAX = 50_000
/** Reading a range costs as much as so many comparisons. */
const COMPARISONS_PER_RANGE = 25

/** A version with its adapters, as `checkAdapters` takes them. */
export interface AdaptedVersion {
  readonly version: string
  readonly adapters: readonly Adapter[]
}

/** From one version to another by one adapter. */
export interface Step {
  readonly from: string
  readonly to: string
  readonly operations: readonly Operation[]
  /** `up`: to a newer version. */
  readonly direction: 'up' | 'down'
}

/** A way from the first version to another, with what decides between two of the same length. */
interface Way {
  readonly steps: readonly Step[]
  readonly downs: number
}

/**
 * The shortest chain of adapters between two versions of a protocol, of at most {@link STEPS_MAX} steps. Of
 * several that are as short: the one with fewer steps down, then the one that goes over higher versions.
 *
 * @param versions all registered versions of the protocol, in any order
 * @returns no steps when both are the same; undefined when no chain leads there, when one of the two is not
 *   registered, or when thousands of ranges would have to be compared to find one
 */
export function chainBetween(
  versions: readonly AdaptedVersion[],
  from: string,
  to: string,
): readonly Step[] | undefined {
  const registered = new Map(versions.map((one) => [one.version, one]))
  if (!registered.has(from) || !registered.has(to)) return undefined
  const ranges = new Ranges()
  let unreached = versions.filter(({ version }) => version !== from)
  let ways = new Map<string, Way>([[from, { steps: [], downs: 0 }]])
  for (let length = 0; length <= STEPS_MAX; length++) {
    const found = ways.get(to)
    if (found !== undefined) return found.steps
    const longer = new Map<string, Way>()
    for (const [version, way] of length < STEPS_MAX ? ways : [])
      for (const step of stepsFrom(registered.get(version)!, unreached, ranges)) {
        const next = { steps: [...way.steps, step], downs: way.downs + (step.direction === 'down' ? 1 : 0) }
        const other = longer.get(step.to)
        if (other === undefined || isBetter(next, other)) longer.set(step.to, next)
      }
    unreached = unreached.filter(({ version }) => !longer.has(version))
    ways = longer
  }
  return undefined
}

/** Whether a way is better than another of the same length. */
function isBetter(way: Way, other: Way): boolean {
  if (way.downs !== other.downs) return way.downs < other.downs
  for (let i = 0; i < way.steps.length; i++) {
    const order = semver.compare(way.steps[i]!.to, other.steps[i]!.to)
    if (order !== 0) return order > 0
  }
  return false
}

/** The steps that lead from a version to some of the others. */
function* stepsFrom(
  start: AdaptedVersion,
  others: readonly AdaptedVersion[],
  ranges: Ranges,
): Generator<Step> {
  for (const other of others) {
    const step = stepUp(start.version, other, ranges) ?? stepDown(start, other.version, ranges)
    if (step !== undefined) yield step
  }
}

/** The step from an older version up to the one that has the adapters; the first that fits is taken. */
export function stepUp(older: string, newer: AdaptedVersion, ranges = new Ranges()): Step | undefined {
  for (const { from, up } of newer.adapters)
    if (up !== undefined && ranges.takes(from, older, newer.version))
      return { from: older, to: newer.version, operations: up, direction: 'up' }
  return undefined
}

/** The step from the version that has the adapters down to an older one; the first that fits is taken. */
export function stepDown(newer: AdaptedVersion, older: string, ranges = new Ranges()): Step | undefined {
  for (const { from, down } of newer.adapters)
    if (down !== undefined && ranges.takes(from, older, newer.version))
      return { from: newer.version, to: older, operations: down, direction: 'down' }
  return undefined
}

/** Compares versions with the `from` of adapters; keeps what was read, and bounds how much is compared. */
export class Ranges {
  /** By their text; null for a single version. */
  private readonly read = new Map<string, semver.Range | null>()
  private comparisons_left = COMPARISONS_MAX

  /** Whether an adapter of `newer` that starts from `from` takes `older`. */
  takes(from: string, older: string, newer: string): boolean {
    if (from === older) return semver.lt(older, newer)
    const range = this.rangeOf(from)
    if (range === null || --this.comparisons_left < 0) return false
    return range.test(older) && semver.lt(older, newer)
  }

  private rangeOf(from: string): semver.Range | null {
    const known = this.read.get(from)
    if (known !== undefined) return known
    this.comparisons_left -= COMPARISONS_PER_RANGE
    if (this.comparisons_left < 0) return null
    const exact = semver.valid(from) === from
    const range = exact ? null : new semver.Range(from, { loose: false, includePrerelease: false })
    this.read.set(from, range)
    return range
  }
}

/**
 * A payload taken along a chain. Each step may do as much as `applyOperations` allows; the size of the
 * result is checked at the end.
 *
 * @returns the payload, and the steps in words, such as `1.2.0→2.0.0`
 * @throws AdapterFailure with the step that it failed at
 */
export function adapt(payload: unknown, steps: readonly Step[]): { payload: unknown; steps: string[] } {
  const names = steps.map(({ from, to }) => `${from}→${to}`)
  const draft = draftOf(payload, names[0])
  for (let i = 0; i < steps.length; i++) applyTo(draft, steps[i]!.operations, names[i])
  return { payload: resultOf(draft, names.at(-1)), steps: names }
}

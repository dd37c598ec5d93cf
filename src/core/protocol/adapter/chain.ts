import Range from 'semver/classes/range.js'
import compare from 'semver/functions/compare.js'
import lt from 'semver/functions/lt.js'
import valid from 'semver/functions/valid.js'
import { applyTo, draftOf, resultOf } from './apply.ts'
import type { Adapter, Operation } from './operations.ts'

export const STEPS_MAX = 8
/** What all searches together may do, in comparisons of a range with a version: some 20 ms. */
const COMPARISONS_MAX = 20_000
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

/** From how many versions the ways are remembered. */
const SOURCES_MAX = 32

/**
 * The chains of adapters between the versions of one protocol. What was compared once is remembered, and all
 * that is compared is bounded: some 20 ms of work, however many are asked for. Of versions with thousands
 * of ranges, some chains are not found.
 */
export class Chains {
  private readonly registered: ReadonlyMap<string, AdaptedVersion>
  private readonly ranges = new Ranges()
  private readonly steps = new Map<string, readonly Step[]>()
  private readonly ways = new Map<string, ReadonlyMap<string, Way>>()

  /** @param versions all registered versions, in any order */
  constructor(versions: readonly AdaptedVersion[]) {
    this.registered = new Map(versions.map((one) => [one.version, one]))
  }

  /**
   * The shortest chain, of at most {@link STEPS_MAX} steps. Of several that are as short: the one with fewer
   * steps down, then the one that goes over higher versions.
   *
   * @returns no steps when both are the same; undefined when there is none, or one is not registered
   */
  between(from: string, to: string): readonly Step[] | undefined {
    if (!this.registered.has(from) || !this.registered.has(to)) return undefined
    return from === to ? [] : this.waysFrom(from).get(to)?.steps
  }

  /** The best way from a version to each that can be reached, found breadth first. */
  private waysFrom(from: string): ReadonlyMap<string, Way> {
    const known = this.ways.get(from)
    if (known) return known
    const ways = new Map<string, Way>([[from, { steps: [], downs: 0 }]])
    let newest = new Map(ways)
    for (let length = 0; length < STEPS_MAX && newest.size > 0; length++) {
      const longer = new Map<string, Way>()
      for (const [version, way] of newest)
        for (const step of this.stepsFrom(version)) {
          if (ways.has(step.to)) continue
          const downs = way.downs + (step.direction === 'down' ? 1 : 0)
          const next = { steps: [...way.steps, step], downs }
          const other = longer.get(step.to)
          if (other === undefined || isBetter(next, other)) longer.set(step.to, next)
        }
      for (const [version, way] of longer) ways.set(version, way)
      newest = longer
    }
    if (this.ways.size >= SOURCES_MAX) this.ways.clear()
    this.ways.set(from, ways)
    return ways
  }

  /** The single steps from a version to others. */
  private stepsFrom(version: string): readonly Step[] {
    const known = this.steps.get(version)
    if (known) return known
    const start = this.registered.get(version)!
    const steps: Step[] = []
    for (const other of this.registered.values()) {
      if (other === start) continue
      const step = stepUp(version, other, this.ranges) ?? stepDown(start, other.version, this.ranges)
      if (step !== undefined) steps.push(step)
    }
    this.steps.set(version, steps)
    return steps
  }
}

/** One chain; see {@link Chains.between}. */
export function chainBetween(
  versions: readonly AdaptedVersion[],
  from: string,
  to: string,
): readonly Step[] | undefined {
  return new Chains(versions).between(from, to)
}

/** Whether a way is better than another of the same length. */
function isBetter(way: Way, other: Way): boolean {
  if (way.downs !== other.downs) return way.downs < other.downs
  for (let i = 0; i < way.steps.length; i++) {
    const order = compare(way.steps[i]!.to, other.steps[i]!.to)
    if (order !== 0) return order > 0
  }
  return false
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
  private readonly read = new Map<string, Range | null>()
  private comparisons_left = COMPARISONS_MAX

  /** Whether an adapter of `newer` that starts from `from` takes `older`. */
  takes(from: string, older: string, newer: string): boolean {
    if (from === older) return lt(older, newer)
    const range = this.rangeOf(from)
    if (range === null || --this.comparisons_left < 0) return false
    return range.test(older) && lt(older, newer)
  }

  private rangeOf(from: string): Range | null {
    const known = this.read.get(from)
    if (known !== undefined) return known
    this.comparisons_left -= COMPARISONS_PER_RANGE
    if (this.comparisons_left < 0) return null
    const exact = valid(from) === from
    const range = exact ? null : new Range(from, { loose: false, includePrerelease: false })
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

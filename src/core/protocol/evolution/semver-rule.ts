import compare from 'semver/functions/compare.js'
import gt from 'semver/functions/gt.js'
import lt from 'semver/functions/lt.js'
import major from 'semver/functions/major.js'
import parse from 'semver/functions/parse.js'
import prerelease from 'semver/functions/prerelease.js'
import type { Comparison, Reason } from './relation.ts'

/** What a version number promises beyond what its schema keeps. */
export interface BrokenPromise {
  /** One sentence: the step, what it promises, what the schema is, and what would do. */
  readonly sentence: string
  /** The least step that the change may be registered as. */
  readonly needed: 'minor' | 'major'
  readonly reasons: readonly Reason[]
}

/**
 * Whether a step between two versions may make a change: a patch must be `full`, a minor at least
 * `backward`, a major may be anything. Below 1.0.0 a minor counts as a major. A prerelease is held to
 * nothing.
 *
 * @param from the lower version, and `to` the higher one; exact versions
 * @param options `strict` has the strict relation decide; `allow_breaking` allows everything
 * @returns undefined if the step may be made
 */
export function semverRule(
  from: string,
  to: string,
  comparison: Comparison,
  options: { readonly strict?: boolean; readonly allow_breaking?: boolean } = {},
): BrokenPromise | undefined {
  const relation = options.strict ? comparison.strict_relation : comparison.relation
  if (options.allow_breaking || prerelease(from) !== null || prerelease(to) !== null) return undefined
  const step = stepOf(from, to)
  if (step === 'major' || relation === 'full' || (step === 'minor' && relation === 'backward'))
    return undefined
  // Below 1.0.0 there is no minor between a patch and a major: the next minor number may be anything.
  const needed = relation === 'backward' || major(to) === 0 ? 'minor' : 'major'
  const promise = step === 'patch' ? 'full' : 'full or backward'
  return {
    sentence:
      `${to} is a ${step} after ${from}, which has to be ${promise}, but the change is ${relation}: ` +
      `register it as a new ${needed} version, or set allow_breaking to true.`,
    needed,
    reasons: options.strict ? [...comparison.reasons, ...comparison.strict_reasons] : comparison.reasons,
  }
}

/** Which part of the number rises; below 1.0.0 a minor is as good as a major. */
function stepOf(from: string, to: string): 'major' | 'minor' | 'patch' {
  const [a, b] = [parse(from), parse(to)]
  if (a === null || b === null || a.major !== b.major) return 'major'
  if (a.minor === b.minor) return 'patch'
  return a.major === 0 ? 'major' : 'minor'
}

/**
 * The versions that a version is compared with: the highest lower one, and the lowest higher one of the same
 * major. Prereleases are not among them.
 *
 * @param versions the registered ones, in any order
 */
export function neighbours(
  versions: readonly string[],
  version: string,
): { readonly lower?: string; readonly upper?: string } {
  const released = versions.filter((one) => prerelease(one) === null).sort(compare)
  const lower = released.findLast((one) => lt(one, version))
  const upper = released.find((one) => gt(one, version) && major(one) === major(version))
  return { ...(lower === undefined ? {} : { lower }), ...(upper === undefined ? {} : { upper }) }
}

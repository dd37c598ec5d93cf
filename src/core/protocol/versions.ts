import Range from 'semver/classes/range.js'
import SemVer from 'semver/classes/semver.js'
import minVersion from 'semver/ranges/min-version.js'
import { BrokerError } from '../errors.ts'

/** Strict, and a prerelease is taken only by a range that names one of the same major, minor and patch. */
const OPTIONS = { loose: false, includePrerelease: false } as const
/** A version fits the `protocol_version` of a message. */
const VERSION_CHARS_MAX = 64
const RANGE_CHARS_MAX = 128
const RANGE_PARTS_MAX = 16
const REMEMBERED_MAX = 1000
/** A version that is nearly right: with `v` or `=` before it, with parts left out, or without the `-`. */
const NEARLY = /^\s*[v=\s]*(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?:-?([a-z][0-9a-z.-]*))?\s*$/i

/**
 * A version in its canonical form: without the build part. Versions that differ in the build part alone are
 * the same (semver.org, item 10).
 *
 * @param field JSON pointer of the parameter, for the error
 * @throws BrokerError `invalid_params` for anything but three numbers and perhaps a prerelease and a build,
 *   such as `v1.0.0`, `1.0` or `latest`
 */
export function parseVersion(text: string, field: string): string {
  const parsed = text.length <= VERSION_CHARS_MAX ? versionOf(text) : undefined
  const [plain] = text.split('+', 1)
  if (parsed && parsed.version === plain) return parsed.version
  throw new BrokerError('invalid_params', {
    field,
    detail: `${shown(text)} is not a semver version of at most ${VERSION_CHARS_MAX} characters.`,
    next: versionFix(text),
  })
}

/** What to write instead of a text that is no version. */
function versionFix(text: string): string {
  const parts = NEARLY.exec(text.split('+', 1)[0]!.slice(0, VERSION_CHARS_MAX))
  if (parts) {
    const [, major, minor = '0', patch = '0', prerelease] = parts
    const numbers = [major, minor, patch].map(Number).join('.')
    const nearest = prerelease ? `${numbers}-${prerelease}` : numbers
    if (versionOf(nearest)) return `Write ${nearest}.`
  }
  return 'Write three numbers and perhaps a prerelease, such as 1.0.0 or 2.0.0-rc.1.'
}

/**
 * Checks that a text is a range of node-semver, at most 128 characters with at most 16 alternatives. The
 * empty text is one, and means `*`.
 *
 * @param field JSON pointer of the parameter, for the error
 * @throws BrokerError `invalid_params`
 */
export function checkRange(text: string, field: string): void {
  if (rangeOf(text)) return
  if (isLarge(text))
    throw new BrokerError('invalid_params', {
      field,
      detail: `A range has at most ${RANGE_CHARS_MAX} characters and ${RANGE_PARTS_MAX} alternatives.`,
      next: 'Write a shorter range, such as "^1.2.0 || ^2.0.0".',
    })
  throw new BrokerError('invalid_params', {
    field,
    detail: `${shown(text)} is not a semver range.`,
    next: /^\s*(latest|any|all|next|newest)\s*$/i.test(text)
      ? 'Write "*" for any version that is not a prerelease.'
      : 'Write a range of node-semver, such as "^1.2.0" or ">=1.4 <3".',
  })
}

function isLarge(range: string): boolean {
  return range.length > RANGE_CHARS_MAX || range.split('||').length > RANGE_PARTS_MAX
}

/** The range that a text means; undefined for a text that {@link checkRange} refuses. */
export const rangeOf: (text: string) => Range | undefined = remembering((text) =>
  isLarge(text) ? undefined : orUndefined(() => new Range(text, OPTIONS)),
)

const versionOf: (text: string) => SemVer | undefined = remembering((text) =>
  orUndefined(() => new SemVer(text, OPTIONS)),
)

/** Whether a range takes a version. A text that is no range, or no version, matches nothing. */
export function satisfies(version: string, range: string): boolean {
  const parsed = versionOf(version)
  return parsed !== undefined && rangeOf(range)?.test(parsed) === true
}

/** Those of the versions that a range takes, in their order. */
export function satisfying<V extends { readonly version: string }>(
  versions: readonly V[],
  range: string,
): V[] {
  const parsed = rangeOf(range)
  if (!parsed) return []
  return versions.filter(({ version }) => {
    const known = versionOf(version)
    return known !== undefined && parsed.test(known)
  })
}

/** The highest of the versions that a range takes. */
export function highest(versions: readonly string[], range: string): string | undefined {
  let best: string | undefined
  for (const version of versions)
    if (satisfies(version, range) && (best === undefined || compareVersions(version, best) > 0))
      best = version
  return best
}

/** The lowest version that a range takes, whether or not it is registered. */
export function lowest(range: string): string | undefined {
  const parsed = rangeOf(range)
  return (parsed && minVersion(parsed, OPTIONS)?.version) ?? undefined
}

/** Whether some version, registered or not, could be in both ranges. */
export function rangesMeet(a: string, b: string): boolean {
  const [one, other] = [rangeOf(a), rangeOf(b)]
  return one !== undefined && other !== undefined && one.intersects(other, OPTIONS)
}

/** Negative when `a` is the lower version, 0 when both are the same; a text that is no version is lowest. */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [versionOf(a), versionOf(b)]
  if (one && other) return one.compare(other)
  return Number(one !== undefined) - Number(other !== undefined)
}

/** The versions, highest first, in a new array. */
export function newestFirst(versions: readonly string[]): string[] {
  return [...versions].sort((a, b) => compareVersions(b, a))
}

export function isPrerelease(version: string): boolean {
  return (versionOf(version)?.prerelease.length ?? 0) > 0
}

/** One version of a protocol, as far as a choice between them needs it. */
export interface Choosable {
  readonly version: string
  /** Anything but `undefined` and `false`: deprecated. */
  readonly deprecated?: unknown
}

/** The newest version that is neither a prerelease nor deprecated; else the newest; undefined of none. */
export function newestUsable<V extends Choosable>(versions: readonly V[]): V | undefined {
  let [newest, usable]: [V | undefined, V | undefined] = [undefined, undefined]
  for (const one of versions) {
    if (!newest || compareVersions(one.version, newest.version) > 0) newest = one
    if (one.deprecated || isPrerelease(one.version)) continue
    if (!usable || compareVersions(one.version, usable.version) > 0) usable = one
  }
  return usable ?? newest
}

/** A text in quotes, cut where it is long. */
function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}

function orUndefined<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

/**
 * A function that keeps the results for the last 1,000 texts that it was asked for, and for up to as many
 * before them, but not for long texts.
 */
function remembering<T>(make: (text: string) => T): (text: string) => T {
  let young = new Map<string, { readonly result: T }>()
  let old = young
  return (text) => {
    const known = young.get(text)
    if (known) return known.result
    if (text.length > RANGE_CHARS_MAX) return make(text)
    const found = old.get(text) ?? { result: make(text) }
    if (young.size === REMEMBERED_MAX) {
      old = young
      young = new Map()
    }
    young.set(text, found)
    return found.result
  }
}

import { type Choosable, compareVersions, newestUsable, satisfies, satisfying } from '../versions.ts'

/** A registered version of a protocol, as far as negotiation needs it. */
export interface RegisteredVersion extends Choosable {
  readonly version: string
  readonly deprecated?: boolean
  readonly capabilities: readonly string[]
}

/** How many adapters the shortest chain between two versions of a protocol has; undefined: there is none. */
export type Steps = (from: string, to: string) => number | undefined

/** Only this many versions of each side are tried with adapters, the newest; it bounds hostile numbers. */
const ADAPTED_VERSIONS_MAX = 32
const WOULD_WORK_MAX = 10

/** A way from a version that one side sends to one that the other takes. */
export interface Route {
  readonly from: string
  readonly to: string
  readonly steps: number
}

/** Versions with the newest first, in a new array. All functions of this file but the two last take these. */
export function sorted<V extends Choosable>(versions: readonly V[]): V[] {
  return [...versions].sort((a, b) => compareVersions(b.version, a.version))
}

/** The versions that a range takes. */
export function taken<V extends Choosable>(versions: readonly V[], range: string): Set<V> {
  return new Set(satisfying(versions, range))
}

/** The versions that both take. */
export function shared<V>(a: ReadonlySet<V>, b: ReadonlySet<V>): V[] {
  const found: V[] = []
  for (const one of a) if (b.has(one)) found.push(one)
  return found
}

/** The newest that is not deprecated, else the newest. */
export function preferred<V extends Choosable>(versions: Iterable<V>): V | undefined {
  let newest: V | undefined
  for (const one of versions) {
    if (!one.deprecated) return one
    newest ??= one
  }
  return newest
}

/**
 * The way by adapters from the highest version of the one side that has one, to the highest of the other
 * that it leads to. Deprecated versions come last on either side.
 */
export function route(from: Iterable<Choosable>, to: Iterable<Choosable>, adapted: Steps): Route | undefined {
  const targets = deprecatedLast(to)
  for (const source of deprecatedLast(from))
    for (const target of targets) {
      const steps = adapted(source.version, target.version)
      if (steps !== undefined) return { from: source.version, to: target.version, steps }
    }
  return undefined
}

function deprecatedLast<V extends Choosable>(versions: Iterable<V>): V[] {
  const rank = (one: V) => (one.deprecated ? 1 : 0)
  return [...versions].sort((a, b) => rank(a) - rank(b)).slice(0, ADAPTED_VERSIONS_MAX)
}

/** What a send puts into the message: the version that is checked, and the one that is delivered. */
export interface ChosenVersion {
  readonly send: string
  readonly deliver: string
  /** How many adapters lead from the one to the other; absent when they are the same. */
  readonly steps?: number
}

/** Why no version can be sent, and what would change it. */
export interface VersionRefusal {
  readonly reason: 'not_registered' | 'no_common_version'
  /** What the sides state; absent where one states nothing, or has no part in the choice. */
  readonly ranges: { readonly sender?: string; readonly recipient?: string }
  /** Versions that `who` could move to, newest first, at most 10. Empty only if none is registered. */
  readonly would_work: readonly string[]
  /** The side that would have to move. */
  readonly who: 'sender' | 'recipient'
}

/**
 * The version of a send that names the protocol alone. In this order: the highest that both sides state; the
 * highest that the sender states and adapters lead on from; the highest that the one side states, if the
 * other states none; the newest that is neither a prerelease nor deprecated. A deprecated version is chosen
 * only where no other is left.
 *
 * @param versions all registered ones, in any order
 */
export function versionToSend<V extends Choosable>(choice: {
  readonly versions: readonly V[]
  readonly sender_range: string | undefined
  readonly recipient_range: string | undefined
  readonly adapted: Steps
}): ChosenVersion | VersionRefusal {
  const { sender_range, recipient_range, adapted } = choice
  const versions = sorted(choice.versions)
  const states = sender_range === undefined ? undefined : taken(versions, sender_range)
  const takes = recipient_range === undefined ? undefined : taken(versions, recipient_range)
  if (states && takes) {
    const common = preferred(shared(states, takes))
    if (common) return same(common.version)
    const way = route(states, takes, adapted)
    if (way) return along(way)
  } else {
    const one = states ?? takes
    const found = one ? preferred(one) : newestUsable(versions)
    if (found) return same(found.version)
  }
  const ranges = {
    ...(sender_range === undefined ? {} : { sender: sender_range }),
    ...(recipient_range === undefined ? {} : { recipient: recipient_range }),
  }
  if (versions.length === 0) return { reason: 'not_registered', ranges, would_work: [], who: 'sender' }
  if (takes?.size === 0)
    return noCommon('recipient', ranges, states && states.size > 0 ? [...states] : versions)
  return noCommon('sender', ranges, takes ? reaching(versions, takes, adapted) : versions)
}

/**
 * What is delivered of a send that names its version: the same when the recipient states no range or takes
 * it, else the highest version in the recipient's range that adapters lead to.
 *
 * @param named a registered version
 * @param versions all registered ones, in any order
 */
export function versionToDeliver<V extends Choosable>(choice: {
  readonly named: string
  readonly versions: readonly V[]
  readonly recipient_range: string | undefined
  readonly adapted: Steps
}): ChosenVersion | VersionRefusal {
  const { named, recipient_range, adapted } = choice
  if (recipient_range === undefined || satisfies(named, recipient_range)) return same(named)
  const versions = sorted(choice.versions)
  const takes = taken(versions, recipient_range)
  const way = route([{ version: named }], takes, adapted)
  if (way) return along(way)
  const ranges = { recipient: recipient_range }
  if (takes.size === 0) return noCommon('recipient', ranges, [{ version: named }])
  return noCommon('sender', ranges, reaching(versions, takes, adapted))
}

function same(version: string): ChosenVersion {
  return { send: version, deliver: version }
}

function along({ from, to, steps }: Route): ChosenVersion {
  return { send: from, deliver: to, steps }
}

/** The versions that arrive at a recipient: those which it takes, and those which adapters lead on from. */
function reaching<V extends Choosable>(versions: readonly V[], takes: ReadonlySet<V>, adapted: Steps): V[] {
  const tried = new Set(deprecatedLast(versions))
  return versions.filter((one) => takes.has(one) || (tried.has(one) && route([one], takes, adapted)))
}

function noCommon(
  who: VersionRefusal['who'],
  ranges: VersionRefusal['ranges'],
  versions: readonly Choosable[],
): VersionRefusal {
  const usable = versions.filter((one) => !one.deprecated)
  const would_work = (usable.length > 0 ? usable : versions).slice(0, WOULD_WORK_MAX)
  return { reason: 'no_common_version', ranges, would_work: would_work.map((one) => one.version), who }
}

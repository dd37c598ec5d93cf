import { BrokerError } from '../../errors.ts'
import { type RegisteredVersion, route, type Steps, shared, sorted, taken } from './choice.ts'
import type { Adapted, Party, Registered } from './negotiation.ts'

/** What many clients can say to each other: each with each, and all together. */
export interface Matrix {
  readonly pairs: readonly MatrixPair[]
  /** By protocol name, for each that anybody states. */
  readonly protocols: Readonly<Record<string, MatrixProtocol>>
}

export interface MatrixPair {
  /** client_ids. */
  readonly a: string
  readonly b: string
  /** They share a protocol, or neither states any. */
  readonly compatible: boolean
  /** Protocol name to the version that `a` sends, where each can send to the other. */
  readonly protocols: Readonly<Record<string, string>>
}

export interface MatrixProtocol {
  /** The highest version that every client takes, without adapters; null: there is none. */
  readonly everyone: string | null
  /** client_ids of those who state no range for it, or one that takes no registered version. */
  readonly lacks: readonly string[]
}

export const MATRIX_PARTIES_MAX = 50

/** Clients that take the same versions of the same protocols. */
interface Group {
  /** By protocol name. */
  readonly offers: ReadonlyMap<string, Offer>
  /** The protocols of a pair, by the group of the other. */
  readonly pairs: Map<Group, Readonly<Record<string, string>>>
}

interface Member {
  readonly client_id: string
  readonly group: Group
}

/** What one or more ranges take of a protocol. */
interface Offer {
  /** Which it is in the whole matrix. */
  readonly number: number
  readonly takes: ReadonlySet<RegisteredVersion>
  /** The version to send to another offer; null: none. */
  readonly meets: Map<Offer, string | null>
}

interface Topic {
  readonly versions: readonly RegisteredVersion[]
  readonly adapted: Steps
  readonly byRange: Map<string, Offer>
  /** By the versions that are taken: ranges that differ in the text alone are one offer. */
  readonly byVersions: Map<string, Offer>
}

/**
 * Negotiates each with each of at most 50 clients; nothing is required. Pairs come in the order of the
 * clients. Clients that take the same versions are compared once.
 *
 * @throws BrokerError `invalid_params` for more clients
 */
export function matrix(parties: readonly Party[], registered: Registered, adapted: Adapted): Matrix {
  const steps = matrixSteps(parties, registered, adapted)
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value
}

/** As {@link matrix}, in steps of a few milliseconds each: many ranges of many versions take long. */
export function* matrixSteps(
  parties: readonly Party[],
  registered: Registered,
  adapted: Adapted,
): Generator<void, Matrix> {
  if (parties.length > MATRIX_PARTIES_MAX)
    throw new BrokerError('invalid_params', {
      field: '/session_ids',
      detail: `${parties.length} sessions are named; at most ${MATRIX_PARTIES_MAX} are compared at once.`,
    })
  const topics = new Map<string, Topic>()
  const groups = new Map<string, Group>()
  let count = 0
  const topicOf = (name: string): Topic =>
    kept(topics, name, () => ({
      versions: sorted(registered(name)),
      adapted: keptSteps((from, to) => adapted(name, from, to)),
      byRange: new Map(),
      byVersions: new Map(),
    }))
  const offerOf = (name: string, range: string): Offer => {
    const { versions, byRange, byVersions } = topicOf(name)
    return kept(byRange, range, () => {
      const takes = taken(versions, range)
      const which = [...takes].map(({ version }) => version).join(' ')
      return kept(byVersions, which, () => ({ number: count++, takes, meets: new Map() }))
    })
  }
  const members: Member[] = []
  for (const { client_id, protocols } of parties) {
    const stated = Object.entries(protocols ?? {}).sort(byName)
    const offers = stated.map(([name, range]) => [name, offerOf(name, range)] as const)
    const which = offers.map(([, { number }]) => number).join(' ')
    const group = kept(groups, which, () => ({ offers: new Map(offers), pairs: new Map() }))
    members.push({ client_id, group })
    yield
  }
  const pairs: MatrixPair[] = []
  for (const [at, a] of members.entries()) {
    for (const b of members.slice(at + 1)) {
      const protocols = kept(a.group.pairs, b.group, () => between(a.group, b.group, topics))
      const silent = a.group.offers.size === 0 && b.group.offers.size === 0
      const compatible = silent || Object.keys(protocols).length > 0
      pairs.push({ a: a.client_id, b: b.client_id, compatible, protocols })
    }
    yield
  }
  const all = [...topics].sort(byName)
  return {
    pairs,
    protocols: Object.fromEntries(
      all.map(([name, { versions }]) => [name, together(name, versions, members)]),
    ),
  }
}

function between(a: Group, b: Group, topics: ReadonlyMap<string, Topic>): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const [name, ours] of a.offers) {
    const theirs = b.offers.get(name)
    if (!theirs) continue
    let version = ours.meets.get(theirs)
    if (version === undefined) {
      version = meeting(ours, theirs, topics.get(name)!.adapted) ?? null
      ours.meets.set(theirs, version)
    }
    if (version === null) continue
    if (name === '__proto__') Object.defineProperty(found, name, { value: version, enumerable: true })
    else found[name] = version
  }
  return found
}

/** As in a negotiation of two, but for adapters, which have to lead both ways. */
function meeting(ours: Offer, theirs: Offer, adapted: Steps): string | undefined {
  const common = shared(ours.takes, theirs.takes)
  if (common.length > 0) return common.find((one) => !one.deprecated)?.version
  const there = route(ours.takes, theirs.takes, adapted)
  return there && route(theirs.takes, ours.takes, adapted) ? there.from : undefined
}

function together(
  name: string,
  versions: readonly RegisteredVersion[],
  members: readonly Member[],
): MatrixProtocol {
  const everyone = versions.find(
    (one) => !one.deprecated && members.every(({ group }) => group.offers.get(name)?.takes.has(one)),
  )
  const lacking = members.filter(({ group }) => (group.offers.get(name)?.takes.size ?? 0) === 0)
  return { everyone: everyone?.version ?? null, lacks: lacking.map(({ client_id }) => client_id) }
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1
}

/** The value under a key, made at the first call. */
function kept<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let found = map.get(key)
  if (found === undefined) {
    found = make()
    map.set(key, found)
  }
  return found
}

/** The same steps, each asked for once: many pairs share a search through the adapters. */
function keptSteps(adapted: Steps): Steps {
  const known = new Map<string, Map<string, { readonly steps: number | undefined }>>()
  return (from, to) =>
    kept(
      kept(known, from, () => new Map()),
      to,
      () => ({ steps: adapted(from, to) }),
    ).steps
}

import { type RegisteredVersion, type Route, route, type Steps, shared, sorted, taken } from './choice.ts'
import { type Facts, type Reason, type Refusal, refused, type Suggestion, statedRanges } from './refusal.ts'
import { fulfils, type RequiredProtocol } from './required.ts'

/** One side: its address and the capabilities that it stated. */
export interface Party {
  readonly client_id: string
  /** Protocol name to the range that it speaks; a range that cannot be read matches nothing. */
  readonly protocols?: Readonly<Record<string, string>>
  readonly features?: readonly string[]
}

/** All versions of a protocol, in any order; empty where none is registered. */
export type Registered = (name: string) => readonly RegisteredVersion[]
/** {@link Steps} of the protocol with this name. */
export type Adapted = (name: string, from: string, to: string) => number | undefined

export interface NegotiationInput {
  /** The caller first. */
  readonly parties: readonly [Party, Party]
  readonly registered: Registered
  readonly adapted: Adapted
  readonly required?: readonly RequiredProtocol[]
}

/** A protocol that both speak; all keys are client_ids. */
export type Agreement =
  | { readonly version: string; readonly via: 'common'; readonly ranges: Readonly<Record<string, string>> }
  | {
      readonly version: null
      readonly via: 'adapters'
      /** The version that each side sends; a side that adapters do not lead on from is left out. */
      readonly send_as: Readonly<Record<string, string>>
      /** Adapters between what the caller sends and what the other side gets. */
      readonly steps: number
      /** Present where only the caller can send. */
      readonly sentence?: string
    }

/** The answer on the wire. Where a protocol is required, that decides too whether it is supported. */
export interface Negotiation {
  /** All that is required is met; where nothing is: a protocol is shared, or neither side states any. */
  readonly compatible: boolean
  /** Protocol name to the version that the caller sends. */
  readonly supported_protocols: Readonly<Record<string, string>>
  readonly unsupported_protocols: readonly string[]
  readonly feature_intersections: readonly string[]
  /** By client_id: what this side has alone. */
  readonly feature_differences: Readonly<Record<string, readonly string[]>>
  readonly details: Readonly<Record<string, Agreement | Refusal>>
  readonly suggestions: readonly Suggestion[]
  readonly required: { readonly met: readonly string[]; readonly missing: readonly string[] }
}

/**
 * What two clients can say to each other. A client that states no protocols speaks untyped messages only.
 * Names and features are sorted, whatever order they were stated in.
 */
export function negotiate({ parties, registered, adapted, required = [] }: NegotiationInput): Negotiation {
  const [a, b] = parties
  const needs = new Map(required.map((need) => [need.name, need]))
  const stated = new Set([...Object.keys(a.protocols ?? {}), ...Object.keys(b.protocols ?? {})])
  const supported: [string, string][] = []
  const unsupported: string[] = []
  const details: [string, Agreement | Refusal][] = []
  const suggestions: Suggestion[] = []
  for (const name of [...new Set([...stated, ...needs.keys()])].sort()) {
    const facts = factsOf(name, parties, registered(name), needs.get(name))
    const found = agree(facts, (from, to) => adapted(name, from, to))
    if (typeof found === 'string') {
      const { detail, suggestions: moves } = refused(facts, found)
      unsupported.push(name)
      details.push([name, detail])
      suggestions.push(...moves)
    } else {
      supported.push([name, found.version])
      details.push([name, found.detail])
    }
  }
  const missing = required.filter(({ name }) => unsupported.includes(name)).map(({ name }) => name)
  return {
    compatible: required.length > 0 ? missing.length === 0 : supported.length > 0 || stated.size === 0,
    supported_protocols: Object.fromEntries(supported),
    unsupported_protocols: unsupported,
    ...features(a, b),
    details: Object.fromEntries(details),
    suggestions,
    required: { met: required.map(({ name }) => name).filter((name) => !missing.includes(name)), missing },
  }
}

function factsOf(
  name: string,
  parties: NegotiationInput['parties'],
  registered: readonly RegisteredVersion[],
  need: RequiredProtocol | undefined,
): Facts {
  const versions = sorted(registered)
  const side = ({ client_id, protocols }: Party) => {
    const range = protocols && Object.hasOwn(protocols, name) ? protocols[name] : undefined
    return { client_id, range, takes: range === undefined ? new Set<never>() : taken(versions, range) }
  }
  return { name, versions, sides: [side(parties[0]), side(parties[1])], need }
}

/** The version to speak, or why there is none. Adapters come in only where no version is shared. */
function agree(facts: Facts, adapted: Steps): { version: string; detail: Agreement } | Reason {
  const [a, b] = facts.sides
  if (facts.versions.length === 0) return 'not_registered'
  if (a.range === undefined || b.range === undefined) return 'not_offered'
  const common = shared(a.takes, b.takes)
  const fit = common.filter((one) => fulfils(one, facts.need))
  const best = fit.find((one) => !one.deprecated)
  if (best)
    return {
      version: best.version,
      detail: { version: best.version, via: 'common', ranges: statedRanges(facts) },
    }
  if (fit.length > 0) return 'deprecated'
  const fromCaller = [...a.takes].filter((one) => fulfils(one, facts.need))
  const there = route(fromCaller, b.takes, adapted)
  if (there) return { version: there.from, detail: adaptedAgreement(facts, there, adapted) }
  const inRange = common.some((one) => fulfils(one, { ...facts.need, capabilities: [] }))
  return inRange ? 'missing_capability' : 'no_common_version'
}

function adaptedAgreement({ name, sides: [a, b] }: Facts, there: Route, adapted: Steps): Agreement {
  const back = route(b.takes, a.takes, adapted)
  const send_as = { [a.client_id]: there.from, ...(back ? { [b.client_id]: back.from } : {}) }
  const found = { version: null, via: 'adapters', send_as, steps: there.steps } as const
  if (back) return found
  const [ours, theirs] = [a.client_id, b.client_id]
  return {
    ...found,
    sentence: `No adapters lead from ${theirs} to ${ours}, so only ${ours} can send ${name}.`,
  }
}

function features(a: Party, b: Party): Pick<Negotiation, 'feature_intersections' | 'feature_differences'> {
  const [ours, theirs] = [new Set(a.features), new Set(b.features)]
  return {
    feature_intersections: [...ours.intersection(theirs)].sort(),
    feature_differences: Object.fromEntries([
      [a.client_id, [...ours.difference(theirs)].sort()],
      [b.client_id, [...theirs.difference(ours)].sort()],
    ]),
  }
}

import { compareVersions, isPrerelease, lowest, rangeOf, rangesMeet, satisfies } from '../versions.ts'
import { preferred, type RegisteredVersion, shared } from './choice.ts'
import { fulfils, type RequiredProtocol } from './required.ts'

/**
 * Why a protocol is not supported. `deprecated`: all versions that both take are. `missing_capability`: none
 * of them has what is required.
 */
export type Reason =
  | 'not_registered'
  | 'not_offered'
  | 'no_common_version'
  | 'deprecated'
  | 'missing_capability'

/** One protocol between two sides. */
export interface Facts {
  readonly name: string
  /** All that are registered, newest first. */
  readonly versions: readonly RegisteredVersion[]
  /** The caller first. */
  readonly sides: readonly [Side, Side]
  readonly need: RequiredProtocol | undefined
}

export interface Side {
  readonly client_id: string
  readonly range: string | undefined
  /** The registered versions in its range, newest first. */
  readonly takes: ReadonlySet<RegisteredVersion>
}

export interface Refusal {
  readonly reason: Reason
  /** What each side states, by client_id. */
  readonly ranges: Readonly<Record<string, string>>
  /** The client_ids that do not offer the protocol, where that is the reason. */
  readonly who?: readonly string[]
  readonly sentence: string
}

/** One step that would help. Those for one protocol are alternatives, unless they name the same `to`. */
export interface Suggestion {
  readonly protocol: string
  /** The client_id that would have to move; absent for `register`, which anybody can do. */
  readonly who?: string
  /** `accept` moves a range that takes no registered version; `offer` states one where there was none. */
  readonly action: 'upgrade' | 'downgrade' | 'accept' | 'offer' | 'register'
  /** A version that would work; absent where no version would. */
  readonly to?: string
  readonly sentence: string
}

/** A refusal in words, with the steps that would end it. */
export function refused(facts: Facts, reason: Reason): { detail: Refusal; suggestions: Suggestion[] } {
  const who = facts.sides.filter(({ range }) => range === undefined).map(({ client_id }) => client_id)
  const detail = {
    reason,
    ranges: statedRanges(facts),
    ...(reason === 'not_offered' ? { who } : {}),
    sentence: sentence(facts, reason),
  }
  return { detail, suggestions: suggestions(facts) }
}

export function statedRanges({ sides }: Facts): Record<string, string> {
  return Object.fromEntries(
    sides.flatMap(({ client_id, range }) => (range === undefined ? [] : [[client_id, range]])),
  )
}

function sentence(facts: Facts, reason: Reason): string {
  const { name, sides, need } = facts
  const [a, b] = sides
  const common = shared(a.takes, b.takes)
  switch (reason) {
    case 'not_registered':
      return `No version of ${name} is registered.`
    case 'not_offered': {
      const silent = sides.filter(({ range }) => range === undefined).map(({ client_id }) => client_id)
      return silent.length === 2
        ? `Neither ${silent.join(' nor ')} offers ${name}.`
        : `${silent[0]} does not offer ${name}.`
    }
    case 'deprecated':
      return `Both take ${name} ${listed(common)}, of which every version that would do is deprecated.`
    case 'missing_capability':
      return `Both take ${name} ${listed(common)}, without ${need?.capabilities?.join(' and ')}.`
    case 'no_common_version':
      return noCommonSentence(facts, common)
  }
}

function noCommonSentence({ name, sides, need }: Facts, common: readonly RegisteredVersion[]): string {
  const [a, b] = sides
  if (common.length > 0) return `Both take ${name} ${listed(common)}, but ${need?.version} is required.`
  for (const { client_id, range, takes } of sides) {
    if (range === undefined || takes.size > 0) continue
    return rangeOf(range)
      ? `No registered version of ${name} is in the range of ${client_id}, ${range}.`
      : `The range of ${client_id} for ${name} cannot be read, so it takes no version.`
  }
  const meet = rangesMeet(a.range ?? '', b.range ?? '')
  return (
    `${a.client_id} takes ${name} ${a.range} and ${b.client_id} ${b.range}; ` +
    (meet ? 'the ranges meet only where no version is registered.' : 'the ranges have no version in common.')
  )
}

const LISTED_MAX = 5

function listed(versions: readonly RegisteredVersion[]): string {
  const more = versions.length - LISTED_MAX
  const some = versions.slice(0, LISTED_MAX).map(({ version }) => version)
  return `${some.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/**
 * The fewest moves that lead to a version which is not deprecated and would do: of one side if possible,
 * upwards if possible.
 */
function suggestions(facts: Facts): Suggestion[] {
  const { versions, sides, need } = facts
  const usable = versions.filter((one) => !one.deprecated && fulfils(one, need))
  const stable = usable.filter((one) => !isPrerelease(one.version))
  const moves = sides.flatMap((side, at) => {
    const other = sides[1 - at]!
    const target = usable.find((one) => other.takes.has(one))
    return target ? [move(facts, side, target.version)] : []
  })
  const upwards = moves.filter(({ action }) => action !== 'downgrade')
  if (moves.length > 0) return upwards.length > 0 ? upwards : moves
  const target = stable[0] ?? usable[0]
  return target ? sides.map((side) => move(facts, side, target.version)) : [register(facts)]
}

function move({ name }: Facts, { client_id, range, takes }: Side, to: string): Suggestion {
  if (range === undefined) {
    const sentence = `${client_id} would have to offer ${name} ${to}, and offers no version of it.`
    return { protocol: name, who: client_id, action: 'offer', to, sentence }
  }
  const present = preferred(takes)
  const upwards = present && compareVersions(to, present.version) > 0
  const action = present ? (upwards ? 'upgrade' : 'downgrade') : 'accept'
  const sentence = `${client_id} would have to accept ${name} ${to} (now ${range}).`
  return { protocol: name, who: client_id, action, to, sentence }
}

/** To register a version that all stated ranges take, if there can be one. */
function register({ name, versions, sides, need }: Facts): Suggestion {
  const ranges = [...sides.map(({ range }) => range), need?.version].filter((range) => range !== undefined)
  const present = versions.map(({ version }) => version)
  const to = [...present.flatMap(following), '1.0.0', ...ranges.map(lowest)].find(
    (one) => one !== undefined && !present.includes(one) && ranges.every((range) => satisfies(one, range)),
  )
  const what = `${name} ${to ?? 'in another version'}`
  const having = need?.capabilities?.length ? `, with ${need.capabilities.join(' and ')}` : ''
  const sentence = `Somebody would have to register ${what}${having}.`
  return { protocol: name, action: 'register', ...(to === undefined ? {} : { to }), sentence }
}

/** The release of a prerelease, the next minor and the next patch version. */
function following(version: string): string[] {
  const [major, minor, patch] = version.split('-', 1)[0]!.split('.').map(Number)
  return [`${major}.${minor}.${patch}`, `${major}.${minor! + 1}.0`, `${major}.${minor}.${patch! + 1}`]
}

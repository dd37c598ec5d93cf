import type { Adapter } from '../../core/protocol/adapter/operations.ts'
import type { Deprecation, NamedExample } from '../../core/protocol/definition.ts'
import type { Relation, ToldReason } from '../../core/protocol/evolution/relation.ts'
import type { JsonSchema } from '../../core/protocol/json-schema.ts'
import { call, type Target } from '../client.ts'
import { PROGRAM } from '../program.ts'
import { CliError } from '../verb.ts'

/** What `discover_protocols` says of one version. */
export interface Card {
  readonly name: string
  readonly version: string
  /** How many versions there are. */
  readonly versions: number
  readonly summary: string
  readonly capabilities: readonly string[]
  readonly example?: unknown
  readonly relation?: Relation
  readonly strict_relation?: Relation
  readonly deprecated?: Deprecation
  readonly tags?: readonly string[]
  readonly description?: string
  readonly agent_notes?: string
  readonly author?: string
  readonly documentation_url?: string
  readonly registered_at?: string
  /** Which relation decides whether a version number is right; lenient if absent. */
  readonly compare?: 'lenient' | 'strict'
  readonly schema?: JsonSchema
  readonly examples?: readonly NamedExample[]
  readonly adapters?: readonly Adapter[]
  /** Members that found no room in the answer. */
  readonly left_out?: readonly string[]
}

/** A card with all that was registered. */
export type FullCard = Card & Required<Pick<Card, 'schema' | 'examples' | 'adapters'>>

/** What `register_protocol` answers. */
export interface Registration {
  readonly name: string
  readonly version: string
  readonly created: boolean
  readonly updated: boolean
  readonly relation?: Relation
  readonly strict_relation?: Relation
  readonly reasons: readonly ToldReason[]
  readonly warnings: readonly string[]
}

/** What `migrate_messages` answers. */
export interface Migration {
  readonly dry_run: boolean
  readonly rewritten: number
  readonly left: Readonly<Record<'leased_or_delivered' | 'acknowledged' | 'failed' | 'no_room', number>>
  readonly failures: readonly { readonly message_id: string; readonly reason: string }[]
}

const PAGE = 100
/** One definition with all its examples has a place in an answer of this size. */
const ANSWER_BYTES_MAX = 1024 * 1024
const EVERYTHING = { include: ['schema', 'examples', 'adapters'], bytes_max: ANSWER_BYTES_MAX }

/**
 * The cards that match, of all pages.
 *
 * @param name with it, a card for each version of that protocol, newest first; else one for each protocol
 */
export async function cards(target: Target, name?: string, version_range?: string): Promise<Card[]> {
  const found: Card[] = []
  let after: string | undefined
  do {
    const query = { name, version_range, limit: PAGE, after }
    const page = await call<{ protocols: Card[]; next?: string }>(target, 'discover_protocols', query)
    found.push(...page.protocols)
    after = page.next
  } while (after !== undefined)
  if (found.length === 0 && name !== undefined) throw notRegistered(name, version_range)
  return found
}

/**
 * One version in full.
 *
 * @param version left out: the newest that is neither a prerelease nor deprecated, else the newest
 * @throws CliError when it is not registered
 */
export async function registered(target: Target, name: string, version?: string): Promise<FullCard> {
  const wanted = version ?? newestUsable(await cards(target, name)).version
  const query = { name, version_range: wanted, limit: 1, ...EVERYTHING }
  const { protocols } = await call<{ protocols: FullCard[] }>(target, 'discover_protocols', query)
  const [card] = protocols
  if (card?.version !== wanted) throw notRegistered(name, wanted)
  const left_out = card.left_out?.filter((part) => EVERYTHING.include.includes(part)) ?? []
  if (left_out.length > 0)
    throw new CliError(
      `${name} ${wanted} is too large for an answer: it lacks ${left_out.join(', ')}.`,
      'Work on the file that it was registered from.',
    )
  return card
}

/**
 * The newest version that is neither a prerelease nor deprecated, else the newest.
 *
 * @param versions newest first, at least one
 */
export function newestUsable<V extends Pick<Card, 'version' | 'deprecated'>>(versions: readonly V[]): V {
  return versions.find(({ version, deprecated }) => !deprecated && !version.includes('-')) ?? versions[0]!
}

function notRegistered(name: string, version: string | undefined): CliError {
  const what = version === undefined ? `No protocol "${name}"` : `No version ${version} of "${name}"`
  return new CliError(`${what} is registered.`, `See "${PROGRAM} protocols list".`)
}

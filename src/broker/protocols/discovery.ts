import { BrokerError } from '../../core/errors.ts'
import { formatTime } from '../../core/message.ts'
import type { Adapter } from '../../core/protocol/adapter/operations.ts'
import { cardOf, type ProtocolCard } from '../../core/protocol/card/card.ts'
import { fieldLines } from '../../core/protocol/card/fields.ts'
import type { NamedExample } from '../../core/protocol/definition.ts'
import type { Relation } from '../../core/protocol/evolution/relation.ts'
import { checkRange, newestUsable, satisfies } from '../../core/protocol/versions.ts'
import { firstExample, fittingExample } from './examples.ts'
import type { Family, ProtocolVersion } from './family.ts'
import type { ProjectProtocols } from './registry.ts'

/** Versions in one answer, and the characters that their schemas, examples and adapters may take together. */
const LIMIT_DEFAULT = 20
const BYTES_DEFAULT = 16 * 1024
/** With so few protocols in an answer, each has the fields of its payload in words. */
const WITH_FIELDS_MAX = 3

export interface Discovery {
  readonly name?: string | undefined
  readonly version_range?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly include?: readonly ('schema' | 'examples' | 'adapters')[] | undefined
  readonly limit?: number | undefined
  readonly bytes_max?: number | undefined
  readonly after?: string | undefined
}

export interface FullCard extends ProtocolCard {
  fields?: string[]
  schema?: unknown
  examples?: NamedExample[]
  adapters?: Adapter[]
  agent_notes?: string
  description?: string
  documentation_url?: string
  author?: string
  strict_relation?: Relation
  registered_at?: string
  compare?: 'lenient' | 'strict'
  left_out?: string[]
}

/**
 * The protocols that match. With an exact name: all its versions, newest first. Else: of each protocol the
 * newest version that is neither deprecated nor a prerelease, in order of name.
 *
 * @throws BrokerError `invalid_params` for a range that is none
 */
export function discover(
  protocols: ProjectProtocols,
  { name, version_range, tags = [], include = [], limit = LIMIT_DEFAULT, bytes_max, after }: Discovery,
): { protocols: FullCard[]; next?: string } {
  if (version_range !== undefined) checkRange(version_range, '/version_range')
  const fits = ({ version, registered }: ProtocolVersion) =>
    (version_range === undefined || satisfies(version, version_range)) &&
    tags.every((tag) => registered.metadata.tags?.includes(tag))
  const exact = name !== undefined && !name.endsWith('*')
  const found = exact
    ? versionsAfter(protocols.family(name), after).filter(fits)
    : newestOfEach(protocols, name?.slice(0, -1) ?? '', after, fits)
  const page = found.slice(0, limit)
  const budget = { left: bytes_max ?? BYTES_DEFAULT }
  const whole = include.length > 0 || (exact && page.length === 1)
  const parts = include.length > 0 ? include : whole ? ALL_PARTS : []
  const cards = page.map((version) => {
    const card: FullCard = withExample(version, protocols.family(version.name)!)
    if (exact && page.length <= WITH_FIELDS_MAX) card.fields = fieldLines(version.registered.schema)
    if (whole) addParts(card, version, parts, budget)
    return card
  })
  const last = page.at(-1)
  if (!last || found.length === page.length) return { protocols: cards }
  return { protocols: cards, next: exact ? last.version : last.name }
}

/** With the author's first example, or a short one where that finds no room. */
function withExample({ registered }: ProtocolVersion, { newest }: Family): ProtocolCard {
  const card = cardOf(registered, newest.length, firstExample(registered))
  return 'example' in card ? card : cardOf(registered, newest.length, fittingExample(registered))
}

const ALL_PARTS = ['schema', 'examples', 'adapters'] as const

function versionsAfter(family: Family | undefined, after: string | undefined): readonly ProtocolVersion[] {
  if (!family || after === undefined) return family?.newest ?? []
  const at = family.newest.findIndex(({ version }) => version === after)
  if (at === -1)
    throw new BrokerError('invalid_params', {
      field: '/after',
      detail: `after is no version of ${family.name}; it is the next of the page before.`,
    })
  return family.newest.slice(at + 1)
}

function newestOfEach(
  protocols: ProjectProtocols,
  prefix: string,
  after: string | undefined,
  fits: (version: ProtocolVersion) => boolean,
): ProtocolVersion[] {
  const found: ProtocolVersion[] = []
  for (const name of protocols.names()) {
    if (!name.startsWith(prefix) || (after !== undefined && name <= after)) continue
    const fitting = protocols.family(name)!.newest.filter(fits)
    const usable = newestUsable(
      fitting.map((one) => ({ version: one.version, deprecated: one.registered.deprecated !== undefined })),
    )
    const chosen = fitting.find(({ version }) => version === usable?.version)
    if (chosen) found.push(chosen)
  }
  return found
}

/** Adds what a card leaves out; what finds no room is named instead, never cut. */
function addParts(
  card: FullCard,
  { registered }: ProtocolVersion,
  parts: readonly ('schema' | 'examples' | 'adapters')[],
  budget: { left: number },
): void {
  const { schema, metadata, adapters, strict_relation, registered_ms } = registered
  const { description, author, documentation_url, agent_notes, compare, tags } = metadata
  const of = { schema, examples: metadata.examples ?? [], adapters }
  const left_out: string[] = []
  const add = <K extends keyof FullCard>(key: K, value: FullCard[K]) => {
    const chars = JSON.stringify(value)?.length ?? 0
    if (value === undefined || chars === 0) return
    if (chars > budget.left) left_out.push(key)
    else {
      card[key] = value
      budget.left -= chars
    }
  }
  for (const part of parts) add(part, of[part] as FullCard[typeof part])
  add('tags', tags)
  add('agent_notes', agent_notes)
  add('description', description)
  add('documentation_url', documentation_url)
  add('author', author)
  if (compare !== undefined) card.compare = compare
  if (strict_relation !== undefined) card.strict_relation = strict_relation
  if (registered_ms > 0) card.registered_at = formatTime(registered_ms)
  if (left_out.length > 0) card.left_out = left_out
}

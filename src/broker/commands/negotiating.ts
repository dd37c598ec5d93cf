import { Type } from '@sinclair/typebox'
import { ownClientId } from '../../auth/identity.ts'
import { BrokerError } from '../../core/errors.ts'
import { MATRIX_PARTIES_MAX, type Matrix, matrixSteps } from '../../core/protocol/negotiation/matrix.ts'
import { type Negotiation, negotiate, type Party } from '../../core/protocol/negotiation/negotiation.ts'
import { parseRequired } from '../../core/protocol/negotiation/required.ts'
import type { Broker } from '../broker.ts'
import { defineCommand } from '../command.ts'
import { inTurns } from '../turns.ts'
import { briefly, closed, count, inline, named, RecipientId, sentence, unlisted } from './schema.ts'

/** Pairs that the text for a model names; the output has all. */
const PAIRS_SHOWN_MAX = 20

const Suggestion = Type.Object({
  protocol: Type.String(),
  who: Type.Optional(Type.String()),
  action: Type.String(),
  to: Type.Optional(Type.String()),
  sentence: Type.String(),
})

const Pair = Type.Object({
  a: Type.String(),
  b: Type.String(),
  compatible: Type.Boolean(),
  protocols: named(Type.String()),
})

/** A client, by its address or by the session that holds it. @throws BrokerError `unknown_client` */
async function partyOf(broker: Broker, project: string, id: string, field: string): Promise<Party> {
  const client =
    (await broker.engine.client(project, { session_id: id })) ??
    (await broker.engine.client(project, { client_id: id }))
  if (!client?.session)
    throw new BrokerError('unknown_client', { field, detail: `No client has checked in as "${inline(id)}".` })
  const { protocols, features } = client.session.capabilities
  return {
    client_id: client.client_id,
    ...(protocols === undefined ? {} : { protocols }),
    ...(features === undefined ? {} : { features }),
  }
}

/** What is asked of two clients is not asked of many. @throws BrokerError `invalid_params` */
function checkAlone(others: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(others))
    if (value !== undefined)
      throw new BrokerError('invalid_params', {
        field: `/${name}`,
        detail: `${name} is given with session_ids, which asks of each with each.`,
        next: `Leave ${name} out, or ask of two clients: target_id instead of session_ids.`,
      })
}

export const negotiateCapabilities = defineCommand({
  name: 'negotiate_capabilities',
  title: 'Which protocols two clients share',
  summary: 'Find what you and another client can say to each other.',
  description:
    'By what both stated at check-in: protocols with the version to send, features, and who would have to move. ' +
    'With session_ids, each with each.',
  input: closed({
    target_id: Type.Optional(briefly('the other: a client_id or session_id', RecipientId)),
    session_id: Type.Optional(
      briefly(
        'the one side; you if left out',
        Type.String({
          minLength: 1,
          maxLength: 128,
          description: 'the one side, a session_id or client_id; you yourself if left out',
        }),
      ),
    ),
    session_ids: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
        minItems: 1,
        maxItems: MATRIX_PARTIES_MAX,
        description: 'instead: up to 50, for a matrix',
      }),
    ),
    required_protocols: Type.Optional(
      briefly(
        'names, {name: range} or [{name, version, capabilities}]',
        Type.Unknown({
          description:
            'what must be shared: names, {name: range}, or [{name, version: range, capabilities: [capability]}]',
        }),
      ),
    ),
  }),
  output: Type.Object({
    compatible: Type.Boolean(),
    supported_protocols: Type.Optional(
      named(Type.Union([Type.String(), Type.Null()]), {
        description: 'name to the version to send; null: see details',
      }),
    ),
    unsupported_protocols: Type.Optional(Type.Array(Type.String())),
    feature_intersections: Type.Optional(Type.Array(Type.String())),
    feature_differences: Type.Optional(named(Type.Array(Type.String()))),
    details: Type.Optional(named(Type.Unknown(), { description: 'why, by protocol' })),
    suggestions: Type.Optional(unlisted(Type.Array(Suggestion))),
    required: Type.Optional(
      unlisted(Type.Object({ met: Type.Array(Type.String()), missing: Type.Array(Type.String()) })),
    ),
    matrix: Type.Optional(
      unlisted(
        Type.Object({
          pairs: Type.Array(Pair),
          protocols: named(
            Type.Object({
              everyone: Type.Union([Type.String(), Type.Null()]),
              lacks: Type.Array(Type.String()),
            }),
          ),
        }),
      ),
    ),
  }),
  scope: 'read',
  http: { method: 'POST', path: '/v1/negotiations' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  async run(broker, identity, { session_id, target_id, session_ids, required_protocols }) {
    const { project } = identity
    const required = parseRequired(required_protocols)
    const protocols = await broker.protocols.registry.of(project)
    const registered = (name: string) => protocols.family(name)?.choosable ?? []
    const adapted = (name: string, from: string, to: string) => protocols.family(name)?.steps(from, to)
    if (session_ids !== undefined) {
      checkAlone({ target_id, session_id, required_protocols })
      const parties: Party[] = []
      for (const [i, id] of session_ids.entries())
        parties.push(await partyOf(broker, project, id, `/session_ids/${i}`))
      const found = await inTurns(matrixSteps(parties, registered, adapted))
      return { compatible: found.pairs.every(({ compatible }) => compatible), matrix: found }
    }
    if (target_id === undefined)
      throw new BrokerError('invalid_params', {
        field: '/target_id',
        detail: 'Whom to negotiate with is not said: target_id or session_ids is required.',
      })
    const own = session_id ?? ownClientId(identity)
    if (own === undefined)
      throw new BrokerError('not_checked_in', {
        field: '/session_id',
        next: 'Give your client_id or session_id as session_id.',
      })
    const parties = [
      await partyOf(broker, project, own, '/session_id'),
      await partyOf(broker, project, target_id, '/target_id'),
    ] as const
    // The turn that the call began in may be over, and many calls may have come this far.
    return broker.turns.run(() => negotiate({ parties, registered, adapted, required }))
  },
  text: (output) =>
    output.matrix ? matrixText(output.matrix) : negotiationText(output as Partial<Negotiation>),
})

function negotiationText({
  compatible,
  supported_protocols: supported = {},
  suggestions = [],
  details = {},
  feature_intersections: features = [],
}: Partial<Negotiation>): string {
  const lines = [compatible ? 'They understand each other.' : 'They do not understand each other.']
  for (const [name, version] of Object.entries(supported))
    lines.push(`- ${inline(name)}: ${version ?? 'by adapters'}`)
  for (const [name, detail] of Object.entries(details))
    if ('reason' in detail) lines.push(`- ${inline(name)}: ${sentence(detail.sentence)}`)
  if (features.length > 0) lines.push(`Both have ${features.map(inline).join(', ')}.`)
  for (const suggestion of suggestions) lines.push(`Suggestion: ${sentence(suggestion.sentence)}`)
  return lines.join('\n')
}

function matrixText({ pairs, protocols }: Matrix): string {
  const apart = pairs.filter(({ compatible }) => !compatible)
  const lines = [`${count(pairs.length, 'pair')}, ${apart.length} of them without a common protocol.`]
  for (const [name, { everyone, lacks }] of Object.entries(protocols))
    lines.push(
      `- ${inline(name)}: ${everyone === null ? `not everyone; ${lacks.map(inline).join(', ') || 'no common version'}` : `everyone takes ${everyone}`}`,
    )
  for (const { a, b } of apart.slice(0, PAIRS_SHOWN_MAX))
    lines.push(`${inline(a)} and ${inline(b)} share none.`)
  return lines.join('\n')
}

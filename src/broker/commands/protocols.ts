import { type Static, Type } from '@sinclair/typebox'
import { then } from '../../core/maybe-promise.ts'
import { PROTOCOL_CAPABILITIES } from '../../core/protocol/definition.ts'
import { defineCommand } from '../command.ts'
import { discover } from '../protocols/discovery.ts'
import { deprecate } from '../protocols/registration/deprecation.ts'
import { register } from '../protocols/registration/registration.ts'
import {
  AnyJson,
  briefly,
  choice,
  closed,
  count,
  inline,
  ProtocolName,
  ProtocolVersionText,
  quoted,
  sentence,
  unlisted,
} from './schema.ts'

const Relation = choice(['full', 'backward', 'forward', 'breaking'])

const Metadata = briefly(
  '{description, tags, agent_notes, examples: [{name, payload}]}',
  unlisted(
    closed({
      description: Type.Optional(
        Type.String({ maxLength: 4096, description: 'what it is for; the first sentence is the summary' }),
      ),
      author: Type.Optional(Type.String({ maxLength: 256 })),
      tags: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 32 })),
      documentation_url: Type.Optional(Type.String({ maxLength: 2048 })),
      examples: Type.Optional(
        Type.Array(closed({ name: Type.String({ minLength: 1, maxLength: 128 }), payload: AnyJson }), {
          maxItems: 32,
          description: 'payloads that fit, checked at registration; errors show one',
        }),
      ),
      examples_invalid: Type.Optional(
        Type.Array(AnyJson, { maxItems: 32, description: 'payloads that the schema must refuse' }),
      ),
      agent_notes: Type.Optional(
        Type.String({ maxLength: 4096, description: 'what a model should know beyond the schema' }),
      ),
      compare: Type.Optional(
        choice(['lenient', 'strict'], {
          description: 'which relation the version number is held to: lenient (the default) or strict',
        }),
      ),
    }),
  ),
)

export const registerProtocol = defineCommand({
  name: 'register_protocol',
  title: 'Register a protocol',
  summary: 'Register a version of a message protocol.',
  description:
    'Payloads sent under its name are held to the schema. A minor version must accept what the one before did, ' +
    'a patch also the reverse. The same definition again changes nothing.',
  input: closed({
    name: ProtocolName,
    version: ProtocolVersionText,
    schema: briefly(
      'JSON Schema, 2020-12 or draft-07',
      Type.Unknown({ description: 'a JSON Schema of 2020-12, or of draft-07 where $schema says so' }),
    ),
    capabilities: Type.Optional(
      briefly(
        'how it may be sent; all if left out',
        Type.Array(choice(PROTOCOL_CAPABILITIES), {
          maxItems: 4,
          description:
            'how its messages may be sent: point_to_point (send_message), broadcast, request_response (send_message_and_wait), ' +
            'streaming (informs only); all of these if left out',
        }),
      ),
    ),
    metadata: Type.Optional(Metadata),
    adapters: Type.Optional(
      briefly(
        '[{from: range, up: [operation], down: [operation]}], RFC 6902 and more',
        Type.Unknown({
          description:
            'how payloads of older versions become this one, and back: [{from: version or range, up: [operation], down: ' +
            '[operation]}]; RFC 6902 operations, and rename, default, map, split, join, wrap, unwrap',
        }),
      ),
    ),
    allow_breaking: Type.Optional(Type.Boolean({ description: 'whatever the version number says (false)' })),
    dry_run: Type.Optional(Type.Boolean({ description: 'check everything and keep nothing (false)' })),
  }),
  output: Type.Object({
    name: Type.String(),
    version: Type.String(),
    created: Type.Boolean({ description: 'false: it was there already' }),
    updated: Type.Boolean({ description: 'only its metadata has changed' }),
    relation: Type.Optional(Relation),
    strict_relation: Type.Optional(unlisted(Relation)),
    reasons: Type.Array(
      Type.Object({
        direction: choice(['backward', 'forward']),
        rule: Type.String(),
        path: Type.String(),
        old: Type.Optional(Type.Unknown()),
        new: Type.Optional(Type.Unknown()),
        witness: Type.Optional(Type.Unknown()),
        sentence: Type.String(),
      }),
      { description: 'why the relation is not full' },
    ),
    warnings: Type.Array(Type.String()),
  }),
  scope: 'write',
  http: { method: 'POST', path: '/v1/protocols', status: 201 },
  hints: { read_only: false, destructive: false, idempotent: true },
  long: true,
  run: ({ protocols }, { project, key_id }, input) =>
    register(protocols, { project, sender_id: `registration:${key_id ?? ''}` }, input),
  text: ({ name, version, created, updated, relation, reasons, warnings }) =>
    [
      `${name} ${version} is ${created ? 'registered' : updated ? 'there already; its metadata is new' : 'there already, unchanged'}` +
        `${relation === undefined ? '.' : `, ${relation} to the version before.`}`,
      ...reasons.map((reason) => `- ${sentence(reason.sentence)}`),
      ...warnings.map(sentence),
    ].join('\n'),
})

const Card = Type.Object({
  name: Type.String(),
  version: Type.String(),
  versions: Type.Integer({ description: 'how many there are' }),
  summary: Type.String(),
  capabilities: Type.Array(Type.String()),
  required: Type.Array(Type.String(), { description: 'members that a payload must have' }),
  example: Type.Optional(AnyJson),
  relation: Type.Optional(Relation),
  deprecated: Type.Optional(
    Type.Object({ message: Type.Optional(Type.String()), successor: Type.Optional(Type.String()) }),
  ),
  tags: Type.Optional(Type.Array(Type.String())),
  fields: Type.Optional(Type.Array(Type.String(), { description: 'the members of a payload in words' })),
  schema: Type.Optional(Type.Unknown()),
  examples: Type.Optional(Type.Array(Type.Object({ name: Type.String(), payload: AnyJson }))),
  adapters: Type.Optional(Type.Array(Type.Unknown())),
  agent_notes: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  documentation_url: Type.Optional(Type.String()),
  author: Type.Optional(Type.String()),
  strict_relation: Type.Optional(Relation),
  registered_at: Type.Optional(Type.String()),
  compare: Type.Optional(choice(['lenient', 'strict'])),
  left_out: Type.Optional(
    Type.Array(Type.String(), {
      description: 'found no room: ask for this version alone, or raise bytes_max',
    }),
  ),
})
export type DiscoveredProtocol = Static<typeof Card>

export const discoverProtocols = defineCommand({
  name: 'discover_protocols',
  title: 'Find protocols',
  summary: 'Which protocols there are, with an example payload of each.',
  description: 'With the exact name: its versions, newest first, and the fields of a payload.',
  input: closed({
    name: Type.Optional(
      briefly(
        'exact, or a prefix ending in *',
        Type.String({ minLength: 1, maxLength: 65, description: 'a name, or the beginning of one and *' }),
      ),
    ),
    version_range: Type.Optional(
      Type.String({ maxLength: 128, description: 'a semver range, such as ^1.2' }),
    ),
    tags: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: 32,
        description: 'only those with all of these',
      }),
    ),
    include: Type.Optional(
      briefly(
        'schema, examples, adapters',
        Type.Array(choice(['schema', 'examples', 'adapters']), {
          maxItems: 3,
          description: 'schema, examples or adapters, in full',
        }),
      ),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'at most this many (20)' })),
    bytes_max: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1024 * 1024,
        description: 'room for what include asks for (16384)',
      }),
    ),
    after: Type.Optional(Type.String({ maxLength: 256, description: 'next of the page before' })),
  }),
  output: Type.Object({
    protocols: Type.Array(Card),
    next: Type.Optional(Type.String({ description: 'pass it as after for the next page' })),
  }),
  scope: 'read',
  http: { method: 'GET', path: '/v1/protocols' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  run: ({ protocols }, { project }, input) =>
    then(protocols.registry.of(project), (held) => discover(held, input)),
  text: ({ protocols, next }) =>
    [
      protocols.length === 0 ? 'No such protocol.' : `${count(protocols.length, 'protocol')}:`,
      ...protocols.map(cardText),
      ...(next === undefined ? [] : [`There are more: pass after "${next}".`]),
    ].join('\n\n'),
})

function cardText(card: DiscoveredProtocol): string {
  const { name, version, summary, required, example, deprecated, fields, schema, left_out } = card
  const lines = [`**${name}** ${version}${deprecated ? ' (deprecated)' : ''}: ${sentence(summary)}`]
  if (card.agent_notes !== undefined) lines.push(quoted(card.agent_notes))
  if (fields) lines.push(...fields.map((line) => `- ${sentence(line)}`))
  else if (required.length > 0) lines.push(`required: ${required.map(inline).join(', ')}`)
  if (example !== undefined) lines.push(`example: ${block(example)}`)
  if (schema !== undefined) lines.push(`schema: ${block(schema)}`)
  if (left_out) lines.push(`Left out, no room: ${left_out.join(', ')}.`)
  return lines.join('\n')
}

/** JSON as a block that its text cannot end. */
function block(value: unknown): string {
  return `\n\`\`\`json\n${JSON.stringify(value).replaceAll('`', '\\u0060')}\n\`\`\``
}

export const deprecateProtocol = defineCommand({
  name: 'deprecate_protocol',
  title: 'Deprecate a protocol',
  summary: 'Tell senders of a version to move to another.',
  description: 'It still works; receipts warn, and it is chosen only where nothing else is.',
  input: closed({
    name: ProtocolName,
    version: ProtocolVersionText,
    message: Type.Optional(Type.String({ maxLength: 1024, description: 'why, in a sentence' })),
    successor: Type.Optional(
      Type.String({ maxLength: 128, description: 'the version or protocol to use instead' }),
    ),
  }),
  output: Type.Object({ name: Type.String(), version: Type.String(), deprecated: Type.Boolean() }),
  scope: 'write',
  http: { method: 'POST', path: '/v1/protocols/{name}/{version}/deprecation' },
  hints: { read_only: false, destructive: false, idempotent: true },
  run: ({ protocols }, { project }, input) => deprecate(protocols.registry, project, input),
  text: ({ name, version }) => `${name} ${version} is deprecated.`,
})

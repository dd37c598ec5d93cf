import { Type } from '@sinclair/typebox'
import { ownClientId } from '../../auth/identity.ts'
import { checkRange } from '../../core/protocol/versions.ts'
import { defineCommand } from '../command.ts'
import { migrate } from '../protocols/sending/migrate.ts'
import { transform } from '../protocols/sending/transform.ts'
import { AnyJson, closed, count, ProtocolName, ProtocolVersionText, sentence, unlisted } from './schema.ts'

const PayloadErrors = Type.Array(
  Type.Object({
    path: Type.String(),
    rule: Type.String(),
    expected: Type.String(),
    got: Type.String(),
    sentence: Type.String(),
  }),
)

export const transformMessage = defineCommand({
  name: 'transform_message',
  title: 'Try an adapter',
  summary: 'Turn a payload into another version of its protocol.',
  description: 'By the registered adapters, as a send would; nothing is sent or kept.',
  input: closed({
    name: ProtocolName,
    payload: AnyJson,
    from_version: ProtocolVersionText,
    to_version: ProtocolVersionText,
  }),
  output: Type.Object({
    payload: AnyJson,
    steps: Type.Array(Type.String(), { description: 'such as "1.2.0→2.0.0"' }),
    valid: Type.Boolean({ description: 'whether the result fits to_version' }),
    errors: unlisted(PayloadErrors),
  }),
  scope: 'read',
  http: { method: 'POST', path: '/v1/protocols/{name}/transformation' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  run(broker, identity, input) {
    const from = { project: identity.project, sender_id: ownClientId(identity) ?? '' }
    return transform(broker.protocols, broker.turns, from, input)
  },
  text: ({ payload, steps, valid, errors }) =>
    [
      `${steps.length === 0 ? 'Nothing to do' : steps.join(', ')}; the result ${valid ? 'fits' : 'does not fit'}.`,
      ...errors.map((error) => `- ${sentence(error.sentence)}`),
      `\`\`\`json\n${JSON.stringify(payload).replaceAll('`', '\\u0060')}\n\`\`\``,
    ].join('\n'),
})

export const migrateMessages = defineCommand({
  name: 'migrate_messages',
  title: 'Migrate pending messages',
  summary: 'Turn pending messages into another version of their protocol.',
  description:
    'Only what nobody was given yet, in place: id, order and time to live stay. By the registered adapters. ' +
    'Everything else is counted and left.',
  input: closed({
    name: ProtocolName,
    to_version: ProtocolVersionText,
    from_range: Type.Optional(
      Type.String({
        maxLength: 128,
        description: 'which versions, as a semver range; left out: all that adapters lead from',
      }),
    ),
    dry_run: Type.Optional(
      Type.Boolean({ description: 'count what would come of it and change nothing (true)' }),
    ),
  }),
  output: Type.Object({
    dry_run: Type.Boolean(),
    rewritten: Type.Integer(),
    left: Type.Object({
      leased_or_delivered: Type.Integer(),
      acknowledged: Type.Integer(),
      failed: Type.Integer(),
      no_room: Type.Integer(),
    }),
    failures: Type.Array(Type.Object({ message_id: Type.String(), reason: Type.String() }), {
      description: 'the first of those that failed',
    }),
  }),
  scope: 'admin',
  http: { method: 'POST', path: '/v1/protocols/{name}/migration' },
  hints: { read_only: false, destructive: true, idempotent: true },
  tool: false,
  run(broker, { project }, { name, to_version, from_range, dry_run = true }) {
    if (from_range !== undefined) checkRange(from_range, '/from_range')
    return migrate(broker, project, { name, to_version, from_range, dry_run })
  },
  text: ({ dry_run, rewritten, left, failures }) =>
    [
      `${count(rewritten, 'message')} ${dry_run ? 'would be' : 'were'} rewritten. Left: ` +
        `${left.leased_or_delivered} leased or delivered, ${left.acknowledged} acknowledged, ` +
        `${left.failed} that adapters could not turn, ${left.no_room} for want of room.`,
      ...failures.map(({ message_id, reason }) => `- ${message_id}: ${sentence(reason)}`),
    ].join('\n'),
})

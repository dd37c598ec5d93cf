import { Type } from '@sinclair/typebox'
import { then } from '../../core/maybe-promise.ts'
import { defineCommand } from '../command.ts'
import { migrate } from '../protocols/migrate.ts'
import { transform } from '../protocols/transform.ts'
import { AnyJson, briefly, closed, count, ProtocolName, ProtocolVersionText } from './schema.ts'

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
    errors: PayloadErrors,
  }),
  scope: 'read',
  http: { method: 'POST', path: '/v1/protocols/{name}/transformation' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  run: (broker, identity, input) => transform(broker.protocols, { project, sender_id: ownClientId(identity) ?? "" }, input),
  text: ({ payload, steps, valid, errors }) =>
    [
      `${steps.length === 0 ? 'Nothing to do' : steps.join(', ')}; the result ${valid ? 'fits' : 'does not fit'}.`,
      ...errors.map(({ sentence }) => `- ${sentence}`),
      `\`\`\`json\n${JSON.stringify(payload).replaceAll('`', '\\u0060')}\n\`\`\``,
    ].join('\n'),
})

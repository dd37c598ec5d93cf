import { Type } from '@sinclair/typebox'
import type { DeadLetter } from '../../core/mailbox/entry.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { formatTime, type Message, parseMessage } from '../../core/message.ts'
import { appendsStored, defineCommand } from '../command.ts'
import { unfitLetters } from '../protocols/sending/letters.ts'
import {
  ANSWER_BYTES_DEFAULT,
  BytesMax,
  ClientId,
  choice,
  closed,
  count,
  MessageSchema,
  messagesText,
  sentence,
  unlisted,
} from './schema.ts'

const Reason = choice(['expired', 'overflowed', 'attempts_exhausted', 'rejected'], {
  description: 'expired, overflowed, attempts_exhausted or rejected',
})

export const listDeadLetters = defineCommand({
  name: 'list_dead_letters',
  title: 'List dead letters',
  summary: 'Messages which nobody acknowledged, and why.',
  description: 'The newest first. requeue_dead_letters sends them again.',
  input: closed({
    reason: Type.Optional(Reason),
    client_id: Type.Optional(ClientId),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'at most this many (50)' })),
    bytes_max: Type.Optional(BytesMax),
  }),
  output: Type.Object({
    dead_letters: Type.Array(
      Type.Object({
        recipient_id: Type.String(),
        reason: Reason,
        dead_at: Type.String(),
        attempts: Type.Integer(),
        message: MessageSchema,
      }),
    ),
    total: Type.Integer(),
  }),
  scope: 'read',
  http: { method: 'GET', path: '/v1/dead-letters' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  run: (broker, identity, { reason, client_id, limit, bytes_max }) =>
    then(
      broker.engine.dead(identity.project, { reason, client_id }, { limit: limit ?? 50 }),
      ({ items, total }) => ({
        dead_letters: within(items, bytes_max ?? ANSWER_BYTES_DEFAULT).map((letter) => ({
          recipient_id: letter.recipient_id,
          reason: letter.reason,
          dead_at: formatTime(letter.dead_ms),
          attempts: letter.attempts,
          message: parseMessage(letter.message, 1),
        })),
        total,
      }),
    ),
  text: ({ dead_letters, total }, now) =>
    [
      `${count(total, 'dead letter')}.`,
      ...dead_letters.map(
        ({ recipient_id, reason, message }) =>
          `To ${recipient_id}, ${reason}:\n${messagesText([message as Message], now)}`,
      ),
    ].join('\n\n'),
})

/** The first letters whose messages fit into `bytes_max`; the first one always does. */
function within(letters: readonly DeadLetter[], bytes_max: number): readonly DeadLetter[] {
  let bytes = 0
  const over = letters.findIndex(({ message }, i) => {
    bytes += message.bytes
    return i > 0 && bytes > bytes_max
  })
  return over === -1 ? letters : letters.slice(0, over)
}

export const requeueDeadLetters = defineCommand({
  name: 'requeue_dead_letters',
  title: 'Send dead letters again',
  summary: 'Put dead letters back into their mailboxes.',
  description:
    'Their time to live begins anew. What finds no room stays a dead letter. Without message_ids, all that match.',
  input: closed({
    reason: Type.Optional(Reason),
    message_ids: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
        maxItems: 10_000,
        description: 'message_id of each',
      }),
    ),
  }),
  output: Type.Object({
    requeued: Type.Integer(),
    message_ids: Type.Array(Type.String()),
    refused: Type.Array(Type.String(), {
      description: 'still dead letters: no room for it, or for one before it, or a warning says why',
    }),
    warnings: unlisted(Type.Array(Type.String())),
  }),
  scope: 'write',
  http: { method: 'POST', path: '/v1/dead-letters/requeue' },
  hints: { read_only: false, destructive: false, idempotent: false },
  stores: true,
  long: true,
  run(broker, { project }, { reason, message_ids }) {
    const filter = { reason, message_ids: message_ids && new Set(message_ids) }
    return then(unfitLetters(broker, project, filter), (unfit) => {
      const except = new Set(unfit.keys())
      const done = {
        requeued: 0,
        message_ids: [] as string[],
        refused: [...except],
        warnings: [...unfit].map(([message_id, detail]) => `${message_id}: ${detail}`),
      }
      const requeue = (from?: string): MaybePromise<typeof done> =>
        then(broker.engine.requeue(project, { ...filter, except }, from), ({ requeued, refused, next }) => {
          broker.counters.accepted += requeued.length
          done.requeued += requeued.length
          done.message_ids.push(...requeued)
          done.refused.push(...refused)
          if (!next) return done
          return appendsStored(broker).then(() => broker.turns.inLaterTurn(() => requeue(next)))
        })
      return requeue()
    })
  },
  text: ({ requeued, refused, warnings }) =>
    [
      `Requeued ${count(requeued, 'message')}.${refused.length > 0 ? ` Not requeued: ${refused.join(', ')}.` : ''}`,
      ...warnings.map(sentence),
    ].join('\n'),
})

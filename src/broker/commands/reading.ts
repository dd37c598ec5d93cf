import { type Static, Type } from '@sinclair/typebox'
import type { Identity } from '../../auth/identity.ts'
import { formatCursor, parseCursor } from '../../core/cursor.ts'
import { BrokerError } from '../../core/errors.ts'
import { ACKED, DELAYED, LEASED, type Take } from '../../core/mailbox/entry.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { formatTime, type Message } from '../../core/message.ts'
import type { Address, Found, Page, Read, Settle, Settled } from '../../engine/values.ts'
import type { Broker } from '../broker.ts'
import { defineCommand } from '../command.ts'
import { stillIn, unlessEnded } from '../ended.ts'
import { sessionToWaitIn } from '../waiters.ts'
import {
  ANSWER_BYTES_DEFAULT,
  BytesMax,
  ClientId,
  CursorText,
  choice,
  closed,
  count,
  MessageIds,
  MessageSchema,
  messagesOf,
  messagesText,
  WAIT_SECONDS_DEFAULT,
} from './schema.ts'

const MESSAGES_DEFAULT = 200

const limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: 1000,
    description: `at most this many messages (${MESSAGES_DEFAULT})`,
  }),
)
const bytes_max = Type.Optional(BytesMax)

export const getMessages = defineCommand({
  name: 'get_messages',
  title: 'Read mail',
  summary: 'Read the mailbox, waiting for mail if asked to.',
  description: ({ lease_seconds }) =>
    'Reads pending messages, highest priority first. With ack "auto" (the default) reading acknowledges; with "manual" ' +
    `they are leased for ${lease_seconds} s: ack_messages when done, or they come again with a higher attempt; ` +
    '"none" only looks. wait_seconds waits for the first message, which beats asking again and again.',
  input: closed({
    client_id: Type.Optional(ClientId),
    limit,
    bytes_max,
    ack: Type.Optional(
      choice(['auto', 'manual', 'none'], {
        description: 'auto (the default), manual or none',
      }),
    ),
    wait_seconds: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 3600,
        description: `if the mailbox is empty, wait for this long (0); ${WAIT_SECONDS_DEFAULT} stays below what most clients give a call`,
      }),
    ),
  }),
  output: Type.Object({
    messages: Type.Array(MessageSchema),
    cursor: Type.String({ description: 'all at or before it has been read' }),
    remaining: Type.Integer({ description: 'messages still unread' }),
  }),
  scope: 'read',
  caller: 'client_id',
  http: { method: 'GET', path: '/v1/mailboxes/{client_id}/messages' },
  hints: { read_only: false, destructive: false, idempotent: false },
  waits: 'wait_seconds',
  run(broker, identity, input, { signal }) {
    const session = sessionToWaitIn(identity)
    const take: Take = {
      limit: input.limit ?? MESSAGES_DEFAULT,
      bytes_max: input.bytes_max ?? ANSWER_BYTES_DEFAULT,
      ack: input.ack ?? 'auto',
      session_id: session?.session_id,
    }
    const read = (address: Address) =>
      then(broker.engine.read(address, undefined, take), (answer) => unlessEnded(answer))
    const until = broker.now() + (input.wait_seconds ?? 0) * 1000
    const answer = ({ due, epoch, offset, pending }: Read) => {
      broker.counters.delivered += due.length
      return { messages: messagesOf(due), cursor: formatCursor(epoch, offset), remaining: pending }
    }
    const waitForMail = async (address: Address, taken: Read) => {
      // Between two waits, too: what is known of the mailbox would be forgotten.
      broker.following.enter(address)
      try {
        return await waitsForMail(address, taken)
      } finally {
        broker.following.leave(address)
      }
    }
    const waitsForMail = async (address: Address, taken: Read) => {
      for (let goes_on = false; taken.due.length === 0; goes_on = true) {
        if (until <= broker.now() || broker.stopping || signal?.aborted) break
        const over = new AbortController()
        const giveUp = signal ? AbortSignal.any([signal, over.signal]) : over.signal
        const left_ms = until - broker.now()
        const woken = broker.waiters.wait(address, left_ms, giveUp, () => 'look', session, goes_on)
        try {
          // What came while the engine answered, before the wait began, has woken nobody.
          taken = await read(address)
          if (taken.due.length > 0) break
          await woken
        } finally {
          over.abort()
        }
        if (signal?.aborted) break
        stillIn(session)
        taken = await read(address)
      }
      return answer(taken)
    }
    return then(broker.reader(identity, input.client_id), (address) =>
      then(read(address), (taken) =>
        taken.due.length > 0 || !input.wait_seconds ? answer(taken) : waitForMail(address, taken),
      ),
    )
  },
  text: ({ messages, remaining }, now) =>
    messages.length === 0
      ? 'No new messages.'
      : `${count(messages.length, 'message')}, ${remaining} remaining.\n\n${messagesText(messages as Message[], now)}`,
})

/** @throws BrokerError `session_replaced`, `session_ended` */
function settle(broker: Broker, identity: Identity, address: Address, settle: Settle): MaybePromise<Settled> {
  const session_id = sessionToWaitIn(identity)?.session_id
  return then(broker.engine.settle(address, { ...settle, session_id }), (answer) => unlessEnded(answer))
}

export const ackMessages = defineCommand({
  name: 'ack_messages',
  title: 'Acknowledge messages',
  summary: 'Acknowledge messages read with ack "manual".',
  description: 'Acknowledged messages do not come again. Without message_ids, all that are leased.',
  input: closed({ client_id: Type.Optional(ClientId), message_ids: Type.Optional(MessageIds) }),
  output: Type.Object({
    acknowledged: Type.Integer(),
    unknown: Type.Array(Type.String(), { description: 'ids that name no message here' }),
  }),
  scope: 'read',
  caller: 'client_id',
  http: { method: 'POST', path: '/v1/mailboxes/{client_id}/ack' },
  hints: { read_only: false, destructive: false, idempotent: true },
  run: (broker, identity, { client_id, message_ids }) =>
    then(broker.reader(identity, client_id), (address) =>
      then(settle(broker, identity, address, { message_ids }), ({ settled, unknown }) => ({
        acknowledged: settled,
        unknown: [...unknown],
      })),
    ),
  text: ({ acknowledged, unknown }) => settledText('Acknowledged', acknowledged, unknown),
})

export const nackMessages = defineCommand({
  name: 'nack_messages',
  title: 'Give messages back',
  summary: 'Give leased messages back, to come again.',
  description: ({ attempts_max }) =>
    'They come again with a higher attempt, after delay_seconds if given. After ' +
    `${count(attempts_max, 'failed attempt')} a message is dead-lettered and its sender is told.`,
  input: closed({
    client_id: Type.Optional(ClientId),
    message_ids: Type.Optional(MessageIds),
    delay_seconds: Type.Optional(
      Type.Number({ minimum: 0, maximum: 86_400, description: 'not before this long (0)' }),
    ),
  }),
  output: Type.Object({
    returned: Type.Integer(),
    unknown: Type.Array(Type.String(), { description: 'ids that name no leased message here' }),
  }),
  scope: 'read',
  caller: 'client_id',
  http: { method: 'POST', path: '/v1/mailboxes/{client_id}/nack' },
  hints: { read_only: false, destructive: false, idempotent: false },
  run: (broker, identity, { client_id, message_ids, delay_seconds }) =>
    then(broker.reader(identity, client_id), (address) =>
      then(
        settle(broker, identity, address, { message_ids, failed_delay_ms: (delay_seconds ?? 0) * 1000 }),
        ({ settled, unknown }) => ({ returned: settled, unknown: [...unknown] }),
      ),
    ),
  text: ({ returned, unknown }) => settledText('Gave back', returned, unknown),
})

function settledText(verb: string, settled: number, unknown: string[]): string {
  const rest = unknown.length > 0 ? ` Not found: ${unknown.join(', ')}.` : ''
  return `${verb} ${count(settled, 'message')}.${rest}`
}

const DeliveryStatus = choice(['queued', 'delivered', 'acknowledged', 'dead_lettered'])

/** Places that one call of the engine answers. */
const FOUND_PAGE = 1000

function findAll(broker: Broker, project: string, message_id: string): MaybePromise<readonly Found[]> {
  const found: Found[] = []
  const read = (after: string | undefined) =>
    broker.engine.find(project, message_id, { after, limit: FOUND_PAGE })
  const visit = ({ items }: Page<Found>) => {
    found.push(...items)
    return true
  }
  return then(broker.turns.pages(read, visit), () => found)
}

export const getMessageStatus = defineCommand({
  name: 'get_message_status',
  title: 'What became of a message',
  summary: 'What became of a message.',
  description:
    'queued, delivered (read, not yet acknowledged), acknowledged, or dead_lettered with the reason.',
  input: closed({ message_id: Type.String({ minLength: 1, maxLength: 128 }) }),
  output: Type.Object({
    message_id: Type.String(),
    status: DeliveryStatus,
    sender_id: Type.String(),
    sent_at: Type.String(),
    expires_at: Type.String(),
    recipients: Type.Array(
      Type.Object({
        recipient_id: Type.String(),
        status: DeliveryStatus,
        attempts: Type.Integer(),
        reason: Type.Optional(Type.String()),
      }),
    ),
  }),
  scope: 'read',
  http: { method: 'GET', path: '/v1/messages/{message_id}' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  run: (broker, identity, { message_id }) =>
    then(findAll(broker, identity.project, message_id), (found) => {
      const first = found[0]
      if (!first) throw new BrokerError('unknown_message', { field: '/message_id' })
      const recipients = found.map((place) => ({
        recipient_id: place.recipient_id,
        attempts: place.attempts,
        ...deliveryStatus(place),
      }))
      const order = ['dead_lettered', 'queued', 'delivered', 'acknowledged'] as const
      return {
        message_id,
        status: order.find((status) => recipients.some((place) => place.status === status))!,
        sender_id: first.message.sender_id,
        sent_at: formatTime(first.message.sent_ms),
        expires_at: formatTime(first.message.expires_ms),
        recipients,
      }
    }),
  text: ({ message_id, recipients }) =>
    [
      `\`${message_id}\``,
      ...recipients.map(
        ({ recipient_id, status, reason, attempts }) =>
          `- ${recipient_id}: ${status}${reason ? ` (${reason})` : ''}, ${count(attempts, 'attempt')}`,
      ),
    ].join('\n'),
})

/** The status of a message in one mailbox, with the reason if it is a dead letter. */
export function deliveryStatus({ state }: Found): { status: Static<typeof DeliveryStatus>; reason?: string } {
  if (typeof state === 'string') return { status: 'dead_lettered', reason: state }
  if (state === ACKED) return { status: 'acknowledged' }
  return { status: state === LEASED || state === DELAYED ? 'delivered' : 'queued' }
}

/** A date and a time with its zone. Source: RFC 3339, section 5.6. */
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/

/** Milliseconds since the epoch; NaN for text that is not a time, such as a 30th of February. */
function parseTime(text: string): number {
  const midnight = `${text.slice(0, 10)}T00:00:00Z`
  const exists = RFC_3339.test(text) && new Date(midnight).getUTCDate() === Number(text.slice(8, 10))
  return exists ? Date.parse(text) : Number.NaN
}

export const replayMessages = defineCommand({
  name: 'replay_messages',
  title: 'Read old messages again',
  summary: 'Read again what the mailbox still holds.',
  description:
    'Messages in the order they came, acknowledged ones too, after a cursor or since a time. Changes nothing. recovered ' +
    'is false when some of what lay after the cursor has been overwritten.',
  input: closed({
    client_id: Type.Optional(ClientId),
    after: Type.Optional(CursorText),
    since: Type.Optional(Type.String({ maxLength: 64, description: 'RFC 3339 time' })),
    limit,
    bytes_max,
  }),
  output: Type.Object({
    messages: Type.Array(MessageSchema),
    cursor: Type.String({ description: 'go on after this' }),
    recovered: Type.Boolean(),
    more: Type.Boolean(),
  }),
  scope: 'read',
  caller: 'client_id',
  http: { method: 'GET', path: '/v1/mailboxes/{client_id}/history' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  run(broker, identity, { client_id, after, since, limit, bytes_max }) {
    const since_ms = since === undefined ? undefined : parseTime(since)
    if (since_ms !== undefined && Number.isNaN(since_ms))
      throw new BrokerError('invalid_params', {
        field: '/since',
        detail: 'since is not an RFC 3339 time such as "2026-01-31T12:00:00Z".',
      })
    const from = { after: after === undefined ? undefined : parseCursor(after), since_ms }
    return then(broker.reader(identity, client_id), (address) =>
      then(
        broker.engine.history(address, from, limit ?? MESSAGES_DEFAULT, bytes_max ?? ANSWER_BYTES_DEFAULT),
        ({ deliveries, epoch, offset, recovered, more }) => ({
          messages: messagesOf(deliveries),
          cursor: formatCursor(epoch, offset),
          recovered,
          more,
        }),
      ),
    )
  },
  text: ({ messages, recovered, more }, now) =>
    [
      `${count(messages.length, 'message')}${more ? ', more follow' : ''}.`,
      ...(recovered ? [] : ['Some of what lay after that cursor is gone.']),
      messagesText(messages as Message[], now),
    ].join('\n\n'),
})

import { type Static, Type } from '@sinclair/typebox'
import type { Identity } from '../../auth/identity.ts'
import { BrokerError } from '../../core/errors.ts'
import { changedNumberAt, type JsonFlaw, jsonFlaw } from '../../core/json.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { formatTime, type StoredMessage } from '../../core/message.ts'
import { type CapabilityFilter, matchesCapabilities } from '../../core/session.ts'
import type { Appended, ClientState, IdempotencyKey, Page, Repeated, Sent } from '../../engine/values.ts'
import type { Broker } from '../broker.ts'
import { appendsStored, defineCommand, shortened } from '../command.ts'
import { type Addressed, idempotencyKey } from '../digest.ts'
import { recipientOf } from '../recipient.ts'
import { content } from './content.ts'
import {
  CapabilityFilterSchema,
  capabilityFilter,
  checkNames,
  choice,
  closed,
  count,
  RecipientId,
} from './schema.ts'

const receipt = {
  message_id: Type.String(),
  status: choice(['queued', 'delivered', 'acknowledged']),
  stored: choice(['memory', 'disk', 'redis']),
  expires_at: Type.String({ description: 'RFC 3339' }),
  warnings: Type.Array(Type.String()),
}

export const directReceipt = {
  ...receipt,
  recipient_status: choice(['active', 'stale', 'disconnected', 'unknown']),
}

const broadcastReceipt = {
  ...receipt,
  recipients: Type.Integer({ description: 'mailboxes that took it' }),
  refused: Type.Array(Type.Object({ recipient_id: Type.String(), reason: Type.String() })),
}

export const directInput = { recipient_id: RecipientId, ...content }

type SendInput = Static<ReturnType<typeof closed<typeof content>>>

/** A payload nested deeper than this is refused. */
const PAYLOAD_DEPTH_MAX = 64

/** Makes the message that a call asks for, without storing it. @throws BrokerError */
export function compose(
  broker: Broker,
  input: SendInput,
  sender_id: string,
  recipient_id: string | undefined,
): StoredMessage {
  if ((input.message === undefined) === (input.payload === undefined))
    throw new BrokerError('invalid_params', {
      field: '/payload',
      detail:
        input.message === undefined
          ? 'The message has no content: message (text) or payload (JSON) is required.'
          : 'message and payload are two names for one thing: give one of them.',
    })
  const flaw = jsonFlaw(input.payload, PAYLOAD_DEPTH_MAX)
  if (flaw) throw flawed(flaw, input.payload)
  const { ttl_seconds_max } = broker.limits
  if (input.ttl_seconds !== undefined && input.ttl_seconds > ttl_seconds_max)
    throw new BrokerError('invalid_params', {
      field: '/ttl_seconds',
      detail: `ttl_seconds is ${input.ttl_seconds}; at most ${ttl_seconds_max} is allowed.`,
    })
  checkNames('headers', input.headers)
  return broker.createMessage(input, sender_id, recipient_id)
}

function flawed(flaw: JsonFlaw, payload: unknown): BrokerError {
  if (flaw === 'depth')
    return new BrokerError('nesting_too_deep', {
      field: '/payload',
      detail: `The payload is nested deeper than ${PAYLOAD_DEPTH_MAX} levels.`,
    })
  const field = shortened(`/payload${changedNumberAt(payload)}`)
  return new BrokerError('invalid_params', {
    field,
    detail: `${field.slice(1).replaceAll('/', '.')} is a number that cannot be kept as it was written: it is beyond ${Number.MAX_SAFE_INTEGER}, or beyond what a double holds.`,
    next: 'Write it as a text.',
  })
}

/** @throws BrokerError when a recipient's mailbox did not take the message */
function refuse(
  delivery: Appended,
  recipient_id: string,
): asserts delivery is Extract<Appended, { outcome: 'stored' }> {
  switch (delivery.outcome) {
    case 'stored':
      return
    case 'full':
      throw new BrokerError('mailbox_full', {
        detail: `The mailbox of "${recipient_id}" is full.`,
        retry_after_ms: delivery.retry_after_ms,
      })
    case 'storage_full':
      throw new BrokerError('storage_full', { retry_after_ms: delivery.retry_after_ms })
    case 'too_large':
      throw new BrokerError('message_too_large', { field: '/payload' })
    case 'too_many_clients':
      throw new BrokerError('too_many_clients', { retry_after_ms: 1000 })
  }
}

export type DirectReceipt = Static<ReturnType<typeof closed<typeof directReceipt>>>

const NO_WARNINGS: string[] = []
const REPEATED = 'This idempotency_key was used before: nothing was sent anew.'

/** Sends a message to one client. @throws BrokerError when its mailbox did not take it */
export function send(
  broker: Broker,
  { project }: Identity,
  message: StoredMessage,
  recipient_id: string,
  input: SendInput,
): MaybePromise<DirectReceipt> {
  // Most sends have none, and make no object for it.
  const key = input.idempotency_key === undefined ? undefined : keyOf(broker, input, { recipient_id })
  const appended = broker.append(project, message, recipient_id, key)
  return appended instanceof Promise
    ? appended.then((appended) => directReceiptOf(broker, project, message, recipient_id, appended, key))
    : directReceiptOf(broker, project, message, recipient_id, appended, key)
}

/** The idempotency key of a send, if the caller gave one. */
function keyOf(broker: Broker, input: SendInput, to: Addressed): IdempotencyKey | undefined {
  const { idempotency_key } = input
  return idempotency_key === undefined
    ? undefined
    : idempotencyKey(idempotency_key, input, to, broker.limits.ttl_seconds)
}

/** The first send with a key. @throws BrokerError `idempotency_conflict` if it asked for something else */
function sameAsFirst({ first, digest }: Repeated, key: IdempotencyKey | undefined): Sent {
  if (digest === key?.digest) return first
  const whom = first.broadcast ? 'a broadcast' : `a message to "${first.recipients[0]}"`
  throw new BrokerError('idempotency_conflict', {
    field: '/idempotency_key',
    detail: `This idempotency_key was used for ${whom} that asked for something else: ${first.message_id}.`,
  })
}

function directReceiptOf(
  broker: Broker,
  project: string,
  message: StoredMessage,
  recipient_id: string,
  appended: Appended | Repeated,
  key: IdempotencyKey | undefined,
): MaybePromise<DirectReceipt> {
  if (appended.outcome !== 'repeated')
    return takenReceipt(broker, project, message, recipient_id, appended, NO_WARNINGS)
  const first = sameAsFirst(appended, key)
  return takenReceipt(broker, project, first, recipient_id, first.deliveries[0]!, [REPEATED])
}

function takenReceipt(
  broker: Broker,
  project: string,
  { message_id, expires_ms }: Pick<StoredMessage, 'message_id' | 'expires_ms'>,
  recipient_id: string,
  appended: Appended,
  warnings: string[],
): MaybePromise<DirectReceipt> {
  refuse(appended, recipient_id)
  const { recipient_status } = appended
  const receipt: DirectReceipt = {
    message_id,
    status: 'queued',
    recipient_status,
    stored: broker.engine.stored,
    expires_at: formatTime(expires_ms),
    warnings,
  }
  if (recipient_status !== 'unknown') return receipt
  const near = broker.near_names.of(project, recipient_id, () => clientIds(broker, project))
  const warned = (near: readonly string[]): DirectReceipt => {
    const hint = near.length > 0 ? ` Near names: ${near.join(', ')}.` : ''
    const warning = `Nobody has checked in as "${recipient_id}" yet; the message waits there.${hint}`
    return { ...receipt, warnings: [...warnings, warning] }
  }
  if (!(near instanceof Promise)) return warned(near)
  // Asked for in this turn: by the time the names are known, its flush may have failed.
  return Promise.all([near, appendsStored(broker)]).then(([near]) => warned(near))
}

/** Names looked at for near ones. */
const NAMES_MAX = 10_000

function clientIds(broker: Broker, project: string): MaybePromise<readonly string[]> {
  const names: string[] = []
  const read = (after: string | undefined) =>
    broker.engine.clients(project, { of: 'addresses', by: 'client_id', after, limit: PAGE })
  const visit = ({ items }: Page<ClientState>) => {
    for (const { client_id } of items) names.push(client_id)
    return names.length < NAMES_MAX
  }
  return then(broker.turns.pages(read, visit), () => names)
}

function sendAs(
  broker: Broker,
  identity: Identity,
  input: SendInput & { readonly recipient_id: string },
  sender_id: string,
): MaybePromise<DirectReceipt> {
  const recipient_id = recipientOf(broker.engine, identity.project, input.recipient_id)
  return typeof recipient_id === 'string'
    ? sendDirect(broker, identity, input, sender_id, recipient_id)
    : recipient_id.then((to) => sendDirect(broker, identity, input, sender_id, to))
}

function sendDirect(
  broker: Broker,
  identity: Identity,
  input: SendInput,
  sender_id: string,
  recipient_id: string,
): MaybePromise<DirectReceipt> {
  const message = compose(broker, input, sender_id, recipient_id)
  return send(broker, identity, message, recipient_id, input)
}

export const sendMessage = defineCommand({
  name: 'send_message',
  title: 'Send a message',
  summary: 'Send a message to one client.',
  description:
    'It is kept until the recipient reads it or it expires, whether or not the recipient is there now. ' +
    'To answer a message, give its message_id as in_reply_to.',
  input: closed(directInput),
  output: Type.Object(directReceipt),
  scope: 'write',
  caller: 'sender_id',
  http: { method: 'POST', path: '/v1/messages', status: 201 },
  hints: { read_only: false, destructive: false, idempotent: false },
  stores: true,
  run(broker, identity, input) {
    const sender_id = broker.sender(identity, input.sender_id)
    return typeof sender_id === 'string'
      ? sendAs(broker, identity, input, sender_id)
      : sender_id.then((sender_id) => sendAs(broker, identity, input, sender_id))
  },
  text: ({ message_id, recipient_status, warnings }) =>
    [`Queued \`${message_id}\`; the recipient is ${recipient_status}.`, ...warnings].join('\n'),
})

type BroadcastReceipt = Static<ReturnType<typeof closed<typeof broadcastReceipt>>>

function broadcastReceiptOf(
  broker: Broker,
  sent: Sent | Repeated,
  key: IdempotencyKey | undefined,
): BroadcastReceipt {
  const repeated = sent.outcome === 'repeated'
  const { message_id, expires_ms, recipients, deliveries } = repeated ? sameAsFirst(sent, key) : sent
  const refused = deliveries.flatMap(({ outcome }, i) =>
    outcome === 'stored' ? [] : [{ recipient_id: recipients[i]!, reason: outcome }],
  )
  const warnings: string[] = []
  if (repeated) warnings.push(REPEATED)
  if (recipients.length === 0) warnings.push('Nobody else is here to receive it.')
  return {
    message_id,
    status: 'queued',
    stored: broker.engine.stored,
    expires_at: formatTime(expires_ms),
    recipients: recipients.length - refused.length,
    refused,
    warnings,
  }
}

/** Clients in one page of a walk over them. */
const PAGE = 500

/** Every client with a session that fits, except addresses that have only sent: nobody reads their mail. */
function recipientsOf(
  broker: Broker,
  project: string,
  sender_id: string,
  filter: CapabilityFilter,
): MaybePromise<readonly string[]> {
  const recipients: string[] = []
  const read = (after: string | undefined) =>
    broker.engine.clients(project, { of: 'readers', by: 'client_id', after, limit: PAGE })
  const visit = ({ items }: Page<ClientState>) => {
    for (const { client_id, session } of items)
      if (client_id !== sender_id && session && matchesCapabilities(session.capabilities, filter))
        recipients.push(client_id)
    return true
  }
  // In this turn, if the engine answers at once: a later send must not overtake it.
  return then(broker.turns.pages(read, visit, Number.POSITIVE_INFINITY), () => recipients)
}

function broadcast(
  broker: Broker,
  { project }: Identity,
  input: BroadcastInput,
  sender_id: string,
): MaybePromise<BroadcastReceipt> {
  const filter = capabilityFilter(input.capability_filter)
  const message = compose(broker, input, sender_id, undefined)
  const key = keyOf(broker, input, { capability_filter: filter })
  const before = key && broker.engine.repeated(project, sender_id, key.key)
  return then(before, (repeated) => {
    if (repeated) return broadcastReceiptOf(broker, repeated, key)
    return then(recipientsOf(broker, project, sender_id, filter), (recipients) =>
      then(broker.appendToMany(project, message, recipients, key), (sent) =>
        broadcastReceiptOf(broker, sent, key),
      ),
    )
  })
}

const broadcastInput = { ...content, capability_filter: Type.Optional(CapabilityFilterSchema) }
type BroadcastInput = Static<ReturnType<typeof closed<typeof broadcastInput>>>

export const broadcastMessage = defineCommand({
  name: 'broadcast_message',
  title: 'Send to everybody',
  summary: 'Send one message to every client of the project.',
  description: 'Every client with a session but you gets it, silent ones too; capability_filter narrows it.',
  input: closed(broadcastInput),
  output: Type.Object(broadcastReceipt),
  scope: 'write',
  caller: 'sender_id',
  http: { method: 'POST', path: '/v1/broadcasts', status: 201 },
  hints: { read_only: false, destructive: false, idempotent: false },
  stores: true,
  run: (broker, identity, input) =>
    then(broker.sender(identity, input.sender_id), (sender_id) =>
      broadcast(broker, identity, input, sender_id),
    ),
  text: ({ message_id, recipients, refused, warnings }) =>
    [
      `Broadcast \`${message_id}\` to ${count(recipients, 'client')}.`,
      ...refused.map(({ recipient_id, reason }) => `Not taken by ${recipient_id}: ${reason}.`),
      ...warnings,
    ].join('\n'),
})

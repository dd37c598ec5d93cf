import { Type } from '@sinclair/typebox'
import type { Identity } from '../../auth/identity.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import type { StoredMessage } from '../../core/message.ts'
import type { ProtocolCapability } from '../../core/protocol/definition.ts'
import type { Appended, IdempotencyKey, Repeated } from '../../engine/values.ts'
import type { Broker } from '../broker.ts'
import { defineCommand } from '../command.ts'
import type { Prepared, Sending, Terms } from '../protocols/sending/prepared.ts'
import { recipientOf } from '../recipient.ts'
import { checkContent, content, type SendInput } from './content.ts'
import {
  type DirectReceipt,
  directReceipt,
  keyOf,
  repeatedReceipt,
  takenReceipt,
  UNTYPED,
} from './receipts.ts'
import { closed, RecipientId, sentence } from './schema.ts'

export const directInput = { recipient_id: RecipientId, ...content }

/**
 * Makes the message that a call asks for, without storing it.
 *
 * @param by the way of sending, which a protocol may rule out
 * @returns the first send, if its idempotency key says that a typed message was sent before: by now it might
 *   be refused
 * @throws BrokerError
 */
export function prepare(
  broker: Broker,
  project: string,
  input: SendInput,
  sender_id: string,
  recipient_id: string,
  by: ProtocolCapability,
): MaybePromise<Prepared | Repeated> {
  if (input.protocol_name === undefined)
    return { message: broker.createMessage(input, sender_id, recipient_id), ...UNTYPED }
  return input.idempotency_key === undefined
    ? broker.protocols.sends.prepare({ project, sender_id, by }, input, recipient_id)
    : prepareOnce(broker, { project, sender_id, by }, input, recipient_id, input.idempotency_key)
}

function prepareOnce(
  broker: Broker,
  sending: Sending,
  input: SendInput,
  recipient_id: string,
  key: string,
): MaybePromise<Prepared | Repeated> {
  const { project, sender_id } = sending
  return then(
    broker.engine.repeated(project, sender_id, key),
    (repeated) => repeated ?? broker.protocols.sends.prepare(sending, input, recipient_id),
  )
}

/** Stores what was prepared for its recipient. @throws BrokerError when its mailbox did not take it */
export function send(
  broker: Broker,
  project: string,
  prepared: Prepared | Repeated,
  recipient_id: string,
  input: SendInput,
): MaybePromise<DirectReceipt> {
  const key = input.idempotency_key === undefined ? undefined : keyOf(broker, input, { recipient_id })
  return 'outcome' in prepared
    ? repeatedReceipt(broker, project, recipient_id, prepared, key)
    : store(broker, project, prepared.message, recipient_id, key, prepared)
}

function store(
  broker: Broker,
  project: string,
  message: StoredMessage,
  recipient_id: string,
  key: IdempotencyKey | undefined,
  terms: Terms,
): MaybePromise<DirectReceipt> {
  const appended = broker.append(project, message, recipient_id, key)
  return appended instanceof Promise
    ? appended.then((appended) => receiptOf(broker, project, message, recipient_id, appended, key, terms))
    : receiptOf(broker, project, message, recipient_id, appended, key, terms)
}

function receiptOf(
  broker: Broker,
  project: string,
  message: StoredMessage,
  recipient_id: string,
  appended: Appended | Repeated,
  key: IdempotencyKey | undefined,
  terms: Terms,
): MaybePromise<DirectReceipt> {
  return appended.outcome === 'repeated'
    ? repeatedReceipt(broker, project, recipient_id, appended, key)
    : takenReceipt(broker, project, message, recipient_id, appended, terms)
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
  { project }: Identity,
  input: SendInput,
  sender_id: string,
  recipient_id: string,
): MaybePromise<DirectReceipt> {
  checkContent(broker, input)
  if (input.protocol_name === undefined && !broker.protocols.order.busy) {
    // Most sends have no key, and make no object for it.
    const key = input.idempotency_key === undefined ? undefined : keyOf(broker, input, { recipient_id })
    const message = broker.createMessage(input, sender_id, recipient_id)
    return store(broker, project, message, recipient_id, key, UNTYPED)
  }
  const prepared = prepare(broker, project, input, sender_id, recipient_id, 'point_to_point')
  return prepared instanceof Promise || broker.protocols.order.busy
    ? sendInOrder(broker, project, sender_id, prepared, recipient_id, input)
    : send(broker, project, prepared, recipient_id, input)
}

/** Apart, because a function that makes closures pays for them in calls that need none. */
function sendInOrder(
  broker: Broker,
  project: string,
  sender_id: string,
  prepared: MaybePromise<Prepared | Repeated>,
  recipient_id: string,
  input: SendInput,
): MaybePromise<DirectReceipt> {
  return broker.protocols.inOrder(project, sender_id, prepared, (prepared) =>
    send(broker, project, prepared, recipient_id, input),
  )
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
  text: ({ message_id, recipient_status, protocol_version, adapted_from, warnings }) => {
    const adapted = adapted_from ? `, adapted from ${adapted_from.version}` : ''
    const version = protocol_version === undefined ? '' : ` as version ${protocol_version}${adapted}`
    return [
      `Queued \`${message_id}\`${version}; the recipient is ${recipient_status}.`,
      ...warnings.map(sentence),
    ].join('\n')
  },
})

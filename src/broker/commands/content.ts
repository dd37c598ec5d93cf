import { type Static, Type } from '@sinclair/typebox'
import { BrokerError } from '../../core/errors.ts'
import { changedNumberAt, type JsonFlaw, jsonFlaw } from '../../core/json.ts'
import { shortened } from '../../core/shortened.ts'
import type { Broker } from '../broker.ts'
import { protocolRequired } from '../protocols/refusals.ts'
import { AnyJson, briefly, ClientId, checkNames, type closed, named, PrioritySchema } from './schema.ts'

/** The parameters of every command that sends: the message, and its sender. */
export const content = {
  message: Type.Optional(
    briefly(
      'a text, instead of payload',
      Type.String({ description: 'text; the same as a payload that is a string' }),
    ),
  ),
  payload: Type.Optional(AnyJson),
  protocol_name: Type.Optional(
    briefly(
      'of the payload',
      Type.String({ maxLength: 128, description: 'the protocol that the payload follows' }),
    ),
  ),
  protocol_version: Type.Optional(
    briefly('semver', Type.String({ maxLength: 64, description: 'its semver version' })),
  ),
  headers: Type.Optional(
    briefly(
      'texts by name',
      named(Type.String({ maxLength: 4096 }), {
        maxProperties: 64,
        description: 'text by name, carried along untouched',
      }),
    ),
  ),
  priority: Type.Optional(PrioritySchema),
  ttl_seconds: Type.Optional(
    briefly(
      'bounces if unread for so long',
      Type.Number({
        minimum: 0.001,
        description: 'expires, and bounces, if unread for this long; the receipt says when',
      }),
    ),
  ),
  in_reply_to: Type.Optional(
    briefly(
      'the message_id it answers',
      Type.String({ maxLength: 128, description: 'message_id of the message this answers' }),
    ),
  ),
  idempotency_key: Type.Optional(
    briefly(
      'sent twice with it, stored once',
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'sending twice with the same key stores once',
      }),
    ),
  ),
  sender_id: Type.Optional(ClientId),
}

export type SendInput = Static<ReturnType<typeof closed<typeof content>>>

/** A payload nested deeper than this is refused. */
const PAYLOAD_DEPTH_MAX = 64

/** Checks what a schema cannot say. @throws BrokerError */
export function checkContent(broker: Broker, input: SendInput): void {
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
  if (input.protocol_name === undefined && broker.protocols.rules.protocol_mode === 'required')
    throw protocolRequired()
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

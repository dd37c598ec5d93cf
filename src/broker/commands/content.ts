import { Type } from '@sinclair/typebox'
import { AnyJson, briefly, ClientId, named, PrioritySchema } from './schema.ts'

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

import { Type } from '@sinclair/typebox'
import { ClientId, CursorText, choice, closed } from '../broker/commands/schema.ts'

/** The path of a mailbox's event stream, as the command table writes paths. */
export const EVENTS_PATH = '/v1/mailboxes/{client_id}/events'

/** The parameters of a request for an event stream. */
export const EventsInput = closed({
  client_id: ClientId,
  after: Type.Optional(CursorText),
  ack: Type.Optional(
    choice(['auto', 'manual', 'none'], {
      description: 'auto (the default): what is written counts as read; manual or none',
    }),
  ),
  receipts: Type.Optional(
    Type.Boolean({ description: 'send an event receipt for what becomes of your messages' }),
  ),
  sessions: Type.Optional(Type.Boolean({ description: 'send an event session when clients come and go' })),
})

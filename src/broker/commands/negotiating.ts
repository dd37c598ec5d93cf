import { Type } from '@sinclair/typebox'
import { BrokerError } from '../../core/errors.ts'
import { matrix } from '../../core/protocol/matrix.ts'
import { type Negotiation, negotiate, type Party, parseRequired } from '../../core/protocol/negotiation.ts'
import type { Broker } from '../broker.ts'
import { defineCommand } from '../command.ts'
import { choice, closed, inline, named, RecipientId, SessionId } from './schema.ts'

/** Sessions that one call compares with each other. */
const SESSIONS_MAX = 50

const Suggestion = Type.Object({
  protocol: Type.String(),
  who: Type.String(),
  action: Type.String(),
  to: Type.Optional(Type.String()),
  sentence: Type.String(),
})

const Pair = Type.Object({
  a: Type.String(),
  b: Type.String(),
  compatible: Type.Boolean(),
  protocols: named(Type.String()),
})

/** A client, by its address or by the session that holds it. @throws BrokerError `unknown_client` */
async function partyOf(broker: Broker, project: string, id: string, field: string): Promise<Party> {
  const client =
    (await broker.engine.client(project, { session_id: id })) ??
    (await broker.engine.client(project, { client_id: id }))
  if (!client?.session)
    throw new BrokerError('unknown_client', { field, detail: `No client has checked in as "${inline(id)}".` })
  const { protocols, features } = client.session.capabilities
  return {
    client_id: client.client_id,
    ...(protocols === undefined ? {} : { protocols }),
    ...(features === undefined ? {} : { features }),
  }
}

import { type Static, Type } from '@sinclair/typebox'
import type { Identity } from '../../auth/identity.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { type CapabilityFilter, matchesCapabilities } from '../../core/session.ts'
import type { ClientState, Page, Repeated } from '../../engine/values.ts'
import type { Broker } from '../broker.ts'
import { defineCommand } from '../command.ts'
import type { PreparedMany, Taker } from '../protocols/sending/prepared.ts'
import { rangeOf } from '../protocols/sending/typed-sends.ts'
import { checkContent, content } from './content.ts'
import { type BroadcastReceipt, broadcastReceipt, broadcastReceiptOf, keyOf, UNTYPED } from './receipts.ts'
import { CapabilityFilterSchema, capabilityFilter, closed, count, sentence } from './schema.ts'

/** Clients in one page of a walk over them. */
const PAGE = 500

/**
 * Every client with a session that fits, except addresses that have only sent: nobody reads their mail.
 *
 * @param name the protocol whose range is asked for
 */
function takersOf(
  broker: Broker,
  project: string,
  sender_id: string,
  filter: CapabilityFilter,
  name?: string,
): MaybePromise<readonly Taker[]> {
  const takers: Taker[] = []
  const read = (after: string | undefined) =>
    broker.engine.clients(project, { of: 'readers', by: 'client_id', after, limit: PAGE })
  const visit = ({ items }: Page<ClientState>) => {
    for (const { client_id, session } of items) {
      if (client_id === sender_id || !session || !matchesCapabilities(session.capabilities, filter)) continue
      takers.push({ client_id, range: name === undefined ? undefined : rangeOf(session, name) })
    }
    return true
  }
  return then(broker.turns.pages(read, visit), () => takers)
}

/** Makes the messages of a broadcast, without storing them. @throws BrokerError */
function prepareMany(
  broker: Broker,
  project: string,
  input: BroadcastInput,
  sender_id: string,
  filter: CapabilityFilter,
): MaybePromise<PreparedMany> {
  const find = (name?: string) => takersOf(broker, project, sender_id, filter, name)
  if (input.protocol_name !== undefined)
    return broker.protocols.sends.prepareMany({ project, sender_id, by: 'broadcast' }, input, find)
  const message = broker.createMessage(input, sender_id, undefined)
  return then(find(), (takers) => ({
    variants: [{ message, recipients: takers.map(({ client_id }) => client_id) }],
    refused: [],
    ...UNTYPED,
  }))
}

function broadcast(
  broker: Broker,
  { project }: Identity,
  input: BroadcastInput,
  sender_id: string,
): MaybePromise<BroadcastReceipt> {
  checkContent(broker, input)
  const filter = capabilityFilter(input.capability_filter)
  const key = keyOf(broker, input, { capability_filter: filter })
  const before = key && broker.engine.repeated(project, sender_id, key.key)
  const prepared = then(
    before,
    (repeated): MaybePromise<PreparedMany | Repeated> =>
      repeated ?? prepareMany(broker, project, input, sender_id, filter),
  )
  return broker.protocols.inOrder(project, sender_id, prepared, (prepared) => {
    if ('outcome' in prepared) return broadcastReceiptOf(broker, prepared, key, UNTYPED, [])
    return then(broker.appendToMany(project, prepared.variants, key), (sent) =>
      broadcastReceiptOf(broker, sent, key, prepared, prepared.refused),
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
      ...refused.map(
        ({ recipient_id, reason, detail }) =>
          `Not taken by ${recipient_id}: ${sentence(detail ?? `${reason}.`)}`,
      ),
      ...warnings.map(sentence),
    ].join('\n'),
})

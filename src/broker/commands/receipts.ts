import { type Static, Type } from '@sinclair/typebox'
import { BrokerError } from '../../core/errors.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { formatTime, type StoredMessage } from '../../core/message.ts'
import type { Appended, ClientState, IdempotencyKey, Page, Repeated, Sent } from '../../engine/values.ts'
import type { Broker } from '../broker.ts'
import { appendsStored } from '../command.ts'
import { type Addressed, idempotencyKey } from '../digest.ts'
import type { NotTaken, Terms } from '../protocols/sending/prepared.ts'
import type { SendInput } from './content.ts'
import { AdaptedFromSchema, choice, type closed, unlisted } from './schema.ts'

const receipt = {
  message_id: Type.String(),
  status: choice(['queued', 'delivered', 'acknowledged']),
  stored: choice(['memory', 'disk', 'redis']),
  expires_at: Type.String({ description: 'RFC 3339' }),
  protocol_version: Type.Optional(
    unlisted(
      Type.String({ description: 'which version the recipient gets; of a broadcast, which was sent' }),
    ),
  ),
  warnings: Type.Array(Type.String()),
}

export const directReceipt = {
  ...receipt,
  recipient_status: choice(['active', 'stale', 'disconnected', 'unknown']),
  adapted_from: Type.Optional(unlisted(AdaptedFromSchema)),
}
export type DirectReceipt = Static<ReturnType<typeof closed<typeof directReceipt>>>

export const broadcastReceipt = {
  ...receipt,
  recipients: Type.Integer({ description: 'mailboxes that took it' }),
  refused: Type.Array(
    Type.Object({
      recipient_id: Type.String(),
      reason: Type.String(),
      detail: Type.Optional(Type.String()),
    }),
  ),
}
export type BroadcastReceipt = Static<ReturnType<typeof closed<typeof broadcastReceipt>>>

/** What a send without a protocol says of it. */
export const UNTYPED: Terms = { warnings: [] }
const REPEATED: Terms = { warnings: ['This idempotency_key was used before: nothing was sent anew.'] }

/** The idempotency key of a send, if the caller gave one. */
export function keyOf(broker: Broker, input: SendInput, to: Addressed): IdempotencyKey | undefined {
  const { idempotency_key } = input
  return idempotency_key === undefined
    ? undefined
    : idempotencyKey(idempotency_key, input, to, broker.limits.ttl_seconds)
}

/** The first send with a key. @throws BrokerError `idempotency_conflict` if it asked for something else */
export function sameAsFirst({ first, digest }: Repeated, key: IdempotencyKey | undefined): Sent {
  if (digest === key?.digest) return first
  const [recipient] = first.recipients
  // Of a send whose end is not known, nor are its recipients.
  const to_one = recipient === undefined ? 'a send' : `a message to "${recipient}"`
  const whom = first.broadcast ? 'a broadcast' : to_one
  throw new BrokerError('idempotency_conflict', {
    field: '/idempotency_key',
    detail: `This idempotency_key was used for ${whom} that asked for something else: ${first.message_id}.`,
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

/** The receipt of a send that its key says has been made before. @throws BrokerError */
export function repeatedReceipt(
  broker: Broker,
  project: string,
  recipient_id: string,
  repeated: Repeated,
  key: IdempotencyKey | undefined,
): MaybePromise<DirectReceipt> {
  const first = sameAsFirst(repeated, key)
  return takenReceipt(broker, project, first, recipient_id, first.deliveries[0]!, REPEATED)
}

/** @throws BrokerError when the recipient's mailbox did not take the message */
export function takenReceipt(
  broker: Broker,
  project: string,
  { message_id, expires_ms }: Pick<StoredMessage, 'message_id' | 'expires_ms'>,
  recipient_id: string,
  appended: Appended,
  { protocol_version, adapted_from, warnings }: Terms,
): MaybePromise<DirectReceipt> {
  refuse(appended, recipient_id)
  const { recipient_status } = appended
  const receipt: DirectReceipt = {
    message_id,
    status: 'queued',
    recipient_status,
    stored: broker.engine.stored,
    expires_at: formatTime(expires_ms),
    warnings: warnings as string[],
  }
  if (protocol_version !== undefined) receipt.protocol_version = protocol_version
  if (adapted_from !== undefined) receipt.adapted_from = adapted_from
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

/** Names looked at for near ones, and clients in one page of a walk over them. */
const NAMES_MAX = 10_000
const PAGE = 500

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

/** @param not_taken recipients that were given none, for want of a version that they take */
export function broadcastReceiptOf(
  broker: Broker,
  sent: Sent | Repeated,
  key: IdempotencyKey | undefined,
  { protocol_version, warnings: told }: Terms,
  not_taken: readonly NotTaken[],
): BroadcastReceipt {
  const repeated = sent.outcome === 'repeated'
  const { message_id, expires_ms, recipients, deliveries } = repeated ? sameAsFirst(sent, key) : sent
  const full = deliveries.flatMap(({ outcome }, i) =>
    outcome === 'stored' ? [] : [{ recipient_id: recipients[i]!, reason: outcome }],
  )
  const warnings = repeated ? [...REPEATED.warnings] : [...told]
  if (recipients.length + not_taken.length === 0) warnings.push('Nobody else is here to receive it.')
  return {
    message_id,
    status: 'queued',
    stored: broker.engine.stored,
    expires_at: formatTime(expires_ms),
    recipients: recipients.length - full.length,
    refused: [...not_taken, ...full],
    ...(protocol_version === undefined ? {} : { protocol_version }),
    warnings,
  }
}

import { BrokerError } from '../core/errors.ts'
import { type MaybePromise, then } from '../core/maybe-promise.ts'
import { BROKER_CLIENT_ID } from '../core/message.ts'
import type { Engine } from '../engine/engine.ts'

const SESSION_ID_CHARS = 36
const SESSION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * The address of a recipient, given as `client_id` or `session_id`.
 *
 * @throws BrokerError `unknown_session` for a UUID that is no session and no client, `reserved_client_id`
 */
export function recipientOf(engine: Engine, project: string, recipient_id: string): MaybePromise<string> {
  if (recipient_id === BROKER_CLIENT_ID)
    throw new BrokerError('reserved_client_id', {
      field: '/recipient_id',
      detail: `"${BROKER_CLIENT_ID}" is the broker itself, which reads no mail.`,
      next: 'Send to a client; see list_sessions.',
    })
  if (recipient_id.length !== SESSION_ID_CHARS || !SESSION_ID.test(recipient_id)) return recipient_id
  return then(engine.client(project, { session_id: recipient_id }), (holder) => {
    if (holder) return holder.client_id
    return then(engine.client(project, { client_id: recipient_id }), (client) => {
      if (client) return recipient_id
      throw new BrokerError('unknown_session', {
        field: '/recipient_id',
        next: 'Send to the client_id, which outlives its sessions; see list_sessions.',
      })
    })
  })
}

import { BROKER_CLIENT_ID, createMessage, type StoredMessage } from '../core/message.ts'
import type { Address } from './engine.ts'

/**
 * Where an engine stores the messages by which it proves its health. No project has this name, since theirs begin with
 * a letter; what is announced here stays with the engine.
 */
export const PROBE: Address = { project: '_health', client_id: 'probe' }

/** Long enough to be seen, short enough that one which was lost sight of does no harm. */
const PROBE_TTL_SECONDS = 10

/** @param now milliseconds since the epoch */
export function probeMessage(message_id: string, now: number): StoredMessage {
  return createMessage(
    { message: 'probe' },
    BROKER_CLIENT_ID,
    PROBE.client_id,
    message_id,
    now,
    PROBE_TTL_SECONDS,
  )
}

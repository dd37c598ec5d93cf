import { BROKER_CLIENT_ID, createMessage, type StoredMessage } from '../../core/message.ts'
import type { Address, Appended, Health } from '../values.ts'

/**
 * Where an engine stores the messages that prove its health. No project can have this name, since theirs
 * begin with a letter. The engine announces nothing of it to the broker.
 */
export const PROBE: Address = { project: '_health', client_id: 'probe' }

/** Long enough for the probe to be announced, short enough that one left behind does no harm. */
const PROBE_TTL_SECONDS = 10

/** The message of one probe. @param now milliseconds since the epoch */
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

/** What a probe has shown. @param outcome of storing it @param announced whether it was announced */
export function healthOf(outcome: Appended['outcome'], announced: boolean): Health {
  if (outcome === 'storage_full')
    return {
      ok: false,
      detail: 'stored_bytes_max is reached: new messages are refused until some are read or expire.',
    }
  if (outcome !== 'stored') return { ok: false, detail: `A message could not be stored: ${outcome}.` }
  return announced ? { ok: true } : { ok: false, detail: 'A message was stored, but not announced.' }
}

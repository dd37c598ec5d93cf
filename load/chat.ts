import { type Payload, padding } from './open-loop.ts'

/** What a client checks in with that speaks the ready protocol `chat`. */
export const SPEAKS_CHAT = { protocols: { chat: '^1.0.0' } }

/** What a chat payload carries, with the number and the time in the member that the protocol leaves free. */
export interface ChatPayload {
  readonly text: string
  readonly data: Payload
}

/**
 * The JSON of a chat payload, for what is sent in place of `payloadJson`.
 *
 * @param chars about how long it is to be
 */
export function chatJson(n: number, intended_ms: number, chars = 200): string {
  const head = `{"data":{"n":${n},"t":${intended_ms}},"text":"`
  // The protocol wants a text.
  return `${head}${padding(Math.max(1, chars - head.length - 2))}"}`
}

/** A `send_message` of the protocol that wants no answer, as JSON. @param payload as JSON */
export function chatRequest(recipient: string, payload: string): string {
  const params = `"recipient_id":"${recipient}","protocol_name":"chat","protocol_version":"1.0.0","payload":${payload}`
  return `{"jsonrpc":"2.0","method":"send_message","params":{${params}}}`
}

import type { Payload } from '../open-loop.ts'
import { post, readEvents } from './events.ts'
import { callTool } from './mcp.ts'
import { connectReader, type Delivered, sendRequest } from './rpc.ts'

/** Somebody who both sends and reads, by one door. */
export interface Agent {
  readonly client_id: string
  /** Sends without waiting. @param payload as JSON */
  send(recipient: string, payload: string): void
  close(): void
}

export type OnPayload = (payload: Payload) => void

/** By WebSocket for both directions. */
export async function socketAgent(url: string, client_id: string, onPayload: OnPayload): Promise<Agent> {
  const rpc = await connectReader(url, client_id, ({ message }) => onPayload(message.payload))
  return {
    client_id,
    send: (recipient, payload) => rpc.send(sendRequest(recipient, payload)),
    close: () => rpc.close(),
  }
}

/** Reads server-sent events, and posts. */
export async function eventsAgent(url: string, client_id: string, onPayload: OnPayload): Promise<Agent> {
  const close = await readEvents(url, client_id, ({ message }) => onPayload(message.payload))
  return {
    client_id,
    send: (recipient, payload) =>
      void post(
        `${url}/v1/messages`,
        `{"sender_id":"${client_id}","recipient_id":"${recipient}","payload":${payload}}`,
      ).catch(refused),
    close,
  }
}

/** An AI agent: tool calls alone; it reads by a call that waits for mail. */
export async function toolAgent(url: string, client_id: string, onPayload: OnPayload): Promise<Agent> {
  let last_id = 0
  let closed = false
  await callTool(url, ++last_id, 'checkin_client', { client_id })
  const read = async () => {
    while (!closed) {
      const { messages } = await callTool<{ messages: Delivered['message'][] }>(
        url,
        ++last_id,
        'get_messages',
        { client_id, wait_seconds: 1 },
      )
      for (const { payload } of messages) onPayload(payload)
    }
  }
  read().catch((error) => {
    if (!closed) console.error(`${client_id} reads no more:`, error)
  })
  return {
    client_id,
    send: (recipient, payload) =>
      void callTool(url, ++last_id, 'send_message', {
        sender_id: client_id,
        recipient_id: recipient,
        payload: JSON.parse(payload),
      }).catch(refused),
    close() {
      closed = true
    },
  }
}

/** What is refused does not arrive, and counts as lost. */
function refused(): void {}

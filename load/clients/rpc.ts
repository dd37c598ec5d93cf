import type { Payload } from '../open-loop.ts'
import { connectWebSocket } from './websocket.ts'

/** What the broker tells a subscriber. */
export interface Delivered {
  readonly cursor: string
  readonly message: { readonly message_id: string; readonly sender_id: string; readonly payload: Payload }
}

/** What the broker refused a call with: its sentence, and the code of the error. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message)
  }
}

/** A JSON-RPC connection to the broker. */
export interface Rpc {
  /** Calls a command and waits for its answer. @throws Refused */
  call<Answer = unknown>(method: string, params: object): Promise<Answer>
  /** Sends a frame as it is. */
  send(text: string): void
  close(): void
  /** Ends the connection at once, without a closing handshake, as a process that dies does. */
  drop(): void
}

type Frame =
  | { readonly method: 'message'; readonly params: Delivered }
  | {
      readonly method?: undefined
      readonly id: number
      readonly result?: unknown
      readonly error?: { readonly message: string; readonly data: { readonly code: string } }
    }

/**
 * Connects to the WebSocket door.
 *
 * @param url of the broker
 * @param onMessage told of each message that arrives
 * @param onResult told of the id of each request that went well and that was sent as a frame, not called
 */
export async function connectRpc(
  url: string,
  onMessage?: (delivered: Delivered) => void,
  onResult?: (id: number) => void,
): Promise<Rpc> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const onFrame = (frame: Frame) => {
    if (frame.method === 'message') onMessage?.(frame.params)
    else if ('id' in frame) {
      const call = waiting.get(frame.id)
      waiting.delete(frame.id)
      if (frame.error) call?.reject(new Refused(frame.error.message, frame.error.data.code))
      else if (call) call.resolve(frame.result)
      else onResult?.(frame.id)
    }
  }
  const socket = await connectWebSocket(`${url}/v1/ws`, (text) => {
    const frame = JSON.parse(text)
    if (Array.isArray(frame)) for (const each of frame) onFrame(each)
    else onFrame(frame)
  })
  socket.onclose = ({ code }) => {
    for (const call of waiting.values()) call.reject(new Error(`the connection was closed with ${code}`))
    waiting.clear()
  }
  let last_id = 0
  return {
    call<Answer>(method: string, params: object) {
      if (socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('the connection is closed'))
      const call = Promise.withResolvers<unknown>()
      waiting.set(++last_id, call)
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: last_id, method, params }))
      return call.promise as Promise<Answer>
    },
    send: (text) => void socket.send(text),
    close: () => socket.close(),
    drop: () => socket.terminate(),
  }
}

/** Connects a client that sends: under an address of its own. @param capabilities what it checks in with */
export async function connectSender(url: string, client_id: string, capabilities?: object): Promise<Rpc> {
  const rpc = await connectRpc(url)
  await rpc.call('checkin_client', { client_id, capabilities })
  return rpc
}

/**
 * Connects a client that reads its mailbox live, several messages to a frame, and acknowledges as it reads.
 *
 * @param capabilities what it checks in with
 */
export async function connectReader(
  url: string,
  client_id: string,
  onMessage: (delivered: Delivered) => void,
  capabilities?: object,
): Promise<Rpc> {
  const rpc = await connectRpc(url, onMessage)
  await rpc.call('checkin_client', { client_id, capabilities })
  await rpc.call('subscribe', { batch: true })
  return rpc
}

/** A `send_message` that wants no answer, as JSON. @param payload as JSON */
export function sendRequest(recipient: string, payload: string): string {
  return `{"jsonrpc":"2.0","method":"send_message","params":{"recipient_id":"${recipient}","payload":${payload}}}`
}

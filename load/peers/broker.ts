import { Server } from '../server.ts'
import { connectWebSocket, type Payload, type Peer } from './peer.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

/** Starts a broker. @param settings as environment variables */
export function startBroker(settings: Record<string, string> = {}): Promise<Server> {
  return Server.start((port) => ['bun', MAIN, 'serve', '--port', String(port)], {
    MCP_BROKER_LOG_LEVEL: 'error',
    ...settings,
  })
}

/** This broker over its WebSocket door: JSON-RPC, fire and forget, acknowledged as it arrives. */
export const BROKER: Peer = {
  name: 'mcp-broker',
  start: () => startBroker(),
  async connect(server, name, onMessage) {
    const rpc = await connectRpc(server, onMessage)
    await rpc.call('checkin_client', { client_id: name })
    if (onMessage) await rpc.call('subscribe', { batch: true })
    return {
      send(recipient, payloads) {
        const requests = payloads.map(
          (payload) =>
            `{"jsonrpc":"2.0","method":"send_message","params":{"recipient_id":"${recipient}","payload":${payload}}}`,
        )
        rpc.send(requests.length === 1 ? requests[0]! : `[${requests.join(',')}]`)
      },
      close: () => rpc.close(),
    }
  },
}

export interface Rpc {
  call(method: string, params: object): Promise<unknown>
  send(text: string): void
  close(): void
}

/** A JSON-RPC connection to the broker. */
export async function connectRpc(server: Server, onMessage?: (payload: Payload) => void): Promise<Rpc> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const onFrame = (frame: Frame) => {
    if (frame.method === 'message') onMessage?.(frame.params.message.payload)
    else if ('id' in frame) {
      const call = waiting.get(frame.id)
      waiting.delete(frame.id)
      if (frame.error) call?.reject(new Error(frame.error.message))
      else call?.resolve(frame.result)
    }
  }
  const socket = await connectWebSocket(`${server.url.replace('http', 'ws')}/v1/ws`, (text) => {
    const frame = JSON.parse(text)
    if (Array.isArray(frame)) for (const each of frame) onFrame(each)
    else onFrame(frame)
  })
  let last_id = 0
  return {
    call(method, params) {
      const call = Promise.withResolvers<unknown>()
      waiting.set(++last_id, call)
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: last_id, method, params }))
      return call.promise
    },
    send: (text) => void socket.send(text),
    close: () => socket.close(),
  }
}

type Frame =
  | { method: 'message'; params: { cursor: string; message: { message_id: string; payload: Payload } } }
  | { method?: undefined; id: number; result?: unknown; error?: { message: string } }

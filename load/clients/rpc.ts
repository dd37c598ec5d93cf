import type { Payload } from '../open-loop.ts'
import { connectWebSocket } from '../peers/peer.ts'

/** What the broker tells a subscriber. */
export interface Delivered {
  readonly cursor: string
  readonly message: { readonly message_id: string; readonly sender_id: string; readonly payload: Payload }
}

/** A JSON-RPC connection to the broker. */
export interface Rpc {
  /** Calls a command and waits for its answer. @throws Error with the broker's sentence */
  call<Answer = unknown>(method: string, params: object): Promise<Answer>
  /** Sends a frame as it is. */
  send(text: string): void
  close(): void
  /** Drops the connection without a close, as a lost network does. */
  drop(): void
}

type Frame =
  | { readonly method: 'message'; readonly params: Delivered }
  | {
      readonly method?: undefined
      readonly id: number
      readonly result?: unknown
      readonly error?: { readonly message: string }
    }

/** Connects to the WebSocket door. @param url of the broker; @param onMessage told of each message that arrives */
export async function connectRpc(url: string, onMessage?: (delivered: Delivered) => void): Promise<Rpc> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const onFrame = (frame: Frame) => {
    if (frame.method === 'message') onMessage?.(frame.params)
    else if ('id' in frame) {
      const call = waiting.get(frame.id)
      waiting.delete(frame.id)
      if (frame.error) call?.reject(new Error(frame.error.message))
      else call?.resolve(frame.result)
    }
  }
  const socket = await connectWebSocket(`${url.replace('http', 'ws')}/v1/ws`, (text) => {
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

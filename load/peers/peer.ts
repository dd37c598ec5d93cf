import type { Payload } from '../open-loop.ts'
import type { Server } from '../server.ts'

/** One end of a conversation. */
export interface Talker {
  /** Sends messages to the other end, in one frame where the peer knows such. @param payloads each as JSON */
  send(payloads: readonly string[]): void
  close(): void
}

/** A kind of server that carries messages from one named end to another, and how it is talked to. */
export interface Peer {
  readonly name: string
  /** Undefined where the program is not installed. */
  start(): Promise<Server | undefined>
  /** Connects an end that reads what is sent to its name. */
  read(server: Server, name: string, onMessage: (payload: Payload) => void): Promise<void>
  /** Connects an end that sends to one name. */
  write(server: Server, name: string, recipient: string): Promise<Talker>
}

/** Connects a WebSocket. @param onText called with each frame, as text */
export async function connectWebSocket(url: string, onText: (text: string) => void): Promise<WebSocket> {
  const socket = new WebSocket(url)
  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }) => onText(typeof data === 'string' ? data : TEXT.decode(data))
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error(`no WebSocket at ${url}`))
  })
  return socket
}

const TEXT = new TextDecoder()

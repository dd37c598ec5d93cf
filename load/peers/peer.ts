import type { Server } from '../server.ts'

/** What every message of a scenario carries. */
export interface Payload {
  /** Which message of the run it is, from 0. */
  readonly n: number
  /** When it was meant to leave, in milliseconds of the driver's `performance.now`. */
  readonly t: number
}

/** One end of a conversation. */
export interface Talker {
  /** Sends messages, in one frame. @param payloads each as JSON */
  send(recipient: string, payloads: readonly string[]): void
  close(): void
}

/** A kind of server that carries messages from one named end to another, and how it is talked to. */
export interface Peer {
  readonly name: string
  /** Undefined where the program is not installed. */
  start(): Promise<Server | undefined>
  /** Connects under a name. @param onMessage told of each message that arrives; absent: this end only sends */
  connect(server: Server, name: string, onMessage?: (payload: Payload) => void): Promise<Talker>
}

/** Connects a WebSocket. @param onText called with each frame, as text */
export async function connectWebSocket(
  url: string,
  onText: (text: string) => void,
  protocols: string[] = [],
): Promise<WebSocket> {
  const socket = new WebSocket(url, protocols)
  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }) => onText(typeof data === 'string' ? data : TEXT.decode(data))
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error(`no WebSocket at ${url}`))
  })
  return socket
}

const TEXT = new TextDecoder()

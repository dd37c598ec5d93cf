import type { ServerWebSocket } from 'bun'
import { WsConnection } from '../../src/transports/ws/connection.ts'

/** Connections whose sockets go nowhere: frames are encoded as they would be for the kernel, and dropped. */
export class FakeSockets {
  /** Pinged and not yet answered. */
  readonly pinged: { readonly connection: WsConnection; readonly said: string }[] = []

  open(): WsConnection {
    const connection: WsConnection = new WsConnection(
      undefined,
      { drained: () => {}, queued: () => connection.flush() },
      Number.POSITIVE_INFINITY,
      Date.now,
    )
    const socket = {
      cork: (write: () => void) => write(),
      sendText: (text: string) => Buffer.byteLength(text),
      ping: (said: string) => this.pinged.push({ connection, said }),
    }
    // Of a socket, a connection that is never closed uses no more than this.
    connection.opened(socket as unknown as ServerWebSocket<WsConnection>)
    return connection
  }
}

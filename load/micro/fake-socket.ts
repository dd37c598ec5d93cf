import type { ServerWebSocket } from 'bun'
import type { EndOfTurn } from '../../src/broker/end-of-turn.ts'
import { WsConnection } from '../../src/transports/ws/connection.ts'

/** Connections whose sockets go nowhere: frames are encoded as they would be for the kernel, and dropped. */
export class FakeSockets {
  /** Pinged and not yet answered. */
  readonly pinged: { readonly connection: WsConnection; readonly said: string }[] = []

  /** @param end_of_turn hands over the answers, where there are any */
  constructor(private readonly end_of_turn?: EndOfTurn) {}

  open(): WsConnection {
    const connection: WsConnection = new WsConnection(
      undefined,
      {
        drained: () => {},
        held: () => this.end_of_turn?.hold(connection),
        unstored: () => {},
        relieved: () => {},
      },
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

import { Server } from '../server.ts'
import { connectWebSocket, type Peer } from './peer.ts'

const RELAY = new URL('../references/relay.ts', import.meta.url).pathname

/** The bare relay of `references/relay.ts`. */
export const RELAY_PEER: Peer = {
  name: 'bare relay',
  start: () => Server.start((port) => ['bun', RELAY, String(port)]),
  async connect(server, name, onMessage) {
    const socket = await connectWebSocket(`${server.url.replace('http', 'ws')}/?as=${name}`, (text) => {
      for (const { payload } of JSON.parse(text)) onMessage?.(payload)
    })
    return {
      send(recipient, payloads) {
        const messages = payloads.map((payload) => `{"to":"${recipient}","payload":${payload}}`)
        socket.send(messages.length === 1 ? messages[0]! : `[${messages.join(',')}]`)
      },
      close: () => socket.close(),
    }
  },
}

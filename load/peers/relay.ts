import { Server } from '../server.ts'
import { sendRequest } from './broker.ts'
import { connectWebSocket, type Peer } from './peer.ts'

const RELAY = new URL('../references/relay.ts', import.meta.url).pathname

/** The bare relay of `references/relay.ts`, spoken to in the same bytes as the broker. */
export const RELAY_PEER: Peer = {
  name: 'bare relay',
  start: () => Server.start((port) => [process.execPath, RELAY, String(port)]),
  async read(server, name, onMessage) {
    await connectWebSocket(address(server, name), (text) => {
      for (const { params } of JSON.parse(text)) onMessage(params.message.payload)
    })
  },
  async write(server, name, recipient) {
    const socket = await connectWebSocket(address(server, name), () => {})
    return {
      send(payloads) {
        const requests = payloads.map((payload) => sendRequest(recipient, payload))
        socket.send(requests.length === 1 ? requests[0]! : `[${requests.join(',')}]`)
      },
      close: () => socket.close(),
    }
  },
}

function address({ url }: Server, name: string): string {
  return `${url.replace('http', 'ws')}/?as=${name}`
}

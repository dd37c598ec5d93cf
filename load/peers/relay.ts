import { join } from 'node:path'
import { connectWebSocket } from '../clients/websocket.ts'
import { Server } from '../server.ts'
import { sendFrame } from './broker.ts'
import type { Peer } from './peer.ts'

const RELAY = join(import.meta.dir, '../references/relay.ts')

/** The bare relay of `references/relay.ts`, spoken to in the same bytes as the broker. */
export const RELAY_PEER: Peer = {
  name: 'bare relay',
  start: () => Server.start((port) => [process.execPath, RELAY, String(port)]),
  async read({ url }, name, onMessage) {
    await connectWebSocket(`${url}/?as=${name}`, (text) => {
      for (const { params } of JSON.parse(text)) onMessage(params.message.payload)
    })
  },
  async write({ url }, name, recipient) {
    const socket = await connectWebSocket(`${url}/?as=${name}`, () => {})
    return (payloads) => socket.send(sendFrame(recipient, payloads))
  },
}

import { connectRpc } from '../clients/rpc.ts'
import { Server } from '../server.ts'
import type { Peer } from './peer.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

/** How it is started: the default settings, but for saying little and ending quickly. */
const BROKER_ENV = { MCP_BROKER_LOG_LEVEL: 'error', MCP_BROKER_DRAIN_SECONDS: '0.1' }

/** Starts a broker. @param program of a compiled one; its source is run where none is given */
export function startBroker(program?: string): Promise<Server> {
  const command = program === undefined ? [process.execPath, MAIN] : [program]
  return Server.start((port) => [...command, 'serve', '--port', String(port)], BROKER_ENV)
}

/** This broker over its WebSocket door: JSON-RPC, fire and forget, acknowledged as it arrives. */
export const BROKER: Peer = {
  name: 'mcp-broker',
  start: () => startBroker(),
  async read(server, name, onMessage) {
    const rpc = await connectRpc(server.url, ({ message }) => onMessage(message.payload))
    await rpc.call('checkin_client', { client_id: name })
    await rpc.call('subscribe', { batch: true })
  },
  async write(server, name, recipient) {
    const rpc = await connectRpc(server.url)
    await rpc.call('checkin_client', { client_id: name })
    return {
      send(payloads) {
        const requests = payloads.map((payload) => sendRequest(recipient, payload))
        rpc.send(requests.length === 1 ? requests[0]! : `[${requests.join(',')}]`)
      },
      close: () => rpc.close(),
    }
  },
}

/** A `send_message` that wants no answer, as JSON. @param payload as JSON */
export function sendRequest(recipient: string, payload: string): string {
  return `{"jsonrpc":"2.0","method":"send_message","params":{"recipient_id":"${recipient}","payload":${payload}}}`
}

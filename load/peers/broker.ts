import { join } from 'node:path'
import { connectReader, connectSender, sendRequest } from '../clients/rpc.ts'
import { Server } from '../server.ts'
import type { Peer } from './peer.ts'

const MAIN = join(import.meta.dir, '../../src/main.ts')

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
    await connectReader(server.url, name, ({ message }) => onMessage(message.payload))
  },
  async write(server, name, recipient) {
    const rpc = await connectSender(server.url, name)
    return (payloads) => rpc.send(sendFrame(recipient, payloads))
  },
}

/** One frame that sends all of them. @param payloads each as JSON */
export function sendFrame(recipient: string, payloads: readonly string[]): string {
  const requests = payloads.map((payload) => sendRequest(recipient, payload))
  return requests.length === 1 ? requests[0]! : `[${requests.join(',')}]`
}

import { join } from 'node:path'
import { type ChatPayload, chatJson, chatRequest, SPEAKS_CHAT } from '../chat.ts'
import { connectReader, connectSender, type Delivered, sendRequest } from '../clients/rpc.ts'
import { Server } from '../server.ts'
import type { Peer } from './peer.ts'

const MAIN = join(import.meta.dir, '../../src/main.ts')

/** How it is started: the default settings, but for saying little and ending quickly. */
export const BROKER_ENV = { MCP_BROKER_LOG_LEVEL: 'error', MCP_BROKER_DRAIN_SECONDS: '0.1' }

export interface StartedBroker {
  /** Of a compiled one; its source is run where none is given. */
  readonly program?: string | undefined
  /** Of the Redis server that it keeps messages in; else they are in memory. */
  readonly redis_url?: string | undefined
}

export async function startBroker({ program, redis_url }: StartedBroker = {}): Promise<Server> {
  const command = program === undefined ? [process.execPath, MAIN] : [program]
  const env = redis_url === undefined ? BROKER_ENV : { ...BROKER_ENV, MCP_BROKER_REDIS_URL: redis_url }
  const server = await Server.start((port) => [...command, 'serve', '--port', String(port)], env)
  return server.ready()
}

/** How a broker is run from its source. @param flags besides its port */
export function brokerCommand(flags: readonly string[]): (port: number) => readonly string[] {
  return (port) => [process.execPath, MAIN, 'serve', '--port', String(port), ...flags]
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

/** The same with messages of the ready protocol `chat`, of payloads as long. */
export const TYPED_BROKER: Peer = {
  name: 'typed messages',
  payload: chatJson,
  start: () => startBroker(),
  async read(server, name, onMessage) {
    // What the payload says is where the protocol leaves room for it.
    const onChat = ({ message }: Delivered) => onMessage((message.payload as unknown as ChatPayload).data)
    await connectReader(server.url, name, onChat, SPEAKS_CHAT)
  },
  async write(server, name, recipient) {
    const rpc = await connectSender(server.url, name, SPEAKS_CHAT)
    return (payloads) => rpc.send(sendFrame(recipient, payloads, chatRequest))
  },
}

/**
 * One frame that sends all of them.
 *
 * @param payloads each as JSON
 * @param request makes the request that sends one
 */
export function sendFrame(
  recipient: string,
  payloads: readonly string[],
  request: typeof sendRequest = sendRequest,
): string {
  const requests = payloads.map((payload) => request(recipient, payload))
  return requests.length === 1 ? requests[0]! : `[${requests.join(',')}]`
}

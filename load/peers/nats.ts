import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectWebSocket } from '../clients/websocket.ts'
import { temporaryFolder } from '../folder.ts'
import { Server } from '../server.ts'
import type { Peer } from './peer.ts'

/** nats-server over its WebSocket listener. Source: the NATS client protocol. */
export const NATS: Peer = {
  name: 'nats-server',
  async start() {
    const program = Bun.which('nats-server')
    return program ? startNats(program, temporaryFolder()) : undefined
  },
  async read(server, name, onMessage) {
    await connectNats(server, (payload) => onMessage(JSON.parse(payload)), `SUB ${name} 1\r\n`)
  },
  async write(server, _name, recipient) {
    const socket = await connectNats(server, () => {}, '')
    return (payloads) =>
      socket.send(payloads.map((payload) => `PUB ${recipient} ${payload.length}\r\n${payload}\r\n`).join(''))
  },
}

/** @param settings besides where it listens; @param folder of its own, removed when it is stopped */
export function startNats(program: string, folder: string, settings = ''): Promise<Server> {
  const config = join(folder, 'nats.conf')
  const command = (port: number) => {
    const websocket = `websocket { listen: "127.0.0.1:${port}", no_tls: true }`
    writeFileSync(config, `listen: "127.0.0.1:-1"\n${websocket}\n${settings}`)
    return [program, '-c', config, '-l', '/dev/null']
  }
  return Server.start(command, {}, folder)
}

/**
 * Told of a message.
 *
 * @param head its line: `MSG`, subject, subscription, where to reply if asked to, and size
 */
export type OnMessage = (payload: string, head: string) => void

/** Connects and says `hello`; resolves when the server has heard it. */
export async function connectNats({ url }: Server, onMessage: OnMessage, hello: string): Promise<WebSocket> {
  let rest = ''
  const ready = Promise.withResolvers<void>()
  const socket = await connectWebSocket(url, (text) => {
    rest = readOperations(rest + text, {
      message: onMessage,
      ping: () => socket.send('PONG\r\n'),
      pong: () => ready.resolve(),
    })
  })
  socket.onclose = () => ready.reject(new Error('nats-server closed the connection'))
  socket.send(`CONNECT {"verbose":false,"pedantic":false,"lang":"load","version":"1"}\r\n${hello}PING\r\n`)
  await ready.promise
  return socket
}

interface Handlers {
  readonly message: OnMessage
  readonly ping: () => void
  readonly pong: () => void
}

/** Reads all whole operations; payloads are ASCII. @returns the rest, which is not whole yet */
export function readOperations(text: string, { message, ping, pong }: Handlers): string {
  let at = 0
  for (;;) {
    const end = text.indexOf('\r\n', at)
    if (end === -1) return text.slice(at)
    if (text.startsWith('MSG ', at)) {
      const size = Number(text.slice(text.lastIndexOf(' ', end) + 1, end))
      const begin = end + 2
      if (text.length < begin + size + 2) return text.slice(at)
      message(text.slice(begin, begin + size), text.slice(at, end))
      at = begin + size + 2
      continue
    }
    if (text.startsWith('PING', at)) ping()
    else if (text.startsWith('PONG', at)) pong()
    at = end + 2
  }
}

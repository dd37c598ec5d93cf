import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectWebSocket } from '../clients/websocket.ts'
import { temporaryFolder } from '../folder.ts'
import type { Payload } from '../open-loop.ts'
import { Server } from '../server.ts'
import type { Peer } from './peer.ts'

/** nats-server over its WebSocket listener. Source: the NATS client protocol. */
export const NATS: Peer = {
  name: 'nats-server',
  async start() {
    const program = Bun.which('nats-server')
    if (!program) return undefined
    const config = join(temporaryFolder(), 'nats.conf')
    return Server.start((port) => {
      writeFileSync(
        config,
        `listen: "127.0.0.1:-1"\nwebsocket { listen: "127.0.0.1:${port}", no_tls: true }\n`,
      )
      return [program, '-c', config, '-l', '/dev/null']
    })
  },
  async read(server, name, onMessage) {
    await connect(server, onMessage, `SUB ${name} 1\r\n`)
  },
  async write(server, _name, recipient) {
    const socket = await connect(server, () => {}, '')
    return (payloads) =>
      socket.send(payloads.map((payload) => `PUB ${recipient} ${payload.length}\r\n${payload}\r\n`).join(''))
  },
}

/** Connects and says `hello`; resolves when the server has heard it. */
async function connect(
  { url }: Server,
  onMessage: (payload: Payload) => void,
  hello: string,
): Promise<WebSocket> {
  let rest = ''
  const ready = Promise.withResolvers<void>()
  const socket = await connectWebSocket(url, (text) => {
    rest = readOperations(rest + text, {
      payload: onMessage,
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
  readonly payload: (payload: Payload) => void
  readonly ping: () => void
  readonly pong: () => void
}

/** Reads all whole operations; payloads are ASCII. @returns the rest, which is not whole yet */
function readOperations(text: string, { payload, ping, pong }: Handlers): string {
  let at = 0
  for (;;) {
    const end = text.indexOf('\r\n', at)
    if (end === -1) return text.slice(at)
    if (text.startsWith('MSG ', at)) {
      const size = Number(text.slice(text.lastIndexOf(' ', end) + 1, end))
      const begin = end + 2
      if (text.length < begin + size + 2) return text.slice(at)
      payload(JSON.parse(text.slice(begin, begin + size)))
      at = begin + size + 2
      continue
    }
    if (text.startsWith('PING', at)) ping()
    else if (text.startsWith('PONG', at)) pong()
    at = end + 2
  }
}

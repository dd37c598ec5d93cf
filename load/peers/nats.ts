import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server } from '../server.ts'
import { connectWebSocket, type Payload, type Peer } from './peer.ts'

/** nats-server over its WebSocket listener. Source: the NATS client protocol. */
export const NATS: Peer = {
  name: 'nats-server',
  async start() {
    const program = Bun.which('nats-server')
    if (!program) return undefined
    return Server.start((port) => {
      const config = join(mkdtempSync(join(tmpdir(), 'nats-')), 'nats.conf')
      writeFileSync(config, `listen: "127.0.0.1:-1"\nwebsocket { listen: "127.0.0.1:${port}", no_tls: true }\n`)
      return [program, '-c', config, '-l', '/dev/null']
    })
  },
  async connect(server, name, onMessage) {
    let rest = ''
    const ready = Promise.withResolvers<void>()
    const socket = await connectWebSocket(`ws://127.0.0.1:${server.port}`, (text) => {
      rest = parse(rest + text, {
        payload: onMessage,
        ping: () => socket.send('PONG\r\n'),
        pong: () => ready.resolve(),
      })
    })
    socket.send('CONNECT {"verbose":false,"pedantic":false,"lang":"load","version":"1"}\r\n')
    if (onMessage) socket.send(`SUB ${name} 1\r\n`)
    socket.send('PING\r\n')
    await ready.promise
    return {
      send: (recipient, payloads) =>
        void socket.send(
          payloads.map((payload) => `PUB ${recipient} ${payload.length}\r\n${payload}\r\n`).join(''),
        ),
      close: () => socket.close(),
    }
  },
}

interface Handlers {
  readonly payload: ((payload: Payload) => void) | undefined
  readonly ping: () => void
  readonly pong: () => void
}

/** Reads all whole operations; payloads are ASCII. @returns the rest, which is not whole yet */
function parse(text: string, { payload, ping, pong }: Handlers): string {
  let at = 0
  for (;;) {
    const end = text.indexOf('\r\n', at)
    if (end === -1) return text.slice(at)
    if (text.startsWith('MSG ', at)) {
      const size = Number(text.slice(text.lastIndexOf(' ', end) + 1, end))
      const begin = end + 2
      if (text.length < begin + size + 2) return text.slice(at)
      payload?.(JSON.parse(text.slice(begin, begin + size)))
      at = begin + size + 2
      continue
    }
    if (text.startsWith('PING', at)) ping()
    else if (text.startsWith('PONG', at)) pong()
    at = end + 2
  }
}

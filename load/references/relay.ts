import type { ServerWebSocket } from 'bun'

/**
 * A bare relay: `bun load/references/relay.ts PORT`. It parses, stamps and forwards, and does nothing else: no storage, no
 * validation, no identity, no bounds. What a broker adds to the cost of a message is measured against it.
 *
 * A peer names itself in the URL (`/?as=NAME`) and sends `{"to":NAME,"payload":…}` or an array of these. What is due to a peer at the
 * end of a turn of the event loop leaves in one frame, an array.
 */
interface Peer {
  readonly name: string
  due: string[]
}

const peers = new Map<string, ServerWebSocket<Peer>>()
let dirty: ServerWebSocket<Peer>[] = []
let stamped_ms = 0
let stamp = ''

function forward(from: string, { to, payload }: { to: string; payload: unknown }): void {
  const peer = peers.get(to)
  if (!peer) return
  const now = Date.now()
  if (now !== stamped_ms) {
    stamped_ms = now
    stamp = new Date(now).toISOString()
  }
  if (peer.data.due.length === 0) {
    if (dirty.length === 0) setImmediate(flush)
    dirty.push(peer)
  }
  peer.data.due.push(JSON.stringify({ id: Bun.randomUUIDv7(), from, sent_at: stamp, payload }))
}

function flush(): void {
  const due = dirty
  dirty = []
  for (const peer of due) {
    const frame = `[${peer.data.due.join(',')}]`
    peer.data.due = []
    peer.sendText(frame)
  }
}

Bun.serve<Peer>({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  fetch: (request, server) =>
    server.upgrade(request, { data: { name: new URL(request.url).searchParams.get('as') ?? '', due: [] } })
      ? undefined
      : new Response('a WebSocket is wanted here', { status: 426 }),
  websocket: {
    open: (peer) => void peers.set(peer.data.name, peer),
    close: (peer) => void peers.delete(peer.data.name),
    message(peer, text) {
      const frame = JSON.parse(String(text))
      if (Array.isArray(frame)) for (const message of frame) forward(peer.data.name, message)
      else forward(peer.data.name, frame)
    },
  },
})

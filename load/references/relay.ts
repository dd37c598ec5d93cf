import type { ServerWebSocket } from 'bun'

/**
 * A bare relay: `bun load/references/relay.ts PORT`. It speaks the broker's wire, so that both carry the same bytes, and does
 * nothing but parse, stamp and forward: no storage, no validation, no identity, no acknowledgement, no bounds. What a broker
 * adds to the cost of a message is measured against it.
 *
 * A peer names itself in the URL (`/?as=NAME`) and sends `send_message` notifications, alone or in an array. What is due
 * to a peer at the end of a turn of the event loop leaves in one frame, an array.
 */
interface Peer {
  readonly name: string
  /** The frame that gathers; '' when there is nothing to send. */
  due: string
  offset: number
}

interface Request {
  readonly params: { readonly recipient_id: string; readonly payload: unknown }
}

const peers = new Map<string, ServerWebSocket<Peer>>()
let dirty: ServerWebSocket<Peer>[] = []
let stamped_ms = 0
let sent_at = ''

function forward(sender_id: string, { params: { recipient_id, payload } }: Request): void {
  const socket = peers.get(recipient_id)
  if (!socket) return
  const now = Date.now()
  if (now !== stamped_ms) {
    stamped_ms = now
    sent_at = new Date(now).toISOString()
  }
  const message = JSON.stringify({
    message_id: Bun.randomUUIDv7(),
    sender_id,
    payload,
    sent_at,
    recipient_id,
  })
  const peer = socket.data
  if (peer.due === '') {
    if (dirty.length === 0) setImmediate(flush)
    dirty.push(socket)
  }
  const cursor = `relay:${++peer.offset}`
  peer.due += `${peer.due === '' ? '[' : ','}{"jsonrpc":"2.0","method":"message","params":{"cursor":"${cursor}","message":${message}}}`
}

function flush(): void {
  const due = dirty
  dirty = []
  for (const socket of due) {
    const frame = `${socket.data.due}]`
    socket.data.due = ''
    socket.sendText(frame)
  }
}

Bun.serve<Peer>({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  fetch(request, server) {
    const name = new URL(request.url).searchParams.get('as') ?? ''
    return server.upgrade(request, { data: { name, due: '', offset: 0 } })
      ? undefined
      : new Response('a WebSocket is wanted here', { status: 426 })
  },
  websocket: {
    open: (socket) => void peers.set(socket.data.name, socket),
    close: (socket) => void peers.delete(socket.data.name),
    message(socket, text) {
      const frame = JSON.parse(String(text))
      if (Array.isArray(frame)) for (const request of frame) forward(socket.data.name, request)
      else forward(socket.data.name, frame)
    },
  },
})

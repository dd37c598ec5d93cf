import { post } from '../clients/events.ts'
import { ACCEPT, initialize } from '../clients/mcp.ts'
import { connectReader } from '../clients/rpc.ts'
import { openFilesMax, SPARE_FILES } from '../files.ts'
import { startBroker } from '../peers/broker.ts'
import type { Row, Run, Scenario } from '../scenario.ts'
import type { Server } from '../server.ts'

const SOCKETS = 10_000
const STREAMS = 2000
const MCP_SESSIONS = 2000
/** Opened and closed before the first look, so that what is needed once is not counted to the sessions. */
const WARM = 500
const AT_ONCE = 200

export const idle: Scenario = {
  name: 'idle',
  summary:
    'memory of an idle session: 10,000 over WebSocket, 2,000 event streams, 2,000 MCP sessions of 2025',
  in_short: false,
  async run(run) {
    const sockets = await measureIdle(run, 'WebSocket session', SOCKETS, socketSession)
    const kilobytes = sockets.bytes / 1024
    return {
      rows: [
        {
          ...sockets.row,
          budgets: [{ what: 'idle session', bound: 'at most', limit: 8, value: kilobytes, unit: 'KB' }],
        },
        (await measureIdle(run, 'event stream', STREAMS, eventStream)).row,
        (await measureIdle(run, 'MCP session of 2025', MCP_SESSIONS, mcpSession)).row,
      ],
    }
  },
}

/** Something open that does nothing. */
interface Idle {
  close(): void
  /** Whether it is still there: what the broker closed takes no memory. */
  lives(): boolean | Promise<boolean>
}

type Open = (server: Server, client_id: string) => Promise<Idle>

async function measureIdle(
  run: Run,
  what: string,
  wanted: number,
  open: Open,
): Promise<{ row: Row; bytes: number }> {
  await using server = await startBroker()
  const sessions = Math.min(wanted, openFilesMax() - SPARE_FILES)
  run.say(`${what}: warming up`)
  for (const idle of await openAll(server, 'warm', Math.min(WARM, sessions), open)) idle.close()
  const before = await server.settledMemoryBytes()
  run.say(`${what}: ${sessions} of them open`)
  const all = await openAll(server, 'idle', sessions, open)
  const memory_bytes = await server.settledMemoryBytes()
  const living = await Promise.all(all.map((idle) => idle.lives()))
  for (const idle of all) idle.close()
  const bytes = (memory_bytes - before) / sessions
  const fewer = sessions < wanted ? `, as many as the limit of open files allows of ${wanted}` : ''
  return {
    bytes,
    row: {
      what: `${sessions} × ${what}`,
      memory_bytes,
      lost: living.filter((lives) => !lives).length,
      twice: 0,
      budgets: [],
      note: `${(bytes / 1024).toFixed(1)} KB each${fewer}`,
    },
  }
}

async function openAll(server: Server, name: string, sessions: number, open: Open): Promise<Idle[]> {
  const all: Idle[] = []
  for (let first = 0; first < sessions; first += AT_ONCE) {
    const some = Math.min(AT_ONCE, sessions - first)
    const opening = Array.from({ length: some }, (_, i) => open(server, `${name}-${first + i}`))
    all.push(...(await Promise.all(opening)))
  }
  return all
}

const socketSession: Open = async ({ url }, client_id) => {
  const rpc = await connectReader(url, client_id, () => {})
  return {
    close: () => rpc.close(),
    lives: () =>
      rpc.call('heartbeat', {}).then(
        () => true,
        () => false,
      ),
  }
}

/** A socket of its own that is read no further than its first event: `fetch` keeps far fewer streams open. */
const eventStream: Open = async ({ url, port }, client_id) => {
  await post(`${url}/v1/sessions`, JSON.stringify({ client_id }))
  const greeted = Promise.withResolvers<void>()
  let open = true
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      data(_, chunk) {
        if (chunk.includes('event: recovery')) greeted.resolve()
      },
      close() {
        open = false
        greeted.reject(new Error(`the stream of ${client_id} was closed`))
      },
    },
  })
  socket.write(`GET /v1/mailboxes/${client_id}/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  await greeted.promise
  return { close: () => void socket.end(), lives: () => open }
}

const mcpSession: Open = async ({ url }) => {
  const session_id = await initialize(url)
  const headers = { 'mcp-session-id': session_id! }
  return {
    close: () => void fetch(`${url}/mcp`, { method: 'DELETE', headers }).catch(() => {}),
    lives: () =>
      post(`${url}/mcp`, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }), {
        ...ACCEPT,
        ...headers,
      }).then(
        () => true,
        () => false,
      ),
  }
}

import { pino } from 'pino'
import type { App } from '../../../src/app.ts'
import { Keys } from '../../../src/auth/identity.ts'
import { Housekeeping } from '../../../src/broker/housekeeping.ts'
import { ConnectionCount } from '../../../src/transports/door.ts'
import type { Recognise } from '../../../src/transports/mcp/fast-lane.ts'
import { mcpDoor } from '../../../src/transports/mcp/mcp.ts'
import { startBroker, testConfig } from '../../harness.ts'
import { rawSession } from './raw.ts'

/** One request of the corpus; `body` is sent as it is. */
export interface Ask {
  readonly era: '2025' | '2026'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** An answer without what differs from one broker to the next: ids, times, and where a mailbox's history begins. */
export interface Told {
  readonly status: number
  readonly headers: Record<string, string | null>
  readonly messages: readonly unknown[]
}

/** A broker with a door of its own, which answers calls without the SDK as far as `recognise` says so. */
export interface Lane extends AsyncDisposable {
  ask(ask: Ask): Promise<Told>
}

const COMPARED = [
  'content-type',
  'cache-control',
  'www-authenticate',
  'retry-after',
  'allow',
  'mcp-session-id',
]
/** No answer of the corpus takes long: one that never comes fails its case. */
const ANSWER_MS_MAX = 5000

export async function openLane(recognise: Recognise): Promise<Lane> {
  const app = await startBroker()
  const { broker } = app
  const config = testConfig()
  const housekeeping = new Housekeeping(broker.now, (error) => {
    throw error
  })
  const door = mcpDoor(
    {
      broker,
      keys: new Keys(undefined),
      config,
      log: pino({ level: 'silent' }),
      housekeeping,
      connections: new ConnectionCount(config.connections_max),
    },
    recognise,
  )
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, routes: door.direct })
  housekeeping.start()
  const url = `http://127.0.0.1:${server.port}`
  const session = await rawSession({ ...app, url } satisfies App)
  let message_id = 'none'
  return {
    async ask({ era, headers, body }) {
      const response = await fetch(`${url}/mcp`, {
        method: 'POST',
        headers: era === '2025' ? { ...session.headers, ...headers } : headers,
        // As bytes, so that nobody adds a content-type which the case leaves out.
        body: new TextEncoder().encode(body.replaceAll('$message_id', message_id)),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      })
      const text = await response.text()
      message_id = /"message_id":"([0-9a-f-]{36})"/.exec(text)?.[1] ?? message_id
      return {
        status: response.status,
        headers: Object.fromEntries(
          COMPARED.map((name) => [name, normal(response.headers.get(name) ?? '') || null]),
        ),
        messages: messagesOf(response, normal(text)),
      }
    },
    async [Symbol.asyncDispose]() {
      await door.close(0)
      housekeeping.stop()
      await server.stop(true)
      await app.stop()
    },
  }
}

/** The JSON-RPC messages of an answer, whichever way they came; one that is no JSON stands as it is. */
function messagesOf(response: Response, text: string): unknown[] {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
    return text === '' ? [] : [JSON.parse(text)]
  return text
    .split('\n')
    .filter((line) => line.startsWith('data:') && line !== 'data:' && line !== 'data: ')
    .map((line) => JSON.parse(line.slice('data:'.length)) as unknown)
}

function normal(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replaceAll(/"correlation_id":"[\w-]{22}"/g, '"correlation_id":"<id>"')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>')
    .replaceAll(/\b[0-9a-z]{10}:(\d+)/g, '<epoch>:$1')
    .replaceAll(/just now|\d+ s ago/g, '<ago>')
}

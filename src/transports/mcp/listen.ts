import {
  createMcpHandler,
  ProtocolError,
  ProtocolErrorCode,
  type ServerEventBus,
} from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import { BrokerError, errorBody } from '../../core/errors.ts'
import { shortened } from '../../core/shortened.ts'
import type { DoorContext } from '../door.ts'
import type { Exchange } from './exchange.ts'
import { openInbox } from './inbox.ts'
import { type EventStreamResponse, isEventStream, type LiveStream, type Streams } from './live-stream.ts'
import type { ProgressReports } from './progress.ts'
import { reportTo } from './protocol-errors.ts'
import { errorText } from './result.ts'
import { createServer } from './server.ts'
import { InboxUpdates, SUBSCRIPTIONS_MAX } from './updates.ts'

/** The key in `_meta` under which an acknowledgement lists the refused inboxes and the reasons. */
export const REFUSED_META_KEY = 'mcp-broker/refused'

/** The parts of a `subscriptions/listen` request that are used here; the SDK checks the rest. */
interface ListenRequest {
  readonly id?: unknown
  readonly method: 'subscriptions/listen'
  readonly params?: { readonly notifications?: { readonly resourceSubscriptions?: unknown } }
}

export function isListen(body: unknown): body is ListenRequest {
  return (body as { method?: unknown } | null)?.method === 'subscriptions/listen'
}

/**
 * Serves one `subscriptions/listen` stream of the 2026 era. The SDK writes the stream. Its event bus is this
 * stream's own: it carries updates of the inboxes that the caller may read, and events for other streams do
 * not wake it.
 *
 * @throws BrokerError `too_many_connections`
 */
export async function serveListen(
  context: DoorContext,
  streams: Streams,
  progress: ProgressReports,
  exchange: Exchange,
  body: ListenRequest,
): Promise<Response> {
  const { request, identity } = exchange
  const leave = context.connections.enter()
  let stream: LiveStream | undefined
  let tell: (uri: string) => void = () => undefined
  const updates = new InboxUpdates(
    context.broker,
    () => stream?.writable ?? false,
    (uri) => tell(uri),
  )
  const bus: ServerEventBus = {
    publish: () => undefined,
    subscribe(listener) {
      tell = (uri) => listener({ kind: 'resource_updated', uri })
      return () => updates.close()
    },
  }
  const handler = createMcpHandler(() => createServer(context, progress, identity), {
    legacy: 'reject',
    bus,
    keepAliveMs: 0,
    onerror: reportTo(context.log),
  })
  const end = () => {
    updates.close()
    leave()
  }
  try {
    const { honoured, refused } = await watchReadable(context, identity, body, updates)
    const response = await handler.fetch(request, { parsedBody: honoured })
    if (!isEventStream(response)) {
      end()
      return response
    }
    if (refused.length > 0 && updates.size === 0) {
      await response.body.cancel()
      end()
      return nothingHonoured(body.id, refused)
    }
    const told = refused.length > 0 ? withReasons(response, refused) : response
    const carried = streams.carry(told, exchange, {
      onEnd: end,
      onWritable: updates.flush,
      // The SDK then sends an empty result, which says that the subscription is over and not cut off.
      close: () => void handler.close(),
    })
    stream = carried.stream
    return carried.response
  } catch (error) {
    end()
    throw error
  }
}

/** An inbox that the subscription leaves out, and why. */
interface Refused {
  readonly uri: string
  readonly reason: string
}

/** The answer when all inboxes are refused: an error, since clients show those, and no acknowledgement. */
function nothingHonoured(id: unknown, refused: readonly Refused[]): Response {
  const message = refused.map(({ uri, reason }) => `${shortened(uri)}: ${reason}`).join(' ')
  const error = {
    code: ProtocolErrorCode.InvalidParams,
    message: message.slice(0, REASONS_CHARS_MAX),
    data: { refused },
  }
  return Response.json({ jsonrpc: '2.0', id, error })
}

/** Adds the reasons for refusals to the acknowledgement, which is the first event of the SDK's stream. */
function withReasons(response: EventStreamResponse, refused: readonly Refused[]): EventStreamResponse {
  let acknowledged = false
  const add = new TransformStream<Uint8Array, Uint8Array>({
    transform(event, controller) {
      if (acknowledged) return controller.enqueue(event)
      acknowledged = true
      const [head, data] = new TextDecoder().decode(event).split('data: ') as [string, string]
      const ack = JSON.parse(data) as { params: { _meta: object } }
      ack.params._meta = { ...ack.params._meta, [REFUSED_META_KEY]: refused }
      controller.enqueue(new TextEncoder().encode(`${head}data: ${JSON.stringify(ack)}\n\n`))
    },
  })
  return new Response(response.body.pipeThrough(add), response) as EventStreamResponse
}

const REASONS_CHARS_MAX = 2000

/**
 * Watches those of the requested inboxes that the caller may read.
 *
 * @returns the request narrowed to these inboxes, and the refused ones
 */
async function watchReadable(
  { broker }: DoorContext,
  identity: Identity,
  body: ListenRequest,
  updates: InboxUpdates,
): Promise<{ honoured: ListenRequest; refused: readonly Refused[] }> {
  const wanted = body.params?.notifications?.resourceSubscriptions
  const refused: Refused[] = []
  if (!Array.isArray(wanted)) return { honoured: body, refused }
  const uris: string[] = []
  for (const uri of wanted.slice(0, SUBSCRIPTIONS_MAX)) {
    if (typeof uri !== 'string') return { honoured: body, refused }
    try {
      updates.watch(await openInbox(broker, identity, uri), uri)
      uris.push(uri)
    } catch (thrown) {
      if (thrown instanceof BrokerError) refused.push({ uri, reason: errorText(errorBody(thrown)) })
      else if (thrown instanceof ProtocolError) refused.push({ uri, reason: thrown.message })
      else throw thrown
    }
  }
  const honoured = {
    ...body,
    params: {
      ...body.params,
      notifications: { ...body.params?.notifications, resourceSubscriptions: uris },
    },
  }
  return { honoured, refused }
}

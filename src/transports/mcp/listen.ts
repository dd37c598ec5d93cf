import { createMcpHandler, ProtocolError, type ServerEventBus } from '@modelcontextprotocol/server'
import type { Identity } from '../../auth/identity.ts'
import { BrokerError } from '../../core/errors.ts'
import type { DoorContext } from '../door.ts'
import { reportTo } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { openInbox } from './inbox.ts'
import { createServer } from './server.ts'
import { isEventStream, type LiveStream, type Streams } from './stream.ts'
import { InboxUpdates, SUBSCRIPTIONS_MAX } from './updates.ts'
import type { Waits } from './waits.ts'

/** A `subscriptions/listen` request, as far as it concerns us; the SDK checks the rest. */
interface ListenRequest {
  readonly method: 'subscriptions/listen'
  readonly params?: { readonly notifications?: { readonly resourceSubscriptions?: unknown } }
}

export function isListen(body: unknown): body is ListenRequest {
  return (body as { method?: unknown } | null)?.method === 'subscriptions/listen'
}

/**
 * Serves one `subscriptions/listen` stream of the 2026 era. The SDK writes the stream; what it hears is this stream's
 * own: it watches the inboxes that the caller may read, and no event of another stream wakes it.
 *
 * @throws BrokerError `too_many_connections`
 */
export async function serveListen(
  context: DoorContext,
  streams: Streams,
  waits: Waits,
  exchange: Exchange,
  body: ListenRequest,
): Promise<Response> {
  const { request, identity } = exchange
  const leave = context.connections.enter()
  let stream: LiveStream | undefined
  let tell: (uri: string) => void = () => undefined
  const updates = new InboxUpdates(
    context.broker.hub,
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
  const handler = createMcpHandler(() => createServer(context, waits, identity), {
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
    const honoured = await watchReadable(context, identity, body, updates)
    const response = await handler.fetch(request, { parsedBody: honoured })
    if (!isEventStream(response)) {
      end()
      return response
    }
    const carried = streams.carry(response, exchange, {
      onEnd: end,
      onWritable: updates.flush,
      // The SDK says with an empty result that the subscription is over, and not cut off.
      close: () => void handler.close(),
    })
    stream = carried.stream
    return carried.response
  } catch (error) {
    end()
    throw error
  }
}

/** Watches what the caller may read of what it asks for. @returns the request narrowed to that */
async function watchReadable(
  { broker }: DoorContext,
  identity: Identity,
  body: ListenRequest,
  updates: InboxUpdates,
): Promise<ListenRequest> {
  const wanted = body.params?.notifications?.resourceSubscriptions
  if (!Array.isArray(wanted)) return body
  const honoured: string[] = []
  for (const uri of wanted.slice(0, SUBSCRIPTIONS_MAX)) {
    if (typeof uri !== 'string') return body
    try {
      updates.watch(await openInbox(broker, identity, uri), uri)
      honoured.push(uri)
    } catch (thrown) {
      // What may not be read is left out: the acknowledgement says what is honoured.
      if (!(thrown instanceof BrokerError || thrown instanceof ProtocolError)) throw thrown
    }
  }
  return {
    ...body,
    params: {
      ...body.params,
      notifications: { ...body.params?.notifications, resourceSubscriptions: honoured },
    },
  }
}

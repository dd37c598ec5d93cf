import { Elysia } from 'elysia'
import type { Identity } from '../../auth/identity.ts'
import { checkInput } from '../../broker/command.ts'
import { parseCursor } from '../../core/cursor.ts'
import { BrokerError } from '../../core/errors.ts'
import { correlationId, type Door, type DoorContext, spread } from '../door.ts'
import { EVENTS_PATH, EventsInput } from '../events.ts'
import { Gate, type HttpContext, queryOf } from '../gate.ts'
import { joinInput, queryInput } from '../input.ts'
import { notAllowed } from '../problem.ts'
import { EventStream } from './event-stream.ts'

/** How long a client waits before it reconnects: a random time, so that not all reconnect at once. */
const RETRY_MS_MIN = 2000
const RETRY_MS_MAX = 5000
/** Streams are checked this many times within `stream_comment_seconds`. */
const LOOKS = 3

/** Server-sent events: one stream for one mailbox. Source: the HTML standard, section 9.2. */
export function sseDoor(context: DoorContext): Door {
  const { broker, config, housekeeping } = context
  const gate = new Gate(context)
  const streams = new Set<EventStream>()
  const quiet_ms = config.stream_comment_seconds * 1000
  housekeeping.every(quiet_ms / LOOKS, () => {
    for (const stream of streams) tend(stream)
  })

  /** Closes a stream whose session has ended. A writable stream is a sign of life, and gets a comment. */
  function tend(stream: EventStream): void {
    const { session } = stream
    if (session?.ended) stream.close('unknown_session')
    else if (stream.writable) {
      stream.comment(quiet_ms - quiet_ms / LOOKS)
      if (session) broker.heard(session)
    }
  }

  async function open(identity: Identity, { request, params, server }: HttpContext): Promise<Response> {
    if (request.method === 'HEAD') return notAllowed(['GET'], correlationId())
    if (broker.stopping) throw new BrokerError('shutting_down', { retry_after_ms: RETRY_MS_MIN })
    const query = queryInput(EventsInput, queryOf(request))
    const input = checkInput(EventsInput, joinInput(params, query))
    // A browser reconnects with the same URL: the header has the newer position.
    const last_id = request.headers.get('last-event-id')
    if (last_id) parseCursor(last_id, '/Last-Event-ID')
    const after = last_id || input.after
    const leave = context.connections.enter()
    const stream = new EventStream(
      {
        drained: (connection) => broker.hub.drained(connection),
        gone(connection) {
          streams.delete(connection)
          broker.hub.leave(connection)
          leave()
        },
        expire: (seconds) => server?.timeout(request, seconds),
      },
      broker.now,
    )
    try {
      const subscribed = await broker.subscribe(identity, stream, input.client_id, after, {
        ack: input.ack ?? 'auto',
        receipts: input.receipts ?? false,
        sessions: input.sessions ?? false,
      })
      greet(stream, subscribed)
      stream.session = broker.hub.readingFor(stream)
      await broker.end_of_turn.over()
    } catch (error) {
      stream.gone()
      await broker.end_of_turn.over()
      throw error
    }
    request.signal.addEventListener('abort', () => stream.gone())
    if (request.signal.aborted) stream.gone()
    // The stream may have been closed while the engine answered.
    else if (stream.open) streams.add(stream)
    server?.timeout(request, 0)
    return new Response(stream.body, { headers: HEADERS })
  }

  return {
    routes: new Elysia().get(
      EVENTS_PATH.replace('{client_id}', ':client_id'),
      ({ request, params, server }: HttpContext) =>
        gate.answer(request, 'events', (identity) => open(identity, { request, params, server })),
    ),
    close: (drain_ms) => spread([...streams], drain_ms, (stream) => stream.close('shutting_down')),
  }
}

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // Tells nginx and similar proxies not to buffer the stream.
  'x-accel-buffering': 'no',
}

function greet(
  stream: EventStream,
  recovery: { recovered: boolean; cursor: string; unread: number; session_id: string },
): void {
  const retry_ms = RETRY_MS_MIN + Math.floor(Math.random() * (RETRY_MS_MAX - RETRY_MS_MIN))
  const { recovered, cursor, unread, session_id } = recovery
  const json = JSON.stringify({ recovered, cursor, unread, session_id })
  // `retry` goes into the event itself: some clients take a block of this field alone for an empty event.
  stream.event('recovery', json, cursor, retry_ms)
}

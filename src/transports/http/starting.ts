import { BrokerError } from '../../core/errors.ts'
import type { Loading } from '../../core/loading.ts'
import type { DoorContext } from '../door.ts'
import { type Dialect, Gate } from '../gate.ts'
import { live, notStarted } from './health.ts'

/** How long a caller waits before it tries again. */
const RETRY_MS = 1000

/**
 * Answers all requests until the engine has started: that the process is live, how far it has come, and to
 * all else `starting`, without asking for a key. It takes no WebSocket: an upgrade is refused as any other
 * request is.
 *
 * @param dialects how those paths refuse that have a way of their own
 * @param loading changes as the engine goes on
 */
export function startingHandler(
  context: DoorContext,
  dialects: Readonly<Record<string, Dialect>>,
  loading: Readonly<Loading>,
): (request: Request) => Response | Promise<Response> {
  const gate = new Gate(context)
  const gates = new Map(Object.entries(dialects).map(([path, dialect]) => [path, new Gate(context, dialect)]))
  const refuse = () => {
    throw new BrokerError('starting', { retry_after_ms: RETRY_MS })
  }
  return (request) => {
    const path = pathOf(request)
    if (request.method === 'GET') {
      if (path === '/health/live') return live()
      if (path === '/health/ready') return notStarted(loading)
    }
    return (gates.get(path) ?? gate).answer(request, 'starting', refuse, true)
  }
}

/** The path without a slash at its end: the doors take both. */
function pathOf({ url }: Request): string {
  return (URL.parse(url, 'http://localhost')?.pathname ?? '').replace(/\/$/, '')
}

import { version } from '../../../package.json'
import type { Identity } from '../../auth/identity.ts'
import { ago, sessionView } from '../../broker/commands/schema.ts'
import type { Readings } from '../../observability/metrics.ts'
import { preferredType } from '../accept.ts'
import type { DoorContext } from '../door.ts'
import { jsonResponse } from '../gate.ts'
import { columns, htmlPage, htmlTable, plainText } from './pages.ts'

/** How many sessions the page shows; list_sessions has all. */
const SESSIONS_SHOWN_MAX = 100

/** The broker's present figures, for the metrics and the status page. */
export async function readings({ broker, connections }: DoorContext): Promise<Readings> {
  return {
    version,
    stored: broker.engine.stored,
    counters: broker.counters,
    engine: await broker.engine.stats(),
    connections: connections.open,
    subscriptions: broker.hub.subscription_count,
    waiting: broker.waiters.count,
    protocols: broker.protocols.tally,
    found: broker.lookout.found,
  }
}

/**
 * The state of the broker for people: HTML for a browser, plain text for curl, JSON on request. The counts
 * are of the whole broker; the sessions are of the caller's project.
 *
 * @param started_ms when the broker started, in milliseconds since the epoch
 */
export async function status(
  context: DoorContext,
  identity: Identity,
  accept: string | null,
  started_ms: number,
): Promise<Response> {
  const { broker, config } = context
  const now = broker.now()
  const { engine, counters, protocols: _, found: _f, ...rest } = await readings(context)
  const { journal, redis, ...mailboxes } = engine
  const { items, total } = await broker.lastHeard(identity.project, {
    of: 'readers',
    limit: SESSIONS_SHOWN_MAX,
  })
  const view = {
    status: broker.stopping ? 'stopping' : 'running',
    ...rest,
    started_at: new Date(started_ms).toISOString(),
    uptime_seconds: Math.round((now - started_ms) / 1000),
    memory_bytes: process.memoryUsage.rss(),
    connections_max: config.connections_max,
    mailboxes,
    ...(journal && { journal: journalView(journal) }),
    ...(redis && { redis: redisView(redis) }),
    messages: counters,
    project: identity.project,
    sessions_total: total ?? items.length,
    sessions: items.map(({ session }) => sessionView(session!, now, broker.limits)),
  }
  const type = preferredType(accept, ['text/plain', 'text/html', 'application/json'])
  if (type === 'application/json') return jsonResponse(JSON.stringify(view))
  const facts = factsOf(view)
  const table = view.sessions.map((session) => [
    session.client_id,
    // A name is free text, and a terminal would obey control characters in it.
    (session.name ?? '').replace(/\p{C}/gu, '\u{fffd}'),
    session.status,
    ago(session.last_seen_at, now),
  ])
  const more = view.sessions_total > table.length ? `The first ${table.length} are shown.` : ''
  const title = `mcp-broker ${version}`
  const heading = `Sessions in project ${view.project}: ${view.sessions_total}`
  if (type === 'text/html')
    return htmlPage(
      title,
      `<h1>${title}</h1>${htmlTable([], facts)}<h2>${heading}</h2>${htmlTable(SESSION_COLUMNS, table)}<p>${more}</p>`,
    )
  const text = [title, '', ...columns(facts), '', heading, ...columns([SESSION_COLUMNS, ...table]), more]
  return plainText(`${text.join('\n').trimEnd()}\n`)
}

type Journal = NonNullable<Readings['engine']['journal']>

function journalView({ refused: _, commits: _c, syncs: _s, last_sync_at, ...journal }: Journal) {
  return {
    ...journal,
    ...(last_sync_at !== undefined && { last_sync_at: new Date(last_sync_at).toISOString() }),
  }
}

type Redis = NonNullable<Readings['engine']['redis']>

function redisView({ calls: _, ...redis }: Redis) {
  return redis
}

const SESSION_COLUMNS = ['client', 'name', 'status', 'seen'] as const

interface Facts extends Omit<Readings, 'engine' | 'counters' | 'protocols' | 'found'> {
  readonly status: string
  readonly uptime_seconds: number
  readonly memory_bytes: number
  readonly connections_max: number
  readonly mailboxes: Readings['engine']
  readonly journal?: ReturnType<typeof journalView> | undefined
  readonly redis?: ReturnType<typeof redisView> | undefined
  readonly messages: Readings['counters']
}

function factsOf(view: Facts): [string, string][] {
  const { mailboxes, messages } = view
  const dead = Object.entries(messages.dead)
    .filter(([, number]) => number > 0)
    .map(([reason, number]) => `${number} ${reason}`)
  return [
    ['status', view.status],
    ['uptime', duration(view.uptime_seconds)],
    ['messages are kept', view.stored === 'memory' ? 'in memory' : `on ${view.stored}`],
    ['memory', bytes(view.memory_bytes)],
    ['stored', `${bytes(mailboxes.stored_bytes)} in ${mailboxes.clients} mailboxes`],
    ...journalFacts(view.journal),
    ...redisFacts(view.redis),
    [
      'mail',
      `${mailboxes.pending} pending, ${mailboxes.leased} leased, ${mailboxes.history} in history, ${mailboxes.dead_letters} dead`,
    ],
    ['connections', `${view.connections} of at most ${view.connections_max}`],
    ['reading live', String(view.subscriptions)],
    ['calls waiting', String(view.waiting)],
    ['accepted', `${messages.accepted}, refused ${messages.refused}`],
    [
      'delivered',
      `${messages.delivered}, acknowledged ${messages.acknowledged}, redelivered ${messages.redelivered}`,
    ],
    ['dead-lettered', dead.length > 0 ? dead.join(', ') : 'none'],
  ]
}

function journalFacts(journal: Facts['journal']): [string, string][] {
  if (!journal) return []
  const { bytes: size, live_bytes, segments, sync, last_sync_at, trouble } = journal
  const synced = last_sync_at === undefined ? '' : `, synced ${last_sync_at}`
  const log = `${bytes(size)} in ${segments} files, ${bytes(live_bytes)} of it live, ${sync}${synced}`
  return trouble === undefined
    ? [['journal', log]]
    : [
        ['journal', log],
        ['trouble', trouble],
      ]
}

function redisFacts(redis: Facts['redis']): [string, string][] {
  if (!redis) return []
  const { instances, trouble } = redis
  const facts: [string, string][] = [['brokers', `${instances} on this Redis, whose totals these are`]]
  return trouble === undefined ? facts : [...facts, ['trouble', trouble]]
}

/** "3 d 4 h", "12 min 5 s". */
function duration(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ]
  const first = parts.findIndex(([number]) => number > 0)
  return parts
    .slice(first === -1 ? 3 : first)
    .slice(0, 2)
    .map(([number, unit]) => `${number} ${unit}`)
    .join(' ')
}

function bytes(number: number): string {
  if (number < 1024) return `${number} B`
  return number < 1024 * 1024
    ? `${(number / 1024).toFixed(1)} KiB`
    : `${(number / 1024 / 1024).toFixed(1)} MiB`
}

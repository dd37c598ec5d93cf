import { Type } from '@sinclair/typebox'
import { type Identity, ownedBy } from '../../auth/identity.ts'
import type { SessionHandle } from '../../auth/session-handle.ts'
import { formatCursor } from '../../core/cursor.ts'
import { BrokerError } from '../../core/errors.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { matchesCapabilities, sessionStatus } from '../../core/session.ts'
import type { ClientState, Page } from '../../engine/values.ts'
import type { Broker } from '../broker.ts'
import { defineCommand } from '../command.ts'
import { endedError } from '../ended.ts'
import { NOT_KEPT, namingYourself } from '../naming.ts'
import {
  ago,
  CapabilitiesSchema,
  CapabilityFilterSchema,
  ClientId,
  capabilityFilter,
  checkRanges,
  choice,
  closed,
  count,
  duration,
  inline,
  named,
  SessionId,
  SessionSchema,
  sessionView,
} from './schema.ts'

/** Capabilities are kept as long as the session, and shown to every caller that lists sessions. */
const CAPABILITIES_CHARS_MAX = 4096

const Status = choice(['active', 'stale', 'disconnected'])

export const checkinClient = defineCommand({
  name: 'checkin_client',
  title: 'Check in',
  summary: 'Take an address and begin a session, or resume one.',
  description:
    'Call this first. It gives you an address (client_id) that others send to, and says how many messages wait there. ' +
    'Checking in again with your session_id resumes; without it, a new session takes the address over.',
  input: closed({
    client_id: ClientId,
    name: Type.Optional(Type.String({ maxLength: 256, description: 'a name for people to read' })),
    capabilities: Type.Optional(CapabilitiesSchema),
    session_id: Type.Optional(SessionId),
  }),
  output: Type.Object({
    session_id: Type.String(),
    client_id: Type.String(),
    project: Type.String(),
    resumed: Type.Boolean({ description: 'false: this is a new session' }),
    cursor: Type.String({ description: 'subscribe after this to miss nothing' }),
    unread: Type.Integer(),
    next: Type.Optional(
      Type.String({ description: 'where your client keeps no session: how to say who you are' }),
    ),
  }),
  scope: 'write',
  caller: 'client_id',
  http: { method: 'POST', path: '/v1/sessions', status: 201 },
  hints: { read_only: false, destructive: false, idempotent: false },
  // Reading many ranges takes a while.
  long: true,
  run(broker, identity, { client_id, name, capabilities, session_id }, { connection }) {
    const chars = JSON.stringify(capabilities ?? {}).length
    if (chars > CAPABILITIES_CHARS_MAX)
      throw new BrokerError('invalid_params', {
        field: '/capabilities',
        detail: `capabilities is ${chars} characters of JSON; at most ${CAPABILITIES_CHARS_MAX} are kept.`,
      })
    checkRanges('capabilities/protocols', capabilities?.protocols)
    // Typed messages are likely to follow.
    if (capabilities?.protocols) broker.inBackground(broker.protocols.validation.load())
    const own = identity.session
    // The caller's own session holds the address, so any other session that it names has ended.
    const resume = own?.client_id === client_id && !own.ended ? own.session_id : session_id
    return then(
      broker.checkin(identity, client_id, { resume, join: undefined, name, capabilities }),
      ({ session, resumed, mailbox }) => {
        const handle = broker.sessions.handle(session)
        if (connection) {
          if (own && own !== handle) broker.hub.leave(connection)
          broker.hub.bind(handle, connection)
        }
        identity.session = handle
        return {
          session_id: session.session_id,
          client_id,
          project: session.project,
          resumed,
          cursor: formatCursor(mailbox.epoch, mailbox.offset),
          unread: mailbox.pending,
          ...(identity.keeps_session ? {} : { next: namingYourself(client_id) }),
        }
      },
    )
  },
  text({ client_id, session_id, resumed, unread, next }) {
    const done = `${resumed ? 'Resumed' : 'Checked in'} as **${client_id}** (session \`${session_id}\`), ${unread} unread.`
    return next === undefined ? done : `${done} ${NOT_KEPT}: ${next}.`
  },
})

/**
 * The session that a call acts on: the caller's own. Session ids are public and grant nothing, so only a
 * caller without a session of its own may name one, and only one of its own key.
 *
 * @throws BrokerError `session_mismatch`, `not_checked_in`, `session_replaced`, `session_ended`,
 *   `unknown_session`, `mailbox_not_owned`
 */
function sessionFor(
  broker: Broker,
  identity: Identity,
  session_id: string | undefined,
): MaybePromise<SessionHandle> {
  const own = identity.session
  if (own && !own.ended && session_id !== undefined && session_id !== own.session_id)
    throw new BrokerError('session_mismatch', {
      field: '/session_id',
      detail: `That is not your session: you are checked in as "${own.client_id}".`,
    })
  if (session_id === undefined || session_id === own?.session_id) {
    if (!own)
      throw new BrokerError('not_checked_in', {
        field: '/session_id',
        next: 'Give the session_id that checkin_client answered; or, on a WebSocket and in an MCP session, call checkin_client once.',
      })
    if (own.ended) throw endedError(own.ended)
    return own
  }
  return then(broker.engine.client(identity.project, { session_id }), (client) => {
    if (!client?.session) throw new BrokerError('unknown_session', { field: '/session_id' })
    if (!ownedBy(client, identity.key_id))
      throw new BrokerError('mailbox_not_owned', { field: '/session_id' })
    return broker.sessions.handle(client.session)
  })
}

export const heartbeat = defineCommand({
  name: 'heartbeat',
  title: 'Say that a session is alive',
  summary: 'Say that a session is alive.',
  description:
    'Any call counts as a sign of life; this one does nothing else, and answers how many messages wait.',
  input: closed({ session_id: Type.Optional(SessionId) }),
  output: Type.Object({
    session_id: Type.String(),
    client_id: Type.String(),
    status: Status,
    unread: Type.Integer(),
  }),
  scope: 'write',
  http: { method: 'POST', path: '/v1/sessions/{session_id}/heartbeat' },
  hints: { read_only: false, destructive: false, idempotent: true },
  run: (broker, identity, { session_id }) =>
    then(sessionFor(broker, identity, session_id), (session) => {
      const { project, session_id, client_id } = session
      broker.heard(session)
      return then(broker.engine.client(project, { client_id }), (client) => {
        // Word of its end may be on the way.
        if (client?.session?.session_id !== session_id)
          throw endedError(client?.session ? 'replaced' : 'closed')
        // The call itself is a sign of life, which the engine may not know of yet.
        return { session_id, client_id, status: 'active' as const, unread: client.pending }
      })
    }),
  text: ({ client_id, status, unread }) => `**${client_id}** is ${status}, ${unread} unread.`,
})

export const disconnectSession = defineCommand({
  name: 'disconnect_session',
  title: 'End a session',
  summary: 'End a session; its mailbox stays.',
  description:
    'Leased messages become pending again. Mail to the address is kept until it expires; check in to read it.',
  input: closed({ session_id: Type.Optional(SessionId) }),
  output: Type.Object({
    session_id: Type.String(),
    client_id: Type.String(),
    status: choice(['disconnected']),
  }),
  scope: 'write',
  http: { method: 'DELETE', path: '/v1/sessions/{session_id}' },
  hints: { read_only: false, destructive: true, idempotent: false },
  run: (broker, identity, { session_id }, { connection }) =>
    then(sessionFor(broker, identity, session_id), (session) => {
      // Other connections of the session are closed; the caller's own stays open.
      const stay = connection && broker.hub.parts(session, connection)
      const { project, client_id, session_id } = session
      const done = () => {
        // Its end was told already, perhaps before this call: no other end comes.
        if (session.ended) stay?.()
        if (identity.session === session) identity.session = undefined
        return { session_id, client_id, status: 'disconnected' as const }
      }
      const failed = (error: unknown): never => {
        stay?.()
        throw error
      }
      try {
        const ended = broker.engine.end({ project, client_id }, session_id, 'closed')
        return ended instanceof Promise ? ended.then(done, failed) : done()
      } catch (error) {
        return failed(error)
      }
    }),
  text: ({ client_id }) => `**${client_id}** is disconnected; its mailbox stays.`,
})

const SESSIONS_DEFAULT = 200
/** Clients in one page of a walk over them. */
const PAGE = 500

export const listSessions = defineCommand({
  name: 'list_sessions',
  title: 'Who is there',
  summary: 'Who is there, and what they can do.',
  description: ({ stale_seconds, disconnected_seconds }) =>
    'The last heard first; find here whom to send to. An open connection or a waiting call keeps a client active; ' +
    `without either it is stale after ${duration(stale_seconds)}, disconnected after ${duration(disconnected_seconds)}.`,
  input: closed({
    status_filter: Type.Optional(
      Type.Union([Status, Type.Array(Status, { maxItems: 3 })], {
        description: 'active, stale or disconnected, or a list',
      }),
    ),
    capability_filter: Type.Optional(CapabilityFilterSchema),
    include_senders: Type.Optional(
      Type.Boolean({ description: 'also addresses that only ever sent, as a sender_id' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'at most this many (200)' })),
  }),
  output: Type.Object({
    sessions: Type.Array(SessionSchema),
    more: Type.Boolean({ description: 'there are more than limit' }),
    total: Type.Optional(
      Type.Integer({ description: 'how many there are; left out where more match a filter' }),
    ),
  }),
  scope: 'read',
  http: { method: 'GET', path: '/v1/sessions' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  run(
    broker,
    { project },
    { status_filter, capability_filter, include_senders: senders = false, limit = SESSIONS_DEFAULT },
  ) {
    const of = senders ? 'sessions' : 'readers'
    const view = ({ session }: ClientState) => sessionView(session!, broker.now(), broker.limits)
    if (status_filter === undefined && capability_filter === undefined)
      return then(broker.lastHeard(project, { of, limit }), ({ items, next, total }) => ({
        sessions: items.map(view),
        more: next !== undefined,
        ...(total === undefined ? {} : { total }),
      }))
    const filter = capabilityFilter(capability_filter)
    const wanted = status_filter === undefined ? undefined : [status_filter].flat()
    const found: ClientState[] = []
    let more = false
    const read = (after: string | undefined) => broker.lastHeard(project, { of, after, limit: PAGE })
    const visit = ({ items }: Page<ClientState>) => {
      for (const client of items) {
        const { capabilities } = client.session!
        const status = sessionStatus(client.session!, broker.now(), broker.limits)
        if ((wanted && !wanted.includes(status)) || !matchesCapabilities(capabilities, filter)) continue
        if (found.length < limit) found.push(client)
        else more = true
      }
      return !more
    }
    return then(broker.turns.pages(read, visit), () => ({
      sessions: found.map(view),
      more,
      ...(more ? {} : { total: found.length }),
    }))
  },
  text({ sessions, more, total }, now) {
    const lines = sessions.map((session) => {
      const features = session.capabilities.features?.length
        ? `: ${session.capabilities.features.map(inline).join(', ')}`
        : ''
      const name = session.name ? ` (${inline(session.name)})` : ''
      return `- **${session.client_id}**${name} ${session.status}, seen ${ago(session.last_seen_at, now)}${features}`
    })
    const number =
      total === undefined ? `More than ${count(sessions.length, 'session')}` : count(total, 'session')
    return [`${number}${more ? `, the latest ${sessions.length}:` : '.'}`, ...lines].join('\n')
  },
})

/** How many other clients a ready mcp_recipients.json names. */
const RECIPIENTS_SHOWN_MAX = 50

export const getMyIdentity = defineCommand({
  name: 'get_my_identity',
  title: 'Who am I',
  summary: 'Who you are here, and how to be somebody.',
  description:
    'Says which project, address and session you have. A client that keeps no session names itself by client_id. If you ' +
    'have none, it says how to get one, with a ready ' +
    'mcp_recipients.json that names you and those you can write to.',
  input: closed({ client_id: Type.Optional(ClientId) }),
  output: Type.Object({
    project: Type.String(),
    scopes: Type.Array(Type.String()),
    client_id: Type.Optional(Type.String()),
    session_id: Type.Optional(Type.String()),
    status: Type.Optional(Status),
    next: Type.String(),
    mcp_recipients: Type.Object(
      {
        project: Type.String(),
        client_id: Type.String(),
        recipients: named(Type.Object({ client_id: Type.String(), name: Type.Optional(Type.String()) })),
      },
      { description: 'save as mcp_recipients.json' },
    ),
  }),
  scope: 'read',
  caller: 'client_id',
  http: { method: 'GET', path: '/v1/identity' },
  hints: { read_only: true, destructive: false, idempotent: true },
  long: true,
  async run(broker, identity, { client_id }) {
    const { project } = identity
    const own = identity.session?.ended ? undefined : identity.session
    if (own && client_id !== undefined && client_id !== own.client_id)
      throw new BrokerError('client_mismatch', { field: '/client_id' })
    const asked = own?.client_id ?? client_id
    const limit = RECIPIENTS_SHOWN_MAX + 1
    const { items } = await broker.lastHeard(project, { of: 'readers', limit })
    const client = asked === undefined ? undefined : await broker.engine.client(project, { client_id: asked })
    const session = client?.session
    const others = items.filter((other) => other.client_id !== session?.client_id)
    return {
      project,
      scopes: [...identity.scopes],
      ...(session
        ? {
            client_id: session.client_id,
            session_id: session.session_id,
            status: sessionStatus(session, broker.now(), broker.limits),
          }
        : {}),
      next: session
        ? `Others reach you as "${session.client_id}". Read your mail with get_messages.`
        : 'Call checkin_client with a client_id of your choice. If you have, and your client keeps no session, name yourself in each call: sender_id when sending, client_id when reading or asking this.',
      mcp_recipients: {
        project,
        client_id: session?.client_id ?? 'choose-a-name',
        recipients: Object.fromEntries(
          others
            .slice(0, RECIPIENTS_SHOWN_MAX)
            .map(({ client_id, session }) => [
              client_id,
              { client_id, ...(session?.name === undefined ? {} : { name: session.name }) },
            ]),
        ),
      },
    }
  },
  text: ({ project, client_id, next, mcp_recipients }) =>
    [
      client_id
        ? `You are **${client_id}** in project ${project}.`
        : `Nothing here says that you have an address in project ${project} yet.`,
      next,
      `mcp_recipients.json:\n\`\`\`json\n${JSON.stringify(mcp_recipients, null, 2)}\n\`\`\``,
    ].join('\n'),
})

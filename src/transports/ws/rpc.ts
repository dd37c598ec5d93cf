import { Type } from '@sinclair/typebox'
import type { Identity } from '../../auth/identity.ts'
import { asksToWait, type Command, checkInput, runCommand } from '../../broker/command.ts'
import { COMMANDS_BY_NAME } from '../../broker/commands/index.ts'
import { ClientId, CursorText, choice, closed } from '../../broker/commands/schema.ts'
import { asBrokerError, BrokerError, errorBody, StorageFailed } from '../../core/errors.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import { nearestNames } from '../../core/routing.ts'
import { shortened } from '../../core/shortened.ts'
import { correlationId, type DoorContext, logFailure } from '../door.ts'
import type { Answers } from './answers.ts'
import type { WsConnection } from './connection.ts'

/** Calls of one connection that may wait at once. */
export const WAITING_MAX = 256

/** Methods beside the commands, which only this door has. */
const OWN_METHODS = ['subscribe', 'unsubscribe', 'authenticate']

/** The parameters of `subscribe`. */
export const SubscribeParams = closed({
  client_id: Type.Optional(ClientId),
  after: Type.Optional(CursorText),
  ack: Type.Optional(
    choice(['auto', 'manual', 'none'], {
      description:
        'auto (the default): acknowledged when the socket has shown that it arrived; manual or none',
    }),
  ),
  batch: Type.Optional(
    Type.Boolean({ description: 'gather what is due at once into one frame, a JSON array' }),
  ),
  receipts: Type.Optional(Type.Boolean({ description: 'also tell when a message of yours is acknowledged' })),
  sessions: Type.Optional(Type.Boolean({ description: 'tell of sessions that come, fall silent and go' })),
})

/** The parameters of `authenticate`. */
export const AuthenticateParams = closed({
  key: Type.String({ maxLength: 512, writeOnly: true, description: 'the API key' }),
  project: Type.Optional(Type.String({ maxLength: 128, description: 'the project to work in' })),
})

type Id = string | number | null

interface Request {
  readonly id: Id | undefined
  readonly method: string
  readonly params: unknown
}

/** A call that is answered later. */
export interface Later {
  /** Resolves to the answer, or to undefined for a notification; never rejects. */
  readonly answer: Promise<string | undefined>
  /** Whether the call was asked to wait; any other is answered as soon as the engine has answered. */
  readonly waits: boolean
  /** Whether later calls begin only when this one is answered. */
  readonly holds_up: boolean
}

/** These change who calls or what the connection reads, and calls after them rely on the change. */
const HOLD_UP: ReadonlySet<string> = new Set([
  'authenticate',
  'checkin_client',
  'disconnect_session',
  'subscribe',
])

/**
 * Begins the call of a JSON-RPC 2.0 request or notification.
 *
 * @returns the answer, undefined for a notification, or a {@link Later} if the answer comes later
 */
export function onRequest(
  context: DoorContext,
  connection: WsConnection,
  frame: unknown,
): string | Later | undefined {
  let request: Request
  try {
    request = checkRequest(frame)
  } catch (error) {
    return refusalJson(asBrokerError(error))
  }
  const { id } = request
  try {
    const result = context.calls
      ? loggedCall(context, connection, request)
      : call(context, connection, request)
    if (result instanceof Promise) return later(context, connection, request, result)
    return id === undefined ? undefined : resultJson(id, result)
  } catch (thrown) {
    return failureJson(context, connection, request, thrown)
  }
}

function later(
  context: DoorContext,
  connection: WsConnection,
  request: Request,
  result: Promise<unknown>,
): Later {
  const { id, method, params } = request
  const command = COMMANDS_BY_NAME.get(method)
  return {
    answer: result
      .then((value) => (id === undefined ? undefined : resultJson(id, value)))
      .catch((thrown) => failureJson(context, connection, request, thrown)),
    waits: command !== undefined && asksToWait(command, params),
    holds_up: HOLD_UP.has(method),
  }
}

/** Carries out a command that may take long, and counts its time. Apart, so that others make no closure. */
function longCall(
  { broker }: DoorContext,
  connection: WsConnection,
  identity: Identity,
  command: Command,
  params: unknown,
): MaybePromise<unknown> {
  return broker.turns.timed(() => runCommand(broker, command, identity, params, connection.call))
}

/** Whether a request, not checked yet, asks for a command that may take long. */
export function isLong(request: unknown): boolean {
  return COMMANDS_BY_NAME.get((request as { method: string } | null)?.method ?? '')?.long === true
}

/** The answer to a frame that is no valid request; its id is null. */
export function refusalJson(error: BrokerError): string {
  return errorJson(null, error, correlationId())
}

/** {@link call}, logged. Apart from it, so that a call that is not logged allocates no closure. */
function loggedCall(context: DoorContext, connection: WsConnection, request: Request): MaybePromise<unknown> {
  const run = () => call(context, connection, request)
  return context.calls!.watch('WebSocket', loggedName(request.method), run)
}

/** The name of a method for the log, which never holds text of the caller's own. */
function loggedName(method: string): string {
  return COMMANDS_BY_NAME.has(method) || OWN_METHODS.includes(method) ? method : 'unknown_command'
}

/** Logs a failed request. @returns its answer; undefined for a notification */
function failureJson(
  { log }: DoorContext,
  { identity }: WsConnection,
  { id, method }: Request,
  thrown: unknown,
): string | undefined {
  const correlation_id = correlationId(thrown)
  logFailure(log, loggedName(method), thrown, correlation_id, identity)
  return id === undefined ? undefined : errorJson(id, asBrokerError(thrown), correlation_id)
}

/** Replaces the answers to sends which the flush under way covers: it has failed, so they are undone. */
export function refuseUnstored(context: DoorContext, connection: WsConnection, answers: Answers): void {
  if (answers.requests === undefined) return
  const sends = new Map<Id, Request>()
  for (const request of [answers.requests].flat() as (Request | null)[])
    if (request?.id !== undefined && COMMANDS_BY_NAME.get(request.method)?.stores)
      sends.set(request.id, request)
  if (sends.size === 0) return
  for (let i = answers.stored; i < answers.sealed; i++) {
    const { id, result } = JSON.parse(answers.json[i]!) as { id: Id; result?: unknown }
    const send = result === undefined ? undefined : sends.get(id)
    if (send) answers.json[i] = failureJson(context, connection, send, asBrokerError(new StorageFailed()))!
  }
}

/** @throws BrokerError `invalid_request` */
function checkRequest(frame: unknown): Request {
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame))
    throw new BrokerError('invalid_request')
  const { jsonrpc, id, method } = frame as Record<string, unknown>
  if (jsonrpc !== '2.0')
    throw new BrokerError('invalid_request', { field: '/jsonrpc', detail: 'jsonrpc must be "2.0".' })
  if (typeof method !== 'string')
    throw new BrokerError('invalid_request', { field: '/method', detail: 'method must be a text.' })
  if (id !== undefined && id !== null && typeof id !== 'string' && typeof id !== 'number')
    throw new BrokerError('invalid_request', { field: '/id', detail: 'id must be a text or a number.' })
  return frame as Request
}

function call(
  context: DoorContext,
  connection: WsConnection,
  { method, params }: Request,
): MaybePromise<unknown> {
  if (method === 'authenticate') return authenticate(context, connection, params)
  const { identity } = connection
  if (!identity)
    throw new BrokerError('unauthenticated', { next: 'Call authenticate with {"key":"…"} first.' })
  const command = COMMANDS_BY_NAME.get(method)
  if (connection.waiting >= WAITING_MAX && command && asksToWait(command, params))
    throw new BrokerError('too_many_waiting', { retry_after_ms: 1000 })
  if (command?.long) return longCall(context, connection, identity, command, params)
  if (command) return runCommand(context.broker, command, identity, params, connection.call)
  if (method === 'subscribe') return subscribe(context, connection, params)
  if (method === 'unsubscribe') {
    context.broker.hub.unsubscribe(connection)
    return {}
  }
  const near = nearestNames(method, [...COMMANDS_BY_NAME.keys(), ...OWN_METHODS])
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''
  throw new BrokerError('unknown_command', {
    field: '/method',
    detail: `There is no command "${shortened(method)}".${hint}`,
    next: 'Send one of the commands listed at /openapi as method, or subscribe, unsubscribe or authenticate.',
  })
}

function authenticate({ keys }: DoorContext, connection: WsConnection, params: unknown): unknown {
  const { key, project } = checkInput(AuthenticateParams, params ?? {})
  try {
    const session = connection.identity?.session
    connection.identity = keys.identify({ key, project }, true)
    // Another key of the same project does not end the session.
    if (session?.project === connection.identity.project) connection.identity.session = session
  } catch (error) {
    connection.close(asBrokerError(error).code)
    throw error
  }
  return { project: connection.identity.project, scopes: [...connection.identity.scopes] }
}

function subscribe(
  { broker }: DoorContext,
  connection: WsConnection,
  params: unknown,
): MaybePromise<unknown> {
  const { client_id, after, ack, batch, receipts, sessions } = checkInput(SubscribeParams, params ?? {})
  const options = { ack: ack ?? 'auto', receipts: receipts ?? false, sessions: sessions ?? false }
  return then(broker.subscribe(connection.identity!, connection, client_id, after, options), (subscribed) => {
    connection.batch = batch ?? false
    return subscribed
  })
}

function resultJson(id: Id, result: unknown): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${JSON.stringify(result)}}`
}

function errorJson(id: Id, error: BrokerError, correlation_id: string): string {
  const { message, entry } = error
  return JSON.stringify({
    jsonrpc: '2.0',
    id,
    error: { code: entry.rpc_code, message, data: errorBody(error, correlation_id) },
  })
}

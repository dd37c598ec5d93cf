import { BrokerError } from '../../core/errors.ts'
import type { DoorContext } from '../door.ts'
import { Answers } from './answers.ts'
import type { WsConnection } from './connection.ts'
import { Batch, Held } from './held.ts'
import { isLong, type Later, onRequest, refusalJson } from './rpc.ts'

/** Requests in one batch. */
const BATCH_MAX = 1000
/** A connection with more than this held up, in characters, is not read. */
const HELD_CHARS_MAX = 256 * 1024
/** While more than this is kept for unanswered calls of one connection, in characters, no others begin. */
const KEPT_CHARS_MAX = 16 * 1024 * 1024
/** What an unanswered call counts for beyond its request, in characters. */
const CALL_CHARS = 1024

/**
 * Carries out one frame: a JSON-RPC 2.0 request, a notification, or a batch of these. Calls begin in the
 * order they came; a call that is answered later holds up others only if {@link Later.holds_up}. A long call
 * for which this turn has no time left waits for a later turn, and so do the calls behind it.
 */
export function onFrame(context: DoorContext, connection: WsConnection, received: string | Buffer): void {
  const { held } = connection
  if (held === undefined) {
    begin(context, connection, received)
    return
  }
  held.push(received)
  if (held.chars > HELD_CHARS_MAX) connection.pause()
}

function begin(context: DoorContext, connection: WsConnection, received: string | Buffer): void {
  let frame: unknown
  try {
    // A binary frame is no request.
    frame = typeof received === 'string' ? JSON.parse(received) : undefined
  } catch {
    respond(context, connection, Answers.single(refusalJson(new BrokerError('invalid_json'))))
    return
  }
  if (Array.isArray(frame)) {
    if (frame.length === 0 || frame.length > BATCH_MAX) {
      const detail = `A batch holds 1 to ${BATCH_MAX} requests; this one holds ${frame.length}.`
      const refusal = refusalJson(new BrokerError('invalid_request', { detail }))
      respond(context, connection, Answers.single(refusal))
      return
    }
    goThrough(context, connection, new Batch(frame, Math.ceil(received.length / frame.length)))
    return
  }
  if (context.broker.turns.full && isLong(frame)) {
    awaitTurn(context, connection)
    connection.held!.first = received
    return
  }
  const answer = onRequest(context, connection, frame)
  if (typeof answer === 'string') respond(context, connection, Answers.single(answer, frame, received.length))
  else if (answer !== undefined) answerLater(context, connection, answer, received.length, frame)
}

/**
 * Gives answers to the connection, which holds them until the end of the turn. With too much held, its
 * further calls are held up.
 */
function respond(context: DoorContext, connection: WsConnection, answers: Answers): void {
  connection.answer(answers)
  if (connection.full || connection.answers_chars <= context.config.buffer_bytes_max) return
  connection.full = true
  holdUp(connection)
}

/** What held up calls in {@link respond} has been handed over. */
export function relieved(context: DoorContext, connection: WsConnection): void {
  connection.full = false
  release(context, connection)
}

/** Begins the calls of a batch from `batch.next` on, until all have begun or something holds them up. */
function goThrough(context: DoorContext, connection: WsConnection, batch: Batch): void {
  const { requests, request_chars } = batch
  const { length } = requests
  const { turns } = context.broker
  while (batch.next < length) {
    // A request of this batch may have closed the connection.
    if (!connection.open) return
    if (turns.full && isLong(requests[batch.next])) {
      awaitTurn(context, connection)
      pauseBatch(connection, batch)
      return
    }
    const answer = onRequest(context, connection, requests[batch.next++])
    if (typeof answer === 'string') gather(context, connection, batch, answer)
    else if (answer !== undefined) answerLater(context, connection, answer, request_chars, undefined, batch)
    if (batch.next === length) break
    if (isHeldUp(connection)) {
      pauseBatch(connection, batch)
      return
    }
  }
  if (batch.unanswered === 0) send(context, connection, batch)
  else keepAnswers(connection, batch)
}

/** The rest of a batch goes on later. What its calls did so far is stored at the end of this turn, though. */
function pauseBatch(connection: WsConnection, batch: Batch): void {
  connection.held!.batch = batch
  connection.answer(batch.answers)
}

/** Adds an answer to a batch. Those gathered before are sent first if the array would become too long. */
function gather(context: DoorContext, connection: WsConnection, batch: Batch, answer: string): void {
  const { chars } = batch.answers
  if (chars > 0 && chars + answer.length > context.config.buffer_bytes_max) send(context, connection, batch)
  if (batch.answers.complete) batch.answers = new Answers(batch.requests, batch.request_chars, true)
  batch.answers.add(answer)
}

function send(context: DoorContext, connection: WsConnection, batch: Batch): void {
  const { answers, kept_chars } = batch
  batch.kept_chars = 0
  answers.complete = true
  if (answers.chars > 0) respond(context, connection, answers)
  if (kept_chars > 0) letGo(context, connection, kept_chars)
}

/** Counts the gathered answers as kept: they stay here until the last call of the batch is answered. */
function keepAnswers(connection: WsConnection, batch: Batch): void {
  keep(connection, batch.answers.chars - batch.kept_chars)
  batch.kept_chars = batch.answers.chars
  connection.answer(batch.answers)
}

/**
 * Answers a call once its answer is there.
 *
 * @param request unless it is one of a batch
 * @param batch the call's batch; answers of waiting calls go out alone
 */
function answerLater(
  context: DoorContext,
  connection: WsConnection,
  { answer, waits, holds_up }: Later,
  request_chars: number,
  request: unknown,
  batch?: Batch,
): void {
  const chars = waits ? 0 : CALL_CHARS + request_chars
  const array = waits ? undefined : batch
  if (waits) connection.waiting++
  if (array) array.unanswered++
  if (holds_up) holdUp(connection)
  keep(connection, chars)
  void answer.then((json) => {
    if (array) answerInArray(context, connection, array, json)
    else if (json !== undefined && waits) respond(context, connection, Answers.single(json))
    else if (json !== undefined) respond(context, connection, Answers.single(json, request, request_chars))
    if (waits) connection.waiting--
    letGo(context, connection, chars)
    if (holds_up) release(context, connection)
  })
}

function answerInArray(
  context: DoorContext,
  connection: WsConnection,
  batch: Batch,
  json: string | undefined,
): void {
  if (json !== undefined) gather(context, connection, batch, json)
  batch.unanswered--
  if (!batch.begun) return
  if (batch.unanswered === 0) send(context, connection, batch)
  else keepAnswers(connection, batch)
}

/**
 * Counts what is kept; too much holds up further calls. It is released when calls that have begun are
 * answered, and these are never held up, so a connection cannot block itself.
 */
function keep(connection: WsConnection, chars: number): void {
  const before = connection.kept_chars
  connection.kept_chars = before + chars
  if (before <= KEPT_CHARS_MAX && connection.kept_chars > KEPT_CHARS_MAX) holdUp(connection)
}

function letGo(context: DoorContext, connection: WsConnection, chars: number): void {
  const before = connection.kept_chars
  connection.kept_chars = before - chars
  if (before > KEPT_CHARS_MAX && connection.kept_chars <= KEPT_CHARS_MAX) release(context, connection)
}

/** Holds a connection up until a turn that has time for its long call. */
function awaitTurn(context: DoorContext, connection: WsConnection): void {
  holdUp(connection)
  context.broker.turns.later(() => release(context, connection))
}

function isHeldUp({ held }: WsConnection): boolean {
  return held !== undefined && held.reasons > 0
}

/** No further call of this connection begins before {@link release}. */
function holdUp(connection: WsConnection): void {
  connection.held ??= new Held()
  connection.held.reasons++
}

/** Removes one reason to hold up calls; once there is none, they go on. */
function release(context: DoorContext, connection: WsConnection): void {
  const { held } = connection
  // A connection that has closed has dropped what it held.
  if (held === undefined || --held.reasons > 0) return
  while (connection.held === held && held.reasons === 0) goOn(context, connection, held)
}

/** Begins the held batch or the oldest held frame; with neither left, nothing is held up any more. */
function goOn(context: DoorContext, connection: WsConnection, held: Held): void {
  const { batch } = held
  if (batch) {
    held.batch = undefined
    goThrough(context, connection, batch)
    return
  }
  const received = held.shift()
  if (received !== undefined) begin(context, connection, received)
  else {
    connection.held = undefined
    connection.resume()
  }
}

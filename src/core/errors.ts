/**
 * The one error catalogue. Every door renders the same entry: HTTP as RFC 9457 problem details, WebSocket
 * as a JSON-RPC error, MCP as a tool error, the CLI as two lines.
 *
 * JSON-RPC codes lie outside the range that the JSON-RPC 2.0 specification reserves (-32768…-32000),
 * except for the four errors that it defines itself (section 5.1). Close codes 3000–3499 and 4000–4499
 * invite a reconnect, 3500–3999 and 4500–4999 do not.
 */
export interface ErrorEntry {
  /** One sentence: what is wrong. */
  readonly title: string
  readonly http_status: number
  readonly rpc_code: number
  /** WebSocket close code, for errors that end the connection. */
  readonly close_code?: number
  /** Whether the same call, unchanged, can succeed later. */
  readonly retryable: boolean
  /** One sentence: what to do about it. */
  readonly next: string
}

export const ERRORS = {
  invalid_json: {
    title: 'The body or frame is not valid JSON.',
    http_status: 400,
    rpc_code: -32700,
    retryable: false,
    next: 'Send one JSON document, UTF-8 encoded.',
  },
  invalid_request: {
    title: 'The frame is not a JSON-RPC 2.0 request.',
    http_status: 400,
    rpc_code: -32600,
    retryable: false,
    next: 'Send {"jsonrpc":"2.0","id":1,"method":"…","params":{…}}, or a non-empty array of these.',
  },
  unknown_command: {
    title: 'There is no such command.',
    http_status: 404,
    rpc_code: -32601,
    retryable: false,
    next: 'Use one of the commands listed at /openapi, or by tools/list.',
  },
  invalid_params: {
    title: 'A parameter is missing, unknown or has the wrong shape.',
    http_status: 400,
    rpc_code: -32602,
    retryable: false,
    next: 'Correct the named field; the schemas are at /openapi, and in tools/list.',
  },
  unknown_route: {
    title: 'There is nothing at this path.',
    http_status: 404,
    rpc_code: 1404,
    retryable: false,
    next: 'The routes are listed at /openapi.',
  },
  method_not_allowed: {
    title: 'This path does not answer that HTTP method.',
    http_status: 405,
    rpc_code: 1405,
    retryable: false,
    next: 'Use a method that the Allow header names.',
  },
  upgrade_required: {
    title: 'This path speaks WebSocket only.',
    http_status: 426,
    rpc_code: 1426,
    retryable: false,
    next: 'Connect with a WebSocket client, or read the mailbox as events at /v1/mailboxes/{client_id}/events.',
  },
  unsupported_media_type: {
    title: 'The body is not declared as JSON.',
    http_status: 415,
    rpc_code: 1415,
    retryable: false,
    next: 'Send the header content-type: application/json.',
  },
  body_too_large: {
    title: 'The body or frame is larger than this broker takes.',
    http_status: 413,
    rpc_code: 1413,
    close_code: 1009,
    retryable: false,
    next: 'Send a smaller payload, or put the data elsewhere and send a link to it.',
  },
  nesting_too_deep: {
    title: 'The JSON is nested deeper than this broker takes.',
    http_status: 400,
    rpc_code: 1414,
    retryable: false,
    next: 'Flatten the payload, or send it as text.',
  },
  unauthenticated: {
    title: 'This broker needs a key, and the request carries no valid one.',
    http_status: 401,
    rpc_code: 1401,
    close_code: 3500,
    retryable: false,
    next: 'Give the key as "Authorization: Bearer <key>", as "X-API-Key", or in a browser as the WebSocket subprotocol "bearer.<key>".',
  },
  authentication_timeout: {
    title: 'The connection was not authenticated in time.',
    http_status: 401,
    rpc_code: 1408,
    close_code: 3502,
    retryable: false,
    next: 'Give the key when opening the connection.',
  },
  forbidden: {
    title: 'This caller has no right to that.',
    http_status: 403,
    rpc_code: 1403,
    close_code: 3500,
    retryable: false,
    next: 'Use a key with the scope that the command names.',
  },
  forbidden_origin: {
    title: 'Requests from this Origin or Host are not answered.',
    http_status: 403,
    rpc_code: 1406,
    retryable: false,
    next: 'Open the page from the broker itself, or have the operator add the name to allowed_hosts or allowed_origins.',
  },
  sender_mismatch: {
    title: 'The sender_id contradicts the session that is calling.',
    http_status: 403,
    rpc_code: 1410,
    retryable: false,
    next: 'Leave sender_id out: the session says who you are.',
  },
  client_mismatch: {
    title: 'The client_id contradicts the session that is calling.',
    http_status: 403,
    rpc_code: 1411,
    retryable: false,
    next: 'Leave client_id out, or call without a session of your own.',
  },
  session_mismatch: {
    title: "The session_id is not the caller's own.",
    http_status: 403,
    rpc_code: 1416,
    retryable: false,
    next: 'Leave session_id out: it is your own session that is meant.',
  },
  mailbox_not_owned: {
    title: 'This mailbox belongs to another key.',
    http_status: 403,
    rpc_code: 1412,
    retryable: false,
    next: 'Write to it, or read it with the key that first checked in under this address.',
  },
  not_checked_in: {
    title: 'Nothing says who is calling.',
    http_status: 400,
    rpc_code: 1420,
    retryable: false,
    next: 'Pass sender_id (when sending) or client_id (when reading) in each call; or, on a WebSocket and in an MCP session, call checkin_client once.',
  },
  reserved_client_id: {
    title: 'This client_id is kept for the broker itself.',
    http_status: 400,
    rpc_code: 1421,
    retryable: false,
    next: 'Choose another client_id.',
  },
  unknown_session: {
    title: 'There is no such session.',
    http_status: 404,
    rpc_code: 1422,
    retryable: false,
    next: 'Call checkin_client to get a session; your mailbox is kept under your client_id.',
  },
  unknown_client: {
    title: 'No client has checked in under this address.',
    http_status: 404,
    rpc_code: 1423,
    retryable: false,
    next: 'See list_sessions for the addresses in use.',
  },
  unknown_message: {
    title: 'There is no such message in reach.',
    http_status: 404,
    rpc_code: 1424,
    retryable: false,
    next: 'It may have been overwritten after its acknowledgement, or have expired: see list_dead_letters.',
  },
  session_replaced: {
    title: 'A newer session has checked in under this client_id.',
    http_status: 409,
    rpc_code: 1430,
    close_code: 3503,
    retryable: false,
    next: 'Use another client_id, or check in again to take the address back.',
  },
  session_ended: {
    title: 'The session has been ended.',
    http_status: 409,
    rpc_code: 1434,
    close_code: 3505,
    retryable: false,
    next: 'Check in again if the address is still yours to use; the mailbox is kept.',
  },
  mcp_session_required: {
    title: 'The request names no MCP session and does not begin one.',
    http_status: 400,
    rpc_code: 1431,
    retryable: false,
    next: 'Send initialize first and its Mcp-Session-Id with every request after; or speak 2026-07-28, which has no sessions.',
  },
  unknown_mcp_session: {
    title: 'There is no such MCP session: it was ended, has expired, or the broker was restarted.',
    http_status: 404,
    rpc_code: 1432,
    retryable: false,
    next: 'Begin a new one with initialize, without Mcp-Session-Id; your mailbox is kept under your client_id.',
  },
  too_many_mcp_sessions: {
    title: 'The broker holds as many MCP sessions as it takes, and all are in use.',
    http_status: 503,
    rpc_code: 1433,
    retryable: true,
    next: 'End sessions which you no longer need with DELETE, or have the operator raise mcp_sessions_max.',
  },
  idempotency_conflict: {
    title: 'This idempotency_key was used for another message.',
    http_status: 409,
    rpc_code: 1439,
    retryable: false,
    next: 'Use a key of its own for each message; the same one only to send the same message again.',
  },
  mailbox_full: {
    title: "The recipient's mailbox is full.",
    http_status: 429,
    rpc_code: 1440,
    retryable: true,
    next: 'Wait retry_after_ms, then send again with the same idempotency_key.',
  },
  message_too_large: {
    title: 'The message is larger than a mailbox takes.',
    http_status: 413,
    rpc_code: 1441,
    retryable: false,
    next: 'Send a smaller payload, or put the data elsewhere and send a link to it.',
  },
  storage_full: {
    title: 'The broker has no room for more messages.',
    http_status: 503,
    rpc_code: 1442,
    retryable: true,
    next: 'Wait retry_after_ms; the operator can raise stored_bytes_max.',
  },
  storage_unavailable: {
    title: 'The storage of the broker did not do what was asked.',
    http_status: 503,
    rpc_code: 1449,
    retryable: true,
    next: 'Try again after retry_after_ms. A send with the same idempotency_key is safe to repeat.',
  },
  too_many_clients: {
    title: 'The broker holds as many addresses as it takes.',
    http_status: 503,
    rpc_code: 1443,
    retryable: true,
    next: 'Send to an address that exists, or have the operator raise clients_max.',
  },
  too_many_connections: {
    title: 'The broker holds as many connections as it takes.',
    http_status: 503,
    rpc_code: 1444,
    close_code: 3504,
    retryable: true,
    next: 'Close connections which you no longer need, or have the operator raise connections_max.',
  },
  too_many_waiting: {
    title: 'Too many calls are waiting at once.',
    http_status: 429,
    rpc_code: 1445,
    retryable: true,
    next: 'Let some of the waiting calls end first.',
  },
  slow_reader: {
    title: 'The connection was not read for too long.',
    http_status: 503,
    rpc_code: 1446,
    close_code: 3008,
    retryable: true,
    next: 'Connect again and resume from the last cursor.',
  },
  no_pong: {
    title: 'The connection did not answer pings.',
    http_status: 503,
    rpc_code: 1447,
    close_code: 3012,
    retryable: true,
    next: 'Connect again and resume from the last cursor.',
  },
  shutting_down: {
    title: 'The broker is shutting down.',
    http_status: 503,
    rpc_code: 1448,
    close_code: 3001,
    retryable: true,
    next: 'Connect again in a moment and resume from the last cursor.',
  },
  internal: {
    title: 'The broker failed to carry this out; the fault is its own.',
    http_status: 500,
    rpc_code: 1500,
    retryable: true,
    next: 'Try again; if it stays, report the correlation_id, which is in the log.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

/** What one error may say beyond its entry. */
export interface ErrorDetail {
  /** One sentence: what is wrong in this case. Defaults to the entry's title. */
  readonly detail?: string
  /** JSON pointer of the parameter that is wrong, such as `/headers/trace`. */
  readonly field?: string
  /** How long to wait before trying again, in milliseconds. */
  readonly retry_after_ms?: number
  /** What to do in this case. Defaults to the entry's `next`. */
  readonly next?: string
}

/** An entry of the catalogue as a thrown error; the doors render it. */
export class BrokerError extends Error {
  readonly code: ErrorCode
  readonly entry: ErrorEntry
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, detail: ErrorDetail = {}) {
    super(detail.detail ?? ERRORS[code].title)
    this.name = 'BrokerError'
    this.code = code
    this.entry = ERRORS[code]
    this.detail = detail
  }
}

/** An error in JSON, with the same members at every door. */
export interface ErrorBody {
  code: ErrorCode
  detail: string
  retryable: boolean
  next: string
  field?: string
  retry_after_ms?: number
  correlation_id?: string
}

/** Renders an error for the wire; `correlation_id` is the request's, as in the log. */
export function errorBody(error: BrokerError, correlation_id?: string): ErrorBody {
  const { field, retry_after_ms, next } = error.detail
  return {
    code: error.code,
    detail: error.message,
    retryable: error.entry.retryable,
    next: next ?? error.entry.next,
    ...(field === undefined ? {} : { field }),
    ...(retry_after_ms === undefined ? {} : { retry_after_ms }),
    ...(correlation_id === undefined ? {} : { correlation_id }),
  }
}

/**
 * The storage did not do what it was asked, or did it without an answer. The same call may succeed later.
 * Engines throw it; a caller gets `storage_unavailable`.
 */
export class StorageFailed extends Error {}

/** How long a caller waits before it tries again. */
const STORAGE_RETRY_MS = 1000

/** Any thrown value as an error of the catalogue: `internal`, unless it is one already. */
export function asBrokerError(thrown: unknown): BrokerError {
  if (thrown instanceof BrokerError) return thrown
  if (thrown instanceof StorageFailed)
    return new BrokerError('storage_unavailable', { retry_after_ms: STORAGE_RETRY_MS })
  return new BrokerError('internal')
}

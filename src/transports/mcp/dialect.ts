import { asBrokerError, errorBody } from '../../core/errors.ts'
import type { Dialect } from '../gate.ts'
import { errorText } from './result.ts'

/** How this door refuses what does not reach the SDK: as a JSON-RPC error with an entry of the catalogue. */
export const RPC_DIALECT: Dialect = {
  request_headers: [
    'mcp-protocol-version',
    'mcp-session-id',
    'mcp-method',
    'mcp-name',
    'last-event-id',
    'accept',
    'authorization',
    'content-type',
    'x-api-key',
    'x-project-id',
  ].join(', '),
  response_headers: 'mcp-session-id, mcp-protocol-version, www-authenticate, retry-after, x-correlation-id',
  error(thrown, correlation_id) {
    const error = asBrokerError(thrown)
    const body = errorBody(error, correlation_id)
    const headers: Record<string, string> = { 'x-correlation-id': correlation_id }
    if (error.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer'
    if (error.code === 'method_not_allowed') headers.allow = 'POST'
    if (body.retry_after_ms !== undefined)
      headers['retry-after'] = String(Math.ceil(body.retry_after_ms / 1000))
    return Response.json(
      {
        jsonrpc: '2.0',
        error: { code: error.entry.rpc_code, message: errorText(body), data: body },
        id: null,
      },
      { status: error.entry.http_status, headers },
    )
  },
}

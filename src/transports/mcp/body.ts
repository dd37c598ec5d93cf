import { BrokerError, errorBody } from '../../core/errors.ts'
import { jsonDepthExceeds } from '../../core/json.ts'
import { readBytes } from '../body.ts'
import { errorText } from './result.ts'

/** Deeper than any payload a command takes, so that what it refuses it refuses by itself. */
const BODY_DEPTH_MAX = 128

/**
 * Reads a request's JSON body, once.
 *
 * @throws BrokerError `unsupported_media_type`, `body_too_large`, `invalid_json`, `nesting_too_deep`
 */
export async function readJson(request: Request, bytes_max: number): Promise<unknown> {
  if (!isJson(request.headers.get('content-type'))) throw new BrokerError('unsupported_media_type')
  const bytes = await readBytes(request, bytes_max)
  const body = parseJson(bytes)
  if (jsonDepthExceeds(body, BODY_DEPTH_MAX))
    throw new BrokerError('nesting_too_deep', {
      detail: `The body is nested deeper than ${BODY_DEPTH_MAX} levels.`,
    })
  return body
}

/** Whether a content type is `application/json`, whatever its parameters. */
function isJson(content_type: string | null): boolean {
  return content_type !== null && /^\s*application\/json\s*(;|$)/i.test(content_type)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(UTF8.decode(bytes))
  } catch (error) {
    throw new BrokerError('invalid_json', {
      detail: `The body is not valid JSON: ${(error as Error).message}.`,
    })
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/**
 * An entry of the catalogue as a JSON-RPC error response, with the entry's HTTP status.
 *
 * @param id the request's id, where it could be read
 */
export function errorResponse(error: BrokerError, correlation_id: string, id: unknown = null): Response {
  const body = errorBody(error, correlation_id)
  const headers: Record<string, string> = {}
  if (error.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer'
  if (error.code === 'method_not_allowed') headers.allow = 'POST'
  if (body.retry_after_ms !== undefined)
    headers['retry-after'] = String(Math.ceil(body.retry_after_ms / 1000))
  return Response.json(
    {
      jsonrpc: '2.0',
      error: { code: error.entry.rpc_code, message: errorText(body), data: body },
      id: typeof id === 'string' || typeof id === 'number' ? id : null,
    },
    { status: error.entry.http_status, headers },
  )
}

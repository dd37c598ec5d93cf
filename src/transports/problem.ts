import { BrokerError, errorBody } from '../core/errors.ts'

/** The `type` of a catalogue entry in RFC 9457: a stable URI, which is not meant to be fetched. */
export function problemType(code: string): string {
  return `urn:mcp-broker:error:${code}`
}

/**
 * An error as RFC 9457 problem details, plus the members that errors have at every door.
 *
 * @param correlation_id as in the log
 */
export function problem(error: BrokerError, correlation_id: string): Response {
  const { code, entry, detail } = error
  const body = {
    type: problemType(code),
    title: entry.title,
    status: entry.http_status,
    ...errorBody(error, correlation_id),
  }
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'x-correlation-id': correlation_id,
  }
  if (detail.retry_after_ms !== undefined)
    headers['retry-after'] = String(Math.ceil(detail.retry_after_ms / 1000))
  if (entry.http_status === 401) headers['www-authenticate'] = 'Bearer'
  return new Response(`${JSON.stringify(body)}\n`, { status: entry.http_status, headers })
}

/** The answer to a method that a path does not have. @param methods the ones that it has */
export function notAllowed(methods: readonly string[], correlation_id: string): Response {
  const allowed = methods.join(', ')
  const error = new BrokerError('method_not_allowed', { next: `This path answers ${allowed}.` })
  const response = problem(error, correlation_id)
  response.headers.set('allow', allowed)
  return response
}

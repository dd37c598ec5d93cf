import { BrokerError, errorBody } from '../core/errors.ts'

/** Names an entry of the catalogue as RFC 9457 wants its `type`: a URI, stable, and not to be fetched. */
export function problemType(code: string): string {
  return `urn:mcp-broker:error:${code}`
}

/**
 * An error as RFC 9457 problem details, with the members that every door gives beside them.
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

/** The answer to a method that a path does not know. @param methods those that it does */
export function notAllowed(methods: readonly string[], correlation_id: string): Response {
  const allowed = methods.join(', ')
  const error = new BrokerError('method_not_allowed', { next: `This path answers ${allowed}.` })
  const response = problem(error, correlation_id)
  response.headers.set('allow', allowed)
  return response
}

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

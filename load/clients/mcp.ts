import { post } from './events.ts'

/** What an MCP tool call sends over HTTP. */
export interface ToolRequest {
  readonly headers: Record<string, string>
  readonly body: string
}

export const ACCEPT = { accept: 'application/json, text/event-stream' }
const CLIENT = { name: 'load', version: '1.0.0' }

/** A `tools/call` with the envelope of 2026-07-28. */
export function modernCall(id: number, name: string, input: object): ToolRequest {
  return {
    headers: {
      ...ACCEPT,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: {
        name,
        arguments: input,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': CLIENT,
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  }
}

/** A `tools/call` of 2025-11-25. @param session_id where the server gave one */
export function sessionCall(
  id: number,
  name: string,
  input: object,
  session_id: string | undefined,
): ToolRequest {
  return {
    headers: {
      ...ACCEPT,
      'mcp-protocol-version': '2025-11-25',
      ...(session_id === undefined ? {} : { 'mcp-session-id': session_id }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: input } }),
  }
}

/** Begins an MCP session of 2025-11-25. @returns its id; undefined where the server keeps no sessions */
export async function initialize(url: string): Promise<string | undefined> {
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...ACCEPT },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT },
    }),
  })
  if (!response.ok) throw new Error(`initialize was answered with ${response.status}`)
  await response.text()
  const session_id = response.headers.get('mcp-session-id') ?? undefined
  if (session_id !== undefined)
    await post(`${url}/mcp`, JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }), {
      ...ACCEPT,
      'mcp-protocol-version': '2025-11-25',
      'mcp-session-id': session_id,
    })
  return session_id
}

/** Calls a tool with the envelope of 2026-07-28. @returns its structured content @throws Error when it fails */
export async function callTool<Content>(
  url: string,
  id: number,
  name: string,
  input: object,
): Promise<Content> {
  const { headers, body } = modernCall(id, name, input)
  const text = await post(`${url}/mcp`, body, headers)
  // An answer that took its time comes as the last event of a stream.
  const json = text.startsWith('{') ? text : /^data: (\{.*"result".*)$/m.exec(text)?.[1]
  const result = json === undefined ? undefined : JSON.parse(json).result
  if (!result || result.isError) throw new Error(`${name} failed: ${text}`)
  return result.structuredContent
}

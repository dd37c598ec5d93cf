import type { App } from '../../../src/app.ts'

/** Requests by hand, for what the real clients do not do. */

export const ACCEPT = 'application/json, text/event-stream'

export function post(
  app: App,
  body: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${app.url}/mcp`, {
    method: 'POST',
    headers: { accept: ACCEPT, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })
}

export const MODERN_META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

/** A request of the 2026 era; `headers` override those that belong to it. */
export function postModern(
  app: App,
  method: string,
  params: Record<string, unknown> = {},
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  const name = params.name ?? params.uri
  return post(
    app,
    { jsonrpc: '2.0', id: 1, method, params: { _meta: MODERN_META, ...params } },
    {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
      ...headers,
    },
    signal,
  )
}

export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1.0.0' },
  },
}

/** A session of the 2025 era, by hand. */
export interface RawSession {
  readonly headers: Record<string, string>
  post(body: unknown, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>
  call(id: number, name: string, input: Record<string, unknown>, signal?: AbortSignal): Promise<Response>
  get(headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>
}

export async function rawSession(
  app: App,
  headers: Record<string, string> = {},
  protocolVersion = '2025-11-25',
): Promise<RawSession> {
  const params = { ...INITIALIZE.params, protocolVersion }
  const response = await post(app, { ...INITIALIZE, params }, headers)
  await response.text()
  const session_id = response.headers.get('mcp-session-id')
  if (session_id === null) throw new Error(`no session: ${response.status}`)
  const own = { ...headers, 'mcp-session-id': session_id, 'mcp-protocol-version': protocolVersion }
  const send: RawSession['post'] = (body, more = {}, signal) => post(app, body, { ...own, ...more }, signal)
  await send({ jsonrpc: '2.0', method: 'notifications/initialized' })
  return {
    headers: own,
    post: send,
    call: (id, name, input, signal) =>
      send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: input } }, {}, signal),
    get: (more = {}, signal) =>
      fetch(`${app.url}/mcp`, {
        headers: { accept: 'text/event-stream', ...own, ...more },
        ...(signal ? { signal } : {}),
      }),
  }
}

export interface SseEvent {
  readonly id: string | undefined
  readonly data: string
}

/** Reads events off a stream, one at a time; comments are counted. */
export class SseReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #decoder = new TextDecoder()
  #text = ''
  comments = 0

  constructor(response: Response) {
    this.#reader = response.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>
  }

  /** The next event with data; undefined when the stream has ended. */
  async next(): Promise<SseEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n')
      if (end === -1) {
        const { done, value } = await this.#reader.read()
        if (done) return undefined
        this.#text += this.#decoder.decode(value, { stream: true })
        continue
      }
      const lines = this.#text.slice(0, end).split('\n')
      this.#text = this.#text.slice(end + 2)
      const field = (name: string) =>
        lines
          .find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim()
      const data = field('data')
      if (data === undefined) this.comments++
      else return { id: field('id'), data }
    }
  }

  /** The next JSON-RPC message, passing over the events that only carry an id. */
  async message(): Promise<Record<string, unknown> | undefined> {
    for (;;) {
      const event = await this.next()
      if (event === undefined) return undefined
      if (event.data !== '') return JSON.parse(event.data) as Record<string, unknown>
    }
  }

  /** Reads until `count` comments have come. */
  async commentsTo(count: number): Promise<void> {
    while (this.comments < count) {
      const { done, value } = await this.#reader.read()
      if (done) throw new Error('the stream ended')
      this.comments += this.#decoder
        .decode(value)
        .split('\n')
        .filter((line) => line.startsWith(':')).length
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel()
  }
}

/** The JSON-RPC answer in a response, whichever way it came. */
export async function answerOf(response: Response): Promise<Record<string, unknown>> {
  if (response.headers.get('content-type')?.startsWith('application/json'))
    return (await response.json()) as Record<string, unknown>
  const message = await new SseReader(response).message()
  if (!message) throw new Error('the stream ended without an answer')
  return message
}

import type { CallToolResult } from '@modelcontextprotocol/server'
import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Identity } from '../../auth/identity.ts'
import { asksToWait, type Command } from '../../broker/command.ts'
import { TOOLS_BY_NAME } from '../../broker/commands/index.ts'
import { closed } from '../../broker/commands/schema.ts'
import { type MaybePromise, then } from '../../core/maybe-promise.ts'
import type { DoorContext } from '../door.ts'
import type { ToolInput } from './result.ts'
import { SERVER_INFO } from './server-info.ts'
import { runTool } from './tool-call.ts'

/** A `tools/call` with nothing unusual in it, which is answered without the SDK. */
export interface PlainCall {
  readonly era: '2025' | '2026'
  readonly id: string | number
  readonly command: Command
  readonly input: ToolInput
}

/** Recognises a plain call by the headers and the parsed body of a POST; undefined for any other request. */
export type Recognise = (headers: Headers, body: unknown) => PlainCall | undefined

const MODERN = '2026-07-28'
/** The revisions with sessions whose clients name the revision in each request. */
const LEGACY: ReadonlySet<string | null> = new Set(['2025-11-25', '2025-06-18', '2025-03-26'])

const Id = Type.Union([
  Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  Type.String(),
])
const text = Type.Optional(Type.String())
const none = Type.Optional(closed({}))

/** What clients declare of themselves, in the forms that the SDK always accepts. */
const MetaSchema = closed({
  'io.modelcontextprotocol/protocolVersion': Type.Literal(MODERN),
  'io.modelcontextprotocol/clientInfo': Type.Optional(
    closed({
      name: Type.String(),
      version: Type.String(),
      title: text,
      description: text,
      websiteUrl: text,
    }),
  ),
  'io.modelcontextprotocol/clientCapabilities': closed({
    roots: Type.Optional(closed({ listChanged: Type.Optional(Type.Boolean()) })),
    sampling: none,
    elicitation: Type.Optional(closed({ form: none, url: none })),
  }),
})

const call = { name: Type.String(), arguments: Type.Optional(Type.Object({})) }
const message = { jsonrpc: Type.Literal('2.0'), id: Id, method: Type.Literal('tools/call') }
const ModernCall = TypeCompiler.Compile(
  closed({ ...message, params: closed({ ...call, _meta: MetaSchema }) }),
)
const LegacyCall = TypeCompiler.Compile(closed({ ...message, params: closed(call) }))

/**
 * Recognises a plain call. Any request that the SDK might refuse or treat specially is left to the SDK.
 * Sources: MCP 2026-07-28 and 2025-11-25, transports.
 */
export const plainCall: Recognise = (headers, body) => {
  const modern = ModernCall.Check(body)
  if (!modern && !LegacyCall.Check(body)) return undefined
  const { id, params } = body
  const { name, arguments: input } = params as { name: string; arguments?: Record<string, unknown> }
  const command = TOOLS_BY_NAME.get(name)
  // The SDK drops a member of this name before the command can refuse it.
  if (!command || (input && Object.hasOwn(input, '__proto__'))) return undefined
  const fits = modern
    ? headers.get('mcp-protocol-version') === MODERN &&
      headers.get('mcp-method') === 'tools/call' &&
      headers.get('mcp-name') === name &&
      !asksToWait(command, input)
    : // A client can resume the answer to a waiting call when its connection breaks; the SDK does that.
      LEGACY.has(headers.get('mcp-protocol-version')) && command.waits === undefined
  if (!fits || headers.get('content-type') !== 'application/json' || !takesBoth(headers.get('accept')))
    return undefined
  return { era: modern ? '2026' : '2025', id, command, input }
}

/** Whether the client accepts JSON and event streams: the protocol requires both. */
function takesBoth(accept: string | null): boolean {
  return accept?.includes('application/json') === true && accept.includes('text/event-stream')
}

/**
 * Runs a plain call and answers it, without the SDK.
 *
 * @param headers of the answer; by default those of the 2026 era
 */
export function answerPlain(
  context: DoorContext,
  identity: Identity,
  { era, id, command, input }: PlainCall,
  request: Request,
  headers = JSON_HEADERS,
): MaybePromise<Response> {
  const gone = command.waits === undefined ? {} : { signal: request.signal }
  return then(runTool(context, identity, command, input, gone), (result) => {
    if (era === '2026') stamp(result)
    return new Response(JSON.stringify({ jsonrpc: '2.0', id, result }), { headers })
  })
}

/** Adds the members that every result of the 2026 era has. */
function stamp(result: CallToolResult): void {
  result.resultType = 'complete'
  result._meta = result._meta === undefined ? SERVER_META : { ...result._meta, ...SERVER_META }
}

const SERVER_META = { 'io.modelcontextprotocol/serverInfo': SERVER_INFO }
/** `Response` copies these, which is cheaper than building them from an object for each answer. */
const JSON_HEADERS = new Headers({ 'content-type': 'application/json' })

/** The headers of all answers of one session of the 2025 era. */
export function sessionHeaders(session_id: string): Headers {
  return new Headers({
    'content-type': 'application/json',
    'cache-control': 'no-cache, no-transform',
    'mcp-session-id': session_id,
  })
}

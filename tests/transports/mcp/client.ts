import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  type CallToolResult,
  CallToolResultSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { App } from '../../../src/app.ts'

export const ERAS = ['2025', '2026'] as const
export type Era = (typeof ERAS)[number]

export interface CallOptions {
  /** How long the client waits for the answer, in milliseconds. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  readonly onprogress?: (progress: { progress: number; total?: number | undefined }) => void
}

/** An agent with the real client of its era; what a session says for a 2025 client, this one says in each call. */
export interface Agent extends AsyncDisposable {
  readonly era: Era
  readonly client: LegacyClient | ModernClient
  readonly client_id: string
  call(name: string, input?: Record<string, unknown>, options?: CallOptions): Promise<CallToolResult>
  /** Subscribes to an inbox; the URIs of the hints that come are gathered in the result. */
  watch(uri: string): Promise<{ hints: string[]; stop(): Promise<void> }>
}

const INFO = { name: 'test', version: '1.0.0' }
const SENDS = new Set(['send_message', 'send_message_and_wait', 'broadcast_message'])
const READS = new Set(['get_messages', 'ack_messages', 'nack_messages', 'replay_messages'])

/** Connects, and checks in under `client_id`. */
export async function agent(era: Era, app: App, client_id: string): Promise<Agent> {
  const connected = await (era === '2025' ? legacyAgent(app, client_id) : modernAgent(app, client_id))
  await connected.call('checkin_client', { client_id })
  return connected
}

export async function legacyClient(app: App): Promise<{ client: LegacyClient; transport: LegacyTransport }> {
  const client = new LegacyClient(INFO)
  const transport = new LegacyTransport(new URL('/mcp', app.url))
  // The package's own types do not agree with each other under exactOptionalPropertyTypes.
  await client.connect(transport as Transport)
  return { client, transport }
}

async function legacyAgent(app: App, client_id: string): Promise<Agent> {
  const { client, transport } = await legacyClient(app)
  return {
    era: '2025',
    client,
    client_id,
    call: (name, input = {}, options = {}) =>
      client.callTool({ name, arguments: input }, CallToolResultSchema, options) as Promise<CallToolResult>,
    async watch(uri) {
      const hints: string[] = []
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
        hints.push(params.uri)
      })
      await client.subscribeResource({ uri })
      return {
        hints,
        stop: async () => {
          await client.unsubscribeResource({ uri })
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await transport.terminateSession()
      await client.close()
    },
  }
}

async function modernAgent(app: App, client_id: string): Promise<Agent> {
  const client = new ModernClient(INFO, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await client.connect(new ModernTransport(new URL('/mcp', app.url)))
  const own = (name: string) =>
    SENDS.has(name) ? { sender_id: client_id } : READS.has(name) ? { client_id } : {}
  return {
    era: '2026',
    client,
    client_id,
    call: (name, input = {}, options = {}) =>
      client.callTool({ name, arguments: { ...own(name), ...input } }, options) as Promise<CallToolResult>,
    async watch(uri) {
      const hints: string[] = []
      client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
        hints.push(params.uri)
      })
      const subscription = await client.listen({ resourceSubscriptions: [uri] })
      return { hints, stop: () => subscription.close() }
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}

/** The text of a tool's result. */
export function textOf(result: CallToolResult): string {
  return result.content.map((block) => (block.type === 'text' ? block.text : `(${block.type})`)).join('\n')
}

/** The structured content of a tool's result, which must not be an error. */
export function outputOf(result: CallToolResult): Record<string, unknown> {
  if (result.isError || !result.structuredContent) throw new Error(textOf(result))
  return result.structuredContent
}

/** The payloads that get_messages gave. */
export function payloadsOf(result: CallToolResult): unknown[] {
  const { messages } = outputOf(result) as { messages: { payload: unknown }[] }
  return messages.map(({ payload }) => payload)
}

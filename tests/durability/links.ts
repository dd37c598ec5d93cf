import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { COMMANDS_BY_NAME } from '../../src/broker/commands/index.ts'
import { type Arrived, wsUrl } from '../ws-client.ts'
import type { BrokerUnderTest } from './real-broker.ts'

type Input = Readonly<Record<string, unknown>>
type Output = Record<string, unknown>

/** The doors that traffic comes through. */
export type DoorName = 'ws' | 'http' | 'mcp2025' | 'mcp2026'

/** The broker ended before it answered: what was asked for has happened, or has not. */
export class Gone extends Error {}

/** A way to call commands through one door. */
export interface Link {
  /** @throws Gone; any other error is a fault */
  call(command: string, input: Input): Promise<Output>
  close(): void
}

/** @throws Gone */
export async function connect(broker: BrokerUnderTest, door: DoorName): Promise<Link> {
  const link = await asGone(broker, async () => open(broker.url, door))
  return {
    call: (command, input) => asGone(broker, () => link.call(command, input), command),
    close: () => link.close(),
  }
}

/** An answer that has left the broker is here by then. A client may wait for one that never comes. */
const LATE_MS = 100

/** Whatever fails while the broker is being ended has met its end. @param command what is timed */
async function asGone<T>(broker: BrokerUnderTest, does: () => Promise<T>, command?: string): Promise<T> {
  if (broker.ending) throw new Gone()
  const { url, ended } = broker
  const asked_ms = performance.now()
  const late = ended.then(async () => {
    await Bun.sleep(LATE_MS)
    throw new Gone()
  })
  try {
    return await Promise.race([does(), late])
  } catch (error) {
    if (broker.ending || broker.url !== url || broker.excuses?.(error)) throw new Gone()
    throw error
  } finally {
    if (command !== undefined) broker.answered?.(command, performance.now() - asked_ms)
  }
}

function open(url: string, door: DoorName): Promise<Link> | Link {
  switch (door) {
    case 'ws':
      return WsLink.open(url)
    case 'http':
      return { call: (command, input) => callHttp(url, command, input), close: () => {} }
    case 'mcp2025':
      return openLegacy(url)
    case 'mcp2026':
      return openModern(url)
  }
}

async function callHttp(url: string, command: string, input: Input): Promise<Output> {
  const { method, path } = COMMANDS_BY_NAME.get(command)!.http
  const rest = { ...input }
  const at = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(rest[name])
    delete rest[name]
    return encodeURIComponent(value)
  })
  const query = Object.entries(rest).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
  const response =
    method === 'POST'
      ? await fetch(`${url}${at}`, {
          method,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(rest),
        })
      : await fetch(`${url}${at}?${query.join('&')}`, { method })
  const body = (await response.json()) as Output
  if (!response.ok) throw new Error(`${command} over HTTP: ${response.status} ${JSON.stringify(body)}`)
  return body
}

async function openLegacy(url: string): Promise<Link> {
  const client = new LegacyClient({ name: 'durability', version: '1.0.0' })
  const transport = new LegacyTransport(new URL('/mcp', url))
  // Its stream for notifications is cut with the broker, which the calls tell as well.
  client.onerror = () => {}
  // The package's own types do not agree with each other under exactOptionalPropertyTypes.
  await client.connect(transport as Transport)
  return {
    call: async (name, input) =>
      outputOf(name, (await client.callTool({ name, arguments: input })) as CallToolResult),
    close: () => void client.close().catch(() => {}),
  }
}

async function openModern(url: string): Promise<Link> {
  const client = new ModernClient(
    { name: 'durability', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  client.onerror = () => {}
  await client.connect(new ModernTransport(new URL('/mcp', url)))
  return {
    call: async (name, input) =>
      outputOf(name, (await client.callTool({ name, arguments: input })) as CallToolResult),
    close: () => void client.close().catch(() => {}),
  }
}

function outputOf(command: string, result: CallToolResult): Output {
  if (result.isError || !result.structuredContent)
    throw new Error(`${command} over MCP: ${JSON.stringify(result.content)}`)
  return result.structuredContent
}

interface Frame {
  readonly id?: number
  readonly method?: string
  readonly params?: unknown
  readonly result?: Output
  readonly error?: unknown
}

/** What became of a message that a reader of its sender's mailbox is told of. */
export interface Told {
  readonly message_id: string
  readonly recipient_id: string
  readonly status: string
}

/** A WebSocket whose unanswered calls fail when it closes. */
export class WsLink implements Link {
  onmessage: (arrived: Arrived) => void = () => {}
  onreceipt: (told: Told) => void = () => {}
  /** Resolves when all that arrived before the close has been handed on. */
  readonly closed: Promise<void>
  #waiting = new Map<number, PromiseWithResolvers<Output>>()
  #next_id = 1

  private constructor(private readonly socket: WebSocket) {
    socket.onmessage = ({ data }) => {
      for (const frame of [JSON.parse(String(data)) as Frame | Frame[]].flat()) this.#arrived(frame)
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    socket.onclose = ({ code, reason }) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`closed with ${code} ${reason}`))
      this.#waiting.clear()
      resolve()
    }
  }

  static async open(url: string): Promise<WsLink> {
    const socket = new WebSocket(wsUrl(url))
    const link = new WsLink(socket)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error('the WebSocket could not be opened'))
    await promise
    return link
  }

  call(method: string, params: Input): Promise<Output> {
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('the WebSocket is closed'))
    const id = this.#next_id++
    const answer = Promise.withResolvers<Output>()
    this.#waiting.set(id, answer)
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    return answer.promise
  }

  close(): void {
    this.socket.close()
  }

  #arrived({ id, method, params, result, error }: Frame): void {
    if (method === 'message') this.onmessage(params as Arrived)
    else if (method === 'receipt') this.onreceipt(params as Told)
    else if (id !== undefined) {
      const answer = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (result) answer?.resolve(result)
      else answer?.reject(new Error(`over the WebSocket: ${JSON.stringify(error)}`))
    }
  }
}

/** A WebSocket that is also read live. @throws Gone */
export async function connectLive(broker: BrokerUnderTest): Promise<Link & { readonly live: WsLink }> {
  const live = await asGone(broker, () => WsLink.open(broker.url))
  return {
    live,
    call: (command, input) => asGone(broker, () => live.call(command, input), command),
    close: () => live.close(),
  }
}

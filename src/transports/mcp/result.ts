import type { CallToolResult } from '@modelcontextprotocol/server'
import type { Command } from '../../broker/command.ts'
import { type BrokerError, type ErrorBody, errorBody } from '../../core/errors.ts'

/** The arguments of a tool as received, before any check. */
export type ToolInput = Record<string, unknown> | undefined

/** The key in `_meta` under which a tool error carries its entry of the catalogue. */
export const ERROR_META_KEY = 'mcp-broker/error'

/**
 * The result of a tool: its output as structured content, and as a text for a model to read.
 *
 * @param output what `runCommand` returned
 * @param unread messages that wait for the caller; the text ends with it, unless the command itself says it
 * @param now milliseconds since the epoch
 */
export function toolResult(command: Command, output: unknown, unread: number, now: number): CallToolResult {
  const structuredContent = output as Record<string, unknown>
  const line = structuredContent.unread === undefined ? unreadLine(unread) : ''
  return {
    content: [{ type: 'text', text: command.text(output as never, now) + line }],
    structuredContent,
  }
}

/** The result of a tool that failed: the catalogue's sentence for the model, the entry for programs. */
export function toolError(error: BrokerError, unread: number, correlation_id: string): CallToolResult {
  const body = errorBody(error, correlation_id)
  return {
    content: [{ type: 'text', text: errorText(body) + unreadLine(unread) }],
    isError: true,
    _meta: { [ERROR_META_KEY]: body },
  }
}

/** An error in one line: its code, what is wrong, and what to do. */
export function errorText({ code, detail, next }: ErrorBody): string {
  return `${code}: ${detail} ${next}`
}

function unreadLine(unread: number): string {
  return unread === 0 ? '' : `\n\n${unread} unread`
}

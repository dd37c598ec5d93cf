import type { CallToolResult } from '@modelcontextprotocol/server'
import type { Command } from '../../broker/command.ts'
import { type BrokerError, type ErrorBody, errorBody } from '../../core/errors.ts'

/** The arguments of a tool as they came. */
export type ToolInput = Record<string, unknown> | undefined

/** Where a tool error carries its entry of the catalogue, in `_meta`. */
export const ERROR_META_KEY = 'mcp-broker/error'

/**
 * What a tool answers: the output as structured content, and as a text for a model to read.
 *
 * @param output what `runCommand` returned
 * @param unread messages that wait for the caller, named at the end of the text unless the command itself has said so
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

/** What a tool answers when it fails: the catalogue's sentence for the model, the entry for programs. */
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

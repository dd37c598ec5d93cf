import type { CallToolResult } from '@modelcontextprotocol/server'
import type { Command } from '../../broker/command.ts'
import { errorLines } from '../../core/error-lines.ts'
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
  const text = [errorText(body), ...errorLines(body).map((line) => `- ${withinLine(line)}`)].join('\n')
  return {
    content: [{ type: 'text', text: text + unreadLine(unread) }],
    isError: true,
    _meta: { [ERROR_META_KEY]: body },
  }
}

/** An error in one line: its code, what is wrong, and what to do. */
export function errorText({ code, detail, next }: ErrorBody): string {
  return withinLine(`${code}: ${detail} ${next}`)
}

/** A line that stays one: an error may repeat what others have registered, such as the names in a schema. */
function withinLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '\u{fffd}')
}

function unreadLine(unread: number): string {
  return unread === 0 ? '' : `\n\n${unread} unread`
}

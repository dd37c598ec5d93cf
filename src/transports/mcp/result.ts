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

/**
 * The result of a tool that failed: for the model the catalogue's sentence, what else is wrong, and a payload
 * that fits; for programs the entry.
 */
export function toolError(error: BrokerError, unread: number, correlation_id: string): CallToolResult {
  const body = errorBody(error, correlation_id)
  return {
    content: [{ type: 'text', text: errorText(body) + furtherText(body) + unreadLine(unread) }],
    isError: true,
    _meta: { [ERROR_META_KEY]: body },
  }
}

/** An error in one line: its code, what is wrong, and what to do. */
export function errorText({ code, detail, next }: ErrorBody): string {
  return `${code}: ${detail} ${next}`
}

/** A line for each thing that is wrong beyond the detail, and the example: models see no `_meta`. */
function furtherText(body: ErrorBody): string {
  const lines = [body.errors, body.reasons, body.problems]
    .flatMap(sentencesOf)
    .filter((sentence) => !body.detail.includes(sentence))
    .map((sentence) => `\n- ${sentence.replaceAll(/\s+/g, ' ')}`)
  const example =
    'example' in body
      ? `\nexample:\n\`\`\`json\n${JSON.stringify(body.example).replaceAll('`', '\\u0060')}\n\`\`\``
      : ''
  return lines.join('') + example
}

function sentencesOf(list: unknown): string[] {
  if (!Array.isArray(list)) return []
  return list.flatMap(({ sentence }: { sentence?: unknown }) =>
    typeof sentence === 'string' ? [sentence] : [],
  )
}

function unreadLine(unread: number): string {
  return unread === 0 ? '' : `\n\n${unread} unread`
}

import {
  createMcpHandler,
  McpServer,
  preloadSchemas,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server'
import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { COMMANDS } from '../../src/broker/commands/index.ts'

/**
 * What the MCP SDK's own handler costs for one tool call, with the broker's tools and nothing behind them: both eras,
 * that of 2025 without sessions. `bun load/references/mcp-sdk.ts PORT` listens on the loopback address.
 */
preloadSchemas()

/** Compiled once, as the SDK advises: the factory below runs for each request. */
function standard(schema: TSchema): StandardSchemaWithJSON {
  const check = TypeCompiler.Compile(schema)
  const json = JSON.parse(JSON.stringify(schema)) as Record<string, unknown>
  return {
    '~standard': {
      version: 1,
      vendor: 'typebox',
      jsonSchema: { input: () => json, output: () => json },
      validate: (value) => (check.Check(value) ? { value } : { issues: [{ message: 'does not fit' }] }),
    },
  }
}

const tools = COMMANDS.map(({ name, summary, description, input, output, hints }) => ({
  name,
  config: {
    description: `${summary} ${description}`,
    inputSchema: standard(input),
    outputSchema: standard(output),
    annotations: {
      readOnlyHint: hints.read_only,
      destructiveHint: hints.destructive,
      idempotentHint: hints.idempotent,
      openWorldHint: false,
    },
  },
}))
const content = [{ type: 'text' as const, text: 'Queued; the recipient is active.' }]
const structuredContent = {
  message_id: '01a1fd27-6896-7000-b031-51d6c2842ad8',
  status: 'queued',
  recipient_status: 'active',
  stored: 'memory',
  expires_at: '2026-01-31T12:00:00.000Z',
  warnings: [],
}

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'mcp-sdk', version: '1.0.0' })
  for (const { name, config } of tools)
    server.registerTool(name, config, () => ({ content, structuredContent }))
  return server
})

Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  fetch: (request) => handler.fetch(request),
})

import type { TSchema } from '@sinclair/typebox'
import type { Command } from '../broker/command.ts'
import { COMMANDS } from '../broker/commands/index.ts'
import { configReference } from '../config/reference.ts'
import { ERRORS, type ErrorEntry } from '../core/errors.ts'

/** The reference pages, each made from the table or schema that the program itself runs on. */
export const PAGES: Readonly<Record<string, () => string>> = {
  commands: commandsPage,
  configuration: () => configReference('markdown'),
  errors: errorsPage,
}

function commandsPage(): string {
  return `# Commands

Every command is an MCP tool, a WebSocket method, an HTTP route and a verb of the command line, under the same name and
with the same parameters:

| door | how |
|---|---|
| MCP | \`tools/call\` of the command's name at \`/mcp\` |
| WebSocket | a JSON-RPC 2.0 request with the command as its method at \`/v1/ws\` |
| HTTP | the route below; parameters in the path, then in the JSON body of a POST, or in the query of a GET or DELETE |
| command line | \`mcp-broker call COMMAND NAME=VALUE …\` |

${COMMANDS.map(({ name, summary }) => `- [\`${name}\`](#${name}): ${summary}`).join('\n')}

${COMMANDS.map(commandSection).join('\n\n')}
`
}

function commandSection(command: Command): string {
  const { name, summary, description, input, output, http, scope } = command
  return `## ${name}

${summary} ${description}

\`${http.method} ${http.path}\`, with a key of the scope \`${scope}\`, where the broker has keys.

${membersTable('parameter', input) ?? 'It takes no parameters.'}

Answer:

${membersTable('member', output) ?? 'An empty object.'}`
}

function membersTable(noun: string, schema: TSchema): string | undefined {
  const members = Object.entries((schema.properties ?? {}) as Record<string, TSchema>)
  if (members.length === 0) return undefined
  const required = new Set((schema.required ?? []) as string[])
  const rows = members.map(([name, member]) => {
    const need = required.has(name) ? '' : ', optional'
    return `| \`${name}\` | ${cell(typeText(member))}${need} | ${cell(member.description ?? '')} |`
  })
  return `| ${noun} | type | |\n|---|---|---|\n${rows.join('\n')}`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** A schema in a word or a few: "text", "list of text", `"auto" or "manual"`. */
function typeText(schema: TSchema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
  if (schema.anyOf) return (schema.anyOf as TSchema[]).map(typeText).join(' or ')
  switch (schema.type) {
    case 'array':
      return `list of ${typeText(schema.items as TSchema)}`
    case 'string':
      return 'text'
    case 'integer':
      return 'whole number'
    case 'number':
      return 'number'
    case 'boolean':
      return 'true or false'
    case 'object':
      return objectText(schema)
    default:
      return 'any JSON'
  }
}

function objectText({ properties, patternProperties }: TSchema): string {
  if (patternProperties) return 'object of texts by name'
  const names = Object.keys((properties ?? {}) as object)
  return names.length > 0 ? `object of ${names.map((name) => `\`${name}\``).join(', ')}` : 'object'
}

function errorsPage(): string {
  const rows = Object.entries<ErrorEntry>(ERRORS).map(
    ([code, { title, http_status, rpc_code, close_code, retryable, next }]) =>
      `| \`${code}\` | ${http_status} | ${rpc_code} | ${close_code ?? ''} | ${retryable ? 'yes' : 'no'} | ${cell(title)} | ${cell(next)} |`,
  )
  return `# Errors

One catalogue for every door: HTTP shows an entry as problem details (RFC 9457), WebSocket as a JSON-RPC error, MCP as a
tool error, the command line as two lines. The members are the same everywhere: \`code\`, \`detail\` (this case in one
sentence), \`retryable\`, \`next\` (what to do), and where they apply \`field\` (a JSON pointer), \`retry_after_ms\` and
\`correlation_id\`, which is also in the broker's log.

\`retryable\` says whether the same call can succeed later without being changed. A WebSocket that is closed with
3000–3499 or 4000–4499 may connect again; with 3500–3999 or 4500–4999 it had better not.

| code | HTTP | JSON-RPC | close | retryable | what is wrong | what to do |
|---|---|---|---|---|---|---|
${rows.join('\n')}
`
}

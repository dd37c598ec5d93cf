import { packageManager } from '../../package.json'
import { type Command, describe } from '../broker/command.ts'
import { COMMANDS } from '../broker/commands/index.ts'
import { configReference } from '../config/reference.ts'
import { ERRORS, type ErrorEntry } from '../core/errors.ts'
import { DEFAULT_LIMITS } from '../core/limits.ts'
import { doorsPage } from './doors-page.ts'
import { readyProtocolsPage } from './ready-protocols-page.ts'
import { cell, membersTable } from './tables.ts'

/** The reference pages, each made from the table or schema that the program itself runs on. */
export const PAGES: Readonly<Record<string, () => string>> = {
  commands: commandsPage,
  doors: doorsPage,
  'ready-protocols': readyProtocolsPage,
  configuration: () => configReference('markdown'),
  errors: errorsPage,
}

function commandsPage(): string {
  return `# Commands

Every command is an MCP tool, a WebSocket method and an HTTP route, and \`mcp-broker call\` runs it from the command
line. The name and the parameters are the same everywhere:

| door | how |
|---|---|
| MCP | \`tools/call\` of the command's name at \`/mcp\` |
| WebSocket | a JSON-RPC 2.0 request with the command as its method at \`/v1/ws\` |
| HTTP | the route below; parameters in the path, then in the JSON body of a POST, or in the query of a GET or DELETE |
| command line | \`mcp-broker call COMMAND NAME=VALUE …\`; in a clone \`mcp-broker\` stands for \`npx -y ${packageManager} src/main.ts\` |

Beside them there is \`POST /v1/backup\`, for the operator: see [durability.md](durability.md). On the command line that is \`mcp-broker backup\`.

${COMMANDS.map(({ name, summary }) => `- [\`${name}\`](#${name}): ${summary}`).join('\n')}

${COMMANDS.map(commandSection).join('\n\n')}
`
}

function commandSection(command: Command): string {
  const { name, summary, input, output, http, scope } = command
  return `## ${name}

${summary} ${describe(command, DEFAULT_LIMITS)}

\`${http.method} ${http.path}\`, with a key of the scope \`${scope}\`, where the broker has keys.

${membersTable('parameter', input) ?? 'It takes no parameters.'}

Answer:

${membersTable('member', output) ?? 'An empty object.'}`
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
\`correlation_id\`, which is also in the broker's log. Errors of protocols have more members, which
[protocols-reference.md](protocols-reference.md#what-to-do-about-an-error) names. Only what the protocol of MCP itself refuses, such as a wrong \`Accept\` or a
second \`initialize\`, is a bare JSON-RPC error without them.

\`retryable\` says whether the same call can succeed later without being changed. A WebSocket that is closed with
3000–3499 or 4000–4499 may connect again; with 3500–3999 or 4500–4999 it had better not.

| code | HTTP | JSON-RPC | close | retryable | what is wrong | what to do |
|---|---|---|---|---|---|---|
${rows.join('\n')}
`
}

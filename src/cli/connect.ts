import { nearestNames } from '../core/routing.ts'
import { CALL_FLAGS, send, type Target, targetOf } from './client.ts'
import { styled } from './render.ts'
import { EXIT } from './terminal.ts'
import { CliError, type Verb } from './verb.ts'

/** How one MCP client is told of a server. Each takes the key from the environment or asks for it; none stores it. */
interface Client {
  readonly title: string
  /** Where the configuration goes. */
  readonly file: string
  config(url: string, key: boolean): string
  /** A line that does the same, where the client has one. */
  command?(url: string, key: boolean): string
  readonly note?: string
}

const NAME = 'mcp-broker'
const KEY = 'MCP_BROKER_API_KEY'
/** What VS Code calls the key that it asks for. */
const INPUT = 'mcp-broker-key'

const json = (value: unknown) => JSON.stringify(value, null, 2)
const bearer = (key: boolean, reference: string) =>
  key ? { headers: { Authorization: `Bearer ${reference}` } } : {}

const CLIENTS: Readonly<Record<string, Client>> = {
  'claude-code': {
    title: 'Claude Code',
    file: '.mcp.json in the project',
    config: (url, key) =>
      json({ mcpServers: { [NAME]: { type: 'http', url, ...bearer(key, `\${${KEY}}`) } } }),
    command: (url, key) =>
      `claude mcp add --transport http ${NAME} ${url}${key ? ` --header "Authorization: Bearer $${KEY}"` : ''}`,
  },
  codex: {
    title: 'Codex',
    file: '~/.codex/config.toml, or .codex/config.toml in a trusted project',
    // Its own limit for one call is 60 s, which is what a call that waits for mail takes by default.
    config: (url, key) =>
      [
        `[mcp_servers.${NAME}]`,
        `url = "${url}"`,
        ...(key ? [`bearer_token_env_var = "${KEY}"`] : []),
        'tool_timeout_sec = 600',
      ].join('\n'),
    command: (url, key) => `codex mcp add ${NAME} --url ${url}${key ? ` --bearer-token-env-var ${KEY}` : ''}`,
  },
  cursor: {
    title: 'Cursor',
    file: '.cursor/mcp.json in the project, or ~/.cursor/mcp.json',
    config: (url, key) => json({ mcpServers: { [NAME]: { url, ...bearer(key, `\${env:${KEY}}`) } } }),
  },
  vscode: {
    title: 'VS Code',
    file: '.vscode/mcp.json in the project',
    config: (url, key) =>
      json({
        ...(key
          ? {
              inputs: [
                {
                  type: 'promptString',
                  id: INPUT,
                  description: 'Key for mcp-broker',
                  password: true,
                },
              ],
            }
          : {}),
        servers: { [NAME]: { type: 'http', url, ...bearer(key, `\${input:${INPUT}}`) } },
      }),
  },
}

export const connect: Verb = {
  name: 'connect',
  summary: 'Print the configuration that brings an MCP client here.',
  args: Object.keys(CLIENTS).join('|'),
  positionals: [1, 1],
  examples: [
    ['mcp-broker connect claude-code', 'what to run, or to put into which file'],
    ['mcp-broker connect cursor > .cursor/mcp.json', 'in a pipe: the file alone'],
    ['mcp-broker connect codex --url https://broker.example', 'for a broker elsewhere'],
  ],
  notes: [`Where the broker needs keys, the client takes its own from ${KEY}: no key is ever printed.`],
  flags: { url: CALL_FLAGS.url!, key: CALL_FLAGS.key! },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const word = line.positionals[0] ?? ''
    const client = Object.hasOwn(CLIENTS, word) ? CLIENTS[word] : undefined
    if (!client) throw unknownClient(word)
    const target = targetOf(line, surroundings)
    const { key, warning } = await ask(target)
    if (warning) terminal.err(`warning: ${warning}`)
    const url = `${target.url}/mcp`
    if (!terminal.interactive) {
      terminal.out(client.config(url, key))
      return EXIT.ok
    }
    const heading = (text: string) => styled(text, 'bold', terminal)
    if (client.command) {
      terminal.out(`${heading(`${client.title}: run`)}\n\n${client.command(url, key)}\n`)
      terminal.out(`${heading(`or put this into ${client.file}:`)}\n`)
    } else terminal.out(`${heading(`${client.title}: put this into ${client.file}:`)}\n`)
    terminal.out(client.config(url, key))
    if (key) terminal.out(`\nThe key is taken from ${KEY}, or asked for.`)
    return EXIT.ok
  },
}

function unknownClient(word: string): CliError {
  const near = nearestNames(word, Object.keys(CLIENTS))
  return new CliError(
    `There is no ready-made configuration for "${word}".`,
    near.length > 0
      ? `Did you mean ${near.join(' or ')}?`
      : `There is one for ${Object.keys(CLIENTS).join(', ')}; others need the URL alone: /mcp, Streamable HTTP.`,
    true,
  )
}

/** Whether the broker needs a key. Without a broker that answers, a key of the caller's own is taken for a sign. */
async function ask(target: Target): Promise<{ key: boolean; warning?: string }> {
  try {
    await send({ ...target, key: undefined }, '/v1/identity', { ms_max: 3000 })
    return { key: false }
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    if (error.error?.code === 'unauthenticated') return { key: true }
    return { key: target.key !== undefined, warning: `${error.what} ${error.fix}` }
  }
}

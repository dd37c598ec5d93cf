import { quoted } from './program.ts'

/**
 * How an MCP client is configured. Each takes the key from the environment or asks for it; none stores it.
 */
export interface Client {
  readonly title: string
  /** Where the configuration goes. */
  readonly file: string
  /** The whole file, as if there were nothing else in it. @param key whether the broker needs one */
  config(url: string, key: boolean): string
  /** A line for a POSIX shell that does the same, where the client has one. */
  command?(url: string, key: boolean): string
  /** What happens next in this client: an approval, a restart, and where to look. */
  readonly next: string
  /** It asks for the key, and takes none from the environment. */
  readonly asks_key?: true
}

/** What each client calls the broker. */
export const SERVER_NAME = 'mcp-broker'
export const KEY = 'MCP_BROKER_API_KEY'
/** What VS Code calls the key that it asks for. */
const INPUT = 'mcp-broker-key'

const json = (value: unknown) => JSON.stringify(value, null, 2)
const bearer = (key: boolean, reference: string) =>
  key ? { headers: { Authorization: `Bearer ${reference}` } } : {}
/** Single quotes: the client is to expand the reference at each start, and not the shell once for all. */
const header = (key: boolean, text: string) => (key ? ` --header '${text}'` : '')

/** The form that most clients share, and in which most replace `${NAME}` by a variable. */
const shared = (url: string, key: boolean) =>
  json({ mcpServers: { [SERVER_NAME]: { type: 'http', url, ...bearer(key, `\${${KEY}}`) } } })
const sharedCommand = (program: string) => (url: string, key: boolean) =>
  `${program} mcp add --transport http ${SERVER_NAME} ${quoted(url)}` +
  header(key, `Authorization: Bearer \${${KEY}}`)

export const CLIENTS: Readonly<Record<string, Client>> = {
  'claude-code': {
    title: 'Claude Code',
    file: '.mcp.json in the project',
    config: shared,
    command: sharedCommand('claude'),
    next: 'Start claude anew. It asks before it uses a server of .mcp.json; one that was added by the command needs no approval. /mcp shows the connection.',
  },
  codex: {
    title: 'Codex',
    file: '~/.codex/config.toml, or .codex/config.toml in a trusted project',
    config: (url, key) =>
      [
        `[mcp_servers.${SERVER_NAME}]`,
        `url = "${url}"`,
        ...(key ? [`bearer_token_env_var = "${KEY}"`] : []),
        // Its own limit for one call is 60 s, and a call that waits for mail may take longer.
        'tool_timeout_sec = 600',
      ].join('\n'),
    command: (url, key) =>
      `codex mcp add ${SERVER_NAME} --url ${quoted(url)}${key ? ` --bearer-token-env-var ${KEY}` : ''}`,
    next: 'Start codex anew. /mcp lists the server. The command leaves the limit of a call at 60 s; tool_timeout_sec in the file raises it.',
  },
  gemini: {
    title: 'Gemini CLI',
    file: '.gemini/settings.json in the project, or ~/.gemini/settings.json',
    config: shared,
    command: sharedCommand('gemini'),
    next: 'Start gemini anew, in a folder that it trusts: it asks, and elsewhere leaves all servers off. /mcp lists the server.',
  },
  'qwen-code': {
    title: 'Qwen Code',
    file: '~/.qwen/settings.json, or .qwen/settings.json in the project',
    config: (url, key) =>
      json({ mcpServers: { [SERVER_NAME]: { httpUrl: url, ...bearer(key, `\${${KEY}}`) } } }),
    command: sharedCommand('qwen'),
    next: `Start qwen anew. A server of the project's file waits for "qwen mcp approve ${SERVER_NAME}". /mcp lists the server.`,
  },
  opencode: {
    title: 'opencode',
    file: 'opencode.json in the project, or ~/.config/opencode/opencode.json',
    config: (url, key) =>
      json({
        $schema: 'https://opencode.ai/config.json',
        mcp: { [SERVER_NAME]: { type: 'remote', url, ...bearer(key, `{env:${KEY}}`) } },
      }),
    command: (url, key) =>
      `opencode mcp add ${SERVER_NAME} --url ${quoted(url)}${header(key, `Authorization=Bearer {env:${KEY}}`)}`,
    next: 'Start opencode anew. "opencode mcp list" shows the connection; if it says "needs authentication", the key is missing or wrong.',
  },
  cursor: {
    title: 'Cursor',
    file: '.cursor/mcp.json in the project, or ~/.cursor/mcp.json',
    config: (url, key) => json({ mcpServers: { [SERVER_NAME]: { url, ...bearer(key, `\${env:${KEY}}`) } } }),
    next: 'Cursor reads the file when it changes. Look under MCP in its settings, and switch the server on if it is off; the agent asks before it uses a tool.',
  },
  vscode: {
    title: 'VS Code',
    file: '.vscode/mcp.json in the project',
    config: (url, key) =>
      json({
        ...(key
          ? {
              inputs: [
                { type: 'promptString', id: INPUT, description: 'Key for mcp-broker', password: true },
              ],
            }
          : {}),
        servers: { [SERVER_NAME]: { type: 'http', url, ...bearer(key, `\${input:${INPUT}}`) } },
      }),
    next: 'Press Start above the server in the file, or run "MCP: List Servers"; VS Code asks whether the server is trusted. Its tools are there in agent mode.',
    asks_key: true,
  },
  'mcp-json': {
    title: 'Any other client with an mcp.json',
    file: 'its mcp.json',
    config: shared,
    next: `Start the client anew, and approve the server if it asks. If it does not replace \${${KEY}} by the variable, write the reference in the form that it knows.`,
  },
}

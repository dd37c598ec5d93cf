import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { App } from '../../src/app.ts'
import { CLIENTS } from '../../src/cli/clients.ts'
import { startBroker } from '../harness.ts'
import { type AgentClis, installAgentClis } from './agent-clis.ts'
import { type } from './harness.ts'

const KEY = '0123456789abcdef-operator'
/** What a client that is started with the key has in its environment. */
const WITH_KEY = { MCP_BROKER_API_KEY: KEY }

let app: App & AsyncDisposable
let guarded: App & AsyncDisposable
beforeAll(async () => {
  app = await startBroker()
  guarded = await startBroker({ admin_key: KEY })
})
afterAll(() => Promise.all([app.stop(), guarded.stop()]))

const cli = (...args: string[]) => type(args, { env: { MCP_BROKER_URL: app.url } })
const screen = (...args: string[]) => type(args, { env: { MCP_BROKER_URL: app.url }, interactive: true })

describe('connect', () => {
  const shared = () => ({ mcpServers: { 'mcp-broker': { type: 'http', url: `${app.url}/mcp` } } })
  test.each([
    ['claude-code', shared],
    ['gemini', shared],
    ['mcp-json', shared],
    ['cursor', () => ({ mcpServers: { 'mcp-broker': { url: `${app.url}/mcp` } } })],
    ['qwen-code', () => ({ mcpServers: { 'mcp-broker': { httpUrl: `${app.url}/mcp` } } })],
    ['vscode', () => ({ servers: { 'mcp-broker': { type: 'http', url: `${app.url}/mcp` } } })],
    [
      'opencode',
      () => ({
        $schema: 'https://opencode.ai/config.json',
        mcp: { 'mcp-broker': { type: 'remote', url: `${app.url}/mcp` } },
      }),
    ],
  ])('%s: in a pipe the file alone, and beside it what happens next', async (client, expected) => {
    const { out, err } = await cli('connect', client)
    expect(JSON.parse(out)).toEqual(expected())
    expect(err).toBe(`${CLIENTS[client]!.title}: ${CLIENTS[client]!.next}`)
  })

  test('codex: TOML', async () => {
    expect(Bun.TOML.parse((await cli('connect', 'codex')).out)).toEqual({
      mcp_servers: { 'mcp-broker': { url: `${app.url}/mcp`, tool_timeout_sec: 600 } },
    })
  })

  test('in a terminal also the line that does it, where the file is, and what happens next', async () => {
    const { out } = await screen('connect', 'claude-code')
    expect(out).toContain(`claude mcp add --transport http mcp-broker ${app.url}/mcp\n`)
    expect(out).toContain('.mcp.json')
    expect(Bun.stripANSI(out)).toContain('Then: Start claude anew. It asks before')
    expect((await screen('connect', 'cursor')).out).toContain('.cursor/mcp.json')
  })

  test('alone it lists what there is', async () => {
    const { code, out } = await cli('connect')
    expect(code).toBe(0)
    expect(out.split('\n').map((line) => line.split('\t')[0])).toEqual(Object.keys(CLIENTS))
    expect((await screen('connect')).out).toMatch(/CLIENT +NAME +CONFIGURED IN/)
  })

  test.each(Object.keys(CLIENTS))('%s takes the key from elsewhere', async (client) => {
    for (const interactive of [false, true]) {
      const env = { MCP_BROKER_URL: guarded.url, ...WITH_KEY }
      const { code, out, err } = await type(['connect', client], { env, interactive })
      expect(code).toBe(0)
      expect(out + err).not.toContain(KEY)
      expect(out).toMatch(
        /\$\{MCP_BROKER_API_KEY\}|"MCP_BROKER_API_KEY"|[{]env:MCP_BROKER_API_KEY\}|\$\{input:/,
      )
      expect(interactive ? out : err).toMatch(
        /MCP_BROKER_API_KEY must be set where it starts|It asks for the key/,
      )
    }
  })

  test('without a broker it prints all the same, and says so', async () => {
    const { code, out, err } = await cli('connect', 'cursor', '--url', 'http://127.0.0.1:1')
    expect(code).toBe(0)
    expect(out).toContain('http://127.0.0.1:1/mcp')
    expect(err).toContain('warning: No broker answers')
  })

  test('an address is quoted for the shell', async () => {
    const { out } = await screen('connect', 'codex', '--url', 'http://127.0.0.1:1/a;b')
    expect(out).toContain("--url 'http://127.0.0.1:1/a;b/mcp'\n")
  })

  test('a client that it does not know', async () => {
    expect((await cli('connect', 'curser')).err).toContain('Did you mean cursor?')
    expect((await cli('connect', 'emacs')).err).toContain('others need the URL alone')
  })
})

/** What a client's own listing says of the broker. */
interface Listing {
  readonly line: string
  readonly connected: RegExp
  /** Without the key. */
  readonly refused: RegExp
  readonly env?: Record<string, string>
}

describe('the real command lines of agents', () => {
  let clis: AgentClis
  beforeAll(async () => {
    clis = await installAgentClis()
  }, 120_000)
  afterAll(() => clis[Symbol.dispose]())

  /** What `connect` prints on a terminal to be run, and in a pipe to be put into a file. */
  const printed = async (client: string) => {
    const env = { MCP_BROKER_URL: guarded.url }
    const { out } = await type(['connect', client], { env, interactive: true })
    const file = (await type(['connect', client], { env })).out
    return { command: out.split('\n')[2]!, file }
  }

  const LISTINGS: Record<string, Listing> = {
    'claude-code': {
      line: 'claude mcp list',
      connected: /mcp-broker: .*Connected/,
      refused: /mcp-broker: .*Failed to connect/,
    },
    gemini: {
      line: 'gemini mcp list',
      connected: /✓ mcp-broker: .* - Connected/,
      refused: /✗ mcp-broker: .* - Disconnected/,
      // As if the user had said that the folder is trusted.
      env: { GEMINI_CLI_TRUST_WORKSPACE: 'true' },
    },
    'qwen-code': {
      line: 'qwen mcp list',
      connected: /mcp-broker: .* - Connected/,
      refused: /mcp-broker: .* - Disconnected/,
    },
    opencode: {
      line: 'opencode mcp list',
      connected: /mcp-broker .*connected/,
      refused: /mcp-broker .*needs authentication/,
    },
  }

  test.each(Object.entries(LISTINGS))(
    '%s: the printed command connects with the key of the environment, and stores none',
    async (client, { line, connected, refused, env = {} }) => {
      const home = clis.home()
      const { command } = await printed(client)
      expect(await home.sh(command, WITH_KEY)).toMatchObject({ code: 0 })
      expect((await home.sh(line, { ...env, ...WITH_KEY })).out).toMatch(connected)
      expect((await home.sh(line, env)).out).toMatch(refused)
      expect(home.filesWith(KEY)).toEqual([])
      expect(home.filesWith('MCP_BROKER_API_KEY')).not.toEqual([])
    },
    60_000,
  )

  test('claude-code: the printed file waits for approval, and connects after it', async () => {
    const home = clis.home()
    const { line, connected } = LISTINGS['claude-code']!
    home.write('.mcp.json', (await printed('claude-code')).file)
    expect((await home.sh(line, WITH_KEY)).out).toContain('Pending approval (run `claude` to approve)')
    home.write('~/.claude/settings.json', '{"enabledMcpjsonServers":["mcp-broker"]}')
    expect((await home.sh(line, WITH_KEY)).out).toMatch(connected)
  }, 60_000)

  test('gemini: the printed file is off where the folder is not trusted, and connects where it is', async () => {
    const home = clis.home()
    const { line, connected, env } = LISTINGS.gemini!
    home.write('.gemini/settings.json', (await printed('gemini')).file)
    expect((await home.sh(line, WITH_KEY)).out).toContain('folder is untrusted')
    expect((await home.sh(line, { ...env, ...WITH_KEY })).out).toMatch(connected)
  }, 60_000)

  test('qwen-code: the printed file connects for the user, and after an approval for the project', async () => {
    const { line, connected } = LISTINGS['qwen-code']!
    const { file } = await printed('qwen-code')
    const own = clis.home()
    own.write('~/.qwen/settings.json', file)
    expect((await own.sh(line, WITH_KEY)).out).toMatch(connected)
    const shared = clis.home()
    shared.write('.qwen/settings.json', file)
    expect((await shared.sh(line, WITH_KEY)).out).toContain('Pending approval')
    expect((await shared.sh('qwen mcp approve mcp-broker', WITH_KEY)).code).toBe(0)
    expect((await shared.sh(line, WITH_KEY)).out).toMatch(connected)
  }, 60_000)

  test('opencode: the printed file connects', async () => {
    const home = clis.home()
    const { line, connected } = LISTINGS.opencode!
    home.write('opencode.json', (await printed('opencode')).file)
    expect((await home.sh(line, WITH_KEY)).out).toMatch(connected)
  }, 60_000)

  test('codex: the printed command and the printed file are understood', async () => {
    const { command, file } = await printed('codex')
    const server = async (home: ReturnType<AgentClis['home']>) => {
      const { out } = await home.sh('codex mcp get mcp-broker --json', WITH_KEY)
      return JSON.parse(out.slice(out.indexOf('{')))
    }
    const transport = {
      type: 'streamable_http',
      url: `${guarded.url}/mcp`,
      bearer_token_env_var: 'MCP_BROKER_API_KEY',
    }
    const by_command = clis.home()
    expect((await by_command.sh(command, WITH_KEY)).code).toBe(0)
    expect(await server(by_command)).toMatchObject({ enabled: true, transport, tool_timeout_sec: null })
    expect(by_command.filesWith(KEY)).toEqual([])
    const by_file = clis.home()
    by_file.write('~/.codex/config.toml', file)
    expect(await server(by_file)).toMatchObject({ enabled: true, transport, tool_timeout_sec: 600 })
    // A project's own file counts only where the project is trusted.
    const project = clis.home()
    project.write('.codex/config.toml', file)
    expect((await project.sh('codex mcp list')).out).toContain('No MCP servers configured')
  }, 60_000)
})

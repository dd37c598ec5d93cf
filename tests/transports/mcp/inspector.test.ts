import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TOOLS } from '../../../src/broker/commands/index.ts'
import { startBroker } from '../../harness.ts'

const INSPECTOR = 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js'
let home: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'inspector-'))
})

afterAll(() => rm(home, { recursive: true }))

/** MCP Inspector in its command line mode. @returns what it printed, parsed */
async function inspect(url: string, ...args: string[]): Promise<Record<string, unknown>> {
  const inspector = Bun.spawn(
    [process.execPath, INSPECTOR, '--cli', `${url}/mcp`, '--transport', 'http', ...args],
    { stdout: 'pipe', stderr: 'pipe', env: { ...process.env, HOME: home } },
  )
  const [out, err, code] = await Promise.all([
    inspector.stdout.text(),
    inspector.stderr.text(),
    inspector.exited,
  ])
  if (code !== 0) throw new Error(`the inspector ended with ${code}: ${err}`)
  return JSON.parse(out)
}

const call = (url: string, name: string, ...args: string[]) =>
  inspect(url, '--method', 'tools/call', '--tool-name', name, '--tool-arg', ...args)

test('MCP Inspector lists the tools and finds their schemas portable', async () => {
  await using app = await startBroker()
  const { tools } = (await inspect(app.url, '--method', 'tools/list', '--strict')) as {
    tools: { name: string }[]
  }
  expect(tools.map(({ name }) => name)).toEqual(TOOLS.map(({ name }) => name))
}, 20_000)

test('MCP Inspector calls tools, one session after the other', async () => {
  await using app = await startBroker()
  expect(await call(app.url, 'checkin_client', 'client_id=alice')).toMatchObject({
    structuredContent: { client_id: 'alice' },
  })
  await call(app.url, 'send_message', 'sender_id=bob', 'recipient_id=alice', 'message=hello')
  expect(await call(app.url, 'get_messages', 'client_id=alice')).toMatchObject({
    structuredContent: { messages: [{ sender_id: 'bob', payload: 'hello' }] },
  })
  expect(await inspect(app.url, '--method', 'resources/read', '--uri', 'inbox://alice')).toMatchObject({
    contents: [{ uri: 'inbox://alice', mimeType: 'application/json' }],
  })
}, 20_000)

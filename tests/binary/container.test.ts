import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { parse } from 'yaml'
import manifest from '../../package.json' with { type: 'json' }
import { loadConfig } from '../../src/config/load.ts'

const root = new URL('../../', import.meta.url)
const text = (name: string) => Bun.file(new URL(name, root)).text()

/** The Dockerfile's instructions, continued lines joined. */
async function instructions(): Promise<[name: string, rest: string][]> {
  const lines = (await text('Dockerfile')).replaceAll(/\\\n\s*/g, '').split('\n')
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const at = line.indexOf(' ')
      return [line.slice(0, at), line.slice(at + 1)]
    })
}

test('the image is built with the Bun that the project is tested with', async () => {
  const [, from] = (await instructions())[0]!
  expect(from).toBe(`oven/${manifest.packageManager.replace('@', ':')} AS build`)
})

test('what is copied exists, and is not ignored', async () => {
  const allowed = (await text('.dockerignore')).split('\n').filter((line) => line.startsWith('!'))
  const copied = (await instructions())
    .filter(([name, rest]) => name === 'COPY' && !rest.startsWith('--from'))
    .flatMap(([, rest]) => rest.split(' ').slice(0, -1))
  expect(copied).toEqual(['package.json', 'bun.lock', 'bunfig.toml', 'tsconfig.json', 'src'])
  for (const path of copied) {
    expect(existsSync(new URL(path, root))).toBe(true)
    expect(allowed).toContain(`!${path}`)
  }
})

test('it runs without a shell and without root, and its settings are known ones', async () => {
  const last = new Map(await instructions())
  expect(JSON.parse(last.get('ENTRYPOINT')!)).toEqual(['/usr/local/bin/mcp-broker'])
  expect(JSON.parse(last.get('CMD')!)).toEqual(['serve'])
  expect(last.get('HEALTHCHECK')).toContain('CMD ["/usr/local/bin/mcp-broker", "status"]')
  expect(last.get('USER')).toBe('nonroot:nonroot')
  const [name, value] = last.get('ENV')!.split('=')
  const env = { [name!]: value!, MCP_BROKER_ADMIN_KEY: '0123456789abcdef' }
  expect((await loadConfig({ env })).config.host).toBe('0.0.0.0')
})

test('a volume for what is stored belongs to the user that the broker runs as', async () => {
  const all = await instructions()
  expect(all).toContainEqual(['RUN', 'mkdir data'])
  expect(all).toContainEqual(['COPY', '--from=build --chown=65532:65532 /build/data /data'])
  expect(new Map(all).get('VOLUME')).toBe('/data')
  const { services, volumes } = parse(await text('compose.yaml'))
  expect(services['mcp-broker'].volumes).toEqual(['data:/data'])
  expect(services['mcp-broker'].environment.MCP_BROKER_DATA_DIR).toBe('/data')
  expect(Object.keys(volumes)).toEqual(['data'])
})

test('compose publishes to this machine alone, and wants a key', async () => {
  const service = parse(await text('compose.yaml')).services['mcp-broker']
  expect(service.ports).toEqual(['127.0.0.1:8123:8123'])
  expect(service.environment.MCP_BROKER_ADMIN_KEY).toStartWith('${MCP_BROKER_ADMIN_KEY:?')
  expect(Object.keys(service.environment)).toEqual(['MCP_BROKER_ADMIN_KEY', 'MCP_BROKER_DATA_DIR'])
})

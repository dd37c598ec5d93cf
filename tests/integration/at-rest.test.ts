import { expect, test } from 'bun:test'

const harness = new URL('../harness.ts', import.meta.url).pathname

/** What a broker does without until it is asked for it. */
const LATE = [
  '/node_modules/@modelcontextprotocol/server/',
  '/node_modules/prom-client/',
  '/node_modules/yaml/',
  '/transports/http/openapi.ts',
  '/transports/http/openapi-page.ts',
]

/** Those of them that a broker in a process of its own holds once these paths have been asked for. */
async function loadedAfter(...paths: string[]): Promise<string[]> {
  const script = `
    import { startBroker } from ${JSON.stringify(harness)}
    await using app = await startBroker()
    for (const path of ${JSON.stringify(paths)}) {
      const response = await fetch(app.url + path, { headers: { accept: 'text/html' } })
      if (!response.ok) throw new Error(path + ' answers ' + response.status)
    }
    const modules = Object.keys(require.cache)
    console.log(JSON.stringify(${JSON.stringify(LATE)}.filter((late) => modules.some((path) => path.includes(late)))))`
  const child = Bun.spawn([process.execPath, '-'], { stdin: new Blob([script]), stdout: 'pipe' })
  return JSON.parse(await child.stdout.text())
}

test('what is not always needed is loaded when it is first asked for', async () => {
  expect(await loadedAfter('/health/ready', '/v1/status')).toEqual([])
  expect(await loadedAfter('/metrics', '/openapi')).toEqual([
    '/node_modules/prom-client/',
    '/transports/http/openapi.ts',
    '/transports/http/openapi-page.ts',
  ])
})

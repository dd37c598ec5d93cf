import { expect, test } from 'bun:test'
import { COMMANDS } from '../../../src/broker/commands/index.ts'
import { ERRORS } from '../../../src/core/errors.ts'
import { startBroker } from '../../harness.ts'

type Json = Record<string, unknown>
interface Operation {
  readonly operationId: string
  readonly parameters: { name: string; in: string; required: boolean }[]
  readonly requestBody?: { content: Record<string, { schema: { properties: Json } }> }
  readonly responses: Json
}
interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { responses: Record<string, { content: Json }>; schemas: Record<string, Json> }
}

async function document(url: string): Promise<Document> {
  return (await (await fetch(`${url}/openapi`)).json()) as Document
}

/** Every `$ref` in a value. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
  )
}

test('every command is an operation of its name, with all of its parameters', async () => {
  await using broker = await startBroker()
  const { openapi, paths } = await document(broker.url)
  expect(openapi).toStartWith('3.1')
  for (const { name, http, input } of COMMANDS) {
    const operation = paths[http.path]?.[http.method.toLowerCase()]
    expect(operation?.operationId).toBe(name)
    const inside = operation!.parameters.filter((parameter) => parameter.in !== 'header')
    const body = operation!.requestBody?.content['application/json']?.schema.properties ?? {}
    expect([...inside.map((parameter) => parameter.name), ...Object.keys(body)].sort()).toEqual(
      Object.keys(input.properties).sort(),
    )
    for (const parameter of inside) if (parameter.in === 'path') expect(parameter.required).toBe(true)
    expect(Object.keys(operation!.responses)).toContain(String(http.status ?? 200))
  }
})

test('operations have names of their own, paths name their parameters, references resolve', async () => {
  await using broker = await startBroker()
  const whole = await document(broker.url)
  const operations = Object.values(whole.paths).flatMap((methods) => Object.values(methods))
  const ids = operations.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const [path, methods] of Object.entries(whole.paths))
    for (const { parameters } of Object.values(methods)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)
      expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(named)
    }
  const refs = new Set(references(whole))
  expect(refs).toContain('#/components/schemas/Message')
  for (const ref of refs) {
    const target = ref
      .slice(2)
      .split('/')
      .reduce<unknown>((at, key) => (at as Json | undefined)?.[key], whole)
    expect([ref, typeof target]).toEqual([ref, 'object'])
  }
})

test('every error of the catalogue is described', async () => {
  await using broker = await startBroker()
  const { components } = await document(broker.url)
  for (const [code, { http_status }] of Object.entries(ERRORS)) {
    const content = components.responses[`Problem${http_status}`]?.content as Record<
      string,
      { examples: Json }
    >
    expect(content['application/problem+json']?.examples[code]).toMatchObject({ value: { code } })
  }
})

test('people get a page that loads nothing from anywhere, programs the document', async () => {
  await using broker = await startBroker()
  const page = await fetch(`${broker.url}/openapi`, { headers: { accept: 'text/html,*/*;q=0.8' } })
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  const html = await page.text()
  for (const { name } of COMMANDS) expect(html).toContain(`id="${name}"`)
  expect(html).not.toMatch(/<script|<link|<img|src=|https?:\/\//)
  const always_json = await fetch(`${broker.url}/openapi/json`, { headers: { accept: 'text/html' } })
  expect(await always_json.json()).toEqual(await document(broker.url))
})

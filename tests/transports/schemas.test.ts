import { beforeAll, describe, expect, test } from 'bun:test'
import { Ajv2020 } from 'ajv/dist/2020'
import { EventsInput } from '../../src/transports/events.ts'
import { AuthenticateParams, SubscribeParams } from '../../src/transports/ws/rpc.ts'
import { startBroker } from '../harness.ts'
import { agent } from './mcp/client.ts'

type Json = Record<string, unknown>

/** Whatever leaves the broker and holds schemas, each by where it is found. */
async function published(): Promise<Map<string, unknown>> {
  await using app = await startBroker()
  const found = new Map<string, unknown>([
    ['subscribe', SubscribeParams],
    ['authenticate', AuthenticateParams],
    ['events', EventsInput],
    ['openapi', await (await fetch(`${app.url}/openapi`)).json()],
  ])
  for (const era of ['2025', '2026'] as const) {
    await using alice = await agent(era, app, 'alice')
    const { tools } = await alice.client.listTools()
    for (const { name, inputSchema, outputSchema } of tools) {
      found.set(`${era} ${name} input`, inputSchema)
      found.set(`${era} ${name} output`, outputSchema)
    }
    found.set(`${era} prompts`, await alice.client.listPrompts())
  }
  return new Map([...found].map(([name, value]) => [name, JSON.parse(JSON.stringify(value)) as unknown]))
}

/** Every object in a document, with the path to it. */
function* objectsIn(value: unknown, path: string): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield [path, value as Json]
  for (const [key, inner] of Object.entries(value)) yield* objectsIn(inner, `${path}/${key}`)
}

let documents: Map<string, unknown>
beforeAll(async () => {
  documents = await published()
})

function patterns(): string[] {
  const all = [...documents].flatMap(([name, document]) =>
    [...objectsIn(document, name)].map(([, { pattern }]) => pattern),
  )
  return [...new Set(all.filter((pattern) => typeof pattern === 'string'))]
}

describe('every schema that leaves the broker', () => {
  test('is within what model providers take', () => {
    const wrong: string[] = []
    let schemas = 0
    for (const [name, document] of documents)
      for (const [path, object] of objectsIn(document, name)) {
        if (object.type !== undefined || object.anyOf) schemas++
        if (Array.isArray(object.type)) wrong.push(`${path} has a list of types`)
        for (const keyword of ['const', 'patternProperties', 'oneOf', 'allOf', 'not', 'if'])
          if (keyword in object) wrong.push(`${path} has ${keyword}`)
        if (object.type === 'array' && object.items === undefined) wrong.push(`${path} has no items`)
        // A closed class or a repetition of one is the same in ECMA-262, in Python's re and in RE2.
        if (
          typeof object.pattern === 'string' &&
          !/^\^(\[[\w.:@-]+\](\{\d+,\d+\})?)+\$$/.test(object.pattern)
        )
          wrong.push(`${path} has the pattern ${object.pattern}`)
      }
    expect(wrong).toEqual([])
    expect(schemas).toBeGreaterThan(300)
  })

  test('has only patterns that Python reads', async () => {
    const python = Bun.which('python3')
    if (python === null) throw new Error('python3 is missing; this test needs it: apt-get install python3')
    const script =
      'import json, re, sys\nfor p in json.load(sys.stdin): print(bool(re.compile(p).search("frontend")))'
    const child = Bun.spawn([python, '-c', script], {
      stdin: new Blob([JSON.stringify(patterns())]),
      stdout: 'pipe',
      stderr: 'pipe',
    })
    expect(await child.stderr.text()).toBe('')
    expect((await child.stdout.text()).trim().split('\n')).toEqual(patterns().map(() => 'True'))
    expect(patterns()).not.toBeEmpty()
  })

  test('is compiled by Ajv in strict mode without a word', () => {
    const said: unknown[] = []
    const say = (...words: unknown[]) => void said.push(words)
    const ajv = new Ajv2020({
      strict: true,
      logger: { log: say, warn: say, error: say },
      formats: { uri: true },
    })
    const { components } = documents.get('openapi') as { components: { schemas: Json } }
    const inPlace = (schema: unknown) =>
      JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', '#/$defs/'))
    let compiled = 0
    for (const [name, document] of documents)
      for (const schema of name === 'openapi'
        ? [...objectsIn(document, name)].flatMap(([, { schema }]) => (schema ? [schema as Json] : []))
        : name.endsWith('prompts')
          ? []
          : [document as Json]) {
        ajv.compile({ ...inPlace(schema), $defs: inPlace(components.schemas) })
        compiled++
      }
    expect(said).toEqual([])
    expect(compiled).toBeGreaterThan(100)
  })
})

test('an input is held to the names that its schema does not bound', async () => {
  await using app = await startBroker()
  await using alice = await agent('2025', app, 'alice')
  const send = (name: string) =>
    alice.call('send_message', { recipient_id: 'bob', message: 'x', headers: { [name]: 'x' } })
  expect((await send('x'.repeat(128))).isError).toBeFalsy()
  const refused = await send('x'.repeat(129))
  expect(refused._meta?.['mcp-broker/error']).toMatchObject({ code: 'invalid_params', field: '/headers' })
  const capabilities = { protocols: { '': '^1.0.0' } }
  expect(
    (await alice.call('checkin_client', { client_id: 'alice', capabilities }))._meta?.['mcp-broker/error'],
  ).toMatchObject({ code: 'invalid_params', field: '/capabilities/protocols' })
})

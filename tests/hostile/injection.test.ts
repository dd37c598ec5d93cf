import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../cli/harness.ts'
import { WsClient } from '../ws-client.ts'
import { deepSchema, laughs, members, times } from './build.ts'
import { Target } from './rig.ts'
import { callInBatch, withstands } from './watched.ts'

const FOLDER = join(tmpdir(), `hostile-${process.pid}`)
/** A file that is there once any text has been run. */
const MARK = join(FOLDER, 'ran')
const RUN = `require('fs').writeFileSync('${MARK}','')`
const TEXTS = [
  `"+(${RUN})+"`,
  `'+(${RUN})+'`,
  `\`+(${RUN})+\``,
  `\${${RUN}}`,
  `");${RUN};("`,
  `*/${RUN}/*`,
  `\u2028${RUN}\u2028`,
  `\\";${RUN};//`,
  `\ud800";${RUN};//`,
  `}};${RUN};{{`,
]

/** Texts in each place of a schema that takes a text, a name or a value. */
const PLACES: readonly ((text: string) => unknown)[] = [
  (text) => ({ properties: { [text]: { type: 'string' } }, additionalProperties: false }),
  (text) => ({ properties: { [text]: true }, required: [text], unevaluatedProperties: false }),
  (text) => ({ patternProperties: { [text]: true }, additionalProperties: false }),
  (text) => ({ dependentRequired: { [text]: [text] } }),
  (text) => ({ dependentSchemas: { [text]: { required: [text] } } }),
  (text) => ({
    $defs: { [text]: { type: 'string' } },
    $ref: `#/$defs/${encodeURIComponent(text.toWellFormed())}`,
  }),
  (text) => ({ enum: [text, { [text]: text }] }),
  (text) => ({ const: { [text]: [text] } }),
  (text) => ({ anyOf: [{ const: text }, { const: { [text]: 1 } }] }),
  (text) => ({ propertyNames: { enum: [text] } }),
  (text) => ({
    title: text,
    description: text,
    $comment: text,
    default: text,
    examples: [text],
    format: text,
  }),
  (text) => ({ [text]: text, '~refine': [{ check: text }] }),
  ...['type', 'pattern', '$id', '$ref', '$anchor', '$schema', '$dynamicRef', 'minLength', 'multipleOf'].map(
    (keyword) => (text: string) => ({ [keyword]: text }),
  ),
]

test('texts in all places of definitions, payloads, adapters and ranges run nothing', async () => {
  mkdirSync(FOLDER, { recursive: true })
  await using target = await Target.start()
  const client = await WsClient.checkedIn(target.url, 'tester')
  const metadataOf = (text: string) => ({
    description: text,
    author: text,
    tags: [text.slice(0, 60)],
    agent_notes: text,
    examples_invalid: [],
  })
  let count = 0
  for (const text of TEXTS) {
    const definitions = PLACES.map((place, n) => ({
      name: `inject_${count + n}x`,
      version: '1.0.0',
      schema: place(text),
      metadata: metadataOf(text),
    }))
    count += definitions.length
    await withstands(target, () => callInBatch(client, 'register_protocol', definitions))
    const payloads = [text, { [text]: text }, { [text]: 1, b: text }]
    const messages = definitions.flatMap(({ name }) =>
      payloads.map((payload) => ({
        recipient_id: 'tester',
        protocol_name: name,
        protocol_version: '1.0.0',
        payload,
      })),
    )
    await withstands(target, () => callInBatch(client, 'send_message', messages))
    const odd = [
      { name: text, version: '1.0.0', schema: {} },
      { name: 'odd', version: text.slice(0, 60), schema: {} },
      {
        name: 'odd',
        version: '1.0.0',
        schema: {},
        adapters: [{ from: text, up: [{ op: text, path: text }] }],
      },
      {
        name: 'odd',
        version: '2.0.0',
        schema: {},
        adapters: [{ from: '1.x', up: [{ op: 'rename', path: `/${text}`, to: text }] }],
      },
    ]
    await callInBatch(client, 'register_protocol', odd)
    await callInBatch(client, 'discover_protocols', [
      { name: text.slice(0, 60) },
      { version_range: text.slice(0, 120) },
    ])
    await callInBatch(client, 'checkin_client', [
      { client_id: 'tester', capabilities: { protocols: { [text]: '*', odd: text.slice(0, 120) } } },
    ])
  }
  expect(count).toBeGreaterThan(200)
  const types = await run(['protocols', 'types'], { env: { MCP_BROKER_URL: target.url } })
  expect(types.code).toBe(0)
  expect(existsSync(MARK)).toBeFalse()
  rmSync(FOLDER, { recursive: true })
}, 60_000)

test('a hostile folder is checked, and refused, in time', async () => {
  mkdirSync(FOLDER, { recursive: true })
  const runaway = { type: 'object', required: ['n'], properties: { n: { $ref: '#/$defs/n' } } }
  const definitions = [
    { name: 'deep', version: '1.0.0', schema: deepSchema(500) },
    { name: 'wide', version: '1.0.0', schema: { properties: members(5000, () => true) } },
    { name: 'laughs', version: '1.0.0', schema: laughs('anyOf', 12) },
    { name: 'evil', version: '1.0.0', schema: { pattern: '^(?=(a+))\\1b$' } },
    { name: 'loop', version: '1.0.0', schema: { $ref: '#' } },
    {
      name: 'late',
      version: '1.0.0',
      schema: { $ref: '#/$defs/n', $defs: { n: { anyOf: [runaway, { ...runaway }] } } },
      metadata: { examples_invalid: [times(14, () => 0).reduce<unknown>((n) => ({ n }), 1)] },
    },
  ]
  for (const definition of definitions)
    writeFileSync(join(FOLDER, `${definition.name}.json`), JSON.stringify(definition))
  const began_ms = performance.now()
  const { code, out, err } = await run(['protocols', 'check', FOLDER])
  expect(performance.now() - began_ms).toBeLessThan(10_000)
  expect(code).toBe(1)
  for (const name of ['deep', 'wide', 'evil', 'loop']) expect(out + err).toContain(name)
  rmSync(FOLDER, { recursive: true })
}, 30_000)

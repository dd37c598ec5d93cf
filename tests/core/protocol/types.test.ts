import { describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Compile } from 'typebox/schema'
import type { JsonSchema } from '../../../src/core/protocol/json-schema.ts'
import { type TypedDefinition, typesOf } from '../../../src/core/protocol/types/types.ts'
import { check } from '../property.ts'
import { someSchema, someValue } from './schemas.ts'
import { CASES, TASK } from './type-cases.ts'

const TSC = new URL('../../../node_modules/.bin/tsc', import.meta.url).pathname
const OPTIONS = ['--noEmit', '--strict', '--target', 'esnext', '--module', 'preserve', '--types', '']

/** What the compiler says of some files, each a module of its own; empty when all is well. */
async function compile(files: ReadonlyMap<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'types-'))
  try {
    for (const [name, text] of files) await Bun.write(join(folder, name), text)
    const run = Bun.spawn([TSC, ...OPTIONS, ...files.keys()], { cwd: folder, stdout: 'pipe', stderr: 'pipe' })
    const [out, error] = await Promise.all([run.stdout.text(), run.stderr.text()])
    return `${out}${error}`
  } finally {
    await rm(folder, { recursive: true })
  }
}

function definition(schema: JsonSchema, name = 'chat', version = '1.0.0'): TypedDefinition {
  return { name, version, schema, metadata: {} }
}

/** Declarations with payloads that are to fit, and some of which each has to be an error. */
function withPayloads(
  types: string,
  type: string,
  good: readonly unknown[],
  bad: readonly unknown[] = [],
): string {
  const lines = good.map((one, at) => `export const good_${at}: ${type} = ${JSON.stringify(one)};`)
  const wrong = bad.map(
    (one, at) => `// @ts-expect-error\nexport const bad_${at}: ${type} = ${JSON.stringify(one)};`,
  )
  return [types, ...lines, ...wrong].join('\n')
}

/** Types leave nothing behind when they are erased; whatever got out of a comment or a text would. */
const transpiler = new Bun.Transpiler({ loader: 'ts' })
function isTypesAlone(text: string): boolean {
  return (
    transpiler
      .transformSync(text)
      .replace(/export\s*\{\s*\};?/, '')
      .trim() === ''
  )
}

test('declarations are as the reference has them', () => {
  const schema: JsonSchema = {
    type: 'object',
    description: 'not this one',
    required: ['text', 'reply-to'],
    additionalProperties: false,
    properties: {
      text: { type: 'string', minLength: 1, description: '\n\nWhat is said.\n\nIn *plain* words.\n ' },
      format: { enum: ['plain', 'markdown'], description: 'how it is written' },
      mentions: { type: 'array', items: { type: 'string' } },
      'reply-to': { $ref: '#/$defs/reference' },
      data: {},
    },
    $defs: { reference: { type: ['object', 'null'], properties: { id: { type: 'integer' } } } },
  }
  const printed = typesOf([
    { name: 'small_talk', version: '1.2.0', schema, metadata: { description: 'Plain text.' } },
    { name: 'small_talk', version: '2.0.0-rc.1', schema: true, metadata: {} },
    { name: 'small_talk', version: '1.10.0', schema: { type: 'string' }, metadata: {} },
  ])
  expect(printed).toBe(`/** Plain text. */
export type SmallTalk_1_2_0 = {
  /**
   * What is said.
   *
   * In *plain* words.
   */
  text: string;
  /** how it is written */
  format?: "plain" | "markdown";
  mentions?: string[];
  "reply-to": SmallTalk_1_2_0_Reference;
  data?: unknown;
};

export type SmallTalk_1_2_0_Reference = {
  id?: number;
  [name: string]: unknown;
} | null;

export type SmallTalk_1_10_0 = string;

export type SmallTalk_2_0_0_rc_1 = unknown;

export type SmallTalk = SmallTalk_1_10_0;

/** Payloads by the name and the version of their protocol. */
export interface Protocols {
  "small_talk": {
    "1.2.0": SmallTalk_1_2_0;
    "1.10.0": SmallTalk_1_10_0;
    "2.0.0-rc.1": SmallTalk_2_0_0_rc_1;
  };
}
`)
})

test('payloads type-check if they fit, and not if they do not', async () => {
  const files = new Map(
    CASES.map(([, schema, good, bad], at) => [
      `case-${at}.ts`,
      withPayloads(typesOf([definition(schema)]), 'Chat', good, bad),
    ]),
  )
  const said = (await compile(files)).replaceAll(/case-(\d+)\.ts/g, (file, at) => `${file}, ${CASES[at]![0]}`)
  expect(said).toBe('')
}, 60_000)

describe('names and descriptions may be any text', () => {
  const HOSTILE = [
    '*/ export const pwned = 1 /*',
    '**/\nexport const pwned = 1',
    '*\u0000/ export const pwned = 1 //',
    '"]: 1; }; export const pwned = 1; type X = { ["',
    `\`\${globalThis.pwned = 1}\``,
    "'; export const pwned = 1; '",
    '\u2028export const pwned = 1\u2029',
    '\r\nexport const pwned = 1',
    '@ts-expect-error',
    '// @ts-ignore',
    'x\n@ts-expect-error',
    '// @ts-nocheck',
    '/// <reference path="x" />',
    '\ud800',
    '\ud801',
    '\\',
    '\\u002a/',
    '__proto__',
    'constructor',
    'string',
    'Protocols',
    'Array',
    '',
    ' ',
    '123',
    'chat_1_0_0',
    'chat-1.0.0',
    'файл',
  ]

  /** A schema that has a text wherever one can be. */
  function everywhere(text: string): JsonSchema {
    const inner = { type: 'string', description: text }
    return {
      description: text,
      type: 'object',
      properties: Object.fromEntries([
        [text, inner],
        ['enum', { enum: [text, { [text]: text }] }],
        ['const', { const: text, description: text }],
        ['ref', { $ref: `#/$defs/${encodeURIComponent(text.toWellFormed()).replaceAll('~', '~0')}` }],
      ]),
      required: [text, `${text}2`],
      $defs: { [text.toWellFormed()]: inner },
    }
  }

  test('of one protocol each, and of all together', async () => {
    const all = HOSTILE.map(
      (text): TypedDefinition => ({
        name: text,
        version: '1.0.0',
        schema: everywhere(text),
        metadata: { description: text },
      }),
    )
    for (const one of all) expect([one.name, isTypesAlone(typesOf([one]))]).toEqual([one.name, true])
    const files = new Map(all.map((one, at) => [`hostile-${at}.ts`, typesOf([one])]))
    files.set('all.ts', typesOf([...all, ...all]))
    files.set('versions.ts', typesOf(HOSTILE.map((version) => definition(true, 'chat', version))))
    const said = (await compile(files)).replaceAll(
      /hostile-(\d+)\.ts/g,
      (file, at) => `${file} ${JSON.stringify(HOSTILE[at])}`,
    )
    expect(said).toBe('')
  }, 60_000)

  test('whatever it is', () => {
    const text = fc.oneof(
      fc.constantFrom(...HOSTILE),
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc
        .array(
          fc.constantFrom(
            '*',
            '/',
            '\\',
            '"',
            "'",
            '`',
            '\n',
            '\u2028',
            '\u202e',
            ';',
            '}',
            '{',
            '\u0000',
            '\u009b',
            'a',
          ),
          {
            maxLength: 12,
          },
        )
        .map((parts) => parts.join('')),
    )
    check(1000, fc.tuple(text, text, text), ([name, version, inside]) => {
      const printed = typesOf([
        { name, version, schema: everywhere(inside), metadata: { description: inside } },
        definition(everywhere(name), inside, version),
      ])
      expect(isTypesAlone(printed)).toBe(true)
      expect(printed).not.toMatch(/[^\P{Cc}\t\n]|[\u2028-\u202e\u2066-\u2069]/u)
    })
  })
})

test('schemas beyond all bounds are printed, and cut off', () => {
  let [list, either, constant]: [JsonSchema, JsonSchema, unknown] = [true, true, 1]
  for (let at = 0; at < 50_000; at++) {
    list = { type: 'array', items: list }
    either = { type: 'object', anyOf: [either] }
    constant = [constant]
  }
  for (const schema of [list, either, { const: constant }]) {
    const printed = typesOf([definition(schema)])
    expect(isTypesAlone(printed)).toBe(true)
    expect(printed.length).toBeLessThan(10_000)
  }
  const defs = Object.fromEntries(
    Array.from({ length: 300 }, (_, at) => [
      `d${at}`,
      { allOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }] },
    ]),
  )
  const doubling = typesOf([definition({ $ref: '#/$defs/d0', $defs: { ...defs, d300: { type: 'string' } } })])
  expect(doubling.length).toBeLessThan(50_000)
})

test('what a schema accepts type-checks, whatever the schema', async () => {
  const found: { schema: JsonSchema; good: unknown[] }[] = []
  check(
    400,
    fc.tuple(someSchema, fc.array(someValue, { minLength: 8, maxLength: 8 })),
    ([schema, values]) => {
      const printed = typesOf([definition(schema)])
      expect(isTypesAlone(printed)).toBe(true)
      const compiled = Compile(schema as never)
      const good = values.filter((value) => compiled.Check(value))
      if (good.length > 0) found.push({ schema, good })
    },
  )
  expect(found.length).toBeGreaterThan(150)
  const files = new Map(
    found.map(({ schema, good }, at) => [
      `any-${at}.ts`,
      withPayloads(typesOf([definition(schema)]), 'Chat', good),
    ]),
  )
  const said = (await compile(files)).replaceAll(
    /^any-(\d+)\.ts/gm,
    (file, at) => `${file} ${JSON.stringify(found[at])}`,
  )
  expect(said).toBe('')
}, 60_000)

test('of two versions the newest that is usable has the bare name', () => {
  const deprecated = { ...definition({ type: 'number' }, 'chat', '1.1.0'), deprecated: { message: 'gone' } }
  const printed = typesOf([
    deprecated,
    definition({ type: 'string' }),
    definition({ type: 'null' }, 'chat', '2.0.0-a'),
  ])
  expect(printed).toContain('export type Chat = Chat_1_0_0;')
  expect(typesOf([])).toContain('export interface Protocols {\n}')
})

test('an alternative that may be anything leaves nothing of the others', () => {
  expect(typesOf([definition({ anyOf: [{ type: 'string' }, {}, { const: 1 }] })])).toStartWith(
    'export type Chat_1_0_0 = unknown;',
  )
})

test('the order of the definitions does not matter', () => {
  const some = [definition(TASK, 'task'), definition(true, 'task', '1.1.0'), definition(TASK, 'chat')]
  expect(typesOf([...some].reverse())).toBe(typesOf(some))
})

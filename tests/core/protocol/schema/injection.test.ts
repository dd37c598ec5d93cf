import { expect, test } from 'bun:test'
import { BrokerError } from '../../../../src/core/errors.ts'
import { admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { compileSchema } from '../../../../src/core/protocol/schema/checker.ts'
import { exampleOf } from '../../../../src/core/protocol/schema/example/example.ts'

/** Sets this if any text of a schema is ever run. */
const RUN = 'globalThis.__schema_ran=1'
const TEXTS = [
  `"+(${RUN})+"`,
  `'+(${RUN})+'`,
  `\`+(${RUN})+\``,
  `\${${RUN}}`,
  `"];${RUN};["`,
  `");${RUN};("`,
  `*/${RUN}/*`,
  `\n${RUN}\n`,
  `\r\n${RUN}//`,
  `\u2028${RUN}\u2028`,
  `\u2029${RUN}//`,
  `\\";${RUN};//`,
  `\\u0022;${RUN};//`,
  `\ud800";${RUN};//`,
  `";${RUN};//\udc00`,
  `\0${RUN}`,
  `)/;${RUN};/(`,
  `}};${RUN};{{`,
  `</script>${RUN}`,
  `__proto__`,
  `constructor`,
  `toString`,
]
/** Objects that turn into text when somebody asks for one. */
const OBJECTS = TEXTS.slice(0, 6).map((text) =>
  JSON.parse(`{"toString":${JSON.stringify(text)},"valueOf":1}`),
)

const named = (name: string, value: unknown) =>
  JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`)

/** Each text at each place where a schema takes a text, a name or any value. */
const PLACES: ((text: string) => unknown)[] = [
  ...['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'].map(
    (keyword) => (text: string) => ({
      [keyword]: named(text, { type: 'string' }),
      additionalProperties: false,
    }),
  ),
  (text) => ({ $schema: 'http://json-schema.org/draft-07/schema#', dependencies: named(text, ['a']) }),
  (text) => ({ $schema: 'http://json-schema.org/draft-07/schema#', dependencies: named(text, true) }),
  (text) => ({ dependentRequired: named(text, [text]) }),
  (text) => ({ required: [text] }),
  (text) => ({ properties: named(text, true), required: [text], additionalProperties: false }),
  (text) => ({ properties: named(text, true), unevaluatedProperties: false }),
  ...[
    'type',
    'title',
    'description',
    '$comment',
    'format',
    'pattern',
    '$id',
    '$ref',
    '$anchor',
    '$schema',
  ].map((keyword) => (text: string) => ({ [keyword]: text })),
  ...['$dynamicRef', '$dynamicAnchor', 'contentEncoding', 'contentMediaType'].map(
    (keyword) => (text: string) => ({ [keyword]: text }),
  ),
  ...['const', 'default', 'minimum', 'minLength', 'multipleOf', 'uniqueItems', 'maxItems'].map(
    (keyword) => (text: string) => ({ [keyword]: text }),
  ),
  (text) => ({ enum: [text, named(text, text)] }),
  (text) => ({ examples: [text] }),
  (text) => ({ const: named(text, [text]) }),
  (text) => ({
    $defs: named(text, { type: 'string' }),
    $ref: `#/$defs/${text.replaceAll('~', '~0').replaceAll('/', '~1')}`,
  }),
  (text) => ({
    $defs: named(text, { type: 'string' }),
    $ref: `#/$defs/${encodeURIComponent(text.toWellFormed())}`,
  }),
  (text) => named(text, 1),
  (text) => ({ '~refine': [{ check: text, error: text }] }),
  (text) => ({ anyOf: [named(text, text), { const: text }] }),
]

const schemas = [
  ...TEXTS.flatMap((text) => PLACES.map((place) => place(text))),
  ...OBJECTS.flatMap((object) =>
    ['const', 'default', 'type', 'pattern', 'minLength', 'minimum', 'required', '$id', '$ref'].map(
      (keyword) => ({
        [keyword]: object,
      }),
    ),
  ),
]

test('nothing in a schema is ever run', () => {
  expect(schemas.length).toBeGreaterThanOrEqual(900)
  const globals = globalThis as { __schema_ran?: number }
  let compiled = 0
  for (const schema of schemas)
    try {
      const admitted = admitSchema(schema)
      const { check, errors } = compileSchema(admitted)
      compiled++
      for (const payload of [...TEXTS.map((text) => named(text, text)), TEXTS[0], [TEXTS[1]], ...OBJECTS, 1])
        if (!check(payload)) errors(payload)
      exampleOf(admitted.schema, check)
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown
    }
  expect(compiled).toBeGreaterThan(400)
  expect(globals.__schema_ran).toBeUndefined()
  expect(Object.keys(Object.prototype)).toEqual([])
})

import fc from 'fast-check'
import type { JsonSchema } from '../../../src/core/protocol/json-schema.ts'

/** Few names and constants, so that values fit schemas often. */
const name = fc.constantFrom('a', 'b', 'kind')
const constant = fc.constantFrom<unknown>('x', 'y', 1, null, true, [], {})
const type = fc.constantFrom(
  'object',
  'object',
  'object',
  'array',
  'string',
  'number',
  'integer',
  'boolean',
  'null',
)

/** Schemas of the keywords that say something about types, put together anyhow. */
export const someSchema: fc.Arbitrary<JsonSchema> = fc.letrec<{ schema: JsonSchema }>((tie) => {
  const schema = tie('schema')
  const few = fc.array(schema, { minLength: 1, maxLength: 3 })
  const members = fc.dictionary(name, schema, { maxKeys: 3 })
  const keywords = fc.record<Record<string, unknown>>(
    {
      type: fc.oneof({ weight: 4, arbitrary: type }, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })),
      properties: members,
      required: fc.uniqueArray(name, { maxLength: 2 }),
      additionalProperties: fc.oneof(fc.boolean(), schema),
    },
    { requiredKeys: [] },
  )
  const lists = fc.record<Record<string, unknown>>(
    { prefixItems: few, items: schema, minItems: fc.nat({ max: 2 }), type: fc.constant('array') },
    { requiredKeys: [] },
  )
  const combined = fc
    .tuple(keywords, fc.record({ anyOf: few, oneOf: few, allOf: few }, { requiredKeys: [] }))
    .map(([one, other]) => ({ ...one, ...other }))
  const patterns = fc.record({
    type: fc.constant('object'),
    patternProperties: members,
    additionalProperties: schema,
  })
  return {
    schema: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 1, arbitrary: fc.constant<JsonSchema>(true) },
      { weight: 1, arbitrary: constant.map((one): JsonSchema => ({ const: one })) },
      {
        weight: 1,
        arbitrary: fc
          .array(constant, { minLength: 1, maxLength: 3 })
          .map((one): JsonSchema => ({ enum: one })),
      },
      { weight: 2, arbitrary: type.map((one): JsonSchema => ({ type: one })) },
      { weight: 4, arbitrary: keywords },
      { weight: 2, arbitrary: lists },
      { weight: 3, arbitrary: combined },
      { weight: 1, arbitrary: patterns },
    ),
  }
}).schema

/** Values of the same names and constants. */
export const someValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 3, arbitrary: constant },
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    {
      weight: 5,
      arbitrary: fc.dictionary(fc.constantFrom('a', 'b', 'kind', 'more'), tie('value'), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
    },
  ),
})).value

import fc from 'fast-check'

const NAMES = ['a', 'b', 'kind', 'toString', '__proto__', 'x y']
const name = fc.constantFrom(...NAMES)
const small = fc.nat(4)

/** JSON values of few kinds and names, so that schemas and payloads meet. */
export const payload: fc.Arbitrary<unknown> = fc
  .letrec((tie) => ({
    scalar: fc.constantFrom(null, true, false, 0, 1, 2, 3.5, -1, '', 'a', 'ab', 'request', '😀'),
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 3 },
      tie('scalar'),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(name, tie('value'), { maxKeys: 4 }),
    ),
  }))
  .value.map((value) => JSON.parse(JSON.stringify(value)))

/** Schemas of 2020-12 without references, with all keywords that are checked. */
export const schema: fc.Arbitrary<unknown> = fc.letrec((tie) => {
  const one = tie('schema')
  const map = fc.dictionary(name, one, { maxKeys: 3 })
  const some = fc.array(one, { minLength: 1, maxLength: 3 })
  const keywords = fc.record(
    {
      type: fc.oneof(
        fc.constantFrom('object', 'array', 'string', 'number', 'integer', 'boolean', 'null'),
        fc.constant(['object', 'string']),
      ),
      enum: fc.array(payload, { minLength: 1, maxLength: 3 }),
      const: payload,
      minLength: small,
      maxLength: small,
      pattern: fc.constantFrom('^a', 'a+b', '^[a-z]{1,3}$', '(ab)*$'),
      minimum: small,
      exclusiveMaximum: small,
      multipleOf: fc.constantFrom(1, 2, 0.5),
      properties: map,
      required: fc.uniqueArray(name, { maxLength: 2 }),
      additionalProperties: one,
      patternProperties: fc.dictionary(fc.constantFrom('^a', 'o', '^x y$', '(t|k)+'), one, { maxKeys: 2 }),
      propertyNames: fc.constantFrom<unknown>({ maxLength: 4 }, { pattern: '^[a-z]+$' }, true),
      minProperties: fc.nat(2),
      maxProperties: small,
      dependentRequired: fc.dictionary(name, fc.uniqueArray(name, { maxLength: 2 }), { maxKeys: 2 }),
      dependentSchemas: map,
      prefixItems: some,
      items: one,
      contains: one,
      minContains: fc.nat(2),
      maxContains: small,
      uniqueItems: fc.boolean(),
      minItems: fc.nat(3),
      allOf: some,
      anyOf: some,
      oneOf: some,
      not: one,
      if: one,
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema; nothing awaits it.
      then: one,
      else: one,
      unevaluatedProperties: one,
      unevaluatedItems: one,
      default: payload,
    },
    { requiredKeys: [] },
  )
  const few = fc
    .tuple(keywords, fc.uniqueArray(fc.nat(40), { maxLength: 4 }))
    .map(([all, at]) => Object.fromEntries(Object.entries(all).filter((_, index) => at.includes(index % 12))))
  return { schema: fc.oneof({ depthSize: 'small', maxDepth: 3 }, fc.boolean(), few) }
}).schema

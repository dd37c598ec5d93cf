import { describe, expect, test } from 'bun:test'
import { admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { SCHEMA_BOUNDS } from '../../../../src/core/protocol/schema/bounds.ts'
import { compileSchema } from '../../../../src/core/protocol/schema/checker.ts'
import { refusalOf } from './refused.ts'

const DRAFT_07 = 'http://json-schema.org/draft-07/schema#'
const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema'

describe('a keyword of the wrong type is refused, where it stands', () => {
  test.each([
    [{ type: 'strng' }, '/schema/type'],
    [{ type: 7 }, '/schema/type'],
    [{ type: [] }, '/schema/type'],
    [{ type: ['string', 'string'] }, '/schema/type'],
    [{ properties: { 'a/b': { minLength: '5' } } }, '/schema/properties/a~1b/minLength'],
    [{ minLength: -1 }, '/schema/minLength'],
    [{ maxItems: 1.5 }, '/schema/maxItems'],
    [{ required: 'a' }, '/schema/required'],
    [{ properties: { a: { required: true } } }, '/schema/properties/a/required'],
    [{ required: ['a', 'a'] }, '/schema/required'],
    [{ enum: 'a' }, '/schema/enum'],
    [{ multipleOf: 0 }, '/schema/multipleOf'],
    [{ exclusiveMinimum: true }, '/schema/exclusiveMinimum'],
    [{ uniqueItems: 'yes' }, '/schema/uniqueItems'],
    [{ title: 3 }, '/schema/title'],
    [{ pattern: 3 }, '/schema/pattern'],
    [{ properties: [] }, '/schema/properties'],
    [{ properties: { a: 'text' } }, '/schema/properties/a'],
    [{ items: [{}] }, '/schema/items'],
    [{ items: 'string' }, '/schema/items'],
    [{ allOf: [] }, '/schema/allOf'],
    [{ anyOf: {} }, '/schema/anyOf'],
    [{ oneOf: [1] }, '/schema/oneOf/0'],
    [{ not: null }, '/schema/not'],
    [{ $ref: 3 }, '/schema/$ref'],
    [{ $anchor: '1a' }, '/schema/$anchor'],
    [{ $vocabulary: [] }, '/schema/$vocabulary'],
    [{ examples: {} }, '/schema/examples'],
    [{ dependentRequired: { a: 'b' } }, '/schema/dependentRequired/a'],
    [{ dependentSchemas: { a: ['b'] } }, '/schema/dependentSchemas/a'],
    [{ $schema: DRAFT_07, dependencies: { a: ['b', 'b'] } }, '/schema/dependencies/a'],
    [{ $schema: DRAFT_07, dependencies: { a: 1 } }, '/schema/dependencies/a'],
    [{ $schema: DRAFT_07, items: [1] }, '/schema/items/0'],
    [{ $defs: { unused: { type: 'strng' } } }, '/schema/$defs/unused/type'],
  ])('%j', (schema, field) => {
    expect(refusalOf(schema)).toMatchObject({ code: 'schema_invalid', field })
  })

  test.each([
    [{ items: [{}] }, 'prefixItems'],
    [{ properties: { a: { required: true } } }, 'object around'],
    [{ exclusiveMinimum: true }, 'bound itself'],
    [{ maxLength: 2 ** 31 }, 'Leave maxLength out'],
  ])('%j comes with the fix', (schema, fix) => {
    expect(refusalOf(schema).next).toContain(fix)
  })
})

test('only an object, true or false is a schema', () => {
  for (const schema of [null, 'text', 3, [], undefined])
    expect(refusalOf(schema)).toMatchObject({ code: 'schema_invalid', field: '/schema' })
})

test('what JSON does not have is refused where it stands', () => {
  for (const value of [undefined, Number.NaN, 1n, new Date(0), () => 1])
    expect(refusalOf({ const: { a: value } })).toMatchObject({ field: '/schema/const/a', rule: 'json' })
})

test('a count that the validator would wrap is refused, the greatest one before it works', () => {
  expect(refusalOf({ minLength: 2 ** 31 }).rule).toBe('minLength')
  const { check } = compileSchema(admitSchema({ minLength: 2 ** 28 }))
  expect(check('')).toBe(false)
  expect(compileSchema(admitSchema({ maxLength: 2 ** 28 })).check('')).toBe(true)
  expect(compileSchema(admitSchema({ maximum: 2 ** 53 })).check(2 ** 40)).toBe(true)
})

describe('dialects', () => {
  test.each([
    [{}, '2020-12'],
    [true, '2020-12'],
    [{ $schema: DRAFT_2020 }, '2020-12'],
    [{ $schema: `${DRAFT_2020}#` }, '2020-12'],
    [{ $schema: DRAFT_07 }, 'draft-07'],
    [{ $schema: DRAFT_07.slice(0, -1) }, 'draft-07'],
  ])('%j is of %p', (schema, dialect) => {
    expect(admitSchema(schema).dialect).toBe(dialect as '2020-12')
  })

  test.each([
    'http://json-schema.org/draft-04/schema#',
    'https://json-schema.org/draft/2019-09/schema',
    'x',
    3,
  ])('%j is refused', ($schema) => {
    expect(refusalOf({ $schema })).toMatchObject({ field: '/schema/$schema', rule: '$schema' })
  })

  test('a part is of the dialect of the root', () => {
    const schema = { $defs: { a: { $id: 'a', $schema: DRAFT_07 } } }
    expect(refusalOf(schema)).toMatchObject({ field: '/schema/$defs/a/$schema', rule: '$schema' })
  })

  test('keywords of the other dialect have no effect, and a warning says so', () => {
    const old = admitSchema({ $schema: DRAFT_07, minContains: 2, contains: true, $anchor: 'a' })
    expect(compileSchema(old).check([1])).toBe(true)
    expect(old.warnings.join()).toMatch(/minContains has no effect.*\$anchor has no effect/)
    const young = admitSchema({ dependencies: { a: ['b'] } })
    expect(compileSchema(young).check({ a: 1 })).toBe(true)
    expect(young.warnings.join()).toMatch(/dependencies has no effect.*use dependentRequired or/)
  })

  test('the lists of items of draft-07', () => {
    const { check } = compileSchema(
      admitSchema({ $schema: DRAFT_07, items: [{ type: 'string' }], additionalItems: { type: 'number' } }),
    )
    expect([['a'], ['a', 1], [], [1], ['a', 'b']].map(check)).toEqual([true, true, true, false, false])
  })

  test('what stands beside a $ref of draft-07 has no effect, and a warning says so', () => {
    const schema = { $schema: DRAFT_07, properties: { a: { $ref: '#/definitions/a', maxLength: 1 } } }
    const admitted = admitSchema({ ...schema, definitions: { a: { type: 'string' } } })
    expect(compileSchema(admitted).check({ a: 'long' })).toBe(true)
    expect(admitted.warnings).toEqual([
      'At /properties/a: maxLength beside $ref has no effect in draft-07; use allOf.',
    ])
  })
})

describe('warnings', () => {
  test('an unknown keyword, with the nearest known one', () => {
    expect(admitSchema({ properties: { a: { requried: ['b'], colour: 1, 'x-note': 1 } } }).warnings).toEqual([
      'At /properties/a: "requried" has no effect, since it is no keyword of 2020-12; did you mean required?',
      'At /properties/a: "colour" has no effect, since it is no keyword of 2020-12.',
    ])
  })

  test('a format, which is not asserted', () => {
    const admitted = admitSchema({ format: 'email' })
    expect(admitted.warnings).toEqual(['format documents and is not checked; pattern is.'])
    expect(compileSchema(admitted).check('no address')).toBe(true)
  })

  test('an empty enum, which lets nothing pass', () => {
    const admitted = admitSchema({ enum: [] })
    expect(admitted.warnings).toHaveLength(1)
    expect(compileSchema(admitted).check(1)).toBe(false)
  })

  test('there are not too many', () => {
    const schema = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`unknown${at}`, 1]))
    expect(admitSchema(schema).warnings).toHaveLength(20)
  })
})

describe('references', () => {
  test.each([
    [{ $ref: '#/$defs/usr' }, 'Did you mean "#/$defs/user"?'],
    [{ $ref: '#usr' }, 'Did you mean "#user"?'],
    [{ $ref: '#/title' }, 'Correct the reference'],
    [{ $ref: '#/$defs/user/deeper/still' }, 'Correct the reference'],
    [{ $ref: 'https://example.com/user.json' }, 'nothing is fetched'],
    [{ $ref: 'user.json' }, 'nothing is fetched'],
    [{ $ref: 'file:///etc/passwd' }, 'nothing is fetched'],
    [{ $ref: '#%zz' }, 'Write a place in this schema'],
    [{ $dynamicRef: '#usr' }, 'Did you mean "#user"?'],
  ])('%j is refused by name', (reference, next) => {
    const keyword = Object.keys(reference)[0]!
    const $defs = { user: { $anchor: 'user', properties: { a: reference } } }
    const refusal = refusalOf({ title: 'T', $defs })
    expect(refusal).toMatchObject({
      code: 'schema_invalid',
      field: `/schema/$defs/user/properties/a/${keyword}`,
    })
    expect(refusal.next).toContain(next)
    expect(refusal.detail).toContain(Object.values(reference)[0]!)
  })

  test.each([
    ['the same $id twice', { $defs: { a: { $id: 'a' }, b: { $id: 'a' } } }, '/schema/$defs/b/$id'],
    ['the same anchor twice', { $defs: { a: { $anchor: 'a' }, b: { $anchor: 'a' } } }, '/schema/$defs/b'],
    ['an $id with a fragment', { $defs: { a: { $id: 'a#b' } } }, '/schema/$defs/a/$id'],
  ])('%s is refused', (_, schema, field) => {
    expect(refusalOf(schema)).toMatchObject({ code: 'schema_invalid', field })
  })

  test('a place that no keyword makes a schema may be referred to', () => {
    const schema = { components: { 'a b': { type: 'string' } }, $ref: '#/components/a%20b' }
    expect([1, 'a'].map(compileSchema(admitSchema(schema)).check)).toEqual([false, true])
    expect(refusalOf({ components: { a: { type: 'strng' } }, $ref: '#/components/a' }).field).toBe(
      '/schema/components/a/type',
    )
  })

  test('all kinds of reference inside a document', () => {
    const schema = {
      $id: 'https://example.com/root',
      properties: {
        pointer: { $ref: '#/$defs/text' },
        anchor: { $ref: '#word' },
        relative: { $ref: 'inner.json' },
        absolute: { $ref: 'https://example.com/inner.json#/$defs/small' },
        nothing: { $ref: '#/$defs/never' },
        all: { $ref: '#/$defs/always' },
        tree: { $ref: '#' },
      },
      $defs: {
        text: { $anchor: 'word', type: 'string' },
        inner: { $id: 'inner.json', type: 'array', $defs: { small: { maximum: 3 } } },
        never: false,
        always: true,
      },
    }
    const { check } = compileSchema(admitSchema(schema))
    const right = { pointer: 'a', anchor: 'a', relative: [], absolute: 3, all: 1, tree: { tree: {} } }
    expect(check(right)).toBe(true)
    for (const wrong of [{ pointer: 1 }, { anchor: 1 }, { relative: 1 }, { absolute: 4 }, { nothing: 1 }])
      expect(check({ tree: wrong })).toBe(false)
  })

  test.each([
    ['https://json-schema.org/draft/2020-12/schema', { type: ['string'] }, { type: 'strng' }],
    ['http://json-schema.org/draft-07/schema#', { items: [true] }, { items: 1 }],
    ['https://json-schema.org/draft/2020-12/meta/validation', { maxLength: 1 }, { maxLength: -1 }],
    ['http://json-schema.org/draft-07/schema#/definitions/nonNegativeInteger', 1, -1],
  ])('the metaschema %s', ($ref, right, wrong) => {
    const { check } = compileSchema(admitSchema({ properties: { schema: { $ref } } }))
    expect([right, wrong].map((schema) => check({ schema }))).toEqual([true, false])
  })

  test('a dynamic reference is bound to the outermost anchor', () => {
    const tree = { $id: 'tree', $dynamicAnchor: 'node', properties: { inner: { $dynamicRef: '#node' } } }
    const strict = { $id: 'strict', $dynamicAnchor: 'node', $ref: 'tree', unevaluatedProperties: false }
    const { check } = compileSchema(admitSchema({ ...strict, $defs: { tree } }))
    expect([{ inner: {} }, { inner: { other: 1 } }].map(check)).toEqual([true, false])
    expect(compileSchema(admitSchema(tree)).check({ inner: { other: 1 } })).toBe(true)
  })

  test.each([
    ['a loop', { $ref: '#' }],
    ['a pair', { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }],
    ...['allOf', 'anyOf', 'oneOf'].map((keyword) => [keyword, { [keyword]: [{ $ref: '#' }] }] as const),
    ...['not', 'if'].map((keyword) => [keyword, { [keyword]: { $ref: '#' } }] as const),
    ...['then', 'else'].map((keyword) => [keyword, { if: true, [keyword]: { $ref: '#' } }] as const),
    ['dependentSchemas', { dependentSchemas: { a: { $ref: '#' } } }],
    ['dependencies', { $schema: DRAFT_07, dependencies: { a: { $ref: '#' } } }],
    ['a dynamic loop', { $dynamicAnchor: 'a', allOf: [{ $dynamicRef: '#a' }] }],
    [
      'far inside',
      { properties: { a: { $ref: '#/$defs/a' } }, $defs: { a: { not: { $ref: '#/$defs/a' } } } },
    ],
  ])('a cycle without a step into the payload is refused: %s', (_, schema) => {
    expect(refusalOf(schema)).toMatchObject({ code: 'schema_invalid', rule: 'cycle' })
  })

  test('a cycle with a step into the payload is no fault', () => {
    for (const keyword of ['items', 'additionalProperties', 'contains', 'propertyNames'])
      expect(compileSchema(admitSchema({ [keyword]: { $ref: '#' } })).check({})).toBe(true)
  })
})

describe('patterns', () => {
  test.each([
    [{ properties: { a: { pattern: '^\\-$' } } }, '/schema/properties/a/pattern', 'without the backslash'],
    [{ pattern: '(?=a)b' }, '/schema/pattern', 'allOf'],
    [{ patternProperties: { '(a)\\1': {} } }, '/schema/patternProperties/(a)\\1', 'alternatives'],
    [{ propertyNames: { pattern: 'a{2000}' } }, '/schema/propertyNames/pattern', 'maxLength'],
  ])('%j is refused with the fix', (schema, field, fix) => {
    const refusal = refusalOf(schema)
    expect(refusal).toMatchObject({ code: 'pattern_refused', field, rule: 'pattern' })
    expect(refusal.next).toContain(fix)
  })

  test('all together may not be too large', () => {
    const anyOf = Array.from({ length: 100 }, (_, at) => ({ pattern: `(a|b)*a(a|b){${at + 100}}c` }))
    expect(refusalOf({ anyOf })).toMatchObject({ code: 'schema_too_large', bound: 'pattern_size_max' })
  })
})

test('smaller bounds hold as well', () => {
  const small = { ...SCHEMA_BOUNDS, enum_max: 2, pattern_chars_max: 3, repeat_max: 4 }
  expect(refusalOf({ enum: [1, 2, 3] }, small).bound).toBe('enum_max')
  expect(refusalOf({ pattern: '^abc' }, small).bound).toBe('pattern_chars_max')
  expect(refusalOf({ patternProperties: { '^abc': {} } }, small).bound).toBe('pattern_chars_max')
  expect(refusalOf({ pattern: '.{9}' }, { ...small, pattern_chars_max: 9 }).code).toBe('pattern_refused')
  expect(refusalOf({ const: 'é'.repeat(20) }, { ...SCHEMA_BOUNDS, bytes_max: 40 }).bound).toBe('bytes_max')
})

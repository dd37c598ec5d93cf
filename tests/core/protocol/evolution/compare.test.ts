import { describe, expect, test } from 'bun:test'
import { compareSchemas } from '../../../../src/core/protocol/evolution/compare.ts'
import type { JsonSchema, SchemaObject } from '../../../../src/core/protocol/json-schema.ts'
import { checkOf, compare } from './schemas.ts'

const TEXT = { type: 'string' }
const WHOLE = { type: 'integer' }

describe('optional, defaulted and required members, added and removed', () => {
  const member = { optional: TEXT, defaulted: { ...TEXT, default: 'x' }, required: TEXT }
  const rows = (['optional', 'defaulted', 'required'] as const).flatMap((kind) =>
    [true, false].flatMap((open) => ['added', 'removed'].map((step) => [kind, open, step] as const)),
  )

  test.each(rows)('%s, open %p, %s', (kind, open, step) => {
    const base = { type: 'object', properties: { a: TEXT }, additionalProperties: open }
    const more = {
      ...base,
      properties: { a: TEXT, b: member[kind] },
      ...(kind === 'required' ? { required: ['b'] } : {}),
    }
    const { relation, strict_relation } = step === 'added' ? compare(base, more) : compare(more, base)
    // Readers of the larger version, of what writers of the smaller send, and the other way round.
    const turned = (larger: boolean, smaller: boolean) => {
      const [backward, forward] = step === 'added' ? [larger, smaller] : [smaller, larger]
      return backward ? (forward ? 'full' : 'backward') : forward ? 'forward' : 'breaking'
    }
    expect(relation).toBe(turned(kind !== 'required', open))
    expect(strict_relation).toBe(turned(kind !== 'required' && !open, open))
  })
})

describe('a reason', () => {
  test('has what both versions say, a payload and a sentence', () => {
    const older = { type: 'object', properties: { size: { ...WHOLE, maximum: 10 } } }
    const newer = { type: 'object', properties: { size: { ...WHOLE, maximum: 5 } } }
    expect(compare(older, newer).reasons).toEqual([
      {
        direction: 'backward',
        rule: 'maximum',
        path: '/size',
        old: 10,
        new: 5,
        witness: { payload: { size: 10 } },
        sentence:
          'At /size the new version has maximum 5, and the old version has 10: ' +
          'new readers refuse some old messages.',
      },
    ])
    const [reason] = compare(newer, older).reasons
    expect(reason).toMatchObject({ direction: 'forward', old: 5, new: 10 })
    expect(reason?.sentence).toEndWith('the new version has 10: old readers refuse some new messages.')
  })

  test('of what is required only names what the other side has', () => {
    const older = { type: 'object', properties: { a: TEXT } }
    const both = compare(older, { ...older, required: ['a', 'b'] }).reasons
    expect(both.map(({ path, old, new: now }) => [path, old, now])).toEqual([
      ['/a', 'optional', 'required'],
      ['/b', undefined, 'required'],
    ])
    expect(both[1]).not.toHaveProperty('old')
  })

  test('has a path that is a JSON pointer, with * for any item or name', () => {
    const schema = (value: JsonSchema) => ({
      type: 'object',
      properties: { 'a/b~c': { type: 'array', items: { type: 'object', additionalProperties: value } } },
    })
    const [reason] = compare(schema(TEXT), schema(WHOLE)).reasons
    expect(reason).toMatchObject({ path: '/a~1b~0c/*/*', rule: 'type' })
    expect(checkOf(schema(TEXT))(reason?.witness?.payload)).toBe(true)
  })

  test('does not use names that the writer leaves undeclared, unless it is read strictly', () => {
    const older = { type: 'object', properties: { a: TEXT } }
    const newer = { type: 'object', properties: { a: { ...TEXT, maxLength: 3 }, b: WHOLE } }
    const { reasons, strict_reasons } = compare(older, newer)
    expect(reasons.flatMap(({ witness }) => Object.keys(witness?.payload as object))).toEqual(['a'])
    expect(strict_reasons.map(({ path, witness }) => [path, witness])).toEqual([
      ['/b', { payload: { b: null } }],
    ])
  })

  test('of a difference that no payload can show is not decidable', () => {
    const newer = { type: 'object', properties: { a: WHOLE } }
    const older = { type: 'object', properties: { a: TEXT } }
    const wrong = { older: () => false, newer: checkOf(newer) }
    expect(
      compareSchemas(older, newer, wrong).reasons.map(({ rule, direction }) => [direction, rule]),
    ).toEqual([
      ['backward', 'not_decidable'],
      ['forward', 'type'],
    ])
  })

  test('is not shown by a payload that is refused for something else', () => {
    const older = { type: 'object', properties: { a: { ...TEXT, pattern: '^a+$' } } }
    const newer = { type: 'object', properties: { a: { ...TEXT, pattern: '^(a|aa)+$' } }, required: ['b'] }
    const backward = compare(older, newer).reasons.filter(({ direction }) => direction === 'backward')
    expect(backward.map(({ rule, path }) => `${rule} ${path}`)).toEqual(['required /b', 'not_decidable /a'])
  })

  test('is not shown by a payload with names that the writer leaves undeclared', () => {
    const older = { type: 'object', properties: { a: WHOLE } }
    const newer = { ...older, not: { properties: { z: TEXT }, minProperties: 2 } }
    const { reasons, strict_reasons } = compare(older, newer)
    expect(reasons.map(({ rule }) => rule)).toEqual(['not_decidable'])
    expect(strict_reasons.map(({ rule }) => rule)).toEqual(['not'])
  })

  test('is not decidable either if the checks give up', () => {
    const gives_up = () => {
      throw new RangeError('too deep')
    }
    const { relation, reasons } = compareSchemas(TEXT, WHOLE, { older: gives_up, newer: gives_up })
    expect(relation).toBe('breaking')
    expect(reasons.map(({ rule }) => rule)).toEqual(['not_decidable', 'not_decidable'])
  })

  test('has a payload also under the names of Object.prototype', () => {
    const schema = (value: JsonSchema): SchemaObject => {
      const text = JSON.stringify(value)
      const properties = JSON.parse(`{"constructor":${text},"__proto__":${text}}`)
      return { type: 'object', required: ['constructor'], properties }
    }
    const { relation, reasons } = compare(schema(TEXT), schema({ ...TEXT, maxLength: 2 }))
    expect(relation).toBe('forward')
    expect(reasons.map(({ path }) => path).sort()).toEqual(['/__proto__', '/constructor'])
  })
})

test('a branch may take a member for evaluated that only its neighbours evaluate', () => {
  const older = {
    type: 'object',
    additionalProperties: TEXT,
    if: { type: 'string' },
    else: { properties: { a: TEXT }, unevaluatedProperties: false },
  }
  const open = { type: 'object', additionalProperties: true, if: older.if, else: older.else }
  const bare = { type: 'object', if: older.if, else: older.else }
  expect(compare(open, bare).strict_relation).not.toBe('full')
  expect(compare(bare, open).strict_relation).not.toBe('full')
  // By the letter it is refused; the engine accepts it, and a writer is taken for more than it is.
  expect(checkOf(older)({ x: '1' })).toBe(true)
  const { reasons } = compare(older, { type: 'object', properties: { a: TEXT, x: WHOLE } })
  expect(reasons.map(({ direction, rule, path }) => `${direction} ${rule} ${path}`)).toContain(
    'backward type /x',
  )
})

describe('references', () => {
  const tree = (value: JsonSchema): SchemaObject => ({
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: { value, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
        additionalProperties: false,
      },
    },
  })

  test('that lead back are followed once', () => {
    expect(compare(tree(WHOLE), tree({ type: 'number' })).relation).toBe('backward')
    expect(compare(tree(WHOLE), tree({ ...WHOLE, title: 'a number' })).strict_relation).toBe('full')
  })

  test('do not carry over what was only taken for granted', () => {
    const schema = (value: JsonSchema, first: JsonSchema, second: JsonSchema): SchemaObject => ({
      type: 'object',
      properties: { first, second },
      $defs: {
        out: { type: 'object', properties: { back: { $ref: '#/$defs/in' } } },
        in: { type: 'object', properties: { out: { $ref: '#/$defs/out' }, value } },
      },
    })
    const [into, out] = [{ $ref: '#/$defs/in' }, { $ref: '#/$defs/out' }]
    // The first member comes upon `out` within `in`, which fails later, and then finds another branch.
    const older = schema(TEXT, out, { allOf: [into, { properties: { value: false } }] })
    const { reasons } = compare(older, schema(WHOLE, { anyOf: [out, true] }, into))
    expect(reasons.map(({ direction, path }) => `${direction} ${path}`)).toContain(
      'backward /second/out/back/value',
    )
  })

  test('are the same only if what they lead to is', () => {
    const schema = (part: JsonSchema): SchemaObject => ({
      type: 'object',
      properties: { a: { not: { $ref: '#/$defs/part' } } },
      $defs: { part },
    })
    expect(compare(schema(TEXT), schema({ ...TEXT, title: 'x' })).relation).toBe('full')
    expect(compare(schema(TEXT), schema(WHOLE)).relation).toBe('breaking')
  })

  test.each<[string, (part: JsonSchema) => SchemaObject]>([
    ['a definition', (part) => ({ $ref: '#/definitions/p', definitions: { p: part } })],
    ['an anchor', (part) => ({ $ref: '#p', $defs: { any: { ...(part as SchemaObject), $anchor: 'p' } } })],
    [
      'a relative id',
      (part) => ({
        $id: 'https://example.com/root.json',
        $ref: 'part.json',
        $defs: { any: { ...(part as SchemaObject), $id: 'https://example.com/part.json' } },
      }),
    ],
    [
      'a pointer within another resource',
      (part) => ({
        $id: 'https://example.com/root.json',
        $ref: 'more/other.json#/$defs/a~1b%25',
        $defs: { any: { $id: 'more/other.json', $defs: { 'a/b%': part } } },
      }),
    ],
    [
      'a pointer relative to the resource that it stands in',
      (part) => ({
        allOf: [{ $ref: 'urn:example:inner' }],
        $defs: { any: { $id: 'urn:example:inner', $ref: '#/$defs/p', $defs: { p: part } }, p: true },
      }),
    ],
    [
      'an id that is an anchor, as in draft-07',
      (part) => ({
        $schema: 'http://json-schema.org/draft-07/schema#',
        allOf: [{ $ref: '#p' }],
        definitions: { any: { ...(part as SchemaObject), $id: '#p' } },
      }),
    ],
    ['a place that is no keyword', (part) => ({ $ref: '#/x-parts/p', 'x-parts': { p: part } })],
  ])('lead to %s', (_, schema) => {
    expect(compare(schema(WHOLE), schema({ type: 'number' })).relation).toBe('backward')
    expect(compare(schema(TEXT), TEXT).relation).toBe('full')
  })

  test('stand alone in draft-07, and not in 2020-12', () => {
    const schema = ($schema: string) => ({
      $schema,
      $ref: '#/definitions/p',
      maxLength: 2,
      definitions: { p: TEXT },
    })
    const seven = schema('http://json-schema.org/draft-07/schema#')
    const dropped = { ...seven, maxLength: undefined }
    expect(compareSchemas(seven, TEXT, { older: checkOf(dropped), newer: checkOf(TEXT) }).relation).toBe(
      'full',
    )
    expect(compare(schema('https://json-schema.org/draft/2020-12/schema'), TEXT).relation).toBe('backward')
  })

  test('that lead nowhere, or depend on the way, decide nothing', () => {
    const away = { $ref: 'https://example.com/other.json' }
    const nothing = { older: () => true, newer: () => true }
    expect(compareSchemas(away, TEXT, nothing).reasons.map(({ rule }) => rule)).toContain('not_decidable')
    const dynamic = { $dynamicRef: '#n', $defs: { n: { $dynamicAnchor: 'n', type: 'string' } } }
    expect(compare(dynamic, structuredClone(dynamic)).relation).toBe('full')
    const holder = (type: string) => ({
      properties: { a: { $dynamicRef: '#n' } },
      $defs: { n: { $dynamicAnchor: 'n', type } },
    })
    expect(compare(holder('string'), holder('integer')).relation).toBe('breaking')
    const { relation, reasons } = compare(dynamic, { ...dynamic, type: 'string' })
    expect(relation).toBe('breaking')
    expect(new Set(reasons.map(({ rule }) => rule))).toEqual(new Set(['not_decidable']))
  })
})

describe('a schema made to take long', () => {
  const many = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => make(index))
  const named = (count: number, make: (index: number) => unknown): SchemaObject =>
    Object.fromEntries(many(count, (index) => [`p${index}`, make(index)]))
  const laughs = (keyword: string, last: JsonSchema): SchemaObject => ({
    $ref: '#/$defs/d0',
    $defs: {
      ...Object.fromEntries(
        many(25, (at) => [`d${at}`, { [keyword]: many(2, () => ({ $ref: `#/$defs/d${at + 1}` })) }]),
      ),
      d25: last,
    },
  })
  const descending = (last: JsonSchema): SchemaObject => ({
    $ref: '#/$defs/n',
    $defs: {
      n: {
        anyOf: many(3, (at) => ({
          type: 'object',
          properties: { l: { $ref: '#/$defs/n' }, [`m${at}`]: last },
          additionalProperties: false,
        })),
      },
    },
  })
  const nested = (depth: number, wrap: (inner: JsonSchema) => JsonSchema, last: JsonSchema): JsonSchema =>
    depth === 0 ? last : wrap(nested(depth - 1, wrap, last))

  test.each<[string, (last: JsonSchema) => JsonSchema]>([
    ['500 members', (last) => ({ type: 'object', properties: named(500, () => last) })],
    [
      '500 required',
      (last) => ({
        type: 'object',
        required: Object.keys(named(500, () => 0)),
        properties: named(500, () => last),
      }),
    ],
    [
      '3,000 required',
      (last) => ({ type: 'object', required: many(3000, (at) => `${JSON.stringify(last).length}${at}`) }),
    ],
    ['doubling by allOf', (last) => laughs('allOf', last)],
    ['doubling by anyOf', (last) => laughs('anyOf', last)],
    ['doubling by not', (last) => nested(8, (inner) => ({ not: { anyOf: [inner, inner] } }), last)],
    ['branches that all descend', descending],
    [
      'products of branches',
      (last) => ({
        allOf: many(8, (at) => ({
          anyOf: many(8, (value) => ({ properties: { [`p${at}`]: { enum: [value, last] } } })),
        })),
      }),
    ],
    [
      '100 kinds',
      (last) => ({
        type: 'object',
        oneOf: many(100, (at) => ({ properties: { kind: { const: at }, v: last }, required: ['kind'] })),
      }),
    ],
    ['1,000 objects in an enum', (last) => ({ enum: many(1000, (at) => ({ at, last })) })],
    ['200 patterns of names', (last) => ({ type: 'object', patternProperties: named(200, () => last) })],
    [
      '100 dependencies',
      (last) => ({
        type: 'object',
        dependentSchemas: named(100, (at) => ({ properties: { [`q${at}`]: last } })),
      }),
    ],
    [
      'a chain of dependencies',
      (last) => ({
        type: 'object',
        required: ['p0'],
        properties: { p299: last },
        dependentRequired: named(300, (at) => [`p${at + 1}`]),
      }),
    ],
    [
      'a tree that has to be full',
      (last) =>
        nested(
          7,
          (inner) => ({ type: 'object', required: ['a', 'b'], properties: { a: inner, b: inner } }),
          last,
        ),
    ],
    [
      'arrays of arrays that differ',
      (last) =>
        nested(32, (inner) => ({ type: 'array', minItems: 3, uniqueItems: true, items: inner }), last),
    ],
    ['bounds beyond any payload', (last) => ({ type: 'array', minItems: 2 ** 28, items: last })],
    [
      'a pattern of repeated repeats',
      (last) => ({ allOf: [last], pattern: '^((a{1,900}){1,900}){1,900}$', type: 'string' }),
    ],
    [
      'a pattern that backtracks',
      (last) => ({ type: 'object', patternProperties: { '((((a+)+)+)+)+$': last } }),
    ],
  ])('%s', (_, schema) => {
    const [older, newer] = [schema(TEXT), schema(WHOLE)]
    const start = process.cpuUsage().user
    const { relation, reasons } = compare(older, newer)
    // It takes a tenth of this at most, but other tests may run beside it.
    expect(process.cpuUsage().user - start).toBeLessThan(1_500_000)
    expect(relation).not.toBe('full')
    expect(reasons.length).toBeLessThanOrEqual(64)
    expect(compare(older, structuredClone(older)).strict_relation).toBe('full')
  })

  test('is compared for its bulk where the rest is small', () => {
    const words = (character: string) => ({ ...TEXT, description: character.repeat(60_000) })
    expect(compare(words('x'), words('y')).strict_relation).toBe('full')
  })
})

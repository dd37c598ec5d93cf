import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { BrokerError } from '../../../../src/core/errors.ts'
import { type AdmittedSchema, admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { type Checker, compileSchema } from '../../../../src/core/protocol/schema/checker.ts'
import { findingsOf } from '../../../../src/core/protocol/schema/explain/explain.ts'
import { check as holds } from '../../property.ts'
import { payload, schema as schemas } from './arbitrary-schema.ts'

/** Not as a literal, since objects with it look like promises. */
const THEN = 'then'

const compiled = (schema: unknown): Checker => compileSchema(admitSchema(schema))
const parsed = (text: string): unknown => JSON.parse(text)

describe('names that objects inherit', () => {
  const inherited = Object.getOwnPropertyNames(Object.prototype)

  test.each(inherited)('%s is a name as any other', (name) => {
    const key = JSON.stringify(name)
    const required = compiled({ required: [name] })
    expect(required.check({})).toBe(false)
    expect(required.check(parsed(`{${key}:1}`))).toBe(true)
    const property = compiled(parsed(`{"properties":{${key}:{"type":"string"}}}`))
    expect(property.check({})).toBe(true)
    expect(property.check(parsed(`{${key}:1}`))).toBe(false)
    expect(property.check(parsed(`[{${key}:"a"}]`))).toBe(true)
    const closed = compiled(parsed(`{"properties":{"a":{}},"additionalProperties":false}`))
    expect(closed.check(parsed(`{${key}:1}`))).toBe(false)
    expect(closed.check({ a: 1 })).toBe(true)
    const dependent = compiled(parsed(`{"dependentRequired":{${key}:["b"]}}`))
    expect([dependent.check({}), dependent.check(parsed(`{${key}:1}`))]).toEqual([true, false])
    expect(required.errors({}).errors[0]).toMatchObject({ path: `/${name}`, rule: 'required' })
  })

  test('only schemas that name one have payloads copied', () => {
    expect(admitSchema({ properties: { text: { required: ['a'] } } }).bare).toBe(false)
    expect(admitSchema({ properties: { text: { required: ['toString'] } } }).bare).toBe(true)
    expect(admitSchema({ items: { dependentSchemas: { valueOf: {} } } }).bare).toBe(true)
  })
})

test('names and patterns of an object are judged apart, not as one expression', () => {
  const schema = {
    properties: { 'a|b': {}, '^c$': {}, '\\d': {}, 'line\nend': {}, '\ud800': {} },
    patternProperties: { '^(x)+$': {}, 'f.*o': { type: 'number' }, '^p0$': {} },
    additionalProperties: false,
  }
  const { check } = compiled(schema)
  for (const name of ['a|b', '^c$', '\\d', 'line\nend', '\ud800', 'xx', 'p0'])
    expect(check({ [name]: 1 })).toBe(true)
  for (const name of ['a', 'b', 'c', '1', 'line', 'xy', 'p1']) expect(check({ [name]: 1 })).toBe(false)
  expect([check({ foo: 1 }), check({ foo: 'a' })]).toEqual([true, false])
})

test('for an array, unevaluatedProperties has nothing to say', () => {
  const { check } = compiled({
    allOf: [{ properties: { a: true } }],
    items: { maximum: 3 },
    unevaluatedProperties: false,
  })
  expect([[1], [4], { a: 1 }, { b: 1 }, 'b'].map(check)).toEqual([true, false, true, false, true])
  let schema: object = { unevaluatedProperties: false }
  for (let at = 0; at < 10; at++) schema = { allOf: [schema], unevaluatedProperties: { type: 'string' } }
  expect([[1], { a: 1 }].map(compiled(schema).check)).toEqual([true, false])
})

test('other members are held to additionalProperties, together with propertyNames', () => {
  const { check } = compiled({
    properties: { a: true },
    patternProperties: { '^n': { type: 'number' } },
    additionalProperties: { type: 'string' },
    propertyNames: { maxLength: 2 },
  })
  expect([{ a: 1, n: 1, x: '' }, { n: '' }, { x: 1 }, { xyz: '' }].map(check)).toEqual([
    true,
    false,
    false,
    false,
  ])
  const closed = compiled({
    properties: { abc: true, a: true },
    additionalProperties: false,
    propertyNames: { maxLength: 2 },
  })
  expect([{ a: 1 }, { abc: 1 }, { b: 1 }].map(closed.check)).toEqual([true, false, false])
})

test('512 declared names and a name of 1 MB take no time', () => {
  const properties = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`name${at}`, true]))
  for (const patternProperties of [{}, { '^x-': true, '(a+)+$': true }]) {
    const { check } = compiled({ properties, patternProperties, additionalProperties: false })
    const start = performance.now()
    check({ [`n${'a'.repeat(1_000_000)}!`]: 1 })
    const names = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`x-${at}`, 1]))
    expect(check(names)).toBe('^x-' in patternProperties)
    expect(performance.now() - start).toBeLessThan(1000)
  }
})

test('a closed message costs a fraction of a microsecond', () => {
  const { check } = compiled({
    type: 'object',
    required: ['text'],
    additionalProperties: false,
    properties: {
      text: { type: 'string', minLength: 1, maxLength: 32_768 },
      format: { enum: ['plain', 'markdown'] },
      mentions: { type: 'array', maxItems: 64, items: { type: 'string', maxLength: 128 } },
      data: {},
    },
  })
  const messages = Array.from({ length: 64 }, (_, at) => ({ text: `hello ${at}`, format: 'plain' }))
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 5; run++) {
    const start = performance.now()
    for (let at = 0; at < 100_000; at++) if (!check(messages[at & 63])) throw new Error('it fits')
    least = Math.min(least, (performance.now() - start) / 100)
  }
  expect(least).toBeLessThan(2)
})

describe('what a refused payload is answered', () => {
  test.each([
    [
      'type',
      { type: 'string' },
      3,
      '',
      'string',
      'number',
      'The payload must be of type string; it is a number.',
    ],
    [
      'type',
      { items: { type: ['string', 'null'] } },
      [['secret']],
      '/0',
      'string or null',
      'array of 1 item',
      '/0 must be of type string or null; it is an array of 1 item.',
    ],
    ['const', { const: 'a' }, 'secret', '', '"a"', 'string of 6 characters', ''],
    ['enum', { enum: ['a', 1, null] }, {}, '', '"a", 1 or null', 'object with 0 properties', ''],
    ['minLength', { minLength: 2 }, '😀', '', 'at least 2 characters', 'string of 1 character', ''],
    ['maxLength', { maxLength: 1 }, 'ab', '', 'at most 1 character', 'string of 2 characters', ''],
    ['pattern', { pattern: '^a+$' }, 'b', '', 'text that matches ^a+$', 'string of 1 character', ''],
    [
      'minimum',
      { minimum: 2 },
      1,
      '',
      'at least 2',
      'number',
      'The payload must be at least 2; it is a number.',
    ],
    ['maximum', { maximum: 2 }, 3, '', 'at most 2', 'number', ''],
    ['exclusiveMinimum', { exclusiveMinimum: 2 }, 2, '', 'more than 2', 'number', ''],
    ['exclusiveMaximum', { exclusiveMaximum: 2 }, 2, '', 'less than 2', 'number', ''],
    ['multipleOf', { multipleOf: 2 }, 3, '', 'a multiple of 2', 'number', ''],
    ['minItems', { minItems: 2 }, [1], '', 'at least 2 items', 'array of 1 item', ''],
    ['maxItems', { maxItems: 0 }, [1], '', 'at most 0 items', 'array of 1 item', ''],
    ['minProperties', { minProperties: 1 }, {}, '', 'at least 1 property', 'object with 0 properties', ''],
    [
      'maxProperties',
      { maxProperties: 0 },
      { a: 1 },
      '',
      'at most 0 properties',
      'object with 1 property',
      '',
    ],
    [
      'uniqueItems',
      { uniqueItems: true },
      [{ a: 1, b: 2 }, 1, { b: 2, a: 1 }],
      '',
      'items that all differ',
      'array of 3 items',
      'The payload must have no equal items, and items 0 and 2 are equal.',
    ],
    ['contains', { contains: { type: 'string' } }, [1], '', 'at least 1 of: string', '0 such items', ''],
    [
      'contains',
      { contains: true, maxContains: 1 },
      [1, 2],
      '',
      'at most 1 of: any value',
      '2 such items',
      '',
    ],
    [
      'required',
      { required: ['a'], properties: { a: { type: 'string' } } },
      {},
      '/a',
      'string',
      'nothing',
      '/a is required and missing.',
    ],
    [
      'required',
      { properties: { 'a/b~': { required: ['c'] } } },
      { 'a/b~': {} },
      '/a~1b~0/c',
      'any value',
      'nothing',
      '',
    ],
    [
      'dependentRequired',
      { dependentRequired: { a: ['b'] } },
      { a: 1 },
      '/b',
      'any value',
      'nothing',
      '/b is required beside "a" and missing.',
    ],
    [
      'additionalProperties',
      { properties: { text: true, title: true }, additionalProperties: false },
      { txt: 'secret' },
      '/txt',
      'only "text" and "title"',
      'string of 6 characters',
      '/txt is not a property here; did you mean "text"?',
    ],
    ['additionalProperties', { additionalProperties: false }, { a: 1 }, '/a', 'no property', 'number', ''],
    ['type', { additionalProperties: { type: 'null' } }, { a: 1 }, '/a', 'null', 'number', ''],
    ['type', { patternProperties: { '^a': { type: 'null' } } }, { ab: 1 }, '/ab', 'null', 'number', ''],
    [
      'propertyNames',
      { propertyNames: { maxLength: 1 } },
      { ab: 1 },
      '/ab',
      'another name',
      'string of 2 characters',
      '',
    ],
    [
      'propertyNames',
      { propertyNames: { pattern: '^[a-z]+$' } },
      { A: 1 },
      '/A',
      'a name that is text that matches ^[a-z]+$',
      'string of 1 character',
      '/A has a name that is not allowed; a name must be text that matches ^[a-z]+$.',
    ],
    [
      'propertyNames',
      { propertyNames: { enum: ['de', 'en'] } },
      { fr: 1 },
      '/fr',
      'a name that is "de" or "en"',
      'string of 2 characters',
      '/fr has a name that is not allowed; a name must be "de" or "en".',
    ],
    [
      'anyOf',
      { anyOf: [{ required: ['path'] }, { type: 'object', required: ['a', 'b', 'c', 'd'] }] },
      {},
      '',
      'one of 2 alternatives (object with "path" or object with "a" and "b" and "c" and more)',
      'object with 0 properties',
      '',
    ],
    ['enum', { enum: [] }, 'a', '', 'nothing', 'string of 1 character', ''],
    [
      'unevaluatedProperties',
      { properties: { a: true }, unevaluatedProperties: false },
      { b: 1 },
      '/b',
      'only "a"',
      'number',
      '',
    ],
    [
      'unevaluatedItems',
      { prefixItems: [true], unevaluatedItems: false },
      [1, 2],
      '/1',
      'no further items',
      'number',
      '',
    ],
    ['type', { prefixItems: [true], items: { type: 'null' } }, [1, 2], '/1', 'null', 'number', ''],
    ['not', { not: { type: 'string' } }, 'a', '', 'not string', 'string of 1 character', ''],
    ['false', { properties: { a: false } }, { a: 1 }, '/a', 'nothing', 'number', '/a must not be there.'],
    ['type', { if: true, [THEN]: { type: 'null' } }, 1, '', 'null', 'number', ''],
    [
      'type',
      { dependentSchemas: { a: { properties: { b: { type: 'null' } } } } },
      { a: 1, b: 2 },
      '/b',
      'null',
      'number',
      '',
    ],
    [
      'oneOf',
      { oneOf: [{ type: 'number' }, { minimum: 1 }] },
      1,
      '',
      'exactly one of 2 alternatives',
      'number',
      '',
    ],
  ])('%s %j', (rule, schema, payload, path, expected, got, sentence) => {
    const { check, errors } = compiled(schema)
    expect(check(payload)).toBe(false)
    const { errors: found, total } = errors(payload)
    expect(found).toEqual([{ path, rule, expected, got, sentence: sentence || found[0]!.sentence }])
    expect(total).toBe(1)
    expect(found[0]!.sentence).toMatch(/^(\/|The payload ).*[.?]$/)
    expect(JSON.stringify(found)).not.toContain('secret')
  })

  test('at most ten errors, and how many there are', () => {
    const { errors } = compiled({ items: { type: 'string' } })
    const { errors: found, total } = errors(Array.from({ length: 500 }, () => 1))
    expect(found.map(({ path }) => path)).toEqual(Array.from({ length: 10 }, (_, at) => `/${at}`))
    expect(total).toBe(500)
  })

  test('long names, lists and patterns are cut', () => {
    const schema = {
      properties: Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`name_${at}`, true])),
      additionalProperties: { enum: Array.from({ length: 900 }, (_, at) => `value number ${at}`) },
    }
    const [error] = compiled(schema).errors({ ['n'.repeat(1_000_000)]: 1 }).errors
    expect(JSON.stringify(error).length).toBeLessThan(1200)
    expect(error!.expected).toContain('more')
  })

  test('a fault that is not found within the steps still has an answer', () => {
    const branches = Array.from({ length: 100 }, (_, at) => ({ const: at }))
    const { errors } = compiled({ items: { anyOf: branches } })
    const answer = errors(Array.from({ length: 5000 }, (_, at) => (at === 4999 ? -1 : 99)))
    expect(answer.total).toBe(1)
    expect(answer.errors[0]).toMatchObject({ path: '', rule: 'schema', got: 'array of 5,000 items' })
  })
})

describe('unions', () => {
  const branch = (kind: string, more: object) => ({
    properties: { kind: { const: kind }, ...more },
    required: Object.keys(more),
    additionalProperties: false,
  })
  const task = {
    type: 'object',
    required: ['kind'],
    properties: { kind: { enum: ['request', 'reject', 'cancel'] } },
    oneOf: [
      branch('request', { title: { type: 'string' } }),
      { $ref: '#/$defs/reject' },
      branch('cancel', { reason: { type: 'string' } }),
    ],
    $defs: {
      reject: branch('reject', { reason: { type: 'string' }, retry_after_seconds: { type: 'integer' } }),
    },
  }
  const { errors } = compiled(task)
  const found = (payload: unknown) => errors(payload).errors.map(({ path, rule }) => `${rule} ${path}`)

  test('only the branch that is meant is reported', () => {
    expect(found({ kind: 'request', title: 3 })).toEqual(['type /title'])
    expect(found({ kind: 'reject', reason: 1 })).toEqual(['required /retry_after_seconds', 'type /reason'])
    expect(found({ kind: 'cancel', reason: 'a', title: 'b' })).toEqual(['additionalProperties /title'])
  })

  test('without a branch that is meant, the member that tells them apart is', () => {
    expect(errors({ kind: 'rekuest' }).errors).toMatchObject([
      { path: '/kind', rule: 'enum', expected: '"request", "reject" or "cancel"' },
    ])
    expect(errors({}).errors).toMatchObject([{ path: '/kind', rule: 'required' }])
    const bare = compiled({ anyOf: task.oneOf, $defs: task.$defs })
    expect(bare.errors({}).errors[0]).toMatchObject({
      path: '/kind',
      expected: '"request", "reject" or "cancel"',
    })
    expect(bare.errors({ kind: 3 }).errors[0]).toMatchObject({ path: '/kind', rule: 'enum', got: 'number' })
  })

  test('the type tells branches apart as well', () => {
    const either = compiled({ anyOf: [{ type: 'string' }, { type: 'object', required: ['uri'] }] })
    expect(either.errors({}).errors).toMatchObject([{ path: '/uri', rule: 'required' }])
    expect(either.errors(3).errors).toMatchObject([
      { path: '', rule: 'anyOf', expected: 'one of 2 alternatives (string or object with "uri")' },
    ])
  })

  test('else one error names the alternatives', () => {
    const open = compiled({
      anyOf: [
        { title: 'a point', required: ['x'] },
        { title: 'a line', required: ['y'] },
      ],
    })
    expect(open.errors({}).errors).toMatchObject([
      { path: '', rule: 'anyOf', expected: 'one of 2 alternatives (a point or a line)' },
    ])
  })
})

test('compiled check and explanation agree on any schema and payload', () => {
  let admitted_count = 0
  holds(400, fc.tuple(schemas, fc.array(payload, { maxLength: 5 })), ([schema, values]) => {
    let admitted: AdmittedSchema
    try {
      admitted = admitSchema(schema)
    } catch (thrown) {
      if (thrown instanceof BrokerError) return
      throw thrown
    }
    admitted_count++
    const { check, errors } = compileSchema(admitted)
    for (const value of values) {
      expect(findingsOf(admitted, value).total === 0).toBe(check(value))
      if (!check(value)) expect(errors(value).errors.length).toBeGreaterThan(0)
    }
  })
  expect(admitted_count).toBeGreaterThan(250)
})

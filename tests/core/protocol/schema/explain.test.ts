import { describe, expect, test } from 'bun:test'
import { admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { type Checker, compileSchema } from '../../../../src/core/protocol/schema/checker.ts'

/** Not as a literal, since objects with it look like promises. */
const THEN = 'then'

const compiled = (schema: unknown): Checker => compileSchema(admitSchema(schema))

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

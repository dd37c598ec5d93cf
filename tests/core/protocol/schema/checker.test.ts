import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { BrokerError } from '../../../../src/core/errors.ts'
import { type AdmittedSchema, admitSchema } from '../../../../src/core/protocol/schema/admit.ts'
import { type Checker, compileSchema } from '../../../../src/core/protocol/schema/checker.ts'
import { findingsOf } from '../../../../src/core/protocol/schema/explain/explain.ts'
import { check as holds } from '../../property.ts'
import { payload, schema as schemas } from './arbitrary-schema.ts'

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

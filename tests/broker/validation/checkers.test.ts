import { expect, test } from 'bun:test'
import { Checkers } from '../../../src/broker/validation/checkers.ts'
import type { Answer } from '../../../src/broker/validation/messages.ts'
import type { JsonSchema } from '../../../src/core/protocol/json-schema.ts'
import { SCHEMA_BOUNDS } from '../../../src/core/protocol/schema/bounds.ts'
import { FITS, FITS_NOT, nested, RUNAWAY, TREE } from './schemas.ts'

function compile(checkers: Checkers, schema: JsonSchema, keep?: string, bounds = SCHEMA_BOUNDS): Answer {
  const text = JSON.stringify(schema)
  return checkers.answer({
    do: 'compile',
    schema: text,
    bounds,
    ...(keep === undefined ? {} : { keep }),
  })
}

const check = (checkers: Checkers, key: string, payload: string) =>
  checkers.answer({ do: 'check', key, payload })

test('a schema is compiled and kept under its key; a payload fits, or the answer says what is wrong', () => {
  const checkers = new Checkers()
  expect(compile(checkers, { ...(TREE as object), requried: [] }, 'tree')).toEqual({
    ms: expect.any(Number),
    warnings: [expect.stringContaining('did you mean required?')],
  })
  expect(check(checkers, 'tree', FITS)).toBeTrue()
  expect(check(checkers, 'tree', FITS_NOT)).toMatchObject({
    errors: [{ path: '/children/0/title' }],
    total: 1,
  })
})

test('what is compiled without a key is not kept, nor does it replace what is', () => {
  const checkers = new Checkers()
  compile(checkers, TREE)
  expect(check(checkers, 'tree', FITS)).toBe('unknown')
  compile(checkers, TREE, 'tree')
  compile(checkers, false)
  expect(check(checkers, 'tree', FITS)).toBeTrue()
})

test('the checker that was used least recently is forgotten first', () => {
  const checkers = new Checkers(2)
  for (const key of ['a', 'b']) compile(checkers, true, key)
  expect(check(checkers, 'a', '1')).toBeTrue()
  compile(checkers, true, 'c')
  const answers = ['a', 'b', 'c'].map((key) => check(checkers, key, '1'))
  expect(answers).toEqual([true, 'unknown', true])
})

test('checkers that take much memory leave room for few others', () => {
  const checkers = new Checkers(256, 1_000_000)
  const patterns = (n: number) => ({
    anyOf: Array.from({ length: 20 }, (_, m) => ({ pattern: `(\\p{L}|${n})*${m}` })),
  })
  for (const [n, key] of ['a', 'b', 'c'].entries()) compile(checkers, patterns(n), key)
  const answers = ['a', 'b', 'c'].map((key) => check(checkers, key, '1'))
  expect(answers).toEqual(['unknown', 'unknown', true])
})

test('a refusal of the catalogue keeps its members, and the bounds are those of the task', () => {
  const checkers = new Checkers()
  expect(compile(checkers, TREE, 'tree', { ...SCHEMA_BOUNDS, bytes_max: 10 })).toMatchObject({
    refused: 'schema_too_large',
    detail: { field: '/schema' },
  })
  expect(check(checkers, 'tree', FITS)).toBe('unknown')
})

test('a payload or a schema that is nested too deeply for the stack is refused by a code', () => {
  const checkers = new Checkers()
  compile(checkers, RUNAWAY, 'deep')
  expect(check(checkers, 'deep', nested(100_000))).toMatchObject({ refused: 'payload_too_complex' })
  const deep = `${'{"not":'.repeat(20_000)}true${'}'.repeat(20_000)}`
  const bounds = { ...SCHEMA_BOUNDS, bytes_max: 1_000_000, depth_max: 100_000, subschemas_max: 100_000 }
  expect(checkers.answer({ do: 'compile', schema: deep, bounds })).toMatchObject({
    refused: 'schema_too_large',
  })
})

test('a fault of the broker is told of with its stack', () => {
  expect(compile(new Checkers(), 'no JSON' as unknown as JsonSchema)).toMatchObject({
    refused: expect.any(String),
  })
  expect(new Checkers().answer({ do: 'compile', schema: '{', bounds: SCHEMA_BOUNDS })).toEqual({
    refused: 'internal',
    detail: {},
    fault: expect.stringContaining('checkers.ts'),
  })
})

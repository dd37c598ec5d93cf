import type { JsonSchema } from '../../src/core/protocol/json-schema.ts'

/** A change of a schema, in the words of the page, and the two schemas. */
export interface Change {
  readonly what: string
  readonly older: JsonSchema
  readonly newer: JsonSchema
}

const text = { type: 'string' }
const closed = { additionalProperties: false }

/** An object with the member `a`, which is required. */
const member = (schema: object, more: object = {}): JsonSchema => ({
  type: 'object',
  properties: { a: schema },
  required: ['a'],
  ...more,
})
/** With `b` besides, which is optional. */
const two = (more: object = {}) => member(text, { properties: { a: text, b: text }, ...more })
const both = { required: ['a', 'b'] }
const branch = (kind: string) => ({
  type: 'object',
  properties: { kind: { const: kind } },
  required: ['kind'],
})

/** The rows of the table of changes. */
export const CHANGES: readonly Change[] = [
  { what: 'an optional member is added', older: member(text), newer: two() },
  { what: 'the same in a closed object', older: member(text, closed), newer: two(closed) },
  { what: 'a required member is added', older: member(text), newer: two(both) },
  {
    what: 'the same in a closed object, or a member is renamed',
    older: member(text, closed),
    newer: two({ ...both, ...closed }),
  },
  { what: 'an optional member becomes required', older: two(), newer: two(both) },
  {
    what: 'a type is narrowed: `number` to `integer`, `null` taken away',
    older: member({ type: ['number', 'null'] }),
    newer: member({ type: 'integer' }),
  },
  {
    what: 'an `enum` loses a value',
    older: member({ enum: ['x', 'y'] }),
    newer: member({ enum: ['x'] }),
  },
  {
    what: 'a bound is tightened: of lengths, items, numbers',
    older: member({ ...text, maxLength: 9 }),
    newer: member({ ...text, maxLength: 5 }),
  },
  { what: 'a `pattern` is added', older: member(text), newer: member({ ...text, pattern: '^a' }) },
  {
    what: 'a `pattern` is changed: `not_decidable`',
    older: member({ ...text, pattern: '^a' }),
    newer: member({ ...text, pattern: '^[a]' }),
  },
  { what: 'an open object is closed', older: member(text), newer: member(text, closed) },
  {
    what: 'a branch of `anyOf` is taken away, or of a `oneOf` told apart by a `const`',
    older: { oneOf: [branch('x'), branch('y')] },
    newer: { oneOf: [branch('x')] },
  },
  {
    what: '`title`, `description`, `examples`, `default`, `format`, or the order of anything',
    older: member(text),
    newer: member({ title: 't', description: 'd', default: 'x', format: 'email', ...text }),
  },
]

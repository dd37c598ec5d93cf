import { expect, test } from 'bun:test'
import type { JsonSchema, SchemaObject } from '../../../../src/core/protocol/json-schema.ts'
import { compare } from './schemas.ts'

export const TEXT = { type: 'string' }
export const WHOLE = { type: 'integer' }
export const CLOSED = { additionalProperties: false }

export function object(
  properties: SchemaObject,
  required: string[] = [],
  more: SchemaObject = {},
): SchemaObject {
  return { type: 'object', properties, ...(required.length > 0 ? { required } : {}), ...more }
}

/** A schema as a member, so that a path shows. */
export function member(schema: JsonSchema): SchemaObject {
  return object({ a: schema })
}

/** A change of a schema, and what it is found to be. */
export type Row = readonly [
  change: string,
  older: JsonSchema,
  newer: JsonSchema,
  relation: string,
  strict_relation: string,
  /** Direction, rule and path of each reason; after a bar, those of the strict reading alone. */
  reasons: string,
]

/** One test for each row. */
export function testRows(rows: readonly Row[]): void {
  test.each(rows)('%s', (_, older, newer, relation, strict_relation, expected) => {
    const comparison = compare(older, newer)
    const [lenient = '', strict = ''] = expected.split(' | ')
    const places = (reasons: typeof comparison.reasons) =>
      reasons.map(({ direction, rule, path }) => `${direction} ${rule} ${path}`).join(', ')
    const found = {
      relation: comparison.relation as string,
      strict_relation: comparison.strict_relation as string,
      reasons: places(comparison.reasons),
      strict_reasons: places(comparison.strict_reasons),
    }
    const reasons = lenient.trim() === '' ? '' : lenient
    expect(found).toEqual({ relation, strict_relation, reasons, strict_reasons: strict })
  })
}

import { isSchemaObject, type JsonSchema } from '../json-schema.ts'
import { SCHEMA_BOUNDS, type SchemaBounds } from './bounds.ts'
import { DIALECT_URIS, type Dialect } from './keywords.ts'
import { linkSchema } from './link.ts'
import type { LinkedSchema } from './linked.ts'
import { measureSchema } from './measure.ts'
import type { LinearPattern } from './pattern.ts'
import { quoted, refuseSchema } from './refusal.ts'
import { Survey } from './survey.ts'
import { weightOf } from './weight.ts'

/** A schema that payloads may be held to, and what its admission found out. */
export interface AdmittedSchema {
  /** With all references resolved, as plain JSON; what it is compiled, explained and exemplified from. */
  readonly schema: LinkedSchema
  readonly dialect: Dialect
  /** All patterns in it, also those that are names in `patternProperties`, by their text. */
  readonly patterns: ReadonlyMap<string, LinearPattern>
  /** Upper bound of checks per node of a payload; Infinity where the schema reaches itself. */
  readonly weight: number
  /** Payloads are checked as copies whose objects inherit nothing, since it names what objects inherit. */
  readonly bare: boolean
  /** What has no effect, in sentences for the author. */
  readonly warnings: readonly string[]
}

/**
 * Admits a JSON Schema of draft-07 or 2020-12, or refuses it. The work is bounded by `bounds`, whatever the
 * schema is.
 *
 * @throws BrokerError schema_invalid, pattern_refused or schema_too_large, with `field` a JSON pointer from
 *   `/schema`, and as further members `path`, `rule` and, if one is exceeded, `bound`
 */
export function admitSchema(schema: unknown, bounds: SchemaBounds = SCHEMA_BOUNDS): AdmittedSchema {
  if (!isSchemaObject(schema) && typeof schema !== 'boolean')
    refuseSchema({
      path: '',
      rule: 'type',
      detail: 'The schema is not an object, true or false.',
      next: 'Give a JSON Schema, such as {"type": "object"}.',
    })
  measureSchema(schema, bounds)
  const dialect = dialectOf(schema)
  const survey = new Survey(schema, dialect, bounds)
  const linked = linkSchema(schema, survey, bounds)
  return {
    schema: linked.schema,
    dialect,
    patterns: linked.patterns,
    weight: weightOf(linked.schema, linked.patterns),
    bare: linked.bare,
    warnings: survey.warnings,
  }
}

/** @throws BrokerError schema_invalid for another `$schema` than the two */
function dialectOf(schema: JsonSchema): Dialect {
  const uri = isSchemaObject(schema) ? schema.$schema : undefined
  if (uri === undefined) return '2020-12'
  for (const dialect of ['draft-07', '2020-12'] as const)
    if (uri === DIALECT_URIS[dialect] || uri === `${DIALECT_URIS[dialect]}#`) return dialect
  return refuseSchema({
    path: '/$schema',
    rule: '$schema',
    detail: `$schema must name draft-07 or 2020-12, not ${typeof uri === 'string' ? quoted(uri) : 'this'}.`,
    next: `Write "${DIALECT_URIS['2020-12']}", "${DIALECT_URIS['draft-07']}#", or leave it out for 2020-12.`,
  })
}

import inc from 'semver/functions/inc.js'
import { BrokerError } from '../../core/errors.ts'
import { compareSchemas } from '../../core/protocol/evolution/compare.ts'
import type { Comparison } from '../../core/protocol/evolution/relation.ts'
import { type ToldReason, told } from '../../core/protocol/evolution/relation.ts'
import { semverRule } from '../../core/protocol/evolution/semver-rule.ts'
import { describeComparison } from '../../core/protocol/evolution/sentence.ts'
import type { JsonSchema } from '../../core/protocol/json-schema.ts'
import { admitSchema } from '../../core/protocol/schema/admit.ts'
import { type Checker, compileSchema } from '../../core/protocol/schema/checker.ts'
import { compareVersions as orderOf } from '../../core/protocol/versions.ts'
import { offlineError } from './telling.ts'

/** One version of a protocol that can be compared with another. */
export interface Comparable {
  readonly name: string
  readonly version: string
  readonly schema: JsonSchema
  readonly checker: Checker
}

/** What is said of a version when it is compared with another. */
export interface Described extends Omit<Comparable, 'checker'> {
  readonly capabilities: readonly string[]
  /** Whether the strict reading decides what the version number may promise. */
  readonly strict: boolean
}

export interface VersionDiff {
  readonly comparison: Comparison
  /** Why the newer version number promises more than the schema keeps; absent where it does not. */
  readonly broken?: {
    readonly sentence: string
    readonly reasons: readonly ToldReason[]
    readonly fix: string
  }
}

/** @param strict whether the strict reading decides what a version number may promise */
export function compareVersions(older: Comparable, newer: Comparable, strict: boolean): VersionDiff {
  const comparison = compareSchemas(older.schema, newer.schema, {
    older: older.checker.check,
    newer: newer.checker.check,
  })
  const broken = semverRule(older.version, newer.version, comparison, { strict })
  if (!broken) return { comparison }
  const { sentence, needed, reasons } = broken
  const fix = `The next ${needed} version after ${older.version} is ${inc(older.version, needed)}.`
  return { comparison, broken: { sentence, reasons: told(reasons), fix } }
}

/** @throws CliError for a schema that is none */
function comparable({ name, version, schema }: Described): Comparable {
  try {
    return { name, version, schema, checker: compileSchema(admitSchema(schema)) }
  } catch (error) {
    throw error instanceof BrokerError ? offlineError(error, `${name} ${version}`) : error
  }
}

/** What changed between two versions, for programs and in words. @throws CliError for a refused schema */
export function differenceOf(older: Described, newer: Described) {
  const compared = compareVersions(comparable(older), comparable(newer), newer.strict)
  const { comparison } = compared
  // A number promises something only where it is higher than the other one of the same protocol.
  const rises = newer.name === older.name && orderOf(newer.version, older.version) > 0
  const broken = rises ? compared.broken : undefined
  const names = { name: newer.name, from: older.version, to: newer.version }
  const added = newer.capabilities.filter((one) => !older.capabilities.includes(one))
  const removed = older.capabilities.filter((one) => !newer.capabilities.includes(one))
  return {
    ...names,
    ...comparison,
    reasons: told(comparison.reasons),
    strict_reasons: told(comparison.strict_reasons),
    capabilities: { added, removed },
    ...(broken ? { version_rule: broken.sentence } : {}),
    words: [
      ...describeComparison(comparison, names),
      ...added.map((one) => `  It may be sent by ${one} now.`),
      ...removed.map((one) => `  It may not be sent by ${one} any more.`),
      ...(broken ? [broken.sentence] : []),
    ],
  }
}

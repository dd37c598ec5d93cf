import { Build } from 'typebox/schema'
import type { AdmittedSchema } from './admit.ts'
import { type Explanation, explain } from './explain/explain.ts'
import { lowerSchema } from './lower.ts'

/** A compiled schema. */
export interface Checker {
  /** Whether a payload fits. @param payload parsed JSON of bounded depth */
  readonly check: (payload: unknown) => boolean
  /** Why a payload does not fit; only for one that {@link Checker.check} refuses. Bounded in time. */
  readonly errors: (payload: unknown) => Explanation
}

/**
 * Compiles an admitted schema, in its entirety before anything else runs: the compiler is not re-entrant.
 */
export function compileSchema(admitted: AdmittedSchema): Checker {
  const { schema, names, patterns } = lowerSchema(admitted)
  const build = Build(schema as Parameters<typeof Build>[0])
  const { variables } = build.External()
  for (const [index, variable] of variables.entries()) {
    if (!(variable instanceof RegExp) || patterns.has(variable)) continue
    const expression = names.get(variable.source)
    // All expressions are judged ones; a native one of the compiler's own might take any time.
    if (expression === undefined) throw new Error('the validator made an expression of its own')
    variables[index] = expression
  }
  const validator = build.Evaluate()
  const check = (payload: unknown): boolean => validator.Check(payload)
  return {
    check: admitted.bare ? (payload) => check(bareCopy(payload)) : check,
    errors: (payload) => explain(admitted, payload),
  }
}

/** A copy of a JSON value whose objects inherit no names, such as `toString`. */
function bareCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(bareCopy)
  const copy: Record<string, unknown> = Object.create(null)
  for (const name in value) copy[name] = bareCopy((value as Record<string, unknown>)[name])
  return copy
}

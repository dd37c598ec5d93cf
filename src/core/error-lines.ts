import type { ErrorBody } from './errors.ts'
import type { ToldReason } from './protocol/evolution/relation.ts'

const WITNESS_CHARS_MAX = 400
/** No example is longer, so none is cut. */
const EXAMPLE_CHARS_MAX = 4096

/**
 * What an error says to people and models beyond what is wrong and what to do, one line each: where in a
 * schema, the errors of a payload after the first, why versions do not go together, and a payload that fits.
 */
export function errorLines(body: Partial<ErrorBody>): string[] {
  const { path, rule, errors, errors_total, reasons, example } = body
  const lines: string[] = []
  if (typeof path === 'string' && path !== '' && typeof rule === 'string')
    lines.push(`It is at ${path} of the schema.`)
  if (Array.isArray(errors)) {
    // The first is what the error itself says.
    for (const { sentence } of errors.slice(1) as { sentence: string }[]) lines.push(sentence)
    const unlisted = Number(errors_total ?? errors.length) - errors.length
    if (unlisted > 0) lines.push(`And ${unlisted} more.`)
  }
  if (Array.isArray(reasons)) lines.push(...reasonLines(reasons as ToldReason[]))
  if (example !== undefined)
    lines.push(`A payload that fits: ${cut(JSON.stringify(example), EXAMPLE_CHARS_MAX)}`)
  return lines
}

/** Why two versions do not go together, one line each, and a payload that shows it. */
export function reasonLines(reasons: readonly ToldReason[]): string[] {
  return reasons.map(({ sentence, witness }) =>
    witness === undefined
      ? sentence
      : `${sentence} For example ${cut(JSON.stringify(witness), WITNESS_CHARS_MAX)}`,
  )
}

function cut(json: string, chars_max: number): string {
  return json.length > chars_max ? `${json.slice(0, chars_max)}…` : json
}

/** Why a JSON value is refused: it is nested too deeply, or parsing changed a number in it. */
export type JsonFlaw = 'depth' | 'number'

/**
 * What is wrong with a parsed JSON value; `depth` if both are.
 *
 * @param depth_max how many arrays and objects may be nested in each other
 */
export function jsonFlaw(value: unknown, depth_max: number): JsonFlaw | undefined {
  if (typeof value === 'number') return isChanged(value) ? 'number' : undefined
  if (typeof value !== 'object' || value === null) return undefined
  if (depth_max === 0) return 'depth'
  let flaw: JsonFlaw | undefined
  if (Array.isArray(value)) {
    for (const item of value) {
      const found = jsonFlaw(item, depth_max - 1)
      if (found === 'depth') return found
      flaw ??= found
    }
    return flaw
  }
  for (const key in value) {
    const found = jsonFlaw((value as Record<string, unknown>)[key], depth_max - 1)
    if (found === 'depth') return found
    flaw ??= found
  }
  return flaw
}

/**
 * From here on JSON.stringify writes an exponent: a sender does not mean such a number as an exact
 * integer.
 */
const INTEGER_MAX = 1e21

/**
 * Whether parsing may have changed a number: an integer beyond 2^53 - 1 may have lost digits, and a
 * number beyond the range of a double has become infinite. Source: RFC 8259, section 6; RFC 7493, section
 * 2.2.
 */
function isChanged(number: number): boolean {
  const size = Math.abs(number)
  return size > Number.MAX_SAFE_INTEGER && (size < INTEGER_MAX || size === Number.POSITIVE_INFINITY)
}

/**
 * JSON pointer of the first number in a value that parsing may have changed; undefined when there is
 * none.
 */
export function changedNumberAt(value: unknown): string | undefined {
  if (typeof value === 'number') return isChanged(value) ? '' : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, inner] of Object.entries(value)) {
    const at = changedNumberAt(inner)
    if (at !== undefined) return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}${at}`
  }
  return undefined
}

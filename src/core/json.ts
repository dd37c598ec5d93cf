/** Why a JSON value is refused: it is nested too deeply, or parsing changed a number in it. */
export type JsonFlaw = 'depth' | 'number'

/**
 * What is wrong with a parsed JSON value; `depth` if both are.
 *
 * @param depth_max how many arrays and objects may be nested in each other
 */
export function jsonFlaw(value: unknown, depth_max: number): JsonFlaw | undefined {
  // Nearly all values are right, and each message comes through here: which flaw it is, is asked afterwards.
  if (!isFlawed(value, depth_max, true)) return undefined
  return isFlawed(value, depth_max, false) ? 'depth' : 'number'
}

/** @param numbers whether a changed number counts, or only the depth */
function isFlawed(value: unknown, depth_max: number, numbers: boolean): boolean {
  if (typeof value !== 'object') return numbers && typeof value === 'number' && isChanged(value)
  if (value === null) return false
  if (depth_max === 0) return true
  if (Array.isArray(value)) {
    for (const item of value) if (isFlawed(item, depth_max - 1, numbers)) return true
    return false
  }
  for (const key in value)
    if (isFlawed((value as Record<string, unknown>)[key], depth_max - 1, numbers)) return true
  return false
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
  if (number <= Number.MAX_SAFE_INTEGER && number >= Number.MIN_SAFE_INTEGER) return false
  const size = Math.abs(number)
  return size < INTEGER_MAX || size === Number.POSITIVE_INFINITY
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

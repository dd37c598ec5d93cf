import { distance } from 'fastest-levenshtein'

/**
 * The known names nearest to a mistyped one, best first. A name is near when one of the two begins with
 * the other, or when it takes few edits to turn one into the other: a third of the mistyped name's
 * length, at least one or two (two swapped letters count as two). Only the first rule holds for a long
 * name.
 *
 * @param limit how many names to give at most
 */
export function nearestNames(wanted: string, known: Iterable<string>, limit = 3): string[] {
  const reach = Math.max(wanted.length > 3 ? 2 : 1, Math.floor(wanted.length / 3))
  const lower = wanted.toLowerCase()
  const near: { name: string; edits: number }[] = []
  let looked = 0
  for (const name of known) {
    if (++looked > NAMES_LOOKED_AT_MAX) break
    const other = name.toLowerCase()
    const edits = other.startsWith(lower) || lower.startsWith(other) ? 0 : edited(lower, other, reach)
    if (edits <= reach) near.push({ name, edits })
  }
  near.sort((a, b) => a.edits - b.edits || (a.name < b.name ? -1 : 1))
  return near.slice(0, limit).map(({ name }) => name)
}

/** A hint is not worth more comparisons than this, nor comparisons of longer names. */
const NAMES_LOOKED_AT_MAX = 1000
const CHARS_COMPARED_MAX = 32

/** How many edits lie between two names; Infinity when surely more than `reach`, or not worth the time. */
function edited(wanted: string, other: string, reach: number): number {
  if (Math.abs(wanted.length - other.length) > reach) return Number.POSITIVE_INFINITY
  return wanted.length > CHARS_COMPARED_MAX ? Number.POSITIVE_INFINITY : distance(wanted, other)
}

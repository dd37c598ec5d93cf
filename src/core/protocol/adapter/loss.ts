import { escaped } from './pointer.ts'

const PATHS_SHOWN_MAX = 3
const PATHS_FOUND_MAX = 100
const PATH_CHARS_MAX = 80

interface Differences {
  readonly lost: string[]
  readonly changed: string[]
  readonly added: string[]
}

/**
 * What became of a payload that was adapted there and back, without its values.
 *
 * @returns such as "loses /paths/1 and changes /state"; undefined when both are the same JSON
 */
export function lossInWords(before: unknown, after: unknown): string | undefined {
  const found: Differences = { lost: [], changed: [], added: [] }
  compare(before, after, '', found)
  const parts: string[] = []
  if (found.lost.length > 0) parts.push(`loses ${listed(found.lost)}`)
  if (found.changed.length > 0) parts.push(`changes ${listed(found.changed)}`)
  if (found.added.length > 0) parts.push(`gains ${listed(found.added)}`)
  return parts.length === 0 ? undefined : parts.join(' and ')
}

function compare(before: unknown, after: unknown, path: string, found: Differences): void {
  if (found.lost.length + found.changed.length + found.added.length >= PATHS_FOUND_MAX) return
  if (!isContainer(before) || !isContainer(after) || Array.isArray(before) !== Array.isArray(after)) {
    if (before !== after) found.changed.push(path)
    return
  }
  for (const name of Object.keys(before)) {
    const at = `${path}/${escaped(name)}`
    if (Object.hasOwn(after, name)) compare(before[name], after[name], at, found)
    else found.lost.push(at)
  }
  for (const name of Object.keys(after))
    if (!Object.hasOwn(before, name)) found.added.push(`${path}/${escaped(name)}`)
}

/** An array counts as an object whose names are its indexes. */
function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function listed(paths: readonly string[]): string {
  const shown = paths.slice(0, PATHS_SHOWN_MAX).map((path) => {
    if (path === '') return 'the whole payload'
    return path.length > PATH_CHARS_MAX ? `${path.slice(0, PATH_CHARS_MAX)}…` : path
  })
  const others = paths.length - shown.length
  return others > 0 ? `${shown.join(', ')} and ${others} more` : shown.join(', ')
}

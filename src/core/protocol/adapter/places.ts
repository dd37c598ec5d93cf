import type { Budget } from './budget.ts'
import { EACH, type Part } from './pointer.ts'

export type Container = Record<string, unknown> | unknown[]

/** Where a pointer leads to, whether a value is there or not. */
export interface Place {
  /** The object or array of which the value is a part; undefined where the way there breaks off. */
  readonly within: Container | undefined
  readonly key: string | number
  /** What each `*` on the way stands for. */
  readonly indexes: readonly number[]
}

/** Not a JSON value: nothing is there. */
export const MISSING = Symbol('missing')

/**
 * All places that a pointer leads to, in the order of the payload; none where a `*` meets an empty array.
 * A way that breaks off is one place too, without `within`.
 *
 * @param start has the payload as its member `''`
 */
export function placesOf(budget: Budget, start: Container, parts: readonly Part[]): Place[] {
  const found: Place[] = []
  collect(budget, start, '', parts, 0, [], found)
  return found
}

function collect(
  budget: Budget,
  start: Container,
  start_key: string | number,
  parts: readonly Part[],
  from: number,
  indexes: readonly number[],
  found: Place[],
): void {
  budget.visit()
  let within = start
  let key = start_key
  for (let i = from; i < parts.length; i++) {
    const next = valueIn(within, key)
    const part = parts[i]!
    if (!isContainer(next) || (part === EACH && !Array.isArray(next))) {
      found.push({ within: undefined, key, indexes })
      return
    }
    if (part === EACH) {
      for (let index = 0; index < (next as unknown[]).length; index++)
        collect(budget, next, index, parts, i + 1, [...indexes, index], found)
      return
    }
    within = next
    key = part
  }
  found.push({ within, key, indexes })
}

/** The one place that a pointer leads to with the given indexes for its `*`. */
export function placeAt(start: Container, parts: readonly Part[], indexes: readonly number[]): Place {
  let stars = 0
  let within = start
  let key: string | number = ''
  for (const part of parts) {
    const next = valueIn(within, key)
    if (!isContainer(next) || (part === EACH && !Array.isArray(next)))
      return { within: undefined, key, indexes }
    within = next
    key = part === EACH ? indexes[stars++]! : part
  }
  return { within, key, indexes }
}

/** The value at a place, or {@link MISSING}. */
export function valueAt({ within, key }: Place): unknown {
  return within === undefined ? MISSING : valueIn(within, key)
}

function valueIn(within: Container, key: string | number): unknown {
  if (!Array.isArray(within)) return Object.hasOwn(within, key) ? within[key] : MISSING
  const index = indexOf(key)
  return index === -1 || index >= within.length ? MISSING : within[index]
}

/**
 * The index that a part of a pointer names, which may lie beyond the end; -1 when it names none. RFC 6901,
 * section 4: digits without a leading zero.
 */
export function indexOf(key: string | number): number {
  if (typeof key === 'number') return key
  return /^(?:0|[1-9]\d{0,8})$/.test(key) ? Number(key) : -1
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null
}

/** What kind of value is there, without saying the value. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  const kinds: Readonly<Record<string, string>> = {
    string: 'a text',
    number: 'a number',
    boolean: 'a boolean',
  }
  return kinds[typeof value] ?? 'an object'
}

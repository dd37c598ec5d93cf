import type { Draft } from './draft.ts'
import { Trouble } from './failure.ts'
import type { OperationOf } from './operations.ts'
import { kindOf, MISSING, type Place, valueAt } from './places.ts'
import { type Part, partsOf, pointerOf } from './pointer.ts'

// The six operations of RFC 6902, at each place that a pointer leads to. A place without a value stops the
// operation, except for `remove` and where it is `optional`.

export function add(draft: Draft, { path, value }: OperationOf<'add'>): void {
  const parts = partsOf(path)
  for (const place of draft.places(parts)) putIn(draft, parts, place, draft.copy(value))
}

export function test(draft: Draft, { path, value }: OperationOf<'test'>): void {
  const parts = partsOf(path)
  for (const place of draft.places(parts)) {
    const found = foundAt(parts, place)
    if (draft.equal(found, value)) continue
    const at = pointerOf(parts, place.indexes)
    throw new Trouble(`${where(at)} is not what the test asks for; it is ${kindOf(found)}.`, at)
  }
}

export function replace(draft: Draft, { path, value, optional }: OperationOf<'replace'>): void {
  const parts = partsOf(path)
  for (const place of draft.places(parts)) {
    if (optional === true && valueAt(place) === MISSING) continue
    foundAt(parts, place)
    draft.set(place.within!, place.key, draft.copy(value))
  }
}

export function remove(draft: Draft, { path }: OperationOf<'remove'>): void {
  // From the last to the first: so the indexes of those to come stay right.
  for (const place of draft.places(partsOf(path)).reverse())
    if (valueAt(place) !== MISSING) draft.remove(place.within!, place.key)
}

/** All values are taken out before the first is put in, in the order of the payload. */
export function move(draft: Draft, { from, path, optional }: OperationOf<'move'>): void {
  const sources = sourcesOf(draft, from, optional)
  const values = sources.map(valueAt)
  for (const { within, key } of sources.toReversed()) draft.remove(within!, key)
  putEach(draft, path, sources, values)
}

/** All values are copied before the first is put in. */
export function copy(draft: Draft, { from, path, optional }: OperationOf<'copy'>): void {
  const sources = sourcesOf(draft, from, optional)
  const values = sources.map((place) => draft.copy(valueAt(place)))
  putEach(draft, path, sources, values)
}

function sourcesOf(draft: Draft, from: string, optional = false): Place[] {
  const parts = partsOf(from)
  const places = draft.places(parts)
  if (optional) return places.filter((place) => valueAt(place) !== MISSING)
  for (const place of places) foundAt(parts, place)
  return places
}

function putEach(draft: Draft, path: string, sources: readonly Place[], values: readonly unknown[]): void {
  const parts = partsOf(path)
  for (let i = 0; i < sources.length; i++)
    putIn(draft, parts, draft.place(parts, sources[i]!.indexes), values[i])
}

function putIn(draft: Draft, parts: readonly Part[], place: Place, value: unknown): void {
  if (draft.add(place, value)) return
  const at = pointerOf(parts, place.indexes)
  throw new Trouble(`${at} can hold no value: what it lies in is missing, or the index is not one of it.`, at)
}

function foundAt(parts: readonly Part[], place: Place): unknown {
  const value = valueAt(place)
  if (value !== MISSING) return value
  const at = pointerOf(parts, place.indexes)
  throw new Trouble(`There is nothing at ${at}.`, at)
}

function where(at: string): string {
  return at === '' ? 'The payload' : at
}

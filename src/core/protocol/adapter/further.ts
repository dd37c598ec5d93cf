import type { Draft } from './draft.ts'
import { Trouble } from './failure.ts'
import type { OperationOf } from './operations.ts'
import { type Container, kindOf, MISSING, type Place, valueAt } from './places.ts'
import { type Part, partsOf, pointerOf } from './pointer.ts'

// The seven operations beyond RFC 6902, at each place that a pointer leads to. Where there is no value, or
// null for `split`, `join` and `unwrap`, there is nothing to do. A value of a kind that an operation cannot
// use stops it.

/** A member that has the new name already is replaced, as `move` would. */
export function rename(draft: Draft, { path, to }: OperationOf<'rename'>): void {
  const parts = partsOf(path)
  for (const place of draft.places(parts)) {
    const value = valueAt(place)
    if (value === MISSING) continue
    const object = objectOf(parts, place)
    draft.remove(object, place.key)
    draft.set(object, to, value)
  }
}

/** In an array only the place behind the last item can be filled. */
export function byDefault(draft: Draft, { path, value }: OperationOf<'default'>): void {
  for (const place of draft.places(partsOf(path)))
    if (valueAt(place) === MISSING) draft.add(place, draft.copy(value))
}

export function map(draft: Draft, { path, values, otherwise }: OperationOf<'map'>): void {
  for (const place of draft.places(partsOf(path))) {
    const value = valueAt(place)
    if (value === MISSING) continue
    const known = typeof value === 'string' && Object.hasOwn(values, value)
    const mapped = known ? values[value] : otherwise
    if (mapped !== undefined) draft.set(place.within!, place.key, draft.copy(mapped))
  }
}

/**
 * Cuts at the first separators, with `last` at the last ones, into as many pieces as there are names. `rest`
 * is one name more: after the others, with `last` before them. Fewer pieces than names fill `into` from its
 * start.
 */
export function split(draft: Draft, { path, separator, into, last, rest }: OperationOf<'split'>): void {
  const parts = partsOf(path)
  const names = rest === undefined ? into : last === true ? [rest, ...into] : [...into, rest]
  for (const place of draft.places(parts)) {
    const value = valueAt(place)
    if (value === MISSING || value === null) continue
    const object = objectOf(parts, place)
    if (typeof value !== 'string') throw wrongKind('split', 'a text', value, parts, place)
    draft.remove(object, place.key)
    const pieces = piecesOf(value, separator, names.length, last === true)
    const filled = pieces.length < names.length ? into : names
    for (let i = 0; i < pieces.length; i++) {
      draft.write(pieces[i]!.length)
      draft.set(object, filled[i]!, pieces[i])
    }
  }
}

/** At most `count` pieces of a text: cut at the first separators, or at the last ones. */
function piecesOf(text: string, separator: string, count: number, last: boolean): string[] {
  const pieces: string[] = []
  let rest = text
  while (pieces.length < count - 1) {
    const at = last ? rest.lastIndexOf(separator) : rest.indexOf(separator)
    if (at === -1) break
    const after = rest.slice(at + separator.length)
    pieces.push(last ? after : rest.slice(0, at))
    rest = last ? rest.slice(0, at) : after
  }
  pieces.push(rest)
  return last ? pieces.reverse() : pieces
}

/** Members that are missing or null are left out; the others are gone afterwards. */
export function join(draft: Draft, { path, from, separator }: OperationOf<'join'>): void {
  const parts = partsOf(path)
  for (const place of draft.places(parts)) {
    if (place.within === undefined) continue
    const object = objectOf(parts, place)
    const pieces: string[] = []
    for (const name of from) {
      draft.visit()
      const value = valueAt({ within: object, key: name, indexes: place.indexes })
      if (value === MISSING || value === null) continue
      const member = [...parts.slice(0, -1), name]
      if (typeof value !== 'string') throw wrongKind('join', 'texts', value, member, place)
      pieces.push(value)
    }
    if (pieces.length === 0) continue
    draft.write(pieces.reduce((units, piece) => units + piece.length + separator.length, 0))
    for (const name of from) draft.remove(object, name)
    draft.set(object, String(place.key), pieces.join(separator))
  }
}

export function wrap(draft: Draft, { path }: OperationOf<'wrap'>): void {
  for (const place of draft.places(partsOf(path))) {
    const value = valueAt(place)
    if (value === MISSING) continue
    draft.write(1)
    draft.set(place.within!, place.key, [value])
  }
}

/** An empty array has no first item: it is removed. */
export function unwrap(draft: Draft, { path }: OperationOf<'unwrap'>): void {
  const parts = partsOf(path)
  // From the last to the first: so the indexes of those to come stay right.
  for (const place of draft.places(parts).reverse()) {
    const value = valueAt(place)
    if (value === MISSING || value === null) continue
    if (!Array.isArray(value)) throw wrongKind('unwrap', 'an array', value, parts, place)
    if (value.length > 0) draft.set(place.within!, place.key, value[0])
    else if (parts.length > 0) draft.remove(place.within!, place.key)
    else throw new Trouble('The payload is an empty array, which has no first item.', '')
  }
}

function objectOf(parts: readonly Part[], { within, indexes }: Place): Exclude<Container, unknown[]> {
  if (within !== undefined && !Array.isArray(within)) return within
  const at = pointerOf(parts, indexes)
  throw new Trouble(`${at} is an item of an array; only a member of an object has a name.`, at)
}

function wrongKind(op: string, takes: string, value: unknown, parts: readonly Part[], place: Place): Trouble {
  const at = pointerOf(parts, place.indexes)
  return new Trouble(`${at || 'The payload'} is ${kindOf(value)}; ${op} takes ${takes}.`, at)
}

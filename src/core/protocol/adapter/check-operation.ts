import { BrokerError } from '../../errors.ts'
import { nearestNames } from '../../routing.ts'
import type { OperationName } from './operations.ts'
import { EACH, escaped, type Part, partsOf } from './pointer.ts'

const POINTER_PARTS_MAX = 16
const POINTER_CHARS_MAX = 512
const NAMES_MAX = 16
const NAME_CHARS_MAX = 128
const SEPARATOR_CHARS_MAX = 64
/** Names that code in some language or other takes for the type of an object. */
const NAMES_REFUSED = ['__proto__', 'constructor', 'prototype']

type Kind = 'pointer' | 'value' | 'flag' | 'name' | 'names' | 'separator' | 'values'

interface Shape {
  readonly needs: Readonly<Record<string, Kind>>
  readonly takes?: Readonly<Record<string, Kind>>
}

const PLACED = { path: 'pointer', value: 'value' } as const
const CARRIED = { needs: { from: 'pointer', path: 'pointer' }, takes: { optional: 'flag' } } as const
const ALONE = { needs: { path: 'pointer' } } as const

const SHAPES: Readonly<Record<OperationName, Shape>> = {
  add: { needs: PLACED },
  remove: ALONE,
  replace: { needs: PLACED, takes: { optional: 'flag' } },
  move: CARRIED,
  copy: CARRIED,
  test: { needs: PLACED },
  rename: { needs: { path: 'pointer', to: 'name' } },
  default: { needs: PLACED },
  map: { needs: { path: 'pointer', values: 'values' }, takes: { otherwise: 'value' } },
  split: {
    needs: { path: 'pointer', separator: 'separator', into: 'names' },
    takes: { last: 'flag', rest: 'name' },
  },
  join: { needs: { path: 'pointer', from: 'names', separator: 'separator' } },
  wrap: ALONE,
  unwrap: ALONE,
}
const NAMES = Object.keys(SHAPES) as OperationName[]

/** Operations of members: what they point to has a name, and is neither the whole payload nor an item. */
const OF_MEMBERS: readonly OperationName[] = ['rename', 'split', 'join']

/**
 * Checks the shape of one operation.
 *
 * @param field JSON pointer of the operation in the parameters
 * @throws BrokerError invalid_params, with the member at fault as its field
 */
export function checkOperation(operation: unknown, field: string): void {
  if (typeof operation !== 'object' || operation === null || Array.isArray(operation))
    throw refused(field, 'An operation is an object.', 'Give one such as {"op": "remove", "path": "/old"}.')
  const given = operation as Readonly<Record<string, unknown>>
  const op = NAMES.find((name) => name === given.op)
  if (op === undefined)
    throw refused(`${field}/op`, `There is no such operation.${hint(given.op, NAMES)}`, known(NAMES))
  const { needs, takes } = SHAPES[op]
  const members: Readonly<Record<string, Kind>> = { ...needs, ...takes }
  const names = ['op', ...Object.keys(members)]
  for (const name of Object.keys(given))
    if (!names.includes(name))
      throw refused(
        `${field}/${escaped(name.slice(0, 64))}`,
        `${op} has no such member.${hint(name, names)}`,
        known(names),
      )
  for (const [name, kind] of Object.entries(members)) {
    const at = `${field}/${name}`
    if (Object.hasOwn(given, name)) checkMember(given[name], kind, op, at)
    else if (Object.hasOwn(needs, name)) throw refused(at, `${op} needs ${name}.`, FIXES[kind])
  }
  if (op === 'split' || op === 'join') checkNames(given, op, field)
  checkPointers(given, op, field)
}

const FIXES: Readonly<Record<Kind, string>> = {
  pointer: 'Give a JSON pointer such as "/author" or "/files/*/path".',
  value: 'Give any JSON value; null counts.',
  flag: 'Give true or false.',
  name: 'Give the name of a member in the same object, not a pointer; move takes pointers.',
  names: `Give 1 to ${NAMES_MAX} different names of members in the same object, not pointers.`,
  separator: `Give a text of 1 to ${SEPARATOR_CHARS_MAX} characters, such as " "; only join takes "".`,
  values: 'Give an object, from each old text to its new value.',
}

function checkMember(value: unknown, kind: Kind, op: OperationName, at: string): void {
  const trouble = troubleOf(value, kind, op)
  if (trouble !== undefined) throw refused(at, trouble, FIXES[kind])
}

/** What is wrong with a member of an operation; undefined when nothing is. */
function troubleOf(value: unknown, kind: Kind, op: OperationName): string | undefined {
  switch (kind) {
    case 'value':
      return value === undefined ? 'There is no value.' : undefined
    case 'flag':
      return typeof value === 'boolean' ? undefined : 'It is neither true nor false.'
    case 'values':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
        ? undefined
        : 'It is not an object.'
    case 'separator':
      if (typeof value !== 'string') return 'It is not a text.'
      if (value.length > SEPARATOR_CHARS_MAX) return 'It is too long.'
      return value === '' && op === 'split' ? 'An empty separator is everywhere.' : undefined
    case 'name':
      return nameTrouble(value)
    case 'names':
      if (!Array.isArray(value) || value.length === 0 || value.length > NAMES_MAX)
        return `It is not an array of 1 to ${NAMES_MAX} names.`
      if (new Set(value).size < value.length) return 'A name is in it twice.'
      return value.map(nameTrouble).find((trouble) => trouble !== undefined)
    case 'pointer':
      return pointerTrouble(value)
  }
}

function nameTrouble(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'A name is a text that is not empty.'
  if (name.length > NAME_CHARS_MAX) return `A name has at most ${NAME_CHARS_MAX} characters.`
  if (name.startsWith('/')) return 'It is a pointer, not a name.'
  return NAMES_REFUSED.includes(name) ? `The name ${name} is not taken.` : undefined
}

function pointerTrouble(pointer: unknown): string | undefined {
  if (typeof pointer !== 'string') return 'It is not a text.'
  if (pointer.length > POINTER_CHARS_MAX) return `A pointer has at most ${POINTER_CHARS_MAX} characters.`
  if (pointer !== '' && !pointer.startsWith('/')) return 'A pointer begins with "/", or is empty.'
  if (/~(?![012])/.test(pointer)) return 'After ~ comes 0 (for ~), 1 (for /) or 2 (for *).'
  const parts = partsOf(pointer)
  if (parts.length > POINTER_PARTS_MAX) return `A pointer has at most ${POINTER_PARTS_MAX} parts.`
  const refused_name = NAMES_REFUSED.find((name) => parts.includes(name))
  return refused_name === undefined ? undefined : `The name ${refused_name} is not taken.`
}

function checkNames(given: Readonly<Record<string, unknown>>, op: 'split' | 'join', field: string): void {
  const names = given[op === 'split' ? 'into' : 'from'] as readonly string[]
  if (op === 'split' && given.rest !== undefined && names.includes(given.rest as string))
    throw refused(`${field}/rest`, 'The name is in into as well.', 'Give rest a name of its own.')
  if (op === 'split' && names.length === 1 && given.rest === undefined)
    throw refused(`${field}/into`, 'One name alone splits nothing.', 'Give two names, or use rename.')
}

/** What does not go with an operation, though it is a pointer. */
function checkPointers(given: Readonly<Record<string, unknown>>, op: OperationName, field: string): void {
  const path = partsOf(given.path as string)
  const of_member = OF_MEMBERS.includes(op)
  if (path.length === 0 && (of_member || op === 'remove' || op === 'default'))
    throw refused(
      `${field}/path`,
      `${op} cannot have the whole payload.`,
      'Point to a member, as in "/author".',
    )
  if (path.at(-1) === EACH && (of_member || op === 'add' || op === 'default'))
    throw refused(
      `${field}/path`,
      `${op} does not go with * at the end.`,
      'Name a member of each item, as in "/files/*/path"; replace sets each item, and "-" is the end.',
    )
  if (op === 'move' || op === 'copy') checkCarried(partsOf(given.from as string), path, op, field)
}

function checkCarried(from: readonly Part[], path: readonly Part[], op: string, field: string): void {
  const stars = (parts: readonly Part[]) => parts.filter((part) => part === EACH).length
  if (stars(from) !== stars(path))
    throw refused(
      `${field}/path`,
      'from and path have different numbers of *.',
      'Use * equally often in both: each stands for the same index.',
    )
  if (op === 'move' && from.length < path.length && from.every((part, i) => part === path[i]))
    throw refused(
      `${field}/path`,
      'A value cannot move into itself.',
      'Move it elsewhere first, or use copy or wrap.',
    )
}

function hint(wanted: unknown, names: readonly string[]): string {
  const near = typeof wanted === 'string' ? nearestNames(wanted.slice(0, 64), names, 1) : []
  return near.length > 0 ? ` Did you mean ${near[0]}?` : ''
}

function known(names: readonly string[]): string {
  return `Known: ${names.join(', ')}.`
}

function refused(field: string, detail: string, next: string): BrokerError {
  return new BrokerError('invalid_params', { field, detail, next })
}

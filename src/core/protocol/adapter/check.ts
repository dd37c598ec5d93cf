import gte from 'semver/functions/gte.js'
import minVersion from 'semver/ranges/min-version.js'
import validRange from 'semver/ranges/valid.js'
import { BrokerError } from '../../errors.ts'
import { jsonFlaw } from '../../json.ts'
import { nearestNames } from '../../routing.ts'
import { checkOperation } from './check-operation.ts'
import { DEPTH_MAX } from './draft.ts'
import type { Adapter } from './operations.ts'
import { escaped } from './pointer.ts'

/** Adapters of one version, and operations in all of them together. */
const ADAPTERS_MAX = 64
const OPERATIONS_MAX = 64
const JSON_BYTES_MAX = 16 * 1024
const RANGE_CHARS_MAX = 128
const RANGE_PARTS_MAX = 16
const MEMBERS = ['from', 'up', 'down']

/**
 * The adapters of a definition, checked.
 *
 * @param value what the `adapters` of a definition are; undefined means none
 * @param version the version that they are registered with, semver
 * @param field JSON pointer of the parameter, such as `/adapters`
 * @throws BrokerError invalid_params, with the part at fault as its field, such as `/adapters/0/up/3/path`
 */
export function checkAdapters(value: unknown, version: string, field: string): readonly Adapter[] {
  if (value === undefined) return []
  if (!Array.isArray(value))
    throw refused(field, 'Adapters are an array.', 'Give [{"from": "1.x", "up": [...], "down": [...]}].')
  if (value.length > ADAPTERS_MAX)
    throw refused(field, `There are ${value.length} adapters; at most ${ADAPTERS_MAX} are taken.`, FEWER)
  if (jsonFlaw(value, DEPTH_MAX) === 'depth')
    throw refused(field, `The adapters are nested more than ${DEPTH_MAX} deep.`, 'Put flatter values in.')
  const bytes = Buffer.byteLength(JSON.stringify(value))
  if (bytes > JSON_BYTES_MAX)
    throw refused(field, `The adapters have ${bytes} bytes of JSON; ${JSON_BYTES_MAX} are taken.`, FEWER)
  let operations = 0
  for (const [index, adapter] of value.entries()) {
    operations += checkAdapter(adapter, version, `${field}/${index}`)
    if (operations > OPERATIONS_MAX)
      throw refused(
        `${field}/${index}`,
        `There are ${operations} operations up to here; the adapters may have ${OPERATIONS_MAX} in all.`,
        FEWER,
      )
  }
  return value
}

const FEWER = 'Change less in one version, or go over a version between the two.'

/** Checks one adapter; returns how many operations it has. */
function checkAdapter(adapter: unknown, version: string, field: string): number {
  if (typeof adapter !== 'object' || adapter === null || Array.isArray(adapter))
    throw refused(field, 'An adapter is an object.', 'Give {"from": "1.x", "up": [...], "down": [...]}.')
  for (const name of Object.keys(adapter)) {
    if (MEMBERS.includes(name)) continue
    const near = nearestNames(name.slice(0, 64), MEMBERS, 1)
    throw refused(
      `${field}/${escaped(name.slice(0, 64))}`,
      `An adapter has no such member.${near.length > 0 ? ` Did you mean ${near[0]}?` : ''}`,
      `Its members are ${MEMBERS.join(', ')}.`,
    )
  }
  const { from, up, down } = adapter as Partial<Record<keyof Adapter, unknown>>
  checkFrom(from, version, `${field}/from`)
  if (up === undefined && down === undefined)
    throw refused(
      field,
      'An adapter has up, down or both.',
      'Add the operations of one direction; [] is fine.',
    )
  let count = 0
  for (const [name, list] of Object.entries({ up, down })) {
    if (list === undefined) continue
    if (!Array.isArray(list))
      throw refused(`${field}/${name}`, `${name} is an array of operations.`, 'Give [{"op": ...}], or [].')
    for (const [index, operation] of list.entries()) checkOperation(operation, `${field}/${name}/${index}`)
    count += list.length
  }
  return count
}

function checkFrom(from: unknown, version: string, field: string): void {
  const fix = `Give a version or a range of versions below ${version}, such as "<${version}".`
  if (typeof from !== 'string' || from.trim() === '')
    throw refused(field, 'from is the version, or the range of versions, that the adapter starts from.', fix)
  if (from.length > RANGE_CHARS_MAX)
    throw refused(field, `from has ${from.length} characters; ${RANGE_CHARS_MAX} are taken.`, fix)
  if (from.split('||').length > RANGE_PARTS_MAX)
    throw refused(field, `from has more than ${RANGE_PARTS_MAX} alternatives.`, fix)
  if (validRange(from, { loose: false }) === null)
    throw refused(field, 'from is neither a semver version nor a range.', fix)
  const lowest = minVersion(from)
  if (lowest === null || gte(lowest, version))
    throw refused(field, `from takes no version below ${version}, which the adapter belongs to.`, fix)
}

function refused(field: string, detail: string, next: string): BrokerError {
  return new BrokerError('invalid_params', { field, detail, next })
}

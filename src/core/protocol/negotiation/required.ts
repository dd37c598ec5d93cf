import { BrokerError } from '../../errors.ts'
import { PROTOCOL_CAPABILITIES, type ProtocolCapability } from '../definition.ts'
import { checkRange, satisfies } from '../versions.ts'

/** What a caller will not do without. */
export interface RequiredProtocol {
  readonly name: string
  /** The range that the version has to be in. */
  readonly version?: string
  readonly capabilities?: readonly ProtocolCapability[]
}

/** Whether a version is what is required; without a requirement, any is. */
export function fulfils(
  one: { readonly version: string; readonly capabilities: readonly string[] },
  need: Omit<RequiredProtocol, 'name'> | undefined,
): boolean {
  if (need?.version !== undefined && !satisfies(one.version, need.version)) return false
  return need?.capabilities?.every((capability) => one.capabilities.includes(capability)) ?? true
}

const REQUIRED_MAX = 64
const NAME_CHARS_MAX = 128
const MEMBERS: readonly string[] = ['name', 'version', 'capabilities']

/**
 * Reads `required_protocols`: a list, or one item, of a name, of `{name, version?, capabilities?}`, or of
 * `{<name>: <range>, …}`. Nothing at all is an empty list.
 *
 * @throws BrokerError `invalid_params` naming the item
 */
export function parseRequired(value: unknown): RequiredProtocol[] {
  if (value === undefined || value === null) return []
  const field = '/required_protocols'
  const found = Array.isArray(value)
    ? value.slice(0, REQUIRED_MAX + 1).flatMap((item, index) => readItem(item, `${field}/${index}`))
    : readItem(value, field)
  if (found.length > REQUIRED_MAX) throw invalid(field, `At most ${REQUIRED_MAX} protocols can be required.`)
  const names = new Set<string>()
  for (const { name } of found) {
    if (names.has(name)) throw invalid(field, `${JSON.stringify(name)} is required twice.`)
    names.add(name)
  }
  return found
}

function readItem(item: unknown, field: string): RequiredProtocol[] {
  if (typeof item === 'string') return [{ name: readName(item, field) }]
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw invalid(field, 'A required protocol is a name, {name, version, capabilities} or {<name>: <range>}.')
  const members = Object.entries(item)
  if (Object.hasOwn(item, 'name') && members.every(([member]) => MEMBERS.includes(member)))
    return [readMembers(item, field)]
  if (members.length === 0) throw invalid(field, 'It names no protocol.')
  return members.map(([name, range]) => ({
    name: readName(name, field),
    version: readRange(range, `${field}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  }))
}

function readMembers(item: object, field: string): RequiredProtocol {
  const { name, version, capabilities } = item as Record<string, unknown>
  return {
    name: readName(name, `${field}/name`),
    ...(version === undefined ? {} : { version: readRange(version, `${field}/version`) }),
    ...(capabilities === undefined
      ? {}
      : { capabilities: readCapabilities(capabilities, `${field}/capabilities`) }),
  }
}

function readName(name: unknown, field: string): string {
  if (typeof name === 'string' && name.length > 0 && name.length <= NAME_CHARS_MAX) return name
  throw invalid(field, `The name of a protocol is a text of 1 to ${NAME_CHARS_MAX} characters.`)
}

function readRange(range: unknown, field: string): string {
  if (typeof range !== 'string')
    throw invalid(field, 'A version is a semver range in a text, such as "^1.2.0".')
  checkRange(range, field)
  return range
}

function readCapabilities(value: unknown, field: string): ProtocolCapability[] {
  const known: readonly unknown[] = PROTOCOL_CAPABILITIES
  if (Array.isArray(value) && value.every((one): one is ProtocolCapability => known.includes(one)))
    return [...new Set(value)]
  throw invalid(field, `Capabilities are a list of ${PROTOCOL_CAPABILITIES.join(', ')}.`)
}

function invalid(field: string, detail: string): BrokerError {
  return new BrokerError('invalid_params', { field, detail })
}

import { COUNT_MAX, type SchemaBounds } from './bounds.ts'
import { JSON_TYPES, type Shape } from './keywords.ts'
import { quoted, refuseSchema, refuseSize } from './refusal.ts'

/** What a wrong value should be, in words; of the shapes that hold no schemas. */
const WANTED: Partial<Record<Shape, string>> = {
  text: 'text',
  flag: 'true or false',
  count: `a whole number from 0 to ${COUNT_MAX}`,
  number: 'a number',
  positive: 'a number above 0',
  types: `one of ${JSON_TYPES.join(', ')}, or a list of some of these, each once`,
  names: 'a list of names, each once',
  list: 'a list',
  pattern: 'a regular expression as text',
  uri: 'a URI as text',
  anchor: 'a name that starts with a letter or _ and holds only letters, digits, -, _ and .',
  map: 'an object',
}

/** Source: 2020-12 core, section 8.2.2. */
const ANCHOR = /^[A-Za-z_][-A-Za-z0-9._]*$/

/**
 * Checks the value of a keyword that holds no schemas.
 *
 * @param path of the keyword
 * @throws BrokerError schema_invalid, or schema_too_large for an `enum` or pattern that is too long
 */
export function checkShape(
  keyword: string,
  shape: Shape,
  value: unknown,
  path: string,
  bounds: SchemaBounds,
): void {
  if (!isOfShape(shape, value)) wrongShape(keyword, WANTED[shape]!, value, path)
  if (keyword === 'enum' && (value as unknown[]).length > bounds.enum_max)
    refuseSize(path, 'enum_max', `The enum has more than ${bounds.enum_max} values.`)
  if (shape === 'pattern' && (value as string).length > bounds.pattern_chars_max)
    refuseSize(path, 'pattern_chars_max', `The pattern has more than ${bounds.pattern_chars_max} characters.`)
}

/** @throws BrokerError schema_invalid */
export function wrongShape(keyword: string, wanted: string, value: unknown, path: string): never {
  return refuseSchema({
    path,
    rule: keyword,
    detail: `${keyword} must be ${wanted}, not ${found(value)}.`,
    next: adviceFor(keyword, value) ?? `Give ${keyword} ${wanted}, or leave it out.`,
  })
}

function isOfShape(shape: Shape, value: unknown): boolean {
  switch (shape) {
    case 'text':
    case 'pattern':
    case 'uri':
      return typeof value === 'string'
    case 'flag':
      return typeof value === 'boolean'
    case 'count':
      return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= COUNT_MAX
    case 'number':
      return typeof value === 'number'
    case 'positive':
      return typeof value === 'number' && value > 0
    case 'types':
      return isType(value) || (isListOfUnique(value, isType) && value.length > 0)
    case 'names':
      return isListOfUnique(value, (name) => typeof name === 'string')
    case 'list':
      return Array.isArray(value)
    case 'anchor':
      return typeof value === 'string' && ANCHOR.test(value)
    case 'map':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return true
  }
}

const isType = (value: unknown): boolean => JSON_TYPES.includes(value as (typeof JSON_TYPES)[number])

export function isListOfUnique(value: unknown, fits: (item: unknown) => boolean): value is unknown[] {
  return Array.isArray(value) && value.every(fits) && new Set(value).size === value.length
}

/** What was given instead, as a schema's author has to find it: short values as they are, others by kind. */
function found(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'this list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

function adviceFor(keyword: string, value: unknown): string | undefined {
  if (keyword === 'items' && Array.isArray(value))
    return 'Use prefixItems for one schema per position; items takes one schema for all others.'
  if (keyword === 'required' && typeof value === 'boolean')
    return 'List the required names in the schema of the object around: "required": ["name"].'
  if (/^(min|max)/.test(keyword) && typeof value === 'number' && value > COUNT_MAX)
    return `Leave ${keyword} out: a message is never as large.`
  if (/^exclusiveM/.test(keyword) && typeof value === 'boolean')
    return `Give the bound itself: "${keyword}": 10.`
  return undefined
}

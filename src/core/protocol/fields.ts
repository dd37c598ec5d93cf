import { isSchemaObject, type JsonSchema, type SchemaObject } from './json-schema.ts'

/** Lines that one protocol takes in an answer. */
const LINES_MAX = 40
const CHOICES_SHOWN_MAX = 12

/**
 * The members of a payload in words, one line each, such as `text: text, 1 to 32768 characters, required`.
 * Where the payload is one of several kinds, each kind has its lines under its own heading.
 */
export function fieldLines(schema: JsonSchema): string[] {
  if (!isSchemaObject(schema)) return [schema ? 'anything' : 'nothing fits']
  const lines = membersOf(schema, schema)
  const branches = [schema.oneOf, schema.anyOf].find(Array.isArray) as unknown[] | undefined
  for (const branch of branches ?? []) {
    const inner = resolved(schema, branch)
    if (!isSchemaObject(inner)) continue
    lines.push(`either, where ${labelOf(inner) ?? 'it fits'}:`)
    for (const line of membersOf(schema, inner)) lines.push(`- ${line}`)
  }
  if (lines.length === 0) lines.push(valueWords(schema, schema))
  return lines.length > LINES_MAX ? [...lines.slice(0, LINES_MAX), '…'] : lines
}

/** What tells a branch from the others: its members with one value. */
function labelOf({ properties }: SchemaObject): string | undefined {
  if (!isSchemaObject(properties)) return undefined
  const fixed = Object.entries(properties).filter(([, inner]) => isSchemaObject(inner) && 'const' in inner)
  return fixed.length === 0
    ? undefined
    : fixed.map(([name, inner]) => `${name} is ${JSON.stringify((inner as SchemaObject).const)}`).join(', ')
}

function membersOf(
  root: SchemaObject,
  { properties, required, additionalProperties }: SchemaObject,
): string[] {
  if (!isSchemaObject(properties)) return []
  const needed = Array.isArray(required) ? required : []
  const lines: string[] = []
  for (const [name, inner] of Object.entries(properties)) {
    const schema = resolved(root, inner)
    if (isSchemaObject(schema) && 'const' in schema) continue
    const words = valueWords(root, schema)
    lines.push(`${name}: ${words}${needed.includes(name) ? ', required' : ''}`)
  }
  if (additionalProperties === false && lines.length > 0) lines.push('no other members')
  return lines
}

/** Follows a reference within the document, one step. */
function resolved(root: SchemaObject, schema: unknown): JsonSchema {
  if (!isSchemaObject(schema)) return schema !== false
  const { $ref } = schema
  if (typeof $ref !== 'string' || !$ref.startsWith('#/')) return schema
  let here: unknown = root
  for (const part of $ref.slice(2).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    here = isSchemaObject(here) && Object.hasOwn(here, name) ? here[name] : undefined
  }
  return isSchemaObject(here) ? here : schema
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'number',
  integer: 'whole number',
  boolean: 'true or false',
  object: 'object',
  array: 'list',
  null: 'null',
}

function valueWords(root: SchemaObject, schema: JsonSchema): string {
  if (!isSchemaObject(schema)) return schema ? 'anything' : 'must be absent'
  if ('const' in schema) return JSON.stringify(schema.const)
  if (Array.isArray(schema.enum)) {
    const shown = schema.enum.slice(0, CHOICES_SHOWN_MAX).map((value) => JSON.stringify(value))
    return `one of ${shown.join(', ')}${schema.enum.length > CHOICES_SHOWN_MAX ? ', …' : ''}`
  }
  const types = [schema.type].flat().map((type) => TYPES[String(type)] ?? 'any value')
  const words = [types.join(' or ')]
  if (isSchemaObject(schema.items)) words[0] += ` of: ${itemWords(root, resolved(root, schema.items))}`
  words.push(
    ...bounds(schema, 'minLength', 'maxLength', 'characters'),
    ...bounds(schema, 'minItems', 'maxItems', 'items'),
    ...bounds(schema, 'minimum', 'maximum', ''),
  )
  return words.join(', ')
}

/** An item in a few words: an object by its members' names. */
function itemWords(root: SchemaObject, schema: JsonSchema): string {
  if (isSchemaObject(schema) && isSchemaObject(schema.properties)) {
    const needed = Array.isArray(schema.required) ? schema.required : []
    const names = Object.keys(schema.properties).map((name) => (needed.includes(name) ? name : `${name}?`))
    return `{${names.join(', ')}}`
  }
  return valueWords(root, schema)
}

function bounds(schema: SchemaObject, least: string, most: string, unit: string): string[] {
  const [from, to] = [schema[least], schema[most]]
  const words = unit === '' ? '' : ` ${unit}`
  if (typeof from === 'number' && typeof to === 'number') return [`${from} to ${to}${words}`]
  if (typeof from === 'number') return [`at least ${from}${words}`]
  return typeof to === 'number' ? [`at most ${to}${words}`] : []
}

import type { TSchema } from '@sinclair/typebox'

/** The members of an object as a Markdown table; undefined when it has none. */
export function membersTable(noun: string, schema: TSchema): string | undefined {
  const members = Object.entries((schema.properties ?? {}) as Record<string, TSchema>)
  if (members.length === 0) return undefined
  const required = new Set((schema.required ?? []) as string[])
  const rows = members.map(([name, member]) => {
    const need = required.has(name) ? '' : ', optional'
    return `| \`${name}\` | ${cell(typeText(member))}${need} | ${cell(member.description ?? '')} |`
  })
  return `| ${noun} | type | |\n|---|---|---|\n${rows.join('\n')}`
}

/** A text that fits into a cell. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** A schema in a word or a few: "text", "list of text", `"auto" or "manual"`. */
function typeText(schema: TSchema): string {
  if (schema.enum) return (schema.enum as string[]).map((word) => `\`${JSON.stringify(word)}\``).join(' or ')
  if (schema.anyOf) return (schema.anyOf as TSchema[]).map(typeText).join(' or ')
  switch (schema.type) {
    case 'array':
      return `list of ${typeText(schema.items as TSchema)}`
    case 'string':
      return 'text'
    case 'integer':
      return `whole number${rangeText(schema)}`
    case 'number':
      return `number${rangeText(schema)}`
    case 'boolean':
      return 'true or false'
    case 'object':
      return objectText(schema)
    default:
      return 'any JSON'
  }
}

function objectText({ properties, additionalProperties }: TSchema): string {
  if (typeof additionalProperties === 'object') return 'object of texts by name'
  const names = Object.keys((properties ?? {}) as object)
  return names.length > 0 ? `object of ${names.map((name) => `\`${name}\``).join(', ')}` : 'object'
}

function rangeText({ minimum, maximum }: TSchema): string {
  if (minimum === undefined) return ''
  return maximum === undefined ? ` from ${minimum}` : `, ${minimum} to ${maximum}`
}

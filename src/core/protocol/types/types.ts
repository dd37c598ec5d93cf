import type { ProtocolMetadata } from '../definition.ts'
import { isSchemaObject, type JsonSchema, type SchemaObject } from '../json-schema.ts'
import { compareVersions, newestUsable } from '../versions.ts'
import { pointed, print, union } from './schema-type.ts'
import { comment, quoted } from './type-text.ts'

/** What is printed of one version of a protocol. */
export interface TypedDefinition {
  readonly name: string
  readonly version: string
  readonly schema: JsonSchema
  readonly metadata: ProtocolMetadata
}

/**
 * TypeScript declarations of the payloads of protocols: a type for each version, such as `Chat_1_4_1`; one
 * for the newest, `Chat`; and `Protocols`, which has all by name and version. The order of the definitions
 * does not matter.
 *
 * A type is never narrower than its schema: what TypeScript cannot say, such as a length or a pattern, is
 * left out, and what the printer does not read is `unknown`. Names and descriptions may be any text.
 */
export function typesOf(definitions: readonly TypedDefinition[]): string {
  const taken = new Set(['Protocols'])
  const declared: string[] = []
  let members = ''
  for (const [name, all] of Map.groupBy([...definitions].sort(inOrder), ({ name }) => name)) {
    const plain = unused(pascal(name) || 'Protocol', taken)
    let versions = ''
    const types = new Map<string, string>()
    for (const one of new Map(all.map((one) => [one.version, one])).values()) {
      const type = unused(`${plain}_${one.version.replaceAll(/[^0-9A-Za-z]+/g, '_')}`, taken)
      types.set(one.version, type)
      declared.push(...declarations(one, type, taken))
      versions += `    ${quoted(one.version)}: ${type};\n`
    }
    declared.push(`export type ${plain} = ${types.get(newestUsable(all)!.version)};\n`)
    members += `  ${quoted(name)}: {\n${versions}  };\n`
  }
  const what = comment('Payloads by the name and the version of their protocol.', '')
  declared.push(`${what}export interface Protocols {\n${members}}\n`)
  return declared.join('\n')
}

function inOrder(a: TypedDefinition, b: TypedDefinition): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  return compareVersions(a.version, b.version) || (a.version < b.version ? -1 : 1)
}

/** The type of one version, and those that its `$ref`s point at. */
function declarations({ schema, metadata }: TypedDefinition, type: string, taken: Set<string>): string[] {
  if (!isSchemaObject(schema)) return [declaration(metadata.description, type, print(schema, undefined))]
  const names = new Map<SchemaObject, string>([[schema, type]])
  const waiting: (readonly [SchemaObject, base: SchemaObject])[] = [[schema, schema]]
  const page = {
    // Beside a `$ref` the older draft ignores all other keywords.
    refs_alone: typeof schema.$schema === 'string' && schema.$schema.includes('draft-07'),
    nameOf(ref: string, base: SchemaObject): string | boolean | undefined {
      const [target, inside] = pointed(ref, base) ?? []
      if (!inside || !isSchemaObject(target)) return typeof target === 'boolean' ? target : undefined
      const known = names.get(target)
      if (known !== undefined) return known
      const name = unused(`${type}_${pascal(ref.slice(ref.lastIndexOf('/') + 1)) || 'Part'}`, taken)
      names.set(target, name)
      waiting.push([target, inside])
      return name
    },
  }
  const printed: string[] = []
  // The list grows while it is walked.
  for (const [part, base] of waiting) {
    const described = (part === schema ? metadata.description : undefined) ?? part.description
    printed.push(declaration(described, names.get(part)!, print(part, { page, base, indent: '', depth: 0 })))
  }
  return printed
}

function declaration(described: unknown, type: string, alternatives: readonly string[]): string {
  return `${comment(described, '')}export type ${type} = ${union(alternatives)};\n`
}

/** `file_lease` as `FileLease`; empty where there is no letter to begin with. */
function pascal(text: string): string {
  const words = text.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
  const joined = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
  return joined.replace(/^[0-9]+/, '')
}

function unused(wanted: string, taken: Set<string>): string {
  let name = wanted
  for (let count = 2; taken.has(name); count++) name = `${wanted}_${count}`
  taken.add(name)
  return name
}

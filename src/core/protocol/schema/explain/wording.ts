import { Guard } from 'typebox/guard'
import { nearestNames } from '../../../routing.ts'
import { isSchemaObject } from '../../json-schema.ts'
import type { Definitions, LinkedSchema } from '../linked.ts'
import { quoted } from '../refusal.ts'

const WORDS_MAX = 200
/** Required names that are listed of one branch. */
const NAMES_MAX = 3

/** What a value is, without saying it: kind and length only, a text's as `minLength` counts it. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return `string of ${counted(Guard.CodePointCount(value), 'character')}`
  if (Array.isArray(value)) return `array of ${counted(value.length, 'item')}`
  if (typeof value === 'object') return `object with ${counted(Object.keys(value).length, 'property')}`
  return typeof value
}

/** `a string`, `an object`, `null`. */
export function withArticle(kind: string): string {
  if (kind === 'null') return kind
  return /^[aeio]/.test(kind) ? `an ${kind}` : `a ${kind}`
}

/** `1 item`, `2,000 items`. */
export function counted(count: number, thing: string): string {
  const things = thing.endsWith('y') ? `${thing.slice(0, -1)}ies` : `${thing}s`
  return `${count.toLocaleString('en')} ${count === 1 ? thing : things}`
}

/** What a schema asks for, in a few words, such as `string` or `"a" or "b"`. */
export function wantedBy(schema: LinkedSchema | undefined, definitions: Definitions): string {
  const at = schema === undefined ? true : definitions.followed(schema)
  if (!isSchemaObject(at)) return at ? 'any value' : 'nothing'
  if (at.const !== undefined) return listed([at.const])
  if (Array.isArray(at.enum)) return listed(at.enum)
  if (at.type !== undefined) return typesOf(at.type)
  if (typeof at.title === 'string') return cut(at.title)
  if (at.properties !== undefined || at.required !== undefined) return 'object'
  if (at.items !== undefined || at.prefixItems !== undefined) return 'array'
  return 'another value'
}

/** What a branch of a union asks for: of an object also the members that it must have. */
export function branchWords(branch: LinkedSchema, definitions: Definitions): string {
  const words = wantedBy(branch, definitions)
  const at = definitions.followed(branch)
  const required = isSchemaObject(at) && Array.isArray(at.required) ? at.required : []
  if (words !== 'object' || required.length === 0) return words
  const names = required.slice(0, NAMES_MAX).map((name) => quoted(name))
  return `object with ${names.join(' and ')}${required.length > NAMES_MAX ? ' and more' : ''}`
}

/** What a schema asks of the name of a member; undefined where that takes more than a few words. */
export function nameWords(schema: LinkedSchema, definitions: Definitions): string | undefined {
  const at = definitions.followed(schema)
  if (!isSchemaObject(at)) return undefined
  if (typeof at.pattern === 'string') return matching(at.pattern)
  return at.const !== undefined || Array.isArray(at.enum) ? wantedBy(at, definitions) : undefined
}

export function matching(pattern: string): string {
  return `text that matches ${cut(pattern, 120)}`
}

export function typesOf(type: unknown): string {
  return orList((Array.isArray(type) ? type : [type]).map(String))
}

/** Values of the schema as JSON, cut. */
export function listed(values: readonly unknown[]): string {
  if (values.length === 0) return 'nothing'
  const shown: string[] = []
  let chars = 0
  for (const value of values) {
    const text = cut(JSON.stringify(value), 80)
    chars += text.length + 2
    if (chars > WORDS_MAX - 20 && shown.length > 0)
      return `${shown.join(', ')} or ${values.length - shown.length} more`
    shown.push(text)
  }
  return orList(shown)
}

export function orList(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`
}

/** What a name could have been meant as; empty if none is near. */
export function meant(name: string, known: readonly string[]): string {
  const near = nearestNames(name.slice(0, 100), known, 1)
  return near.length === 0 ? '' : `; did you mean ${quoted(near[0]!)}?`
}

export function cut(text: string, chars_max = WORDS_MAX): string {
  return text.length > chars_max ? `${text.slice(0, chars_max)}…` : text
}

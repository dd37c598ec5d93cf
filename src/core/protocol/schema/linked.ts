import { isSchemaObject, type JsonSchema, type SchemaObject } from '../json-schema.ts'

/**
 * A linked schema is what {@link linkSchema} makes of an admitted one: 2020-12 in plain JSON, in which each
 * `$ref` is `#` or `#/$defs/NAME` of the root, and nothing is named by `$id`, anchors or `$dynamicRef`.
 * Validator, weight, explanation and example work on it.
 */
export type LinkedSchema = JsonSchema

/** Keywords of a linked schema whose schema holds for the same value. */
export const IN_PLACE = ['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas'] as const

/** Finds what the references of one linked schema lead to. */
export class Definitions {
  private readonly root: LinkedSchema

  constructor(root: LinkedSchema) {
    this.root = root
  }

  /** What a `$ref` of the form `#` or `#/…` leads to; undefined if there is no schema. */
  get(ref: unknown): LinkedSchema | undefined {
    if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref)) return undefined
    let at: unknown = this.root
    for (const part of ref.split('/').slice(1)) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
      at = (at as Record<string, unknown>)[name]
    }
    return typeof at === 'boolean' || isSchemaObject(at) ? at : undefined
  }

  /** A schema with the references at its top followed, as long as nothing stands beside them. */
  followed(schema: LinkedSchema): LinkedSchema {
    let at = schema
    for (let step = 0; step < 32 && isSchemaObject(at) && '$ref' in at; step++) {
      const target = this.get(at.$ref)
      if (target === undefined || Object.keys(at).some((keyword) => !BESIDE.has(keyword))) return at
      at = target
    }
    return at
  }
}

/** What may stand beside a `$ref` without a meaning of its own. */
const BESIDE = new Set(['$ref', '$defs', '$schema', 'title', 'description', 'default', 'examples', 'format'])

/** The schemas inside one schema that hold for the same value, but for those that it refers to. */
export function inPlace(schema: SchemaObject): LinkedSchema[] {
  return IN_PLACE.flatMap((keyword) => {
    const value = schema[keyword]
    if (value === undefined) return []
    if (keyword === 'dependentSchemas') return Object.values(value as Record<string, LinkedSchema>)
    return Array.isArray(value) ? (value as LinkedSchema[]) : [value as LinkedSchema]
  })
}

import { isSchemaObject, type SchemaObject } from '../../json-schema.ts'
import type { LinkedSchema } from '../linked.ts'
import { entriesOf, type Members, type Visitor } from './visitor.ts'

/**
 * Adds the names or indices of a value that a schema, or one that holds beside it for the same value, has
 * looked at. Source: 2020-12 core, sections 10 and 11.
 *
 * @param own whether `schema` is the one whose `unevaluated…` is asked for, which does not count itself
 */
export function addEvaluated(
  visitor: Visitor,
  schema: LinkedSchema,
  value: unknown,
  seen: Set<string | number>,
  own: boolean,
): void {
  visitor.spend(1)
  if (!isSchemaObject(schema)) return
  if (Array.isArray(value)) addItems(visitor, schema, value, seen, own)
  else if (isSchemaObject(value)) addMembers(visitor, schema, value, seen, own)
  const add = (one: LinkedSchema) => addEvaluated(visitor, one, value, seen, false)
  const addFitting = (one: LinkedSchema) => {
    if (visitor.visit(one, value, undefined, false)) add(one)
  }
  if (schema.$ref !== undefined) add(visitor.definitions.get(schema.$ref) ?? true)
  for (const one of (schema.allOf ?? []) as LinkedSchema[]) add(one)
  for (const keyword of ['anyOf', 'oneOf'])
    for (const one of (schema[keyword] ?? []) as LinkedSchema[]) addFitting(one)
  if (schema.if !== undefined) {
    const fits = visitor.visit(schema.if as LinkedSchema, value, undefined, false)
    if (fits) add(schema.if as LinkedSchema)
    add(((fits ? schema.then : schema.else) ?? true) as LinkedSchema)
  }
  for (const [name, one] of entriesOf(schema.dependentSchemas))
    if (isSchemaObject(value) && Object.hasOwn(value, name)) add(one)
}

function addMembers(
  visitor: Visitor,
  schema: SchemaObject,
  value: Members,
  seen: Set<string | number>,
  own: boolean,
): void {
  const patterns = Object.keys((schema.patternProperties ?? {}) as object)
  const all =
    schema.additionalProperties !== undefined || (!own && schema.unevaluatedProperties !== undefined)
  const properties = (schema.properties ?? {}) as object
  for (const name of Object.keys(value)) {
    visitor.spend(1)
    if (all || Object.hasOwn(properties, name) || patterns.some((pattern) => visitor.matches(pattern, name)))
      seen.add(name)
  }
}

function addItems(
  visitor: Visitor,
  schema: SchemaObject,
  value: readonly unknown[],
  seen: Set<string | number>,
  own: boolean,
): void {
  const prefix = ((schema.prefixItems as unknown[] | undefined) ?? []).length
  const all = schema.items !== undefined || (!own && schema.unevaluatedItems !== undefined)
  for (const [index, item] of value.entries()) {
    visitor.spend(1)
    if (all || index < prefix) seen.add(index)
    else if (
      schema.contains !== undefined &&
      visitor.visit(schema.contains as LinkedSchema, item, undefined, false)
    )
      seen.add(index)
  }
}

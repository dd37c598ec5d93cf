import { isSchemaObject } from '../../json-schema.ts'
import type { Definitions, LinkedSchema } from '../linked.ts'

/** A member by whose value one can tell which branch of a union is meant, such as `kind`. */
export interface Discriminator {
  readonly name: string
  /** The values that each branch takes for it, in the order of the branches. */
  readonly values: readonly (readonly unknown[])[]
}

/** Looks no further into long unions. */
const NAMES_LOOKED_AT_MAX = 50

/** The member that all branches of a union fix to scalars by `const` or `enum`; undefined without one. */
export function discriminatorOf(
  branches: readonly LinkedSchema[],
  definitions: Definitions,
): Discriminator | undefined {
  const names = Object.keys(propertiesOf(branches[0], definitions)).slice(0, NAMES_LOOKED_AT_MAX)
  let best: Discriminator | undefined
  for (const name of names) {
    const values: (readonly unknown[])[] = []
    for (const branch of branches) {
      const fixed = fixedValues(propertiesOf(branch, definitions), name, definitions)
      if (fixed === undefined) break
      values.push(fixed)
    }
    if (values.length < branches.length) continue
    if (isDistinct(values)) return { name, values }
    best ??= { name, values }
  }
  return best
}

function isDistinct(values: readonly (readonly unknown[])[]): boolean {
  const all = values.flat()
  return new Set(all).size === all.length
}

function propertiesOf(branch: LinkedSchema | undefined, definitions: Definitions): object {
  const schema = branch === undefined ? undefined : definitions.followed(branch)
  const properties = isSchemaObject(schema) ? schema.properties : undefined
  return isSchemaObject(properties) ? properties : {}
}

function fixedValues(properties: object, name: string, definitions: Definitions): unknown[] | undefined {
  if (!Object.hasOwn(properties, name)) return undefined
  const schema = definitions.followed((properties as Record<string, LinkedSchema>)[name]!)
  if (!isSchemaObject(schema)) return undefined
  const values = schema.const !== undefined ? [schema.const] : schema.enum
  if (!Array.isArray(values)) return undefined
  return values.every((value) => typeof value !== 'object' || value === null) ? values : undefined
}

/** Branches whose `type`, if they say one, takes the value. */
export function branchesOfType(
  branches: readonly LinkedSchema[],
  value: unknown,
  definitions: Definitions,
): LinkedSchema[] {
  return branches.filter((branch) => {
    const schema = definitions.followed(branch)
    if (!isSchemaObject(schema)) return schema
    return schema.type === undefined || isOfType(schema.type, value)
  })
}

/** Whether a value is of a JSON type, or of one of several. */
export function isOfType(type: unknown, value: unknown): boolean {
  if (Array.isArray(type)) return type.some((one) => isOfType(one, value))
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    case 'number':
      return Number.isFinite(value)
    default:
      return typeof value === type
  }
}

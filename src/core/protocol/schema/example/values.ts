import { isSchemaObject, type SchemaObject } from '../../json-schema.ts'
import type { Definitions, LinkedSchema } from '../linked.ts'
import { type Choices, GiveUp } from './choices.ts'
import { merged } from './merge.ts'
import { textFor } from './text.ts'

const DEPTH_MAX = 16
/** Values of an `enum`, and `examples`, that are tried. */
const VALUES_MAX = 12
/** More members or items make no example that is small enough. */
const PARTS_MAX = 1000

/** Which keywords tell the type of a schema that does not say it. */
const TYPE_BY_KEYWORD: readonly (readonly [string, readonly string[]])[] = [
  [
    'object',
    ['properties', 'required', 'additionalProperties', 'minProperties', 'patternProperties', 'propertyNames'],
  ],
  ['array', ['items', 'prefixItems', 'minItems', 'contains', 'uniqueItems']],
  ['string', ['minLength', 'maxLength', 'pattern', 'format']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
]

/** Makes the values of one attempt. */
export class ExampleValues {
  private readonly definitions: Definitions
  private readonly choices: Choices

  constructor(definitions: Definitions, choices: Choices) {
    this.definitions = definitions
    this.choices = choices
  }

  /**
   * @param variant makes it another value, if the schema leaves room
   * @throws GiveUp if these choices lead to none
   */
  valueFor(schema: LinkedSchema, depth: number, variant = 0): unknown {
    if (depth > DEPTH_MAX) throw new GiveUp()
    const one = merged(schema, this.definitions, this.choices)
    if (one.const !== undefined) return one.const
    if (Array.isArray(one.enum)) return this.choices.pick(rotated(one.enum, variant).slice(0, VALUES_MAX))
    const given = one.default === undefined ? [] : [one.default]
    const examples = Array.isArray(one.examples) ? one.examples.slice(0, VALUES_MAX) : []
    const made = { payload: undefined }
    const chosen = this.choices.pick<unknown>([...rotated([...given, ...examples], variant), made])
    return chosen === made ? this.madeFor(one, depth, variant) : chosen
  }

  private madeFor(schema: SchemaObject, depth: number, variant: number): unknown {
    switch (this.choices.pick(typesOf(schema))) {
      case 'object':
        return this.objectFor(schema, depth, variant)
      case 'array':
        return this.arrayFor(schema, depth, variant)
      case 'string':
        return textFor(schema, this.choices, variant)
      case 'integer':
        return numberFor(schema, 1, variant)
      case 'number':
        return numberFor(schema, 0, variant)
      case 'boolean':
        return variant % 2 === 0
      default:
        return null
    }
  }

  private objectFor(schema: SchemaObject, depth: number, variant: number): unknown {
    const properties = (schema.properties ?? {}) as Record<string, LinkedSchema>
    const names = this.namesFor(schema, Object.keys(properties))
    // Names come from JSON: only an object without a prototype takes __proto__ as any other.
    const object: Record<string, unknown> = Object.create(null)
    for (const name of names) {
      const declared = Object.hasOwn(properties, name) ? properties[name] : undefined
      object[name] = this.valueFor(declared ?? otherMember(schema), depth + 1, variant)
    }
    return Object.defineProperties({}, Object.getOwnPropertyDescriptors(object))
  }

  private namesFor(schema: SchemaObject, declared: readonly string[]): Set<string> {
    const names = new Set((schema.required ?? []) as string[])
    const dependent = (schema.dependentRequired ?? {}) as Record<string, string[]>
    for (const name of names)
      for (const other of Object.hasOwn(dependent, name) ? dependent[name]! : []) names.add(other)
    const least = (schema.minProperties ?? 0) as number
    if (Math.max(least, names.size) > PARTS_MAX) throw new GiveUp()
    for (const name of declared) if (names.size < least) names.add(name)
    for (let index = 0; names.size < least; index++) {
      if (index > 2 * least) throw new GiveUp()
      names.add(this.nameFor(schema, index))
    }
    return names
  }

  /** A name that is not declared. */
  private nameFor(schema: SchemaObject, index: number): string {
    const [pattern] = Object.keys((schema.patternProperties ?? {}) as object)
    if (isSchemaObject(schema.propertyNames)) {
      const name = this.valueFor({ type: 'string', allOf: [schema.propertyNames] }, DEPTH_MAX, index)
      return typeof name === 'string' ? name : `name${index}`
    }
    return pattern === undefined ? `name${index}` : textFor({ pattern }, this.choices, index)
  }

  private arrayFor(schema: SchemaObject, depth: number, variant: number): unknown {
    const prefix = (schema.prefixItems ?? []) as LinkedSchema[]
    const contained = schema.contains === undefined ? 0 : ((schema.minContains ?? 1) as number)
    const count = Math.max((schema.minItems ?? 0) as number, contained)
    if (count > PARTS_MAX) throw new GiveUp()
    return Array.from({ length: count }, (_, index) => {
      const own = prefix[index] ?? ((schema.items ?? true) as LinkedSchema)
      const item = index < contained ? { allOf: [own, schema.contains] } : own
      return this.valueFor(item, depth + 1, schema.uniqueItems === true ? index + variant : variant)
    })
  }
}

/** For a name that no property declares. */
function otherMember(schema: SchemaObject): LinkedSchema {
  const [patterned] = Object.values((schema.patternProperties ?? {}) as Record<string, LinkedSchema>)
  return patterned ?? ((schema.additionalProperties || true) as LinkedSchema)
}

function typesOf(schema: SchemaObject): readonly unknown[] {
  if (schema.type !== undefined) return [schema.type].flat()
  const told = TYPE_BY_KEYWORD.filter(([, keywords]) => keywords.some((one) => schema[one] !== undefined))
  return told.length === 0 ? ['object', 'string', 'number', 'array'] : told.map(([type]) => type)
}

/** The number nearest to 0 or to the least one that fits. @param step 1 for an integer, 0 for any number */
function numberFor(schema: SchemaObject, step: number, variant: number): number {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema as Record<
    string,
    number | undefined
  >
  const unit = (schema.multipleOf as number | undefined) ?? step
  const low = Math.max(minimum ?? Number.NEGATIVE_INFINITY, exclusiveMinimum ?? Number.NEGATIVE_INFINITY)
  const high = Math.min(maximum ?? Number.POSITIVE_INFINITY, exclusiveMaximum ?? Number.POSITIVE_INFINITY)
  let number = low > Number.NEGATIVE_INFINITY ? low : Math.min(0, high)
  if (unit > 0)
    number = (low > Number.NEGATIVE_INFINITY ? Math.ceil(number / unit) : Math.floor(number / unit)) * unit
  if (number === exclusiveMinimum) number = nextTo(number, high, unit)
  if (number === exclusiveMaximum) number -= unit || 1
  return number + variant * (unit || 1)
}

/** A little more: a unit, else 1, else half of the way. */
function nextTo(low: number, high: number, unit: number): number {
  if (unit > 0) return low + unit
  return low + 1 < high ? low + 1 : (low + high) / 2
}

function rotated<T>(values: readonly T[], by: number): T[] {
  const at = values.length === 0 ? 0 : by % values.length
  return [...values.slice(at), ...values.slice(0, at)]
}

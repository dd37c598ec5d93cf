import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import { Definitions, type LinkedSchema } from './linked.ts'
import { type LinearPattern, SMALL_PATTERN } from './pattern.ts'

/** What one check is worth: about 10 ns, a comparison of a scalar. */
interface Cost {
  /** For the value itself. */
  readonly here: number
  /** For each value below it, however deep, that this schema has checked. */
  readonly below: number
}

const NOTHING: Cost = { here: 0, below: 0 }
const ENDLESS = Number.POSITIVE_INFINITY
/** The hash of one value, for `uniqueItems`. */
const HASH_COST = 100
const PATTERN_COST = 40
/** With `unevaluated…` each value has its sets of names seen. */
const UNEVALUATED_FACTOR = 10

/**
 * An upper bound of the checks per node of a payload (with 64 characters of text as one node more), so that
 * weight times nodes bounds the time; Infinity where a schema reaches itself.
 *
 * @param again what it counts for that a schema reaches itself; 0 for one that goes down each payload once
 */
export function weightOf(
  root: LinkedSchema,
  patterns: ReadonlyMap<string, LinearPattern>,
  again = ENDLESS,
): number {
  const scale = new Scale(root, patterns, again)
  const { here, below } = scale.costOf(root)
  return Math.max(1, here, below) * (scale.unevaluated ? UNEVALUATED_FACTOR : 1)
}

class Scale {
  unevaluated = false
  private readonly definitions: Definitions
  private readonly patterns: ReadonlyMap<string, LinearPattern>
  private readonly known = new Map<SchemaObject, Cost | 'open'>()

  constructor(
    root: LinkedSchema,
    patterns: ReadonlyMap<string, LinearPattern>,
    private readonly again: number,
  ) {
    this.definitions = new Definitions(root)
    this.patterns = patterns
  }

  /** Each subschema is weighed once: billions of ways through a few definitions cost no more than these. */
  costOf(schema: LinkedSchema | undefined): Cost {
    if (!isSchemaObject(schema)) return NOTHING
    const known = this.known.get(schema)
    if (known === 'open') return { here: this.again, below: this.again }
    if (known !== undefined) return known
    this.known.set(schema, 'open')
    const cost = this.weigh(schema)
    this.known.set(schema, cost)
    return cost
  }

  private weigh(schema: SchemaObject): Cost {
    let here = this.ownCost(schema)
    let below = 0
    const add = (cost: Cost, times = 1) => {
      here += cost.here * times
      below += cost.below * times
    }
    if (schema.$ref !== undefined) add(this.costOf(this.definitions.get(schema.$ref)))
    for (const keyword of ['allOf', 'anyOf', 'oneOf'])
      for (const branch of (schema[keyword] ?? []) as LinkedSchema[]) add(this.costOf(branch))
    for (const keyword of ['not', 'if']) add(this.costOf(schema[keyword] as LinkedSchema | undefined))
    const branches = [schema.then, schema.else].map((branch) =>
      this.costOf(branch as LinkedSchema | undefined),
    )
    here += Math.max(...branches.map((branch) => branch.here))
    below += Math.max(...branches.map((branch) => branch.below))
    for (const branch of valuesOf(schema.dependentSchemas)) add(this.costOf(branch))
    const members = this.memberCost(schema)
    const items = this.itemCost(schema)
    return { here, below: below + Math.max(members, items) }
  }

  /** What a member of the value, and all below it, can cost together. */
  private memberCost(schema: SchemaObject): number {
    const patterned = valuesOf(schema.patternProperties)
    const matches = Object.keys((schema.patternProperties as object | undefined) ?? {})
      .map((pattern) => 2 + this.patternCost(pattern))
      .reduce((total, cost) => total + cost, 0)
    const declared = Math.max(0, ...valuesOf(schema.properties).map((property) => this.whole(property)))
    const any = patterned.reduce<number>((total, property) => total + this.whole(property), 0)
    const rest = this.whole(schema.additionalProperties as LinkedSchema | undefined)
    if (schema.unevaluatedProperties !== undefined) this.unevaluated = true
    return (
      Math.max(declared + any, rest) +
      matches +
      (schema.additionalProperties === undefined ? 0 : 2) +
      this.whole(schema.propertyNames as LinkedSchema | undefined) +
      this.whole(schema.unevaluatedProperties as LinkedSchema | undefined)
    )
  }

  private itemCost(schema: SchemaObject): number {
    const prefix = ((schema.prefixItems ?? []) as LinkedSchema[]).map((item) => this.whole(item))
    const rest = this.whole(schema.items as LinkedSchema | undefined)
    // One pass for contains, and one each for its least and its most.
    const passes = 1 + Number(schema.minContains !== undefined) + Number(schema.maxContains !== undefined)
    if (schema.unevaluatedItems !== undefined) this.unevaluated = true
    return (
      Math.max(rest, ...prefix) +
      this.whole(schema.contains as LinkedSchema | undefined) * passes +
      this.whole(schema.unevaluatedItems as LinkedSchema | undefined) +
      (schema.uniqueItems === true ? HASH_COST : 0)
    )
  }

  private whole(schema: LinkedSchema | undefined): number {
    const { here, below } = this.costOf(schema)
    return Math.max(here, below)
  }

  private ownCost(schema: SchemaObject): number {
    let cost = 1
    if (typeof schema.pattern === 'string') cost += this.patternCost(schema.pattern)
    if (schema.minLength !== undefined || schema.maxLength !== undefined) cost += 2
    if (schema.multipleOf !== undefined) cost += 2
    if (Array.isArray(schema.enum)) cost += comparisons(schema.enum)
    if (schema.const !== undefined) cost += comparisons([schema.const])
    cost += Object.keys((schema.properties as object | undefined) ?? {}).length / 2
    cost += ((schema.required as unknown[] | undefined) ?? []).length / 2
    for (const [, names] of Object.entries((schema.dependentRequired as object | undefined) ?? {}))
      cost += 1 + names.length / 2
    return cost
  }

  private patternCost(source: string): number {
    const size = this.patterns.get(source)?.size ?? 0
    if (size === 0) return 4
    return size <= SMALL_PATTERN ? PATTERN_COST : PATTERN_COST * size
  }
}

function valuesOf(schemas: unknown): LinkedSchema[] {
  return Object.values((schemas as Record<string, LinkedSchema> | undefined) ?? {})
}

/** Scalars are compared ten times as fast as objects. */
function comparisons(values: readonly unknown[]): number {
  return values.reduce<number>((total, value) => total + (typeof value === 'object' ? 5 : 0.1), 0)
}

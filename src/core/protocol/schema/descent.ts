import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import { Definitions, inPlace, type LinkedSchema } from './linked.ts'

/** Ways down are counted up to here: two are as bad as a thousand. */
const WAYS_MAX = 2

/**
 * Whether a recursive schema checks each value of a payload by one of its recursive parts at most. The work
 * is in proportion to the payload then, as for a tree of tasks; with two ways down it may double at each
 * level. A schema that compares whole items, and so looks at what is inside them once more at each level,
 * does not count.
 *
 * @param root as `linkSchema` makes it: no schema reaches itself without a step into the payload
 */
export function descendsOnce(root: LinkedSchema): boolean {
  const walk = new Walk(root)
  walk.isRecursive(root)
  return walk.once
}

/**
 * By how many recursive schemas one value inside is checked, where it is a member and where it is an item.
 */
interface Ways {
  readonly member: number
  readonly item: number
}

class Walk {
  once = true
  private readonly definitions: Definitions
  /** Of each schema whether it is recursive or has a recursive one inside; `open` while that is found out. */
  private readonly known = new Map<SchemaObject, boolean | 'open'>()
  private readonly ways = new Map<SchemaObject, Ways>()

  constructor(root: LinkedSchema) {
    this.definitions = new Definitions(root)
  }

  isRecursive(schema: LinkedSchema): boolean {
    if (!isSchemaObject(schema)) return false
    const known = this.known.get(schema)
    if (known !== undefined) return known !== false
    this.known.set(schema, 'open')
    const { members, items } = insides(schema)
    let recursive = false
    for (const one of [...this.beside(schema), ...members.flat(), ...items.flat()])
      recursive = this.isRecursive(one) || recursive
    this.known.set(schema, recursive)
    if (recursive && (this.mostWays(schema) > 1 || schema.uniqueItems === true)) this.once = false
    return recursive
  }

  /** Schemas for the same value. */
  private beside(schema: SchemaObject): LinkedSchema[] {
    const target = this.definitions.get(schema.$ref)
    return target === undefined ? inPlace(schema) : [...inPlace(schema), target]
  }

  private mostWays(schema: SchemaObject): number {
    const { member, item } = this.waysOf(schema)
    return Math.max(member, item)
  }

  private waysOf(schema: SchemaObject): Ways {
    const known = this.ways.get(schema)
    if (known !== undefined) return known
    const { members, items } = insides(schema)
    const leading = (lists: LinkedSchema[][]) =>
      lists.filter((list) => list.some((one) => this.isRecursive(one))).length
    let member = leading(members)
    let item = leading(items)
    for (const one of this.beside(schema)) {
      if (!isSchemaObject(one)) continue
      const other = this.waysOf(one)
      member += other.member
      item += other.item
    }
    const ways = { member: Math.min(member, WAYS_MAX), item: Math.min(item, WAYS_MAX) }
    this.ways.set(schema, ways)
    return ways
  }
}

/** Schemas for values inside: in each list are those of which one value inside meets one at most. */
function insides(schema: SchemaObject): { members: LinkedSchema[][]; items: LinkedSchema[][] } {
  const one = (keyword: string) => (schema[keyword] === undefined ? [] : [schema[keyword] as LinkedSchema])
  const all = (keyword: string) => Object.values((schema[keyword] ?? {}) as Record<string, LinkedSchema>)
  // contains is asked once more for the least and for the most that fit.
  const asked = [schema.contains, schema.minContains, schema.maxContains].filter(
    (value) => value !== undefined,
  )
  return {
    members: [
      [...all('properties'), ...one('additionalProperties')],
      ...all('patternProperties').map((pattern) => [pattern]),
      one('unevaluatedProperties'),
    ],
    items: [
      [...((schema.prefixItems ?? []) as LinkedSchema[]), ...one('items')],
      ...asked.map(() => one('contains')),
      one('unevaluatedItems'),
    ],
  }
}

import { isSchemaObject } from '../json-schema.ts'
import type { Node } from './document.ts'
import { itemsOf } from './fits.ts'
import { numberOr } from './json-text.ts'
import type { Mode } from './object-view.ts'
import type { View } from './view.ts'
import type { Work } from './work.ts'

/** How many items must, and may, fit a schema. */
export interface Contained {
  readonly node: Node
  readonly min: number
  readonly max: number
}

/** What the schemas of a {@link View} say of an array together. */
export class ArrayView {
  readonly min: number
  readonly max: number
  readonly isUnique: boolean
  readonly contains: readonly Contained[]
  /** How many items have a place of their own. */
  readonly placed: number
  private readonly lists: readonly ReturnType<typeof itemsOf>[]
  /** From here on there are no items, since a tuple that is open does not declare them. */
  private readonly undeclared_from: number

  constructor(view: View, mode: Mode, work: Work) {
    work.step(view.parts.length)
    const schemas = view.parts.map((part) => part.schema).filter(isSchemaObject)
    this.lists = view.parts.map(itemsOf)
    this.placed = Math.max(0, ...this.lists.map(({ first }) => first.length))
    this.isUnique = schemas.some(({ uniqueItems }) => uniqueItems === true)
    this.contains = view.parts.flatMap((part) => {
      if (!isSchemaObject(part.schema) || part.schema.contains === undefined) return []
      const { contains, minContains, maxContains } = part.schema
      const node = part.document.child(part, contains)
      const max = numberOr(maxContains, Number.POSITIVE_INFINITY)
      return [{ node, min: numberOr(minContains, 1), max }]
    })
    const counts = this.contains.map(({ min }) => min)
    this.min = Math.max(0, ...counts, ...schemas.map(({ minItems }) => numberOr(minItems, 0)))
    const isOpenTuple =
      this.placed > 0 && !this.lists.some(({ rest }) => rest !== undefined && isSchemaObject(rest.schema))
    const closes = mode === 'lenient' && isOpenTuple && this.contains.length === 0 && !view.cut
    this.undeclared_from = closes ? Math.max(this.placed, this.min) : Number.POSITIVE_INFINITY
    let most = this.undeclared_from
    for (let index = this.placed; index >= 0; index--) if (this.at(index) === undefined) most = index
    this.max = Math.min(most, ...schemas.map(({ maxItems }) => numberOr(maxItems, most)))
  }

  /** The schemas that an item has to fit; undefined when there can be no item there. */
  at(index: number): readonly Node[] | undefined {
    if (index >= this.undeclared_from) return undefined
    const found = this.lists.flatMap(({ first, rest }) => first[index] ?? rest ?? [])
    return found.some((node) => node.schema === false) ? undefined : found
  }
}

import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import type { Contained } from './array-view.ts'
import type { Node } from './document.ts'
import { itemsOf } from './fits.ts'
import { numberOr } from './json-text.ts'
import { type Problem, type Proof, within } from './problem.ts'
import { said } from './scalars.ts'
import type { View } from './view.ts'

/** What a reader may object to in the arrays of a view. */
export function arrayProblems(proof: Proof, reader: Node, schema: SchemaObject, view: View): Problem[] {
  const array = proof.array(view)
  const problems: Problem[] = []
  const { first, rest } = itemsOf(reader)
  const from = Math.max(first.length, array.placed)
  let max = array.max
  for (let index = Math.min(array.placed, max - 1); index >= 0; index--)
    if (proof.isEmpty(array.at(index) ?? [])) max = index
  for (let index = 0; index <= from && index < max; index++) {
    const writer = array.at(index)
    const part = first[index] ?? rest
    if (writer === undefined || part === undefined) continue
    const step = index === from ? '*' : String(index)
    for (const problem of proof.accepts(part, writer)) {
      const inner = within(problem, step, (value) => proof.values.withItem(view, index, value))
      const rule = part.schema === false ? 'items' : problem.rule
      problems.push({ ...inner, rule })
    }
  }
  const add = (rule: string) => {
    problems.push(proof.problem(rule, reader, view, { reader: schema[rule], ...said(view, rule) }))
  }
  if (array.min < numberOr(schema.minItems, 0)) add('minItems')
  if (max > numberOr(schema.maxItems, Number.POSITIVE_INFINITY)) add('maxItems')
  if (schema.uniqueItems === true && !array.isUnique && max > 1) add('uniqueItems')
  if (schema.contains !== undefined) problems.push(...containsProblems(proof, reader, schema, view))
  if (schema.unevaluatedItems !== undefined && schema.unevaluatedItems !== true && max > 0)
    add('unevaluatedItems')
  return problems
}

function containsProblems(proof: Proof, reader: Node, schema: SchemaObject, view: View): Problem[] {
  const array = proof.array(view)
  const node = reader.document.child(reader, schema.contains)
  const min = numberOr(schema.minContains, 1)
  const max = numberOr(schema.maxContains, Number.POSITIVE_INFINITY)
  const { numbering } = proof.views
  const isEnough = (one: Contained) => one.min >= min && proof.accepts(node, [one.node]).length === 0
  const isFewEnough = (one: Contained) => one.max <= max && numbering.isSame(one.node, node)
  const everyItemFits = () => {
    for (let index = 0; index <= array.placed && index < array.max; index++) {
      const writer = array.at(index)
      if (writer !== undefined && proof.accepts(node, writer).length > 0) return false
    }
    return true
  }
  const rule = (keyword: string, candidates?: () => Iterable<unknown>) => {
    const writer = view.parts.map((part) => part.schema).find((one) => isSchemaObject(one) && one.contains)
    const bound = (of: unknown) =>
      isSchemaObject(of) ? (of[keyword] ?? (keyword === 'minContains' ? 1 : of.contains)) : undefined
    const what = { reader: bound(schema), ...(writer === undefined ? {} : { writer: bound(writer) }) }
    return proof.problem(keyword, reader, view, what, candidates)
  }
  const problems: Problem[] = []
  if (min > 0 && !array.contains.some(isEnough) && !(array.min >= min && everyItemFits()))
    problems.push(rule(schema.minContains === undefined ? 'contains' : 'minContains'))
  if (max < array.max && !array.contains.some(isFewEnough))
    problems.push(rule('maxContains', () => proof.values.withMany(view, max + 1, node)))
  return problems
}

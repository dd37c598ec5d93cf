import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import type { Node } from './document.ts'
import { isMultiple, numberOr } from './json-text.ts'
import type { Problem, Proof } from './problem.ts'
import type { View } from './view.ts'

/** Between two bounds; a bound that is exclusive does not belong to it. */
export interface Range {
  readonly low: number
  readonly low_exclusive: boolean
  readonly high: number
  readonly high_exclusive: boolean
}

/** The numbers that a view takes in; whole bounds if they are integers. */
export function numberRange(view: View): Range {
  let [low, low_exclusive] = [Number.NEGATIVE_INFINITY, false]
  let [high, high_exclusive] = [Number.POSITIVE_INFINITY, false]
  for (const schema of schemasOf(view)) {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
    if (typeof minimum === 'number' && minimum > low) [low, low_exclusive] = [minimum, false]
    if (typeof maximum === 'number' && maximum < high) [high, high_exclusive] = [maximum, false]
    if (typeof exclusiveMinimum === 'number' && exclusiveMinimum >= low)
      [low, low_exclusive] = [exclusiveMinimum, true]
    if (typeof exclusiveMaximum === 'number' && exclusiveMaximum <= high)
      [high, high_exclusive] = [exclusiveMaximum, true]
  }
  if (!view.integer) return { low, low_exclusive, high, high_exclusive }
  const whole_low = low_exclusive ? Math.floor(low) + 1 : Math.ceil(low)
  const whole_high = high_exclusive ? Math.ceil(high) - 1 : Math.floor(high)
  const step = stepsOf(view).find((one) => Number.isSafeInteger(one) && one > 1) ?? 1
  return {
    low: Math.ceil(whole_low / step) * step,
    low_exclusive: false,
    high: Math.floor(whole_high / step) * step,
    high_exclusive: false,
  }
}

export function isEmptyRange({ low, low_exclusive, high, high_exclusive }: Range): boolean {
  return low > high || (low === high && (low_exclusive || high_exclusive))
}

/** How long the strings of a view are, in code points. */
export function lengthRange(view: View): { readonly min: number; readonly max: number } {
  const schemas = schemasOf(view)
  return {
    min: Math.max(0, ...schemas.map(({ minLength }) => numberOr(minLength, 0))),
    max: Math.min(...schemas.map(({ maxLength }) => numberOr(maxLength, Number.POSITIVE_INFINITY))),
  }
}

export function numberProblems(proof: Proof, reader: Node, schema: SchemaObject, view: View): Problem[] {
  const range = numberRange(view)
  const writes = (keyword: string) => said(view, keyword)
  const problems: Problem[] = []
  const check = (keyword: string, holds: (bound: number) => boolean) => {
    const bound = schema[keyword]
    if (typeof bound === 'number' && !holds(bound))
      problems.push(proof.problem(keyword, reader, view, { reader: bound, ...writes(keyword) }))
  }
  check('minimum', (bound) => range.low >= bound)
  check('maximum', (bound) => range.high <= bound)
  check('exclusiveMinimum', (bound) => range.low > bound || (range.low === bound && range.low_exclusive))
  check('exclusiveMaximum', (bound) => range.high < bound || (range.high === bound && range.high_exclusive))
  const steps = view.integer ? [1, ...stepsOf(view)] : stepsOf(view)
  check('multipleOf', (step) => steps.some((one) => isMultiple(one, step)))
  return problems
}

export function textProblems(proof: Proof, reader: Node, schema: SchemaObject, view: View): Problem[] {
  const { min, max } = lengthRange(view)
  const problems: Problem[] = []
  const add = (keyword: string) => {
    const writer = said(view, keyword)
    problems.push(proof.problem(keyword, reader, view, { reader: schema[keyword], ...writer }))
  }
  if (min < numberOr(schema.minLength, 0)) add('minLength')
  if (max > numberOr(schema.maxLength, Number.POSITIVE_INFINITY)) add('maxLength')
  const { pattern } = schema
  if (pattern !== undefined && !schemasOf(view).some((one) => one.pattern === pattern)) add('pattern')
  return problems
}

/** What a view's schemas say under a keyword: the first of them that says something. */
export function said(view: View, keyword: string): { readonly writer?: unknown } {
  const schema = schemasOf(view).find((one) => one[keyword] !== undefined)
  return schema === undefined ? {} : { writer: schema[keyword] }
}

function stepsOf(view: View): number[] {
  return schemasOf(view)
    .map(({ multipleOf }) => multipleOf)
    .filter((step) => typeof step === 'number')
}

function schemasOf(view: View): SchemaObject[] {
  return view.parts.map((part) => part.schema).filter(isSchemaObject)
}

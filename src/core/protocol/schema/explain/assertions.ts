import { Guard } from 'typebox/guard'
import { isSchemaObject } from '../../json-schema.ts'
import { isOfType } from './unions.ts'
import { counted, listed, matching, typesOf } from './wording.ts'

/** A keyword that says something of a value without looking at schemas inside. */
export interface Assertion {
  /** @param limit the keyword's value */
  readonly holds: (limit: unknown, value: unknown) => boolean
  /** What the value should be, such as `at least 3 items`. */
  readonly expected: (limit: unknown) => string
  /** How a sentence goes on before that: `must have`, for example. */
  readonly must: string
  /** Steps of an explanation that one check is worth. */
  readonly steps?: (limit: unknown, value: unknown) => number
}

const ofText = (holds: (limit: number, length: number) => boolean) => (limit: unknown, value: unknown) =>
  typeof value !== 'string' || holds(limit as number, Guard.CodePointCount(value))
const ofNumber = (holds: (limit: number, value: number) => boolean) => (limit: unknown, value: unknown) =>
  typeof value !== 'number' || holds(limit as number, value)
const ofArray = (holds: (limit: number, length: number) => boolean) => (limit: unknown, value: unknown) =>
  !Array.isArray(value) || holds(limit as number, value.length)
const ofObject = (holds: (limit: number, length: number) => boolean) => (limit: unknown, value: unknown) =>
  !isSchemaObject(value) || holds(limit as number, Object.keys(value).length)
const most = (limit: number, value: number) => value <= limit
const least = (limit: number, value: number) => value >= limit
const atMost = (thing: string) => (limit: unknown) => `at most ${counted(limit as number, thing)}`
const atLeast = (thing: string) => (limit: unknown) => `at least ${counted(limit as number, thing)}`

/** Characters of text that are as much work as one step. */
const CHARS_PER_STEP = 100
const textSteps = (_: unknown, value: unknown) =>
  typeof value === 'string' ? value.length / CHARS_PER_STEP : 0

export const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  type: { holds: isOfType, expected: typesOf, must: 'must be of type' },
  const: {
    holds: (limit, value) => Guard.IsDeepEqual(limit, value),
    expected: (limit) => listed([limit]),
    must: 'must be',
  },
  enum: {
    holds: (limit, value) => (limit as unknown[]).some((one) => Guard.IsDeepEqual(one, value)),
    expected: (limit) => listed(limit as unknown[]),
    must: 'must be',
    steps: (limit) => (limit as unknown[]).length / 10,
  },
  minLength: { holds: ofText(least), expected: atLeast('character'), must: 'must have', steps: textSteps },
  maxLength: { holds: ofText(most), expected: atMost('character'), must: 'must have', steps: textSteps },
  pattern: {
    // Only for a value that is no text: the pattern itself is matched where the expressions are.
    holds: () => true,
    expected: (limit) => matching(limit as string),
    must: 'must be',
  },
  minimum: { holds: ofNumber(least), expected: (limit) => `at least ${limit}`, must: 'must be' },
  maximum: { holds: ofNumber(most), expected: (limit) => `at most ${limit}`, must: 'must be' },
  exclusiveMinimum: {
    holds: ofNumber((limit, value) => value > limit),
    expected: (limit) => `more than ${limit}`,
    must: 'must be',
  },
  exclusiveMaximum: {
    holds: ofNumber((limit, value) => value < limit),
    expected: (limit) => `less than ${limit}`,
    must: 'must be',
  },
  multipleOf: {
    holds: ofNumber((limit, value) => Guard.IsMultipleOf(value, limit)),
    expected: (limit) => `a multiple of ${limit}`,
    must: 'must be',
  },
  minItems: { holds: ofArray(least), expected: atLeast('item'), must: 'must have' },
  maxItems: { holds: ofArray(most), expected: atMost('item'), must: 'must have' },
  minProperties: { holds: ofObject(least), expected: atLeast('property'), must: 'must have' },
  maxProperties: { holds: ofObject(most), expected: atMost('property'), must: 'must have' },
}

/** The first two items of an array that are equal, by their indices; undefined when all differ. */
export function equalItems(items: readonly unknown[]): [number, number] | undefined {
  const seen = new Map<string, number>()
  for (const [index, item] of items.entries()) {
    const text = canonical(item)
    const before = seen.get(text)
    if (before !== undefined) return [before, index]
    seen.set(text, index)
  }
  return undefined
}

/** JSON with names in order, so that equal values have equal texts. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const names = Object.keys(value).toSorted()
  const members = names.map(
    (name) => `${JSON.stringify(name)}:${canonical((value as Record<string, unknown>)[name])}`,
  )
  return `{${members.join(',')}}`
}

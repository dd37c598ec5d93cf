import type { JsonSchema } from '../../json-schema.ts'
import { Definitions } from '../linked.ts'
import { Choices, GiveUp } from './choices.ts'
import { ExampleValues } from './values.ts'

const CHARS_MAX = 4096
const ATTEMPTS_MAX = 120
/** Schemas looked at, over all attempts. */
const STEPS_MAX = 20_000

/**
 * The smallest payload that can be made from a schema: required members only, least lengths and numbers, the
 * first value of an `enum`, a `default` or one of `examples` before anything made up, and of each union the
 * first branch that works. The same schema gives the same example; the work is bounded.
 *
 * @param schema a linked schema, or one whose references are all of the form `#/…`
 * @param accepts whether a payload fits the schema
 * @returns the payload in a box, since it may be null; undefined if none was found within the bounds
 */
export function exampleOf(
  schema: JsonSchema,
  accepts: (payload: unknown) => boolean,
): { payload: unknown } | undefined {
  const definitions = new Definitions(schema)
  const waiting: (readonly number[])[] = [[]]
  let steps = STEPS_MAX
  for (let attempt = 0; attempt < ATTEMPTS_MAX && attempt < waiting.length && steps > 0; attempt++) {
    const choices = new Choices(waiting[attempt]!, steps)
    const payload = attemptOf(schema, definitions, choices)
    steps = choices.steps
    if (payload !== undefined && fits(payload.payload, accepts)) return payload
    if (waiting.length < ATTEMPTS_MAX) waiting.push(...choices.others())
  }
  return undefined
}

function attemptOf(
  schema: JsonSchema,
  definitions: Definitions,
  choices: Choices,
): { payload: unknown } | undefined {
  try {
    return { payload: new ExampleValues(definitions, choices).valueFor(schema, 0) }
  } catch (thrown) {
    if (thrown instanceof GiveUp) return undefined
    throw thrown
  }
}

function fits(payload: unknown, accepts: (payload: unknown) => boolean): boolean {
  return JSON.stringify(payload).length <= CHARS_MAX && accepts(payload)
}

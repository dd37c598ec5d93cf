import type { TObject, TSchema } from '@sinclair/typebox'
import { BrokerError } from '../core/errors.ts'
import { shortened } from '../core/shortened.ts'

/** In the query of any request this names the caller's project; it is no parameter of the command. */
const PROJECT = 'project'

/**
 * The parameters in a query, converted to the types in `schema`. A value that cannot be converted stays
 * text, and the check of the schema refuses it by name. A list is written `a=1&a=2`; an object as JSON.
 */
export function queryInput(schema: TObject, query: URLSearchParams): Record<string, unknown> {
  const entries: [string, unknown][] = []
  for (const name of new Set(query.keys())) {
    if (name === PROJECT && !(PROJECT in schema.properties)) continue
    const wanted = schema.properties[name]
    const values = query.getAll(name)
    const list = values.length > 1 || wanted?.type === 'array'
    entries.push([name, list ? values : typed(wanted, values[0] ?? '')])
  }
  return Object.fromEntries(entries)
}

const NUMBER = /^-?\d+(\.\d+)?$/

/** Stricter than TypeBox's own conversion, which takes `limit=1.5` and `limit=true` for 1. */
function typed(wanted: TSchema | undefined, text: string): unknown {
  switch (wanted?.type) {
    case 'integer':
    case 'number':
      return NUMBER.test(text) ? Number(text) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    default:
      return takesJson(wanted, text) ? parsed(text) : text
  }
}

/** Whether a text looks like a JSON object or array, where the schema allows that. */
function takesJson(wanted: TSchema | undefined, text: string): boolean {
  const type = text.startsWith('{') ? 'object' : text.startsWith('[') ? 'array' : undefined
  const choices: readonly TSchema[] = wanted?.anyOf ?? []
  return type !== undefined && choices.some((choice) => choice.type === type)
}

/** Parses JSON; a text that only looks like JSON stays text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/**
 * The parameters in a body.
 *
 * @throws BrokerError `invalid_params` if it is no object, or the query has parameters
 */
export function bodyInput(body: unknown, query: URLSearchParams): Record<string, unknown> {
  for (const name of query.keys())
    if (name !== PROJECT)
      throw new BrokerError('invalid_params', {
        field: `/${name}`,
        detail: `${name} is in the query; the parameters of this method go into the body.`,
      })
  if (body === undefined) return {}
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new BrokerError('invalid_params', {
      detail: `The body must be a JSON object, not ${Array.isArray(body) ? 'an array' : shortened(String(body))}.`,
    })
  return body as Record<string, unknown>
}

/**
 * Joins the path's parameters with the others.
 *
 * @throws BrokerError `invalid_params` where the two contradict each other
 */
export function joinInput(
  path: Readonly<Record<string, string>> | undefined,
  rest: Record<string, unknown>,
): Record<string, unknown> {
  for (const [name, value] of Object.entries(path ?? {}))
    if (Object.hasOwn(rest, name) && rest[name] !== value)
      throw new BrokerError('invalid_params', {
        field: `/${name}`,
        detail: `${name} contradicts the path, which says "${value}".`,
        next: `Leave ${name} out: the path has it.`,
      })
  return { ...rest, ...path }
}

import type { TObject, TSchema } from '@sinclair/typebox'
import { shortened } from '../broker/command.ts'
import { BrokerError } from '../core/errors.ts'

/** In the query of any request it says who asks, and is no parameter of the command. */
const PROJECT = 'project'

/**
 * The parameters that a query gives, as the types that `schema` wants; what cannot be converted stays text, for the
 * check to name. A list is written `a=1&a=2`; an object as JSON.
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

/** Whether text that looks like JSON stands where an object or a list may. */
function takesJson(wanted: TSchema | undefined, text: string): boolean {
  const type = text.startsWith('{') ? 'object' : text.startsWith('[') ? 'array' : undefined
  const choices: readonly TSchema[] = wanted?.anyOf ?? []
  return type !== undefined && choices.some((choice) => choice.type === type)
}

/** What only looks like JSON is text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The parameters that a body gives. @throws BrokerError `invalid_params` when it is not an object */
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
 * The path's parameters joined with the others.
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

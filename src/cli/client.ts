import { COMMANDS_BY_NAME } from '../broker/commands/index.ts'
import { errorLines } from '../core/error-lines.ts'
import type { ErrorBody } from '../core/errors.ts'
import type { Flag, Parsed } from './flags.ts'
import { PROGRAM } from './program.ts'
import { CliError, flag, isOn, type Surroundings } from './verb.ts'

/** Flags of every verb that calls a running broker. */
export const CALL_FLAGS: Readonly<Record<string, Flag>> = {
  url: {
    kind: 'value',
    value: 'URL',
    help: 'Where the broker is (also MCP_BROKER_URL; else 127.0.0.1 and MCP_BROKER_PORT or 8123).',
  },
  key: {
    kind: 'value',
    value: 'KEY',
    help: 'The key, better given as MCP_BROKER_API_KEY: a flag can be seen by every user of the machine.',
  },
  json: { kind: 'switch', help: 'JSON for programs, errors too.' },
}

/** The broker that a verb calls. */
export interface Target {
  /** Without a slash at its end. */
  readonly url: string
  readonly key: string | undefined
}

/** @throws CliError when the address is not one */
export function targetOf(line: Parsed, { env }: Pick<Surroundings, 'env'>): Target {
  const given = flag(line, 'url') ?? env.MCP_BROKER_URL
  const url = URL.parse(given ?? `http://127.0.0.1:${ownPort(env)}`)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new CliError(
      `"${given}" is not the address of a broker.`,
      'Write it like http://127.0.0.1:8123, in --url or MCP_BROKER_URL.',
      true,
    )
  return {
    url: `${url.origin}${url.pathname}`.replace(/\/+$/, ''),
    key: flag(line, 'key') ?? env.MCP_BROKER_API_KEY,
  }
}

/** The port of the broker that runs in the same environment, as in a container. */
function ownPort({ MCP_BROKER_PORT: port }: Surroundings['env']): string {
  return port !== undefined && /^[1-9]\d*$/.test(port) ? port : '8123'
}

export function wantsJson(line: Parsed): boolean {
  return isOn(line, 'json')
}

export function authorization({ key }: Target): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` }
}

/** How long a broker may take to answer a call that does not wait. */
const ANSWER_MS_MAX = 30_000

/**
 * Carries out a command on the running broker. The request follows from the command's row: parameters go
 * into the path, then into the query or the body.
 *
 * @param wait_seconds how long the command itself may wait
 * @returns what the command's output schema says
 * @throws CliError with the broker's own words where it refuses
 */
export async function call<T>(
  target: Target,
  name: string,
  input: Readonly<Record<string, unknown>>,
  wait_seconds = 0,
): Promise<T> {
  const row = COMMANDS_BY_NAME.get(name)
  if (!row) throw new Error(`There is no command ${name}.`)
  const rest = new Map(Object.entries(input).filter(([, value]) => value !== undefined))
  const path = row.http.path.replaceAll(/\{(\w+)\}/g, (_, param: string) => {
    const value = rest.get(param)
    if (value === undefined) throw new CliError(`${name} needs ${param}.`, `Give it as ${param}=VALUE.`, true)
    rest.delete(param)
    return encodeURIComponent(String(value))
  })
  const { method } = row.http
  const response = await send(target, method === 'POST' ? path : path + queryOf(rest), {
    method,
    ms_max: ANSWER_MS_MAX + wait_seconds * 1000,
    ...(method === 'POST' ? { body: JSON.stringify(Object.fromEntries(rest)) } : {}),
  })
  return (await response.json()) as T
}

/** A list is written `a=1&a=2`, an object as JSON. */
function queryOf(input: ReadonlyMap<string, unknown>): string {
  const query = new URLSearchParams()
  for (const [name, value] of input)
    for (const item of [value].flat())
      query.append(name, typeof item === 'object' ? JSON.stringify(item) : String(item))
  return query.size > 0 ? `?${query}` : ''
}

interface SendOptions {
  readonly method?: string
  readonly body?: string
  readonly accept?: string
  readonly ms_max?: number
  /** Ends the request, in place of `ms_max`. */
  readonly signal?: AbortSignal
  /** Give back an answer that is an error, in place of throwing it. */
  readonly errors?: false
}

/**
 * One request to the broker.
 *
 * @throws CliError when there is no answer, or the answer is an error
 */
export async function send(target: Target, path: string, options: SendOptions = {}): Promise<Response> {
  const { method = 'GET', body, accept = 'application/json', ms_max = ANSWER_MS_MAX, errors = true } = options
  const { signal = AbortSignal.timeout(ms_max) } = options
  let response: Response
  try {
    response = await fetch(target.url + path, {
      method,
      headers: {
        accept,
        ...authorization(target),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      signal,
    })
  } catch (error) {
    if ((error as Error).name === 'TimeoutError' || signal.aborted)
      throw new CliError(
        `The broker at ${target.url} has not answered within ${ms_max / 1000} s.`,
        `See its log, or try "${PROGRAM} status".`,
      )
    throw unreachable(target)
  }
  if (!response.ok && errors) throw await refusal(response, target)
  return response
}

function unreachable({ url }: Target): CliError {
  return new CliError(
    `No broker answers at ${url}.`,
    `Start one with "${PROGRAM} serve", or say where it is with --url or MCP_BROKER_URL.`,
  )
}

async function refusal(response: Response, target: Target): Promise<CliError> {
  const { url } = target
  const body = (await response.json().catch(() => undefined)) as Partial<ErrorBody> | undefined
  if (body?.code === undefined || body.detail === undefined)
    return new CliError(
      `${url} answered with HTTP ${response.status}, and not as a broker does.`,
      'Check --url or MCP_BROKER_URL.',
    )
  return brokersError(body, target)
}

/**
 * The broker's error in its own words, with what it lists below; for a missing or wrong key, the hint names
 * the variable to set.
 */
export function brokersError(body: Partial<ErrorBody>, { key }: Target): CliError {
  if (body.code === 'unauthenticated')
    return new CliError(
      key === undefined ? 'This broker needs a key.' : 'The broker does not know this key.',
      'Give it in the variable MCP_BROKER_API_KEY.',
      false,
      body,
    )
  return new CliError(body.detail ?? '', body.next ?? '', false, body, errorLines(body))
}

import type { Static, TObject, TSchema } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler'
import { Errors, type ValueError } from '@sinclair/typebox/errors'
import { type Identity, requireScope, type Scope } from '../auth/identity.ts'
import { BrokerError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import { nearestNames } from '../core/routing.ts'
import type { MaybePromise } from '../engine/engine.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'

/** What a door knows of one call beyond who makes it. */
export interface Call {
  /** The caller has gone, or does not want the answer any more. */
  readonly signal?: AbortSignal | undefined
  /** The live connection that calls, where there is one: a check-in binds it to its session. */
  readonly connection?: Connection | undefined
}

/**
 * One row of the command table. From it come the MCP tool, the WebSocket method, the HTTP route with its OpenAPI entry,
 * the CLI verb and the reference page.
 */
export interface Command<I extends TObject = TObject, O extends TSchema = TSchema> {
  /** As on every wire; a valid MCP tool name. */
  readonly name: string
  /** A word or a few, for people who look at a list of tools. */
  readonly title: string
  /** One line. */
  readonly summary: string
  /** For the model that chooses a tool: when to use it and what comes of it. Where it quotes limits, as they are set. */
  readonly description: string | ((limits: Limits) => string)
  readonly input: I
  readonly output: O
  readonly scope: Scope
  readonly http: { readonly method: 'GET' | 'POST' | 'DELETE'; readonly path: string; readonly status?: 201 }
  readonly hints: { readonly read_only: boolean; readonly destructive: boolean; readonly idempotent: boolean }
  /** The parameter in which a stateless caller names itself, where there is one. */
  readonly caller?: 'client_id' | 'sender_id'
  /**
   * May take a millisecond or more: it takes its turn among others that do. A connection's door sees to that itself, for all
   * calls of one connection together, so that they begin in order.
   */
  readonly long?: true
  /** Waits for something to happen; its longest wait is in the parameter named here, in seconds. */
  readonly waits?: string
  /** Waits also where that parameter is left out. */
  readonly waits_unasked?: true
  run(broker: Broker, identity: Identity, input: Static<I>, call: Call): MaybePromise<Static<O>>
  /** The output for a model to read: short Markdown, times relative to `now` (milliseconds since the epoch). */
  text(output: Static<O>, now: number): string
}

/** A command's description, on a broker with these limits. */
export function describe({ description }: Command, limits: Limits): string {
  return typeof description === 'string' ? description : description(limits)
}

/** Lets a row's parts be checked against each other, and forgets their types for the table. */
export function defineCommand<I extends TObject, O extends TSchema>(command: Command<I, O>): Command {
  return command as unknown as Command
}

/** The compiled check of an input: of its members in TypeBox's way, of names that nobody knows in one that makes no list. */
interface InputCheck {
  readonly members: TypeCheck<TObject>
  readonly names: Readonly<Record<string, true>>
}

/** Where a schema keeps its compiled check. */
const CHECK = Symbol('check')

/** Made at its first use. */
function checkOf(schema: TObject & { [CHECK]?: InputCheck }): InputCheck {
  if (schema[CHECK]) return schema[CHECK]
  const { additionalProperties: _, ...open } = schema
  const check = { members: TypeCompiler.Compile(open as TObject), names: nameTable(schema) }
  schema[CHECK] = check
  return check
}

/** Looked up as members are, which is cheaper than in a set; without a prototype, whose names nobody gave. */
function nameTable({ properties }: TObject): InputCheck['names'] {
  const names: Record<string, true> = Object.create(null)
  for (const name of Object.keys(properties)) names[name] = true
  return names
}

function hasKnownNames(input: object, names: InputCheck['names']): boolean {
  for (const name in input) if (names[name] !== true) return false
  return true
}

/**
 * Carries a command out: scope, schema, sign of life, run. Every door comes through here.
 *
 * @param input as it came from the wire; undefined stands for no parameters
 * @returns what matches the command's output schema
 * @throws BrokerError
 */
export function runCommand(
  broker: Broker,
  command: Command,
  identity: Identity,
  input: unknown,
  call: Call = {},
): MaybePromise<unknown> {
  requireScope(identity, command.scope, command.name)
  const params = checkInput(command.input, input ?? {})
  // A connection's door has noted the frame already.
  if (identity.session && !call.connection) broker.heard(identity.session)
  if (!command.long || call.connection) return command.run(broker, identity, params, call)
  return broker.turns.run(() => command.run(broker, identity, params, call))
}

/** Whether a call may have to wait for its answer. @param input as it came from the wire */
export function asksToWait({ waits, waits_unasked }: Command, input: unknown): boolean {
  if (waits === undefined) return false
  const seconds = (input as Record<string, unknown> | null | undefined)?.[waits]
  return seconds === undefined ? waits_unasked === true : seconds !== 0
}

/** @throws BrokerError `invalid_params`, naming the field, its trouble and the fix */
export function checkInput<I extends TObject>(schema: I, input: unknown): Static<I> {
  const { members, names } = checkOf(schema)
  if (members.Check(input) && hasKnownNames(input as object, names)) return input as Static<I>
  // A name that is unknown says more than another that is missing: it is mistyped, most often.
  const errors = [...take(Errors(schema, [], input), ERRORS_LOOKED_AT_MAX)]
  throw inputError(schema, input, errors.find(({ message }) => message === UNKNOWN_NAME) ?? errors[0])
}

const ERRORS_LOOKED_AT_MAX = 20

function* take<T>(items: Iterable<T>, limit: number): Generator<T> {
  let taken = 0
  for (const item of items) {
    yield item
    if (++taken === limit) return
  }
}

/** How TypeBox says that a closed object has a member too many, and one too few. */
const UNKNOWN_NAME = 'Unexpected property'
const MISSING = 'Expected required property'

/** The part of a path that leads to a secret (`writeOnly`), of which no error repeats anything; undefined without one. */
function secretPath(schema: TSchema, path: string): string | undefined {
  let here: TSchema | undefined = schema
  let walked = ''
  for (const name of path.split('/').slice(1)) {
    here = here?.properties?.[name] ?? here?.items
    walked += `/${name}`
    if (here?.writeOnly === true) return walked
  }
  return undefined
}

function inputError(schema: TObject, input: unknown, error: ValueError | undefined): BrokerError {
  if (error === undefined || error.path === '')
    return new BrokerError('invalid_params', {
      detail: `The parameters must be a JSON object, not ${kindOf(input)}.`,
    })
  const secret = secretPath(schema, error.path)
  if (secret !== undefined && error.message !== MISSING)
    return new BrokerError('invalid_params', {
      field: secret,
      detail: `${secret.slice(1).replaceAll('/', '.')} is a secret and not shown: ${troubleOf(error)}.`,
    })
  const name = error.path.slice(1).replaceAll('/', '.')
  if (error.message === UNKNOWN_NAME) {
    const known = Object.keys((error.schema as Partial<TObject>).properties ?? {})
    const near = nearestNames(name.slice(name.lastIndexOf('.') + 1), known)
    const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''
    return new BrokerError('invalid_params', {
      field: shortened(error.path),
      detail: `There is no parameter ${shortened(name)}.${hint}`,
      next: `Known parameters: ${known.join(', ') || 'none'}.`,
    })
  }
  if (error.message === MISSING)
    return new BrokerError('invalid_params', { field: error.path, detail: `${name} is required.` })
  return new BrokerError('invalid_params', {
    field: shortened(error.path),
    detail: `${shortened(name)} is ${typeName(error.value)}: ${troubleOf(error)}.`,
  })
}

/** What the schema wanted instead, for people: choices by name, else its own description of what fits. */
function troubleOf({ schema, message, value }: ValueError): string {
  const choices = [...new Set(choicesOf(schema))]
  if (choices.length > 0) {
    const near = typeof value === 'string' ? nearestNames(value, choices) : []
    return `it is one of ${choices.join(', ')}${near.length > 0 ? ` (did you mean ${near.join(' or ')}?)` : ''}`
  }
  const trouble =
    schema.anyOf || (schema.pattern && typeof value === 'string')
      ? 'it does not fit'
      : message.charAt(0).toLowerCase() + message.slice(1)
  return typeof schema.description === 'string' ? `${trouble}. It is: ${schema.description}` : trouble
}

/** The words that a schema lets one choose from, alone or in a list. */
function choicesOf({ anyOf, items, enum: words }: TSchema): readonly string[] {
  if (words) return words
  return [...(anyOf ?? []), ...(items ? [items] : [])].flatMap(choicesOf)
}

/** What a caller wrote, as much of it as an error repeats. */
export function shortened(name: string): string {
  return name.length > 80 ? `${name.slice(0, 80)}…` : name
}

function typeName(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 40 ? `a text of ${value.length} characters` : JSON.stringify(value)
  return typeof value === 'object' ? kindOf(value) : String(value)
}

/** What a value is, without saying the value. */
function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return { string: 'a text', number: 'a number', boolean: 'a boolean' }[typeof value as string] ?? 'an object'
}

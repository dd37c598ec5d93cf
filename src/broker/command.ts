import type { Static, TObject, TSchema } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler'
import { Errors, type ValueError } from '@sinclair/typebox/errors'
import { type Identity, requireScope, type Scope } from '../auth/identity.ts'
import { asBrokerError, BrokerError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { MaybePromise } from '../core/maybe-promise.ts'
import { nearestNames } from '../core/routing.ts'
import { shortened } from '../core/shortened.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'

/** An output: nobody changes it any more. */
type Answer<T> = T extends object ? { readonly [K in keyof T]: Answer<T[K]> } : T

/** What a door knows of one call besides the caller's identity. */
export interface Call {
  /** Aborted when the caller has gone, or no longer wants the answer. */
  readonly signal?: AbortSignal | undefined
  /** The live connection that the call came over, if any. A check-in binds it to the session. */
  readonly connection?: Connection | undefined
}

/**
 * One row of the command table. The MCP tool, the WebSocket method, the HTTP route with its OpenAPI entry
 * and the section of the reference page are made from it. On the command line, `mcp-broker call NAME` runs
 * any row.
 */
export interface Command<I extends TObject = TObject, O extends TSchema = TSchema> {
  /** The same on every wire; a valid MCP tool name. */
  readonly name: string
  /** A few words for people who read a list of tools. */
  readonly title: string
  /** One line. */
  readonly summary: string
  /** Tells a model when to use the tool and what it does. A function where it quotes limits. */
  readonly description: string | ((limits: Limits) => string)
  readonly input: I
  readonly output: O
  readonly scope: Scope
  readonly http: { readonly method: 'GET' | 'POST' | 'DELETE'; readonly path: string; readonly status?: 201 }
  readonly hints: { readonly read_only: boolean; readonly destructive: boolean; readonly idempotent: boolean }
  /** The parameter in which a stateless caller names itself, if the command has one. */
  readonly caller?: 'client_id' | 'sender_id'
  /**
   * May take a millisecond or more, so it shares each turn with other long calls (`Turns`). The door of a
   * connection shares turns itself, for all calls of the connection together, so that they begin in order.
   */
  readonly long?: true
  /** A call of it has failed if the turn's flush does, which undoes appends. All other effects stay. */
  readonly stores?: true
  /** False: for the operator's scripts, so no MCP tool is made of it. */
  readonly tool?: false
  /** The parameter that says how long the command may wait for something to happen, in seconds. */
  readonly waits?: string
  /** The command also waits when that parameter is left out. */
  readonly waits_unasked?: true
  run(broker: Broker, identity: Identity, input: Static<I>, call: Call): MaybePromise<Answer<Static<O>>>
  /** The output as short Markdown for a model; times are relative to `now`, milliseconds since the epoch. */
  text(output: Static<O>, now: number): string
}

/** A command's description on a broker with these limits. */
export function describe({ description }: Command, limits: Limits): string {
  return typeof description === 'string' ? description : description(limits)
}

/** Type-checks a row's parts against each other, then drops their types, so that all rows fit one table. */
export function defineCommand<I extends TObject, O extends TSchema>(command: Command<I, O>): Command {
  return command as unknown as Command
}

/**
 * The compiled check of an input. TypeBox checks the members. We look for unknown names ourselves: TypeBox
 * would make a list of all names for each input.
 */
interface InputCheck {
  readonly members: TypeCheck<TObject>
  readonly names: Readonly<Record<string, true>>
}

/** The member in which a schema keeps its compiled check. */
const CHECK = Symbol('check')

/** A schema's check, compiled at its first use. */
function checkOf(schema: TObject & { [CHECK]?: InputCheck }): InputCheck {
  if (schema[CHECK]) return schema[CHECK]
  const { additionalProperties: _, ...open } = schema
  const check = { members: TypeCompiler.Compile(open as TObject), names: nameTable(schema) }
  schema[CHECK] = check
  return check
}

/** The known names as members, which is cheaper than a set. No prototype: its names would count as known. */
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
 * Runs a command: checks scope and input, notes a sign of life, runs the row. Every door calls this.
 *
 * @param input as it came from the wire; undefined stands for no parameters
 * @returns a value of the command's output schema
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
  // The door of a connection notes each frame as a sign of life itself.
  if (identity.session && !call.connection) broker.heard(identity.session)
  const output =
    !command.long || call.connection
      ? command.run(broker, identity, params, call)
      : broker.turns.run(() => command.run(broker, identity, params, call))
  if (output instanceof Promise) broker.underWay(output)
  return output
}

/**
 * Runs a command for a door that answers each call by itself: ends when what the call did is stored.
 *
 * @throws BrokerError as {@link runCommand}; `storage_unavailable` if its appends have been undone
 */
export function runToStored(
  broker: Broker,
  command: Command,
  identity: Identity,
  input: unknown,
  call?: Call,
): MaybePromise<unknown> {
  return broker.engine.flushes
    ? storedOutput(broker, command, () => runCommand(broker, command, identity, input, call))
    : runCommand(broker, command, identity, input, call)
}

async function storedOutput(broker: Broker, command: Command, run: () => unknown): Promise<unknown> {
  let output: unknown
  try {
    output = await run()
  } catch (error) {
    await broker.end_of_turn.over()
    throw error
  }
  await (command.stores ? appendsStored(broker) : broker.end_of_turn.over())
  return output
}

/** Ends when the appends of this turn are stored. @throws BrokerError `storage_unavailable` */
export async function appendsStored(broker: Broker): Promise<void> {
  try {
    await broker.flushed()
  } catch (error) {
    throw asBrokerError(error)
  }
}

/** Whether a call may have to wait for its answer. @param input as it came from the wire */
export function asksToWait({ waits, waits_unasked }: Command, input: unknown): boolean {
  if (waits === undefined) return false
  const seconds = (input as Record<string, unknown> | null | undefined)?.[waits]
  return seconds === undefined ? waits_unasked === true : seconds !== 0
}

/** Checks an input. @throws BrokerError `invalid_params`, which names the field, the mistake and the fix */
export function checkInput<I extends TObject>(schema: I, input: unknown): Static<I> {
  const { members, names } = checkOf(schema)
  if (members.Check(input) && hasKnownNames(input as object, names)) return input as Static<I>
  // An unknown name comes before a missing one: most often it is the missing one with a typing error.
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

/** TypeBox's messages for a member too many in a closed object, and for a missing one. */
const UNKNOWN_NAME = 'Unexpected property'
const MISSING = 'Expected required property'

/**
 * The path of a secret (`writeOnly`) at or above `path`; errors repeat nothing of it. Undefined without
 * one.
 */
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

/** What the schema expects instead, in words: its choices by name, else its own description. */
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

/** The words that a schema allows, for one value or for the items of a list. */
function choicesOf({ anyOf, items, enum: words }: TSchema): readonly string[] {
  if (words) return words
  return [...(anyOf ?? []), ...(items ? [items] : [])].flatMap(choicesOf)
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

import type { Tool } from '@modelcontextprotocol/server'
import { type Command, describe } from '../../broker/command.ts'
import { TOOLS } from '../../broker/commands/index.ts'
import { BRIEF, UNLISTED } from '../../broker/commands/schema.ts'
import type { Limits } from '../../core/limits.ts'

/**
 * The parts of a command's schema from which a tool's schemas are made. Each tool takes part of a model's
 * context window in every conversation, so its schemas hold only what a model needs. The command checks the
 * rest, and its errors say what is wrong.
 */
interface Schema {
  readonly type?: string | undefined
  readonly description?: string | undefined
  readonly required?: readonly string[] | undefined
  readonly properties?: Readonly<Record<string, Schema>> | undefined
  readonly items?: Schema | undefined
  readonly anyOf?: readonly Schema[] | undefined
  readonly additionalProperties?: boolean | Schema | undefined
  readonly [BRIEF]?: string | undefined
  readonly [UNLISTED]?: true | undefined
  readonly [bound: string]: unknown
}

const made = new WeakMap<Limits, readonly Tool[]>()

/** The command table as MCP lists it, quoting the limits as configured; made once for each broker. */
export function toolsOf(limits: Limits): readonly Tool[] {
  const tools = made.get(limits) ?? TOOLS.map((command) => toolOf(command, limits))
  made.set(limits, tools)
  return tools
}

function toolOf(command: Command, limits: Limits): Tool {
  const { name, title, summary, input, output, hints } = command
  const tool = {
    name,
    title,
    description: `${summary} ${describe(command, limits)}`,
    inputSchema: { ...inputOf(input as Schema), additionalProperties: false },
    outputSchema: outputOf(output as Schema),
    annotations: {
      readOnlyHint: hints.read_only,
      destructiveHint: hints.destructive,
      idempotentHint: hints.idempotent,
      openWorldHint: false,
    },
  }
  // As sent on the wire: without undefined members, and without TypeBox's symbols.
  return JSON.parse(JSON.stringify(tool)) as Tool
}

/** An input schema without sizes and patterns. Of alternatives in `anyOf` it keeps the last, the fullest. */
function inputOf({ anyOf, ...schema }: Schema): Schema {
  const { pattern, minLength, maxLength, maxItems, maxProperties, ...rest } = { ...anyOf?.at(-1), ...schema }
  const description = schema[BRIEF] ?? schema.description
  return schema[UNLISTED]
    ? { type: schema.type, description }
    : { ...rest, description, ...within(rest, inputOf) }
}

/**
 * An output schema with its members; of the items of its lists, only the members that are always there.
 *
 * @param depth 0: the output; 1: its members, whose own members are left out; 2: the items of its lists
 */
function outputOf({ type, description, required = [], properties = {}, ...rest }: Schema, depth = 0): Schema {
  const shown = Object.entries(properties).filter(
    ([name, inner]) => depth !== 1 && !inner[UNLISTED] && (depth === 0 || required.includes(name)),
  )
  return {
    type,
    description: depth === 1 ? description : undefined,
    required: depth === 0 ? required.filter((name) => !properties[name]?.[UNLISTED]) : undefined,
    ...within({ ...rest, properties: Object.fromEntries(shown) }, (inner) => outputOf(inner, depth + 1)),
  }
}

/** The schemas inside a schema, each converted by `each`. */
function within(
  { properties = {}, items, additionalProperties }: Schema,
  each: (inner: Schema) => Schema,
): Schema {
  const members = Object.entries(properties).map(([name, inner]) => [name, each(inner)])
  return {
    properties: members.length > 0 ? Object.fromEntries(members) : undefined,
    items: items && each(items),
    additionalProperties: typeof additionalProperties === 'object' ? each(additionalProperties) : undefined,
  }
}

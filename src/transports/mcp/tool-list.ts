import type { Tool } from '@modelcontextprotocol/server'
import { type Command, describe } from '../../broker/command.ts'
import { COMMANDS } from '../../broker/commands/index.ts'
import { BRIEF } from '../../broker/commands/schema.ts'
import type { Limits } from '../../core/limits.ts'

/**
 * A schema of the command table, as far as a tool's are made of it. A tool costs a model part of its window in every
 * conversation, so it is told what it needs; what the command checks beyond that is in its own errors.
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
  readonly [bound: string]: unknown
}

const made = new WeakMap<Limits, readonly Tool[]>()

/** The command table as MCP lists it, with limits quoted as they are set; made once for each broker. */
export function toolsOf(limits: Limits): readonly Tool[] {
  const tools = made.get(limits) ?? COMMANDS.map((command) => toolOf(command, limits))
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
  // As it will be on the wire: without what is undefined, and without the symbols that TypeBox keeps.
  return JSON.parse(JSON.stringify(tool)) as Tool
}

/** An input without sizes and patterns. Of several forms that a value may have, it tells the last, the fullest. */
function inputOf({ anyOf, ...schema }: Schema): Schema {
  const { pattern, minLength, maxLength, maxItems, maxProperties, ...rest } = { ...anyOf?.at(-1), ...schema }
  return { ...rest, description: schema[BRIEF] ?? schema.description, ...within(rest, inputOf) }
}

/** The members of an output, and of what its lists hold the members that are always there: an object may have more. */
function outputOf({ type, description, required = [], properties = {}, ...rest }: Schema, depth = 0): Schema {
  const shown = Object.entries(properties).filter(
    ([name]) => depth !== 1 && (depth === 0 || required.includes(name)),
  )
  return {
    type,
    description: depth === 1 ? description : undefined,
    required: depth === 0 ? required : undefined,
    ...within({ ...rest, properties: Object.fromEntries(shown) }, (inner) => outputOf(inner, depth + 1)),
  }
}

/** The schemas inside a schema, each made anew. */
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

import type { TSchema } from '@sinclair/typebox'
import type { Command } from '../broker/command.ts'
import { COMMANDS, COMMANDS_BY_NAME } from '../broker/commands/index.ts'
import { nearestNames } from '../core/routing.ts'
import { escapeControls } from '../observability/readable.ts'
import { CALL_FLAGS, call as callBroker, targetOf, wantsJson } from './client.ts'
import { PROGRAM } from './program.ts'
import { table } from './render.ts'
import { EXIT, type ExitCode, type Terminal } from './terminal.ts'
import { CliError, type Verb } from './verb.ts'

export const call: Verb = {
  name: 'call',
  summary: 'Carry out any command of the broker.',
  args: '[COMMAND [NAME=VALUE]…]',
  positionals: [0, Number.POSITIVE_INFINITY],
  examples: [
    [`${PROGRAM} call`, 'which commands there are'],
    [`${PROGRAM} call get_message_status message_id=0198…`, 'what became of a message'],
    [`${PROGRAM} call broadcast_message sender_id=cli message="lunch"`, 'to everybody'],
    [`${PROGRAM} call send_message sender_id=me recipient_id=ci 'payload={"n":1}'`, 'JSON where needed'],
    [`${PROGRAM} call list_dead_letters reason=expired --json`, 'the whole answer'],
  ],
  notes: [
    `Commands: ${COMMANDS.map(({ name }) => name).join(', ')}.`,
    `"${PROGRAM} docs commands" describes each with its parameters. A value is text where the parameter is text, and JSON elsewhere.`,
  ],
  flags: CALL_FLAGS,
  async run(line, surroundings) {
    const { terminal } = surroundings
    const [name, ...assignments] = line.positionals
    if (name === undefined) return list(terminal, wantsJson(line))
    const row = COMMANDS_BY_NAME.get(name)
    if (!row) throw unknownCommand(name)
    const input = Object.fromEntries(assignments.map((assignment) => parameter(row, assignment)))
    const wait = row.waits === undefined ? 0 : Number(input[row.waits] ?? WAIT_SECONDS_MAX)
    const output = await callBroker<never>(targetOf(line, surroundings), name, input, wait)
    const json = wantsJson(line) || !terminal.interactive
    terminal.out(json ? JSON.stringify(output) : escapeControls(row.text(output, Date.now())))
    return EXIT.ok
  },
}

function list(terminal: Terminal, json: boolean): ExitCode {
  if (json) terminal.out(JSON.stringify(COMMANDS.map(({ name, summary }) => ({ name, summary }))))
  else
    table(
      terminal,
      ['COMMAND', 'WHAT IT DOES'],
      COMMANDS.map(({ name, summary }) => [name, summary]),
    )
  return EXIT.ok
}

/** The longest that a command may wait when it is not told how long. */
const WAIT_SECONDS_MAX = 50

function unknownCommand(name: string): CliError {
  const near = nearestNames(name, COMMANDS_BY_NAME.keys())
  return new CliError(
    `There is no command "${name}".`,
    near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `See "${PROGRAM} call --help".`,
    true,
  )
}

/** Splits `name=value`. @throws CliError when it is not one, or not one of the command's parameters */
function parameter({ name: command, input }: Command, assignment: string): [string, unknown] {
  const at = assignment.indexOf('=')
  const name = at === -1 ? assignment : assignment.slice(0, at)
  const known = Object.keys(input.properties)
  const schema = Object.hasOwn(input.properties, name) ? input.properties[name] : undefined
  if (at < 1 || !schema) {
    const near = nearestNames(name, known)
    throw new CliError(
      schema ? `${name} has no value.` : `${command} has no parameter "${name}".`,
      schema
        ? `Write it as ${name}=VALUE.`
        : near.length > 0
          ? `Did you mean ${near.join(' or ')}?`
          : `It has ${known.join(', ') || 'none'}.`,
      true,
    )
  }
  return [name, fromAssignment(name, schema, assignment.slice(at + 1))]
}

function fromAssignment(name: string, schema: TSchema, text: string): unknown {
  if (schema.type === 'string') return text
  try {
    return JSON.parse(text)
  } catch (error) {
    if (/^[{["]/.test(text))
      throw new CliError(
        `${name} looks like JSON, and is none: ${(error as SyntaxError).message}.`,
        'Correct it; a shell wants it in single quotes.',
        true,
      )
    // A word where text or something else may stand; the broker says if it may not.
    return text
  }
}

import type { NewEngine } from '../app.ts'
import type { Problem } from '../config/checks.ts'
import type { ErrorBody } from '../core/errors.ts'
import type { Flag, Parsed } from './flags.ts'
import type { ExitCode, Terminal } from './terminal.ts'

/** What a verb runs with. */
export interface Surroundings {
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Makes the engine of a broker that is run; for tests. Undefined: the one that the settings ask for. */
  readonly newEngine?: NewEngine
}

/** One word of the command line: `mcp-broker NAME …`. */
export interface Verb {
  readonly name: string
  /** One line, for the list of verbs. */
  readonly summary: string
  /** What may follow the name, flags aside. */
  readonly args: string
  /** How many words may follow. */
  readonly positionals: readonly [least: number, most: number]
  /** Examples, each with its meaning: the first part of the verb's help. */
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** What else there is to know; paragraphs. */
  readonly notes?: readonly string[]
  readonly flags: Readonly<Record<string, Flag>>
  /** The verbs that this one is a common name for, each named with it, such as `protocols list`. */
  readonly parts?: readonly Verb[]
  /** Tells the line's problems itself, together with others that it finds. */
  readonly takes_problems?: boolean
  /** @throws CliError, CliErrors, ConfigError: told on standard error */
  run(line: Parsed, surroundings: Surroundings): Promise<ExitCode>
}

/** A verb cannot do what it was asked; printed in two lines. */
export class CliError extends Error implements Problem {
  constructor(
    readonly what: string,
    readonly fix: string,
    /** Whether the command line is wrong, and not the broker or the network. */
    readonly usage = false,
    /** The broker's error, where it is one; or what else a program should know of it. */
    readonly error?: Partial<ErrorBody>,
    /** Printed between the two lines. */
    readonly lines: readonly string[] = [],
  ) {
    super(what)
    this.name = 'CliError'
  }
}

/** Several of them, to be told together. */
export class CliErrors extends Error {
  constructor(readonly problems: readonly CliError[]) {
    super(problems.map(({ what }) => what).join('\n'))
    this.name = 'CliErrors'
  }
}

/** The last word on a flag, where it was given. */
export function flag(line: Parsed, name: string): string | undefined {
  return line.flags.get(name)?.at(-1)
}

/** Whether a switch is on. */
export function isOn(line: Parsed, name: string): boolean {
  const text = flag(line, name)
  return text !== undefined && !/^(false|no|off|0)$/i.test(text)
}

/** A flag's value as a number. @throws CliError when it is none */
export function numberFlag(line: Parsed, name: string, unit: string): number | undefined {
  const text = flag(line, name)
  if (text === undefined) return undefined
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number) || number < 0)
    throw new CliError(`--${name} is "${text}".`, `It must be a number of ${unit}.`, true)
  return number
}

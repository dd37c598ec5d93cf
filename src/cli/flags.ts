import { parseArgs } from 'node:util'
import type { Problem } from '../config/checks.ts'
import { nearestNames } from '../core/routing.ts'

/** How a flag is written: `--name VALUE`, `--name`, or either (`--name[=VALUE]`). */
export type FlagKind = 'value' | 'switch' | 'optional'

export interface Flag {
  readonly kind: FlagKind
  /** What its value is called in the help. */
  readonly value?: string
  readonly help: string
  /** May be given several times. */
  readonly many?: boolean
  readonly short?: string
}

export interface Parsed {
  /**
   * The values of each flag, in order. A switch is `true` or `false`, an optional flag without a value is
   * ''.
   */
  readonly flags: ReadonlyMap<string, readonly string[]>
  readonly positionals: readonly string[]
  readonly problems: readonly Problem[]
}

/** Splits a command line into flags and the rest, and finds everything that is wrong with it. */
export function parseFlags(args: readonly string[], known: Readonly<Record<string, Flag>>): Parsed {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(known).map(([name, { kind, short }]) => [
        name,
        { type: kind === 'value' ? 'string' : 'boolean', ...(short ? { short } : {}) } as const,
      ]),
    ),
    strict: false,
    tokens: true,
    allowPositionals: true,
    allowNegative: true,
  })
  const flags = new Map<string, string[]>()
  const positionals: string[] = []
  const problems: Problem[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName } = token
    const flag = Object.hasOwn(known, name) ? known[name] : undefined
    const negated = rawName === `--no-${name}`
    if (!flag || (negated && flag.kind !== 'switch')) {
      problems.push(unknownFlag(rawName, Object.keys(known)))
      continue
    }
    // A value that looks like a flag is far more often a value forgotten than a value meant.
    const missing = token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))
    if (flag.kind === 'value' && missing) {
      problems.push({
        what: `${rawName} needs a value.`,
        fix: `Write ${rawName} VALUE, or ${rawName}=VALUE.`,
      })
      continue
    }
    const before = flags.get(name)
    if (before && !flag.many)
      problems.push({ what: `${rawName} is given more than once.`, fix: 'Give it once.' })
    const text = flag.kind === 'switch' ? (negated ? 'false' : (token.value ?? 'true')) : (token.value ?? '')
    if (before) before.push(text)
    else flags.set(name, [text])
  }
  return { flags, positionals, problems }
}

function unknownFlag(rawName: string, known: readonly string[]): Problem {
  const [near] = nearestNames(rawName.replace(/^-+/, ''), known, 1)
  return {
    what: `There is no flag ${rawName} here.`,
    fix: near === undefined ? 'See --help.' : `Did you mean --${near}?`,
  }
}

import manifest from '../../package.json' with { type: 'json' }
import { COMMANDS_BY_NAME } from '../broker/commands/index.ts'
import type { Problem } from '../config/checks.ts'
import { ConfigError } from '../config/load.ts'
import { nearestNames } from '../core/routing.ts'
import { escapeControls } from '../observability/readable.ts'
import { backup } from './backup.ts'
import { call } from './call.ts'
import { wantsJson } from './client.ts'
import { config } from './config.ts'
import { connect } from './connect.ts'
import { data } from './data/data.ts'
import { docs } from './docs.ts'
import { parseFlags } from './flags.ts'
import { COMMON_FLAGS, overview, verbHelp } from './help.ts'
import { inbox } from './inbox.ts'
import { PROGRAM } from './program.ts'
import { protocols } from './protocols/protocols.ts'
import { styled } from './render.ts'
import { restore } from './restore.ts'
import { send } from './send.ts'
import { serve } from './serve.ts'
import { sessions } from './sessions.ts'
import { status } from './status.ts'
import { EXIT, type ExitCode } from './terminal.ts'
import { CliError, CliErrors, isOn, type Surroundings, type Verb } from './verb.ts'
import { watch } from './watch.ts'

const VERBS: readonly Verb[] = [
  serve,
  send,
  inbox,
  watch,
  sessions,
  status,
  protocols,
  call,
  connect,
  backup,
  restore,
  data,
  config,
  docs,
]

/**
 * Carries out one command line.
 *
 * @param args what follows the program's name
 * @returns the exit code; all that there is to say has been printed
 */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const { terminal } = surroundings
  const [word, ...rest] = args
  if (word === undefined) {
    terminal.err(overview(VERBS, terminal))
    return EXIT.usage
  }
  if (word === '--version' || word === '-V') {
    terminal.out(manifest.version)
    return EXIT.ok
  }
  if (word === '--help' || word === '-h' || (word === 'help' && rest.length === 0)) {
    terminal.out(overview(VERBS, terminal))
    return EXIT.ok
  }
  const asked = findVerb(word === 'help' ? rest : args)
  if ('what' in asked) return tell([asked], EXIT.usage, surroundings)
  return runVerb(asked.verb, word === 'help' ? ['--help'] : asked.rest, surroundings)
}

/** The verb that a line begins with, and what follows it. */
function findVerb(words: readonly string[]): { verb: Verb; rest: readonly string[] } | Problem {
  const [name = '', part, ...rest] = words
  const verb = VERBS.find((verb) => verb.name === name)
  if (!verb) return unknownVerb(name)
  if (!verb.parts || part === undefined || part.startsWith('-')) return { verb, rest: words.slice(1) }
  const found = verb.parts.find((one) => one.name === `${name} ${part}`)
  return found ? { verb: found, rest } : unknownPart(name, part, verb.parts)
}

async function runVerb(verb: Verb, args: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const { terminal } = surroundings
  const parsed = parseFlags(args, { ...verb.flags, ...COMMON_FLAGS })
  if (isOn(parsed, 'help')) {
    terminal.out(verbHelp(verb, terminal))
    return EXIT.ok
  }
  // After an unknown flag it is not clear which words are its value.
  const problems = parsed.problems.length > 0 ? parsed.problems : miscounted(verb, parsed.positionals)
  const line = { ...parsed, problems }
  const json = wantsJson(line)
  if (line.problems.length > 0 && !verb.takes_problems)
    return tell(line.problems, EXIT.usage, surroundings, json)
  try {
    return await verb.run(line, surroundings)
  } catch (error) {
    if (error instanceof ConfigError)
      return tell(error.problems, line.problems.length > 0 ? EXIT.usage : EXIT.failed, surroundings, json)
    if (error instanceof CliError)
      return tell([error], error.usage ? EXIT.usage : EXIT.failed, surroundings, json)
    if (error instanceof CliErrors) return tell(error.problems, EXIT.failed, surroundings, json)
    throw error
  }
}

function unknownPart(name: string, part: string, parts: readonly Verb[]): Problem {
  const known = parts.map((one) => one.name.slice(name.length + 1))
  const near = nearestNames(part, known).map((one) => `"${name} ${one}"`)
  return {
    what: `There is no "${name} ${part}".`,
    fix: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `There are ${known.join(', ')}.`,
  }
}

function unknownVerb(word: string): Problem {
  if (COMMANDS_BY_NAME.has(word))
    return { what: `There is no verb "${word}".`, fix: `Any command runs by "${PROGRAM} call ${word}".` }
  const near = nearestNames(
    word,
    VERBS.map(({ name }) => name),
  )
  return {
    what: `There is no verb "${word}".`,
    fix: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `See "${PROGRAM} --help".`,
  }
}

function miscounted({ name, args, positionals: [least, most] }: Verb, words: readonly string[]): Problem[] {
  const fix = `Usage: ${PROGRAM} ${`${name} ${args}`.trim()}; see "${PROGRAM} ${name} --help".`
  if (words.length < least) return [{ what: `${name} needs more than that.`, fix }]
  if (words.length > most) return [{ what: `${name} does not understand "${words[most]}".`, fix }]
  return []
}

/** Prints each problem in lines, first what is wrong and last what to do; or all as one JSON object. */
function tell(
  problems: readonly Problem[],
  exit: ExitCode,
  { terminal }: Surroundings,
  json = false,
): ExitCode {
  if (json) {
    const errors = problems.map((problem) => ({
      ...(problem instanceof CliError ? problem.error : {}),
      detail: problem.what,
      next: problem.fix,
    }))
    terminal.err(JSON.stringify({ errors }))
    return exit
  }
  for (const problem of problems) {
    terminal.err(`${styled('error:', 'red', terminal)} ${escapeControls(problem.what)}`)
    for (const line of [...(problem instanceof CliError ? problem.lines : []), problem.fix])
      if (line) terminal.err(`  ${escapeControls(line)}`)
  }
  return exit
}

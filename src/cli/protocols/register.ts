import { type FiledDefinition, placeText } from '../../broker/protocols/registration/definition-files.ts'
import { CALL_FLAGS, call, type Target, targetOf, wantsJson } from '../client.ts'
import { PROGRAM } from '../program.ts'
import { oneLine, table } from '../render.ts'
import { EXIT, type Terminal } from '../terminal.ts'
import { CliError, CliErrors, isOn, type Verb } from '../verb.ts'
import { definitionsIn } from './files.ts'
import type { Registration } from './registered.ts'
import { located } from './telling.ts'

export const register: Verb = {
  name: 'protocols register',
  summary: 'Register what files or folders hold.',
  args: 'FILE…',
  positionals: [1, Number.POSITIVE_INFINITY],
  examples: [
    [`${PROGRAM} protocols register chat.json`, 'one file'],
    [`${PROGRAM} protocols register protocols/ --dry-run`, 'see what a folder would do, and keep nothing'],
  ],
  notes: [
    'A file holds what register_protocol takes, as JSON or YAML, or a list of these. Lower versions go ' +
      'first. What is registered already is left as it is, so the same files may be registered again. ' +
      'After a version that is refused, the higher versions of its name are left out.',
    'In a pipe each version is one line: what was done, name, version and relation, between tabs.',
  ],
  flags: {
    'dry-run': {
      kind: 'switch',
      help: 'Have the broker check each against what is registered, and keep nothing.',
    },
    ...CALL_FLAGS,
  },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const target = targetOf(line, surroundings)
    const definitions = await definitionsIn(line.positionals)
    const dry_run = isOn(line, 'dry-run')
    const done: Registration[] = []
    const refused: CliError[] = []
    /** Versions that are not tried, by their name, since a lower one was refused. */
    const left_out = new Map<string, string[]>()
    /** In a dry run, the version of each name that the broker does not know when it checks the next one. */
    const unknown = new Map<string, string>()
    for (const definition of definitions) {
      const { name, version } = definition.input
      const higher = left_out.get(name)
      if (higher) {
        higher.push(version)
        continue
      }
      const answer = await registration(target, definition, dry_run)
      if (answer instanceof CliError) {
        refused.push(answer)
        left_out.set(name, [])
        continue
      }
      const lower = unknown.get(name)
      done.push(lower === undefined ? answer : notCompared(answer, lower))
      if (dry_run && answer.created) unknown.set(name, version)
    }
    for (const [name, versions] of left_out)
      if (versions.length > 0)
        terminal.err(`warning: ${oneLine(name)} ${versions.join(', ')}: left out, after one that was refused`)
    for (const { name, version, warnings } of done)
      for (const warning of warnings) terminal.err(`warning: ${oneLine(`${name} ${version}: ${warning}`)}`)
    if (wantsJson(line)) terminal.out(JSON.stringify({ dry_run, protocols: done }))
    else print(done, dry_run, terminal)
    if (refused.length > 0) throw new CliErrors(refused)
    return EXIT.ok
  },
}

/** An answer that says what a dry run could not check. */
function notCompared(answer: Registration, lower: string): Registration {
  const words =
    `It was not compared with ${lower}, which is not registered yet: ` +
    `"${PROGRAM} protocols check" compares the versions in files.`
  return { ...answer, warnings: [...answer.warnings, words] }
}

/** What came of one; a refusal says which file it is about. @throws CliError when no broker answers */
async function registration(
  target: Target,
  { input, ...place }: FiledDefinition,
  dry_run: boolean,
): Promise<Registration | CliError> {
  try {
    return await call<Registration>(target, 'register_protocol', {
      ...input,
      ...(dry_run ? { dry_run } : {}),
    })
  } catch (error) {
    // Without a code it is not about this definition, and the next one would fare no better.
    if (!(error instanceof CliError) || error.error?.code === undefined || isAboutCaller(error)) throw error
    return located(error, `${input.name} ${input.version} (${placeText(place)})`, place)
  }
}

function isAboutCaller({ error }: CliError): boolean {
  return error?.code === 'unauthenticated' || error?.code === 'forbidden'
}

function print(done: readonly Registration[], dry_run: boolean, terminal: Terminal): void {
  const would = dry_run ? 'would be ' : ''
  table(
    terminal,
    ['WHAT WAS DONE', 'NAME', 'VERSION', 'RELATION'],
    done.map(({ name, version, created, updated, relation }) => [
      created ? `${would}created` : updated ? `${would}updated` : 'unchanged',
      name,
      version,
      relation ?? '',
    ]),
  )
}

import { PROGRAM } from '../program.ts'
import { CliError, type Verb } from '../verb.ts'
import { check } from './check.ts'
import { diff } from './diff.ts'
import { list } from './list.ts'
import { migrate } from './migrate.ts'
import { register } from './register.ts'
import { show } from './show.ts'
import { types } from './types.ts'

const NAME = 'protocols'
const PARTS: readonly Verb[] = [list, show, diff, check, register, types, migrate]
const NAMES = PARTS.map(({ name }) => name.slice(NAME.length + 1))

export const protocols: Verb = {
  name: NAME,
  summary: 'Look at the protocols of messages, check and register them.',
  args: 'VERB',
  positionals: [0, 0],
  examples: [
    [`${PROGRAM} protocols list`, 'what there is'],
    [`${PROGRAM} protocols show task`, 'what a payload of task looks like'],
    [`${PROGRAM} protocols check schemas/`, 'in a CI job: does each version keep its promise?'],
    [`${PROGRAM} protocols register schemas/`, 'register all of them'],
    [`${PROGRAM} protocols diff --help`, 'each has its own help'],
  ],
  flags: {},
  parts: PARTS,
  async run() {
    throw new CliError(
      `${NAME} needs to know what to do.`,
      `There are ${NAMES.join(', ')}; see "${PROGRAM} ${NAME} --help".`,
      true,
    )
  },
}

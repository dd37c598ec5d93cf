import { PROGRAM } from '../program.ts'
import { CliError, type Verb } from '../verb.ts'
import { check } from './check.ts'
import { repair } from './repair.ts'

const NAME = 'data'
const PARTS: readonly Verb[] = [check, repair]
const NAMES = PARTS.map(({ name }) => name.slice(NAME.length + 1))

export const data: Verb = {
  name: NAME,
  summary: 'Check a data directory, or save what can be read of a damaged one.',
  args: 'VERB',
  positionals: [0, 0],
  examples: [
    [`${PROGRAM} data check ./data`, 'is it as it was written? changes nothing'],
    [`${PROGRAM} data repair ./data`, 'copy it aside, and save what can be read'],
  ],
  flags: {},
  parts: PARTS,
  async run() {
    throw new CliError(
      `${NAME} needs to know what to do.`,
      `There are ${NAMES.join(' and ')}; see "${PROGRAM} ${NAME} --help".`,
      true,
    )
  },
}

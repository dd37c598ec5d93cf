import { version } from '../../../package.json'
import { PROGRAM, quoted } from '../program.ts'
import { EXIT } from '../terminal.ts'
import { isOn, type Verb } from '../verb.ts'
import { printChecked, printDamage, readingProgress, refusedDirectory } from './telling.ts'

export const check: Verb = {
  name: 'data check',
  summary: 'Read all of a data directory, and say whether it is as it was written.',
  args: 'DIR',
  positionals: [1, 1],
  examples: [
    [`${PROGRAM} data check ./data`, 'changes nothing'],
    [`${PROGRAM} data check ./data --json`, 'for programs'],
  ],
  notes: [
    'The broker on it has to be stopped. Ends with 1 when something is damaged; then each place is a line: the ' +
      'file, the byte in it, and what is wrong there. Of a damaged directory the numbers are those of what can ' +
      'be read.',
    'In a pipe each line is a name and a number, with a tab; a place that is damaged is damage, file, byte, bytes ' +
      'skipped, frames lost if that is known, and what is wrong.',
  ],
  flags: { json: { kind: 'switch', help: 'JSON for programs, errors too.' } },
  async run(line, { terminal }) {
    const path = line.positionals[0]!
    const { checkDirectory } = await import('../../engine/journal/upkeep/directories.ts')
    const progress = readingProgress(terminal)
    const checked = await checkDirectory(path, `mcp-broker ${version}`, { now: Date.now(), progress }).catch(
      (error: unknown) => {
        throw refusedDirectory(error)
      },
    )
    const damaged = checked.damage.length > 0
    if (isOn(line, 'json')) terminal.out(JSON.stringify({ ok: !damaged, ...checked }))
    else {
      printDamage(checked.damage, terminal)
      printChecked(checked, terminal)
      if (damaged) terminal.err(`To save what can be read, run: ${PROGRAM} data repair ${quoted(path)}`)
    }
    return damaged ? EXIT.failed : EXIT.ok
  },
}

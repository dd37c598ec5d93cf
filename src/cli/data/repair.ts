import { resolve } from 'node:path'
import { version } from '../../../package.json'
import { PROGRAM } from '../program.ts'
import { EXIT } from '../terminal.ts'
import { flag, isOn, type Verb } from '../verb.ts'
import { printChecked, printDamage, readingProgress, refusedDirectory } from './telling.ts'

export const repair: Verb = {
  name: 'data repair',
  summary: 'Save what can be read of a damaged data directory.',
  args: 'DIR',
  positionals: [1, 1],
  examples: [
    [`${PROGRAM} data repair ./data`, 'copies it to ./data.damaged-<time> first'],
    [`${PROGRAM} data repair ./data --copy /mnt/data.damaged`, 'copies it there'],
  ],
  notes: [
    'The broker on it has to be stopped. What can be read is written down anew, and says what was saved and what ' +
      'is gone: each place that could not be read is a line, as of "data check". Readers cannot resume by cursor ' +
      'afterwards. Where a note of an acknowledgement is gone, its message comes again.',
    'Needs room for two copies of the directory. Where nothing is damaged, nothing is changed.',
  ],
  flags: {
    copy: { kind: 'value', value: 'PATH', help: 'Where the directory is copied to (DIR.damaged-<time>).' },
    json: { kind: 'switch', help: 'JSON for programs, errors too.' },
  },
  async run(line, { terminal }) {
    const path = resolve(line.positionals[0]!)
    const now = Date.now()
    const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')
    const copy = resolve(flag(line, 'copy') ?? `${path}.damaged-${time}`)
    const { repairDirectory } = await import('../../engine/journal/upkeep/directories.ts')
    const options = { now, progress: readingProgress(terminal), copy, by: `mcp-broker ${version}` }
    const { damage, after } = await repairDirectory(path, options).catch((error: unknown) => {
      throw refusedDirectory(error)
    })
    const changed = damage.length > 0
    if (isOn(line, 'json'))
      terminal.out(JSON.stringify({ damage, ...(changed && { copy }), saved: after.counts, after }))
    else {
      printDamage(damage, terminal)
      printChecked(after, terminal)
      terminal.err(
        changed
          ? `That was saved. The directory as it was is in ${copy}.`
          : 'There is nothing to repair, and nothing was changed.',
      )
    }
    return EXIT.ok
  },
}

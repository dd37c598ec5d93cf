import { CALL_FLAGS, targetOf, wantsJson } from '../client.ts'
import { PROGRAM } from '../program.ts'
import { table } from '../render.ts'
import { EXIT } from '../terminal.ts'
import type { Verb } from '../verb.ts'
import { type Card, cards } from './registered.ts'

export const list: Verb = {
  name: 'protocols list',
  summary: 'List the protocols, or the versions of one.',
  args: '[NAME]',
  positionals: [0, 1],
  examples: [
    [`${PROGRAM} protocols list`, 'the newest version of each'],
    [`${PROGRAM} protocols list chat`, 'every version of chat, newest first'],
  ],
  notes: [
    'In a pipe each version is one line: name, version, how many versions there are, relation to the one ' +
      'before, "deprecated" or nothing, and the summary, between tabs.',
  ],
  flags: CALL_FLAGS,
  async run(line, surroundings) {
    const { terminal } = surroundings
    const found = await cards(targetOf(line, surroundings), line.positionals[0])
    if (wantsJson(line)) terminal.out(JSON.stringify({ protocols: found }))
    else
      table(
        terminal,
        ['NAME', 'VERSION', 'OF', 'RELATION', 'STATE', 'WHAT IT IS'],
        found.map(row),
        (column, text) => (column === 4 && text !== '' ? 'yellow' : undefined),
      )
    return EXIT.ok
  },
}

function row({ name, version, versions, relation, deprecated, summary }: Card): string[] {
  return [name, version, String(versions), relation ?? '', deprecated ? 'deprecated' : '', summary]
}

import { shapesOf } from '../../core/protocol/card/shapes.ts'
import { escapeControls } from '../../observability/readable.ts'
import { CALL_FLAGS, targetOf, wantsJson } from '../client.ts'
import { PROGRAM } from '../program.ts'
import { oneLine, styled, table } from '../render.ts'
import { EXIT, type Terminal } from '../terminal.ts'
import type { Verb } from '../verb.ts'
import { type FullCard, registered } from './registered.ts'

export const show: Verb = {
  name: 'protocols show',
  summary: 'Show one version: its members, its examples, what to know.',
  args: 'NAME[@VERSION]',
  positionals: [1, 1],
  examples: [
    [`${PROGRAM} protocols show chat`, 'the newest version that is not deprecated'],
    [`${PROGRAM} protocols show task@1.0.0 --json`, 'all that is registered, with the schema'],
  ],
  flags: CALL_FLAGS,
  async run(line, surroundings) {
    const { terminal } = surroundings
    const [name = '', version] = line.positionals[0]?.split('@', 2) ?? []
    const card = await registered(targetOf(line, surroundings), name, version)
    if (wantsJson(line)) terminal.out(JSON.stringify(card))
    else print(card, terminal)
    return EXIT.ok
  },
}

function print(card: FullCard, terminal: Terminal): void {
  const out = (text: string) => terminal.out(escapeControls(text))
  const heading = (text: string) => terminal.out(`\n${styled(oneLine(text), 'bold', terminal)}`)
  const { name, version, deprecated, relation, capabilities, tags, author, documentation_url } = card
  terminal.out(styled(oneLine(`${name} ${version}`), 'bold', terminal))
  if (deprecated) {
    const { message = '', successor } = deprecated
    const instead = successor === undefined ? '' : ` Use ${successor}.`
    out(`Deprecated. ${message}${instead}`.trim())
  }
  if (card.description ?? card.summary) out(card.description ?? card.summary)
  for (const [what, value] of [
    ['sent by', capabilities.join(', ')],
    ['tags', tags?.join(', ')],
    ['author', author],
    ['see', documentation_url],
    ['relation', relation && `${relation} to the version before`],
    ['adapters', card.adapters.map(({ from }) => `from ${from}`).join(', ')],
  ] as const)
    if (value) out(`${what}: ${value}`)
  for (const { kind, description, fields } of shapesOf(card.schema)) {
    heading(kind ? `${kind.member} ${kind.value}${description ? `: ${description}` : ''}` : 'Members')
    table(
      terminal,
      ['MEMBER', 'TYPE', '', 'WHAT IT IS'],
      fields.map(({ path, type, required, description = '' }) => [
        path,
        type,
        required ? 'required' : '',
        description,
      ]),
    )
  }
  for (const example of card.examples) {
    heading(`Example: ${example.name}`)
    out(JSON.stringify(example.payload))
  }
  if (card.agent_notes) {
    heading('For agents')
    out(card.agent_notes)
  }
}

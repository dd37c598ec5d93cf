import { placeText, readDefinitions } from '../../broker/protocols/registration/definition-files.ts'
import { wantsJson } from '../client.ts'
import { PROGRAM } from '../program.ts'
import { oneLine, table } from '../render.ts'
import { EXIT } from '../terminal.ts'
import { CliErrors, type Verb } from '../verb.ts'
import { noDefinitions } from './files.ts'
import { fileError } from './telling.ts'

export const check: Verb = {
  name: 'protocols check',
  summary: 'Check files of definitions without a broker, such as in CI.',
  args: 'DIR…',
  positionals: [1, Number.POSITIVE_INFINITY],
  examples: [
    [`${PROGRAM} protocols check schemas/`, 'a folder, with all below it'],
    [`${PROGRAM} protocols check schemas/ --json`, 'for programs'],
  ],
  notes: [
    'Ends with 1 when a schema would be refused, an example does not fit, an adapter fails on an ' +
      'example, or a version number promises more than the schema keeps: a patch must accept what the ' +
      'version before it did and be accepted by it, a minor version must accept what the one before it ' +
      'did. An error shows a payload that would break. Versions are compared with those before them in ' +
      'the same files.',
    'In a pipe each version is one line: name, version, relation to the one before, number of examples, ' +
      'and file, between tabs.',
  ],
  flags: { json: { kind: 'switch', help: 'JSON for programs, errors too.' } },
  async run(line, { terminal }) {
    const { definitions, problems: unread } = await readDefinitions(...line.positionals)
    if (definitions.length === 0 && unread.length === 0) throw noDefinitions(line.positionals)
    // Loaded here, so that the verbs that call a broker do not wait for it.
    const { checkDefinitions } = await import('./checking.ts')
    const { checked, problems } = await checkDefinitions(definitions)
    for (const { name, version, warnings } of checked)
      for (const warning of warnings) terminal.err(`warning: ${oneLine(`${name} ${version}: ${warning}`)}`)
    if (wantsJson(line)) terminal.out(JSON.stringify({ protocols: checked }))
    else
      table(
        terminal,
        ['NAME', 'VERSION', 'RELATION', 'EXAMPLES', 'FILE'],
        checked.map(({ name, version, relation = '', examples, ...place }) => [
          name,
          version,
          relation,
          String(examples),
          placeText(place),
        ]),
      )
    const all = [...unread.map(fileError), ...problems]
    if (all.length > 0) throw new CliErrors(all)
    return EXIT.ok
  },
}

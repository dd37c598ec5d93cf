import { nearestNames } from '../core/routing.ts'
import { PAGES } from './pages.ts'
import { PROGRAM } from './program.ts'
import { EXIT } from './terminal.ts'
import { CliError, type Verb } from './verb.ts'

export const docs: Verb = {
  name: 'docs',
  summary: 'Print a reference page, as Markdown.',
  args: 'PAGE',
  positionals: [1, 1],
  examples: [
    [`${PROGRAM} docs commands`, 'every command with its parameters, and its HTTP route'],
    [`${PROGRAM} docs doors`, 'what each door adds: delivery, notifications, resuming'],
    [`${PROGRAM} docs ready-protocols`, 'chat, task and file_lease: members and examples'],
    [`${PROGRAM} docs errors`, 'every error, with its codes and what to do'],
    [`${PROGRAM} docs configuration`, 'every setting'],
  ],
  notes: [`Pages: ${Object.keys(PAGES).join(', ')}.`],
  flags: {},
  async run(line, { terminal }) {
    const [name = ''] = line.positionals
    const page = Object.hasOwn(PAGES, name) ? PAGES[name] : undefined
    if (!page) {
      const near = nearestNames(name, Object.keys(PAGES))
      throw new CliError(
        `There is no page "${name}".`,
        near.length > 0
          ? `Did you mean ${near.join(' or ')}?`
          : `There are ${Object.keys(PAGES).join(', ')}.`,
        true,
      )
    }
    terminal.out(page().trimEnd())
    return EXIT.ok
  },
}

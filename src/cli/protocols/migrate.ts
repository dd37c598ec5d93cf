import { count } from '../../broker/commands/schema.ts'
import { CALL_FLAGS, call, targetOf, wantsJson } from '../client.ts'
import { PROGRAM } from '../program.ts'
import { oneLine } from '../render.ts'
import { EXIT, type Terminal } from '../terminal.ts'
import { CliError, flag, isOn, type Verb } from '../verb.ts'
import type { Migration } from './registered.ts'

/** How long a broker may take for a large project. */
const MIGRATION_SECONDS_MAX = 600

export const migrate: Verb = {
  name: 'protocols migrate',
  summary: 'Turn pending messages into another version of their protocol.',
  args: 'NAME --to VERSION',
  positionals: [1, 1],
  examples: [
    [`${PROGRAM} protocols migrate chat --to 2.0.0`, 'how many there are; changes nothing'],
    [`${PROGRAM} protocols migrate chat --to 2.0.0 --apply`, 'rewrite them'],
    [`${PROGRAM} protocols migrate chat --to 2.0.0 --from 1.x`, 'only messages of these versions'],
  ],
  notes: [
    'A message that nobody has been given yet is rewritten in its place by the registered adapters. All ' +
      'others are left: those that were delivered or are leased, those that are acknowledged, those whose ' +
      'payload the adapters cannot turn, and those that would find no room. Ends with 1 when some could ' +
      'not be turned.',
    'In a pipe each line is a name and a number: rewritten, leased_or_delivered, acknowledged, failed, ' +
      'no_room.',
  ],
  flags: {
    to: { kind: 'value', value: 'VERSION', help: 'The version that they become.' },
    from: {
      kind: 'value',
      value: 'RANGE',
      help: 'Only messages of these versions (all that adapters lead from).',
    },
    apply: { kind: 'switch', help: 'Rewrite them; without it nothing is changed.' },
    ...CALL_FLAGS,
  },
  async run(line, surroundings) {
    const { terminal } = surroundings
    const [name] = line.positionals
    const to_version = flag(line, 'to')
    if (to_version === undefined)
      throw new CliError('migrate needs the version that messages become.', 'Give it as --to VERSION.', true)
    const input = { name, to_version, from_range: flag(line, 'from'), dry_run: !isOn(line, 'apply') }
    const target = targetOf(line, surroundings)
    const done = await call<Migration>(target, 'migrate_messages', input, MIGRATION_SECONDS_MAX)
    if (wantsJson(line)) terminal.out(JSON.stringify(done))
    else print(done, `${name} ${to_version}`, terminal)
    return done.left.failed > 0 ? EXIT.failed : EXIT.ok
  },
}

function print({ dry_run, rewritten, left, failures }: Migration, to: string, terminal: Terminal): void {
  if (!terminal.interactive)
    for (const row of Object.entries({ rewritten, ...left }))
      terminal.out(row.map((cell) => oneLine(String(cell))).join('\t'))
  else {
    terminal.out(oneLine(`${count(rewritten, 'message')} ${dry_run ? 'would become' : 'became'} ${to}.`))
    for (const [number, why] of [
      [left.leased_or_delivered, 'delivered already, or leased'],
      [left.acknowledged, 'acknowledged already'],
      [left.failed, 'that the adapters cannot turn'],
      [left.no_room, 'for want of room'],
    ] as const)
      if (number > 0) terminal.out(oneLine(`Left: ${count(number, 'message')} ${why}.`))
  }
  for (const { message_id, reason } of failures) terminal.err(oneLine(`${message_id}: ${reason}`))
  const unlisted = left.failed - failures.length
  if (unlisted > 0) terminal.err(`${count(unlisted, 'message')} more could not be turned.`)
  if (dry_run) terminal.err('Nothing was changed: --apply does it.')
}

import type { Sources } from '../config/load.ts'
import { SETTINGS } from '../config/settings.ts'
import type { Flag, Parsed } from './flags.ts'

/** A flag for every setting, and one for the settings file. */
export const settingFlags: Readonly<Record<string, Flag>> = Object.fromEntries([
  [
    'config',
    {
      kind: 'value',
      value: 'FILE',
      help: 'Settings file, JSON or YAML (also MCP_BROKER_CONFIG).',
    } satisfies Flag,
  ],
  ...SETTINGS.map(({ flag, kind, description }): [string, Flag] => [
    flag,
    {
      kind: kind === 'switch' ? 'switch' : 'value',
      value: kind.toUpperCase().replace(' ', '-'),
      help: description,
    },
  ]),
])

/** The settings' sources on a command line that was parsed with {@link settingFlags}. */
export function configSources(line: Parsed, env: Sources['env']): Sources {
  const flags = new Map(
    [...line.flags]
      .filter(([name]) => Object.hasOwn(settingFlags, name))
      .map(([name, texts]) => [name, texts.at(-1) ?? '']),
  )
  return { env, flags, problems: line.problems }
}

import { type Loaded, loadConfig } from '../config/load.ts'
import { configReference, REFERENCE_FORMATS, type ReferenceFormat } from '../config/reference.ts'
import { SETTINGS } from '../config/settings.ts'
import { nearestNames } from '../core/routing.ts'
import { PROGRAM } from './program.ts'
import { table } from './render.ts'
import { configSources, settingFlags } from './settings.ts'
import { EXIT, type ExitCode, type Terminal } from './terminal.ts'
import { CliError, flag, isOn, type Verb } from './verb.ts'

const ACTIONS = ['check', 'reference']

export const config: Verb = {
  name: 'config',
  summary: 'Check the settings, or print their reference.',
  args: 'check|reference',
  positionals: [1, 1],
  examples: [
    [`${PROGRAM} config check`, 'the settings in force, and where each came from'],
    [`${PROGRAM} config check --config broker.yaml --port 9000`, 'as "serve" would see them'],
    [`${PROGRAM} config reference`, 'every setting, as a page'],
    [`${PROGRAM} config reference --format json-schema`, 'for an editor'],
    [`${PROGRAM} config reference --format env`, 'as variables to fill in'],
  ],
  notes: [
    '"config check" tells everything that is wrong and ends with 1, or shows what is in force. Secrets are masked.',
  ],
  flags: {
    format: { kind: 'value', value: 'FORMAT', help: `Of the reference: ${REFERENCE_FORMATS.join(', ')}.` },
    json: { kind: 'switch', help: 'JSON for programs.' },
    ...settingFlags,
  },
  takes_problems: true,
  async run(line, { terminal, env }) {
    const [action = ''] = line.positionals
    if (action === 'check') {
      const sources = configSources(line, env)
      return check(await loadConfig(sources), terminal, isOn(line, 'json'))
    }
    if (action === 'reference') return reference(flag(line, 'format') ?? 'markdown', terminal)
    const near = nearestNames(action, ACTIONS)
    throw new CliError(
      action === '' ? 'config needs to know what to do.' : `There is no "config ${action}".`,
      near.length > 0 ? `Did you mean "config ${near[0]}"?` : 'There are config check and config reference.',
      true,
    )
  },
}

function check({ config, origins }: Loaded, terminal: Terminal, json: boolean): ExitCode {
  const shown = SETTINGS.map(({ key, secret }) => {
    const value = config[key]
    return { key, value: secret && value !== undefined ? '(set)' : value, origin: origins[key] }
  })
  if (json) {
    const entries = shown.map(({ key, value = null, origin }) => [key, { value, origin }])
    terminal.out(JSON.stringify(Object.fromEntries(entries)))
    return EXIT.ok
  }
  table(
    terminal,
    ['SETTING', 'VALUE', 'FROM'],
    shown.map(({ key, value, origin }) => [key, valueText(value), origin]),
    (column, text) => (column === 2 && text !== 'default' ? 'green' : undefined),
  )
  return EXIT.ok
}

function valueText(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return 'none'
  return Array.isArray(value) ? value.join(',') : String(value)
}

function reference(format: string, terminal: Terminal): ExitCode {
  if (!isFormat(format))
    throw new CliError(`There is no format "${format}".`, `There are ${REFERENCE_FORMATS.join(', ')}.`, true)
  terminal.out(configReference(format).trimEnd())
  return EXIT.ok
}

function isFormat(format: string): format is ReferenceFormat {
  return (REFERENCE_FORMATS as readonly string[]).includes(format)
}

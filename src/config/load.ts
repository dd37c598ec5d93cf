import { Value } from '@sinclair/typebox/value'
import { nearestNames } from '../core/routing.ts'
import { crossCheck, type Problem } from './checks.ts'
import { FileProblem, readSettingsFile } from './file.ts'
import type { Config } from './schema.ts'
import { ENV_PREFIX, fromText, SETTINGS, SETTINGS_BY_KEY, type Setting, wanted } from './settings.ts'

/** The settings cannot be used. Holds every mistake in them, and not only the first. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(({ what, fix }) => `${what} ${fix}`).join('\n'))
    this.name = 'ConfigError'
  }
}

/** Where settings come from, besides the file: the flag `config` or `MCP_BROKER_CONFIG` names it. */
export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Texts by flag name, without the leading `--`. */
  readonly flags?: ReadonlyMap<string, string>
  /** Mistakes found in the command line before, to be reported with the rest. */
  readonly problems?: readonly Problem[]
}

export interface Loaded {
  readonly config: Config
  /** Where each value came from: `default`, the file's path, the variable or the flag. */
  readonly origins: Readonly<Record<keyof Config, string>>
}

/** Variables that are not settings of the broker: the file's name, and those of verbs that call a broker. */
export const OTHER_VARIABLES: Readonly<Record<string, string>> = {
  MCP_BROKER_CONFIG: 'Path of the settings file, JSON or YAML; the same as --config.',
  MCP_BROKER_URL: 'Where the verbs that call a broker find it (default http://127.0.0.1:8123).',
  MCP_BROKER_API_KEY: 'The key that the verbs that call a broker pass to it.',
}

interface Given {
  readonly value: unknown
  /** The value's name where it was set: the key, the variable or the flag. */
  readonly name: string
  readonly origin: string
}

/**
 * Gathers the settings. Flags win over variables, variables over the file, and the file over the defaults.
 *
 * @throws ConfigError with every mistake found
 */
export async function loadConfig({
  env,
  flags = new Map(),
  problems: before = [],
}: Sources): Promise<Loaded> {
  const problems: Problem[] = [...before]
  const given = new Map<keyof Config, Given>()
  const path = flags.get('config') ?? env.MCP_BROKER_CONFIG
  if (path !== undefined) await fromFile(path, given, problems)
  fromEnv(env, given, problems)
  fromFlags(flags, given, problems)

  const values: Record<string, unknown> = {}
  const origins: Record<string, string> = {}
  for (const setting of SETTINGS) {
    const one = given.get(setting.key)
    origins[setting.key] = one?.origin ?? 'default'
    const value = one ? one.value : Value.Clone(setting.default)
    if (value === undefined) continue
    if (one && !Value.Check(setting.schema, value)) problems.push(wrongValue(setting, one))
    else values[setting.key] = value
  }
  if (problems.length === 0) problems.push(...crossCheck(values as Config, origins))
  if (problems.length > 0) throw new ConfigError(problems)
  return { config: values as Config, origins: origins as Loaded['origins'] }
}

async function fromFile(path: string, given: Map<keyof Config, Given>, problems: Problem[]): Promise<void> {
  let values: Record<string, unknown>
  try {
    values = await readSettingsFile(path)
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    problems.push({ what: error.message, fix: error.fix })
    return
  }
  for (const [key, value] of Object.entries(values)) {
    // Names the JSON Schema, for editors.
    if (key === '$schema') continue
    const setting = SETTINGS_BY_KEY.get(key)
    if (setting) given.set(setting.key, { value, name: key, origin: path })
    else
      problems.push(
        unknownName(
          `${key} in ${path}`,
          key,
          SETTINGS.map(({ key }) => key),
        ),
      )
  }
}

function fromEnv(env: Sources['env'], given: Map<keyof Config, Given>, problems: Problem[]): void {
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX) || text === undefined) continue
    if (Object.hasOwn(OTHER_VARIABLES, name) || isServiceLink(name, text)) continue
    const setting = SETTINGS_BY_KEY.get(name.slice(ENV_PREFIX.length).toLowerCase())
    if (setting?.env === name) given.set(setting.key, { value: fromText(setting, text), name, origin: name })
    else
      problems.push(
        unknownName(
          `The variable ${name}`,
          name.slice(ENV_PREFIX.length).toLowerCase(),
          [
            ...SETTINGS.map(({ key }) => key),
            ...Object.keys(OTHER_VARIABLES).map((other) => other.slice(ENV_PREFIX.length).toLowerCase()),
          ],
          (key) => ENV_PREFIX + key.toUpperCase(),
        ),
      )
  }
}

function fromFlags(
  flags: ReadonlyMap<string, string>,
  given: Map<keyof Config, Given>,
  problems: Problem[],
): void {
  for (const [flag, text] of flags) {
    if (flag === 'config') continue
    const name = `--${flag}`
    const setting = SETTINGS_BY_KEY.get(flag.replaceAll('-', '_'))
    if (setting) given.set(setting.key, { value: fromText(setting, text), name, origin: name })
    else
      problems.push(
        unknownName(
          `The flag ${name}`,
          flag,
          SETTINGS.map(({ flag }) => flag),
          (known) => `--${known}`,
        ),
      )
  }
}

/**
 * Whether Kubernetes set a variable. It sets several in every pod beside a Service called `mcp-broker`, such
 * as `MCP_BROKER_PORT=tcp://…`, and none is meant for the broker. Source: Kubernetes, "Service: environment
 * variables".
 */
function isServiceLink(name: string, text: string): boolean {
  if (name === 'MCP_BROKER_PORT') return /^(tcp|udp|sctp):\/\//.test(text)
  return /^MCP_BROKER_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)$/.test(name)
}

function unknownName(
  subject: string,
  key: string,
  known: readonly string[],
  render: (key: string) => string = (key) => key,
): Problem {
  const [near] = nearestNames(key, known, 1)
  return {
    what: `${subject} is not a setting.`,
    fix: near === undefined ? '"serve --help" lists every setting.' : `Did you mean ${render(near)}?`,
  }
}

function wrongValue(setting: Setting, { value, name, origin }: Given): Problem {
  const place = origin === name ? '' : ` (in ${origin})`
  return {
    what: `${name}${place} is ${shown(setting, value)}.`,
    fix: `It must be ${wanted(setting)}.`,
  }
}

/** A value as an error shows it: cut short, and never a secret. */
function shown({ secret, kind }: Setting, value: unknown): string {
  if (secret) return typeof value === 'string' ? `a text of ${value.length} characters` : `a ${typeof value}`
  const json = JSON.stringify(value) ?? String(value)
  const short = json.length > 60 ? `${json.slice(0, 57)}…` : json
  return typeof value === 'string' && kind !== 'text' && kind !== 'choice' ? `the text ${short}` : short
}

import type { TSchema } from '@sinclair/typebox'
import { type Config, ConfigSchema } from './schema.ts'

/** The kind of a setting's value, which decides how it is read from text. */
export type SettingKind = 'text' | 'whole number' | 'number' | 'switch' | 'choice' | 'list'

/** One setting under its three names: the file's key, the environment variable and the flag. */
export interface Setting {
  readonly key: keyof Config
  /** `MCP_BROKER_` and the key in capitals. */
  readonly env: string
  /** Without the leading `--`: the key with hyphens. */
  readonly flag: string
  readonly kind: SettingKind
  readonly schema: TSchema
  /** Undefined if a setting that is left out has no value. */
  readonly default: unknown
  readonly description: string
  /** The value is never shown, only that it is set. */
  readonly secret: boolean
}

export const ENV_PREFIX = 'MCP_BROKER_'

/** Every setting, in the order of the schema. */
export const SETTINGS: readonly Setting[] = Object.entries<TSchema>(ConfigSchema.properties).map(
  ([key, schema]) => ({
    key: key as keyof Config,
    env: ENV_PREFIX + key.toUpperCase(),
    flag: key.replaceAll('_', '-'),
    kind: kindOf(schema),
    schema,
    default: schema.default,
    description: schema.description ?? '',
    secret: schema.writeOnly === true,
  }),
)

export const SETTINGS_BY_KEY: ReadonlyMap<string, Setting> = new Map(
  SETTINGS.map((setting) => [setting.key, setting]),
)

function kindOf(schema: TSchema): SettingKind {
  if (schema.anyOf) return 'choice'
  switch (schema.type) {
    case 'integer':
      return 'whole number'
    case 'number':
      return 'number'
    case 'boolean':
      return 'switch'
    case 'array':
      return 'list'
    default:
      return 'text'
  }
}

/** The values that a choice allows. */
export function choices({ schema }: Setting): string[] {
  return (schema.anyOf as TSchema[]).map((literal) => String(literal.const))
}

const SWITCH_WORDS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
}

/**
 * Reads a value from a variable or a flag: numbers as decimal, switches as true or false (also yes, no, on,
 * off, 1, 0), lists separated by commas.
 *
 * @returns the value; the text itself if it cannot be read, for the schema to refuse
 */
export function fromText({ kind }: Setting, text: string): unknown {
  switch (kind) {
    case 'whole number':
    case 'number':
      return NUMBER.test(text.trim()) ? Number(text) : text
    case 'switch':
      return SWITCH_WORDS[text.trim().toLowerCase()] ?? text
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
    default:
      return text
  }
}

/** Decimal only: hexadecimal or empty text is more likely a mistake than a number. */
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i

/** What a value must be, in words: "a whole number from 0 to 65535". */
export function wanted(setting: Setting): string {
  const { schema, kind } = setting
  switch (kind) {
    case 'choice':
      return `one of ${choices(setting).join(', ')}`
    case 'switch':
      return 'true or false'
    case 'list':
      return 'a list of texts (separated by commas in a variable or flag)'
    case 'text':
      return schema.minLength > 1 ? `a text of at least ${schema.minLength} characters` : 'a text'
    default: {
      const noun = `a ${kind}`
      if (schema.exclusiveMinimum !== undefined) return `${noun} above ${schema.exclusiveMinimum}`
      if (schema.maximum !== undefined) return `${noun} from ${schema.minimum} to ${schema.maximum}`
      return `${noun}, at least ${schema.minimum}`
    }
  }
}

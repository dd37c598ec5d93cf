import type { SchemaObject } from '../../json-schema.ts'
import { type Pattern, PatternFlaw, readPattern } from '../pattern-syntax.ts'
import type { Choices } from './choices.ts'

const CHARS_MAX = 4096
/** A longer repeat makes no example that is small enough. */
const REPEAT_MAX = 4096
/** The first of these that fits is written where a pattern leaves the character open. */
const LIKELY = [...'aA0x1Z_- .:/@#'].map((char) => char.charCodeAt(0))

/** Texts of a format, since a format documents what is meant. Source: 2020-12 validation, section 7.3. */
const OF_FORMAT: Readonly<Record<string, string>> = {
  'date-time': '2026-01-01T00:00:00Z',
  date: '2026-01-01',
  time: '00:00:00Z',
  duration: 'PT1M',
  email: 'name@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com',
  'uri-reference': '/path',
  uuid: '00000000-0000-4000-8000-000000000000',
  'json-pointer': '/name',
  regex: '^a$',
}

/** A text for a merged schema. @param variant makes it another one, if the schema leaves room */
export function textFor(schema: SchemaObject, choices: Choices, variant: number): string {
  const least = (schema.minLength ?? 0) as number
  const most = Math.min((schema.maxLength ?? CHARS_MAX) as number, CHARS_MAX)
  if (typeof schema.pattern === 'string') return matching(schema.pattern, least, choices, variant)
  const formatted = typeof schema.format === 'string' && Object.hasOwn(OF_FORMAT, schema.format)
  const word = formatted ? OF_FORMAT[schema.format as string]! : 'text'
  const mark = variant === 0 ? '' : String(variant)
  const cut = `${word.slice(0, Math.max(0, most - mark.length))}${mark}`.slice(0, most)
  return cut.padEnd(Math.min(least, CHARS_MAX), 'x')
}

/** A short text that a pattern matches, as long as `least`, if the pattern allows it. */
function matching(source: string, least: number, choices: Choices, variant: number): string {
  let pattern: Pattern
  try {
    pattern = readPattern(source, REPEAT_MAX)
  } catch (thrown) {
    if (thrown instanceof PatternFlaw) return 'text'
    throw thrown
  }
  const writer = new PatternWriter(choices, least - shortest(pattern), variant)
  const text = writer.write(pattern)
  if (text.length >= least) return text
  // A pattern that does not say how a text begins or ends leaves room there.
  const length = Math.min(least, CHARS_MAX)
  return choices.pick([text.padEnd(length, 'a'), text.padStart(length, 'a')])
}

class PatternWriter {
  private readonly choices: Choices
  /** How many characters are still to be had from repeats. */
  private missing: number
  private variant: number

  constructor(choices: Choices, missing: number, variant: number) {
    this.choices = choices
    this.missing = Math.min(missing, CHARS_MAX)
    this.variant = variant
  }

  write(pattern: Pattern): string {
    this.choices.spend()
    switch (pattern.kind) {
      case 'assert':
        return ''
      case 'set':
        return String.fromCodePoint(this.charOf(pattern))
      case 'sequence':
        return pattern.items.map((item) => this.write(item)).join('')
      case 'choice':
        return this.write(this.choices.pick(pattern.branches))
      case 'repeat': {
        const room = Math.max(0, Math.min(this.missing, pattern.max - pattern.min))
        const times = Math.min(pattern.min + room, CHARS_MAX)
        this.missing -= room
        return Array.from({ length: times }, () => this.write(pattern.item)).join('')
      }
    }
  }

  private charOf(set: Extract<Pattern, { kind: 'set' }>): number {
    const fitting = LIKELY.filter((code) => this.isIn(code, set))
    const first = fitting[this.variant % Math.max(1, fitting.length)]
    if (first !== undefined) {
      this.variant = Math.floor(this.variant / fitting.length)
      return first
    }
    return set.ranges[0]?.[0] ?? LIKELY[0]!
  }

  private isIn(code: number, { ranges, properties, not }: Extract<Pattern, { kind: 'set' }>): boolean {
    const char = String.fromCharCode(code)
    const named = properties.some(({ name, not: inverse }) => hasProperty(char, name) !== inverse)
    return (named || ranges.some(([from, to]) => code >= from && code <= to)) !== not
  }
}

/** Near enough for the likely characters; the check decides. */
function hasProperty(char: string, name: string): boolean {
  if (/^(Lu|Uppercase)/.test(name)) return char >= 'A' && char <= 'Z'
  if (/^(Ll|Lowercase)/.test(name)) return char >= 'a' && char <= 'z'
  if (/^(L|Alphabetic|Script=Latin|sc=Latin)/.test(name)) return /[A-Za-z]/.test(char)
  if (/^N/.test(name)) return /[0-9]/.test(char)
  return /^(P|S)/.test(name) ? !/[A-Za-z0-9]/.test(char) : false
}

function shortest(pattern: Pattern): number {
  switch (pattern.kind) {
    case 'assert':
      return 0
    case 'set':
      return 1
    case 'sequence':
      return pattern.items.reduce((total, item) => total + shortest(item), 0)
    case 'choice':
      return Math.min(...pattern.branches.map(shortest))
    case 'repeat':
      return pattern.min * shortest(pattern.item)
  }
}

import { RE2JS } from 're2js'
import { SCHEMA_BOUNDS } from './bounds.ts'
import { inverted, type Pattern, PatternFlaw, readPattern } from './pattern-syntax.ts'

export { PatternFlaw } from './pattern-syntax.ts'

/** A pattern that takes time in proportion to the text, whatever the text is. */
export interface LinearPattern {
  /** Only `test` may be called on it. */
  readonly regexp: RegExp
  /** States of the linear engine; 0 where the native engine runs it. */
  readonly size: number
}

/** The most states that one pattern may have: each character may cost all of them. */
const PATTERN_SIZE_MAX = 2000
/** Up to this size the sets of states that occur are few, and each character costs one look-up. */
export const SMALL_PATTERN = 16
/** The most steps of the native engine on a short text, and per character of a long one. */
const NATIVE_STEPS_MAX = 4096
const NATIVE_STEPS_PER_CHAR_MAX = 32

/** An expression of re2js in the shape of a RegExp, for a validator that calls `test`. */
class Re2Pattern extends RegExp {
  private readonly re2: RE2JS

  constructor(source: string, re2: RE2JS) {
    super(source, 'u')
    this.re2 = re2
  }

  override test(text: string): boolean {
    return this.re2.test(text)
  }
}

/**
 * A pattern of ECMA-262 (with the `u` flag) as an expression whose `test` is linear: the native one where its
 * shape makes that evident, else one of re2js, a port of RE2. Nothing backtracks without a bound.
 *
 * @throws PatternFlaw with the reason and what to write instead
 */
export function judgePattern(source: string, repeat_max = SCHEMA_BOUNDS.repeat_max): LinearPattern {
  const pattern = readPattern(source, repeat_max)
  if (isEvident(pattern)) return { regexp: new RegExp(source, 'u'), size: 0 }
  const size = statesOf(pattern)
  if (size > PATTERN_SIZE_MAX)
    throw new PatternFlaw(
      'The pattern is too large with its repeats written out.',
      'Repeat less, or bound the length with maxLength instead.',
    )
  return { regexp: new Re2Pattern(source, compiled(pattern)), size }
}

/** The expression of {@link judgePattern} alone. @throws PatternFlaw */
export function linearPattern(source: string): RegExp {
  return judgePattern(source).regexp
}

function compiled(pattern: Pattern): RE2JS {
  try {
    return RE2JS.compile(asRe2(pattern))
  } catch {
    // Its grammar is a superset of what is written here, but for names of properties and nested repeats.
    throw new PatternFlaw(
      'The pattern names a Unicode property that is not known here, or repeats too much.',
      'Use a general category such as \\p{L}, a script such as \\p{Script=Greek}, or fewer repeats.',
    )
  }
}

/** Steps of a backtracking engine: `fixed` plus `each` per character of the text. */
interface Steps {
  readonly fixed: number
  readonly each: number
}

/** Whether a backtracking engine is linear here: all ways to fail are counted, with one endless loop. */
function isEvident(pattern: Pattern): boolean {
  const branches = pattern.kind === 'choice' ? pattern.branches : [pattern]
  let fixed = 0
  let each = 0
  for (const branch of branches) {
    const steps = stepsOf(branch, { fixed: 1, each: 0 })
    if (startsAtStart(branch)) {
      fixed += steps.fixed
      each += steps.each
      // Without ^ the engine tries each position of the text.
    } else if (steps.each === 0) each += steps.fixed
    else return false
  }
  return fixed <= NATIVE_STEPS_MAX && each <= NATIVE_STEPS_PER_CHAR_MAX
}

function startsAtStart(pattern: Pattern): boolean {
  const first = pattern.kind === 'sequence' ? pattern.items[0] : pattern
  return first?.kind === 'assert' && first.at === 'start'
}

const TOO_MANY: Steps = { fixed: Number.POSITIVE_INFINITY, each: Number.POSITIVE_INFINITY }

/** The most steps of a pattern from one position when all that follows takes `rest`. */
function stepsOf(pattern: Pattern, rest: Steps): Steps {
  switch (pattern.kind) {
    case 'set':
    case 'assert':
      return { fixed: rest.fixed + 1, each: rest.each }
    case 'sequence':
      return pattern.items.reduceRight((after, item) => stepsOf(item, after), rest)
    case 'choice': {
      const all = pattern.branches.map((branch) => stepsOf(branch, rest))
      return { fixed: sum(all.map(({ fixed }) => fixed)), each: sum(all.map(({ each }) => each)) }
    }
    case 'repeat':
      return loopSteps(pattern.item, pattern.min, pattern.max, rest)
  }
}

function loopSteps(item: Pattern, min: number, max: number, rest: Steps): Steps {
  if (min === 0 && max === 1) {
    const once = stepsOf(item, rest)
    return { fixed: once.fixed + rest.fixed, each: once.each + rest.each }
  }
  if (item.kind !== 'set') return TOO_MANY
  if (max === Number.POSITIVE_INFINITY)
    return rest.each > 0 ? TOO_MANY : { fixed: min + rest.fixed, each: 1 + rest.fixed }
  const ways = max - min + 1
  return { fixed: max + ways * rest.fixed, each: ways * rest.each }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** States of the automaton, with repeats written out. */
function statesOf(pattern: Pattern): number {
  switch (pattern.kind) {
    case 'set':
    case 'assert':
      return 1
    case 'sequence':
      return sum(pattern.items.map(statesOf))
    case 'choice':
      return sum(pattern.branches.map((branch) => 1 + statesOf(branch)))
    case 'repeat': {
      const times = Number.isFinite(pattern.max) ? pattern.max : pattern.min + 1
      return times * (1 + statesOf(pattern.item))
    }
  }
}

const ASSERTIONS = { start: '\\A', end: '\\z', word: '\\b', inside: '\\B' } as const

/** The same language in the grammar of RE2, whose `.`, `\s` and `$` mean something else. */
function asRe2(pattern: Pattern): string {
  switch (pattern.kind) {
    case 'assert':
      return ASSERTIONS[pattern.at]
    case 'set':
      return setAsRe2(pattern)
    case 'sequence':
      return pattern.items
        .map((item) => (item.kind === 'choice' ? `(?:${asRe2(item)})` : asRe2(item)))
        .join('')
    case 'choice':
      return pattern.branches.map(asRe2).join('|')
    case 'repeat': {
      const { min, max } = pattern
      const most = max === min ? '' : Number.isFinite(max) ? `,${max}` : ','
      return `(?:${asRe2(pattern.item)}){${min}${most}}`
    }
  }
}

function setAsRe2({ ranges, properties, not }: Extract<Pattern, { kind: 'set' }>): string {
  if (properties.length === 0) {
    const all = not ? inverted(ranges) : ranges
    // A set of nothing is [] in ECMA-262, which RE2 cannot write.
    return all.length === 0 ? '[^\\x{0}-\\x{10ffff}]' : `[${all.map(rangeAsRe2).join('')}]`
  }
  const named = properties.map((property) => `\\${property.not ? 'P' : 'p'}{${propertyAsRe2(property.name)}}`)
  return `[${not ? '^' : ''}${ranges.map(rangeAsRe2).join('')}${named.join('')}]`
}

function rangeAsRe2([from, to]: readonly [number, number]): string {
  return from === to ? `\\x{${from.toString(16)}}` : `\\x{${from.toString(16)}}-\\x{${to.toString(16)}}`
}

/** Names of general categories that are in use, by their short forms. Source: ECMA-262, table 70. */
const CATEGORIES: Readonly<Record<string, string>> = {
  Letter: 'L',
  Uppercase_Letter: 'Lu',
  Lowercase_Letter: 'Ll',
  Titlecase_Letter: 'Lt',
  Modifier_Letter: 'Lm',
  Other_Letter: 'Lo',
  Mark: 'M',
  Number: 'N',
  Decimal_Number: 'Nd',
  Letter_Number: 'Nl',
  Other_Number: 'No',
  Punctuation: 'P',
  Symbol: 'S',
  Math_Symbol: 'Sm',
  Currency_Symbol: 'Sc',
  Separator: 'Z',
  Space_Separator: 'Zs',
  Other: 'C',
  Control: 'Cc',
}

function propertyAsRe2(name: string): string {
  const plain = name.replace(/^(General_Category|gc|Script|sc)=/, '')
  return CATEGORIES[plain] ?? plain
}

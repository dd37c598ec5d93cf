/** A set of code points as ascending ranges, both ends included. */
export type Ranges = readonly (readonly [number, number])[]

/** A regular expression of ECMA-262 with the `u` flag, read. Captures are kept as plain groups. */
export type Pattern =
  | {
      readonly kind: 'set'
      readonly ranges: Ranges
      readonly properties: readonly Property[]
      readonly not: boolean
    }
  | { readonly kind: 'assert'; readonly at: 'start' | 'end' | 'word' | 'inside' }
  | { readonly kind: 'sequence'; readonly items: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly branches: readonly Pattern[] }
  | { readonly kind: 'repeat'; readonly item: Pattern; readonly min: number; readonly max: number }

/** A Unicode property, such as `L` or `Script=Greek`. */
export interface Property {
  readonly name: string
  readonly not: boolean
}

/** Why a pattern is refused, and what to write instead. */
export class PatternFlaw extends Error {
  readonly instead: string

  /** @param reason and instead are whole sentences */
  constructor(reason: string, instead: string) {
    super(reason)
    this.instead = instead
  }
}

export const CODE_POINT_MAX = 0x10ffff
const DIGITS: Ranges = [[48, 57]]
const WORD: Ranges = [...DIGITS, [65, 90], [95, 95], [97, 122]]
/** White space and line ends. Source: ECMA-262, CharacterClassEscape. */
const SPACE: Ranges = [
  [9, 13],
  [32, 32],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
/** What a dot does not match. Source: ECMA-262, LineTerminator. */
const LINE_ENDS: Ranges = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
]
const CONTROLS: Readonly<Record<string, number>> = { f: 12, n: 10, r: 13, t: 9, v: 11 }
const SYNTAX = '^$\\.*+?()[]{}|/'

/**
 * Reads a pattern.
 *
 * @param repeat_max the largest number in braces
 * @throws PatternFlaw when it is none, or has parts that no linear engine takes
 */
export function readPattern(source: string, repeat_max: number): Pattern {
  const reader = new Reader(source, repeat_max)
  const pattern = reader.choice()
  if (!reader.done())
    throw new PatternFlaw('A ) in the pattern has no ( before it.', 'Write \\) for the character itself.')
  try {
    // Only whether it is well formed is asked; a native expression is run where it is evidently linear.
    new RegExp(source, 'u')
  } catch {
    throw new PatternFlaw(
      'The pattern is no regular expression of ECMA-262 with the u flag.',
      'Check its brackets, ranges and names, or write a simpler one.',
    )
  }
  return pattern
}

class Reader {
  private readonly source: string
  private readonly repeat_max: number
  private at = 0

  constructor(source: string, repeat_max: number) {
    this.source = source
    this.repeat_max = repeat_max
  }

  done(): boolean {
    return this.at >= this.source.length
  }

  choice(): Pattern {
    const branches = [this.sequence()]
    while (this.take('|')) branches.push(this.sequence())
    return branches.length === 1 ? branches[0]! : { kind: 'choice', branches }
  }

  private sequence(): Pattern {
    const items: Pattern[] = []
    while (!this.done() && !this.sees('|') && !this.sees(')')) items.push(this.quantified())
    return items.length === 1 ? items[0]! : { kind: 'sequence', items }
  }

  private quantified(): Pattern {
    const grouped = this.sees('(')
    const item = this.term()
    const range = this.quantifier()
    if (range === undefined) return item
    if (item.kind === 'assert' && !grouped)
      throw new PatternFlaw(
        'The pattern repeats something that matches no text.',
        'Remove the quantifier after ^, $ or \\b.',
      )
    this.take('?')
    return { kind: 'repeat', item, ...range }
  }

  private quantifier(): { min: number; max: number } | undefined {
    if (this.take('*')) return { min: 0, max: Number.POSITIVE_INFINITY }
    if (this.take('+')) return { min: 1, max: Number.POSITIVE_INFINITY }
    if (this.take('?')) return { min: 0, max: 1 }
    if (!this.sees('{')) return undefined
    const braces = /^\{(\d+)(,(\d*))?\}/.exec(this.source.slice(this.at))
    if (braces === null)
      throw new PatternFlaw('A { in the pattern starts no repeat.', 'Write \\{ for the character itself.')
    this.at += braces[0].length
    const min = Number(braces[1])
    const max =
      braces[2] === undefined ? min : braces[3] === '' ? Number.POSITIVE_INFINITY : Number(braces[3])
    if (min > this.repeat_max || (max > this.repeat_max && Number.isFinite(max)))
      throw new PatternFlaw(
        `The pattern repeats a part more than ${this.repeat_max} times.`,
        'Bound the length with maxLength instead.',
      )
    return { min, max }
  }

  private term(): Pattern {
    if (this.take('(')) return this.group()
    if (this.take('[')) return this.bracketed()
    if (this.take('.')) return { kind: 'set', ranges: LINE_ENDS, properties: [], not: true }
    if (this.take('^')) return { kind: 'assert', at: 'start' }
    if (this.take('$')) return { kind: 'assert', at: 'end' }
    if (this.take('\\')) return this.escaped()
    const char = this.source[this.at]!
    if ('*+?'.includes(char))
      throw new PatternFlaw(`A ${char} in the pattern repeats nothing.`, `Write \\${char} for the character.`)
    if (']{}'.includes(char))
      throw new PatternFlaw(
        `A ${char} in the pattern stands alone, which the u flag forbids.`,
        `Write \\${char} for the character itself.`,
      )
    return one(this.codePoint())
  }

  private group(): Pattern {
    if (this.take('?')) {
      if (this.sees('=') || this.sees('!') || this.sees('<=') || this.sees('<!'))
        throw new PatternFlaw(
          'The pattern looks ahead or behind, which no linear-time engine can do.',
          'Use several patterns in allOf, or not with a pattern, instead.',
        )
      if (!this.take(':')) this.groupName()
    }
    const inner = this.choice()
    if (!this.take(')'))
      throw new PatternFlaw('A ( in the pattern is not closed.', 'Write \\( for the character itself.')
    return inner
  }

  private groupName(): void {
    const name = /^<[^>]+>/.exec(this.source.slice(this.at))
    if (name === null)
      throw new PatternFlaw(
        'The pattern has a group with flags or an unknown kind of group.',
        'Use ( ) or (?: ), and write both cases as in [Aa].',
      )
    this.at += name[0].length
  }

  private escaped(): Pattern {
    if (this.take('b')) return { kind: 'assert', at: 'word' }
    if (this.take('B')) return { kind: 'assert', at: 'inside' }
    if (/^([1-9]|k)/.test(this.source.slice(this.at)))
      throw new PatternFlaw(
        'The pattern refers back to a group, which no linear-time engine can do.',
        'Write the alternatives out, or check this part in the program.',
      )
    return this.classEscape() ?? one(this.characterEscape(SYNTAX))
  }

  /** `\d`, `\p{L}` and their kind, after the backslash. */
  private classEscape(): Extract<Pattern, { kind: 'set' }> | undefined {
    const letter = this.source[this.at]!
    const ranges = { d: DIGITS, w: WORD, s: SPACE }[letter?.toLowerCase()]
    if (ranges !== undefined) {
      this.at++
      return {
        kind: 'set',
        ranges: letter === letter.toLowerCase() ? ranges : inverted(ranges),
        properties: [],
        not: false,
      }
    }
    if (letter !== 'p' && letter !== 'P') return undefined
    const braces = /^\{([^}]*)\}/.exec(this.source.slice(this.at + 1))
    if (braces === null)
      throw new PatternFlaw(`\\${letter} in the pattern names no property.`, 'Write it as in \\p{L}.')
    this.at += 1 + braces[0].length
    const property = { name: braces[1]!, not: letter === 'P' }
    return { kind: 'set', ranges: [], properties: [property], not: false }
  }

  /** A single character after a backslash. @param plain what may follow it as itself */
  private characterEscape(plain: string): number {
    const rest = this.source.slice(this.at)
    const letter = rest[0]
    if (letter === undefined)
      throw new PatternFlaw('The pattern ends in a backslash.', 'Write \\\\ for the character itself.')
    const numeric =
      /^x([0-9a-fA-F]{2})/.exec(rest) ?? /^u\{([0-9a-fA-F]+)\}/.exec(rest) ?? /^u([0-9a-fA-F]{4})/.exec(rest)
    if (numeric !== null) return this.numericEscape(numeric, rest)
    const control = /^c([a-zA-Z])/.exec(rest)
    if (control !== null) {
      this.at += 2
      return control[1]!.charCodeAt(0) % 32
    }
    if (letter === '0' && !/^0\d/.test(rest)) {
      this.at++
      return 0
    }
    if (Object.hasOwn(CONTROLS, letter)) {
      this.at++
      return CONTROLS[letter]!
    }
    if (plain.includes(letter)) {
      this.at++
      return letter.charCodeAt(0)
    }
    const char = String.fromCodePoint(rest.codePointAt(0)!)
    throw new PatternFlaw(
      `\\${char} in the pattern is no escape under the u flag.`,
      `Write ${char} without the backslash${char === '-' ? ', in [ ] at the end' : ''}.`,
    )
  }

  /** A surrogate pair of two `\u` is one character. */
  private numericEscape([whole, digits]: RegExpExecArray, rest: string): number {
    this.at += whole!.length
    const unit = Number.parseInt(digits!, 16)
    if (unit > CODE_POINT_MAX)
      throw new PatternFlaw('The pattern names a character beyond U+10FFFF.', 'Correct its number.')
    const low = /^u[dD][89abAB][0-9a-fA-F]{2}\\u([dD][c-fC-F][0-9a-fA-F]{2})/.exec(rest)
    if (low === null) return unit
    this.at += 6
    return 0x10000 + ((unit - 0xd800) << 10) + (Number.parseInt(low[1]!, 16) - 0xdc00)
  }

  private bracketed(): Pattern {
    const not = this.take('^')
    const ranges: [number, number][] = []
    const properties: Property[] = []
    while (!this.take(']')) {
      if (this.done())
        throw new PatternFlaw('A [ in the pattern is not closed.', 'Write \\[ for the character itself.')
      const first = this.member()
      if (typeof first !== 'number') {
        ranges.push(...first.ranges.map(([from, to]): [number, number] => [from, to]))
        properties.push(...first.properties)
        continue
      }
      if (!this.sees('-') || this.sees('-]')) {
        ranges.push([first, first])
        continue
      }
      this.at++
      const last = this.done() ? undefined : this.member()
      if (typeof last !== 'number' || last < first)
        throw new PatternFlaw(
          'A range in [ ] of the pattern does not go from a lower to a higher character.',
          'Put a - that is meant as itself at the end of the brackets.',
        )
      ranges.push([first, last])
    }
    return { kind: 'set', ranges: ascending(ranges), properties, not }
  }

  private member(): number | Extract<Pattern, { kind: 'set' }> {
    if (!this.take('\\')) return this.codePoint()
    if (this.take('b')) return 8
    return this.classEscape() ?? this.characterEscape(`${SYNTAX}-`)
  }

  private codePoint(): number {
    const code = this.source.codePointAt(this.at)!
    this.at += code > 0xffff ? 2 : 1
    return code
  }

  private sees(text: string): boolean {
    return this.source.startsWith(text, this.at)
  }

  private take(text: string): boolean {
    const seen = this.sees(text)
    if (seen) this.at += text.length
    return seen
  }
}

function one(code: number): Pattern {
  return { kind: 'set', ranges: [[code, code]], properties: [], not: false }
}

/** Sorted, with ranges that meet made one. */
function ascending(ranges: [number, number][]): Ranges {
  const merged: [number, number][] = []
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}

/** All code points that are in none of the ranges. */
export function inverted(ranges: Ranges): Ranges {
  const rest: [number, number][] = []
  let next = 0
  for (const [from, to] of ranges) {
    if (from > next) rest.push([next, from - 1])
    next = to + 1
  }
  if (next <= CODE_POINT_MAX) rest.push([next, CODE_POINT_MAX])
  return rest
}

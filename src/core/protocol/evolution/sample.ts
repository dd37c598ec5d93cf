/** Writes one text: `pick` chooses among alternatives, `more` is how often a repeat goes beyond its least. */
type Writer = (pick: number, more: number) => string

const REPEAT_MAX = 1000
const TEXT_MAX = 2000
/** How many parts one sample may be written of. */
const PARTS_MAX = 4000
const DIGITS = '0951'
const LETTERS = 'azmAZ0_'
const OTHERS = ['a', 'A', '0', '-', '_', ' ', '.', '~', '!', 'é']

/**
 * Some texts that probably match a pattern, in a fixed order: each alternative and class tried with several
 * members, each repeat with its least number and more. None for a pattern with look-around or references.
 */
export function samplesOf(pattern: string): readonly string[] {
  const found = new Set<string>()
  try {
    const reader = new PatternReader(pattern)
    const writer = reader.read()
    for (const more of [0, 1, 2, 5, 15])
      for (let pick = 0; pick < 8; pick++) {
        reader.parts_left = PARTS_MAX
        const text = writer(pick, more)
        if (text.length <= TEXT_MAX) found.add(text)
      }
  } catch {
    // What was found until a text became too long, or nothing where the pattern is not read.
  }
  return [...found]
}

/** Reads the part of regular expressions that samples can be written for. */
class PatternReader {
  parts_left = PARTS_MAX
  private at = 0
  private readonly source: string

  constructor(source: string) {
    this.source = source
  }

  read(): Writer {
    const writer = this.alternatives()
    if (this.at < this.source.length) throw new SyntaxError('unexpected )')
    return writer
  }

  private alternatives(): Writer {
    const all = [this.sequence()]
    while (this.take('|')) all.push(this.sequence())
    return (pick, more) => all[pick % all.length]!(Math.floor(pick / all.length) + pick, more)
  }

  private sequence(): Writer {
    const all: Writer[] = []
    while (this.at < this.source.length && !'|)'.includes(this.source[this.at]!)) all.push(this.repeated())
    return (pick, more) => all.map((one, index) => one(spread(pick, index), more)).join('')
  }

  private repeated(): Writer {
    const one = this.atom()
    const [min, max] = this.bounds()
    this.take('?')
    if (min > REPEAT_MAX) throw new SyntaxError('too many repeats')
    return (pick, more) => {
      const count = Math.min(min + more, max)
      this.parts_left -= count
      if (this.parts_left < 0) throw new RangeError('too long')
      return Array.from({ length: count }, (_, index) => one(pick + index * (pick >> 1), more)).join('')
    }
  }

  private bounds(): [min: number, max: number] {
    if (this.take('*')) return [0, Number.POSITIVE_INFINITY]
    if (this.take('+')) return [1, Number.POSITIVE_INFINITY]
    if (this.take('?')) return [0, 1]
    const match = /^\{(\d+)(,(\d*))?\}/.exec(this.source.slice(this.at))
    if (match === null) return [1, 1]
    this.at += match[0].length
    const min = Number(match[1])
    return [min, match[2] === undefined ? min : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3])]
  }

  private atom(): Writer {
    if (this.take('^') || this.take('$') || this.take('\\b')) return () => ''
    if (this.take('(?:')) return this.group()
    if (this.take('(?<') && !'=!'.includes(this.source[this.at] ?? '')) {
      this.at = this.source.indexOf('>', this.at) + 1
      return this.group()
    }
    if (this.source.startsWith('(?', this.at)) throw new SyntaxError('look-around')
    if (this.take('(')) return this.group()
    if (this.take('.')) return from(OTHERS)
    if (this.take('[')) return from(this.characterClass())
    return from(this.character())
  }

  private group(): Writer {
    const inner = this.alternatives()
    if (!this.take(')')) throw new SyntaxError('missing )')
    return inner
  }

  private characterClass(): readonly string[] {
    const negated = this.take('^')
    const members: string[] = []
    const ranges: [number, number][] = []
    while (!this.take(']')) {
      const start = this.character()
      if (start.length === 1 && this.source[this.at] === '-' && this.source[this.at + 1] !== ']') {
        this.at++
        const range: [number, number] = [start[0]!.codePointAt(0)!, this.character()[0]!.codePointAt(0)!]
        ranges.push(range)
        members.push(
          ...[range[0], range[1], (range[0] + range[1]) >> 1].map((one) => String.fromCodePoint(one)),
        )
      } else members.push(...start)
    }
    if (!negated) return members
    const isMember = (one: string) =>
      members.includes(one) ||
      ranges.some(([low, high]) => low <= one.codePointAt(0)! && one.codePointAt(0)! <= high)
    return OTHERS.filter((one) => !isMember(one))
  }

  /** One character or escape, as some of the characters that it stands for. */
  private character(): readonly string[] {
    const point = this.source.codePointAt(this.at)
    if (point === undefined) throw new SyntaxError('unexpected end')
    const character = String.fromCodePoint(point)
    this.at += character.length
    if (character !== '\\') return [character]
    const letter = this.source[this.at++] ?? ''
    const hex = /^(?:x([\da-f]{2})|u([\da-f]{4})|u\{([\da-f]+)\})/i.exec(this.source.slice(this.at - 1))
    if (hex !== null) {
      this.at += hex[0].length - 1
      return [String.fromCodePoint(Number.parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16))]
    }
    if (/[1-9kB]/.test(letter)) throw new SyntaxError('reference')
    if (/[pP]/.test(letter)) {
      this.at = this.source.indexOf('}', this.at) + 1
      return ['a', 'A', '0', '-', ' ', 'é']
    }
    const known: Record<string, readonly string[]> = {
      ...{ d: [...DIGITS], w: [...LETTERS], s: [' '], D: ['a', '-'], W: ['-', ' '], S: ['a', '-', '0'] },
      ...{ n: ['\n'], t: ['\t'], r: ['\r'], f: ['\f'], v: ['\v'], 0: ['\0'] },
    }
    return known[letter] ?? [letter]
  }

  private take(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false
    this.at += text.length
    return true
  }
}

/** Has the parts of a sequence chosen apart from each other, though all by one number. */
function spread(pick: number, index: number): number {
  return Math.floor((pick * (4 * index + 3 - 2 * (index % 2))) / (1 + (index % 3)))
}

function from(characters: readonly string[]): Writer {
  if (characters.length === 0) throw new SyntaxError('an empty class')
  return (pick) => characters[pick % characters.length]!
}

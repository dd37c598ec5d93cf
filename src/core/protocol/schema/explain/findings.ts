import { pointerTo } from '../refusal.ts'
import { cut, kindOf, withArticle } from './wording.ts'

/** One way in which a payload does not fit. It holds names, kinds and lengths, but no values. */
export interface PayloadError {
  /** JSON pointer into the payload; of the missing member, for `required`. Names in it are cut. */
  readonly path: string
  /** The keyword of the schema. */
  readonly rule: string
  readonly expected: string
  /** Kind and length, such as `string of 12 characters`, or `nothing`. */
  readonly got: string
  readonly sentence: string
}

export interface Explanation {
  /** At most 10. */
  readonly errors: readonly PayloadError[]
  /** How many were found; there may be more, since looking for them is bounded. */
  readonly total: number
}

/** Where a value stands in the payload, from the inside out. */
export interface At {
  readonly parent: At | undefined
  readonly name: string | number
}

const ERRORS_MAX = 10
const NAME_CHARS_MAX = 128

export class Findings implements Explanation {
  readonly errors: PayloadError[] = []
  total = 0

  /** Whether a further error is only counted, so that its words need not be made. */
  get full(): boolean {
    return this.errors.length >= ERRORS_MAX
  }

  /**
   * @param says what is wrong, to come after the place and a space, such as `must be a string`
   * @param got what the value is, without saying it
   */
  add(at: At | undefined, rule: string, expected: string, says: string, got: string): void {
    if (this.full) {
      this.total++
      return
    }
    const path = pathOf(at)
    // A union and the schema around it may both require the member that tells its branches apart.
    if (this.errors.some((known) => known.path === path && known.rule === rule)) return
    this.total++
    const sentence = `${path === '' ? 'The payload' : cut(path)} ${says}${says.endsWith('?') ? '' : '.'}`
    this.errors.push({ path, rule, expected: cut(expected), got, sentence })
  }

  /** The same for a value that is there; the sentence says what it is. */
  addFor(at: At | undefined, rule: string, expected: string, says: string, value: unknown): void {
    const got = this.full ? '' : kindOf(value)
    this.add(at, rule, expected, `${says}; it is ${withArticle(got)}`, got)
  }
}

function pathOf(at: At | undefined): string {
  const names: (string | number)[] = []
  for (let here = at; here !== undefined; here = here.parent)
    names.push(typeof here.name === 'string' ? cut(here.name, NAME_CHARS_MAX) : here.name)
  return names.toReversed().reduce<string>(pointerTo, '')
}

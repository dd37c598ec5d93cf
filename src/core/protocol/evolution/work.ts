import { canonicalJson } from '../../canonical.ts'
import { linearPattern } from '../schema/pattern.ts'
import { samplesOf } from './sample.ts'

/** A comparison took more steps than it may, or went too deep: it is given up as not decidable. */
export class OutOfSteps extends Error {}

const DEPTH_MAX = 120
/** Longer texts are not matched. */
const TEXT_CHARS_MAX = 2000
/** What one comparison may spend, and what it remembers. Counted in steps, since the core has no clock. */
export class Work {
  private readonly expressions = new Map<string, RegExp | undefined>()
  private readonly answers = new Map<string, boolean>()
  private readonly samples = new Map<string, readonly string[]>()
  private readonly lists = new Map<readonly unknown[], ReadonlySet<string>>()
  private steps_left: number
  private depth = 0

  constructor(steps_max: number) {
    this.steps_left = steps_max
  }

  /** @throws OutOfSteps when nothing is left */
  step(steps = 1): void {
    this.steps_left -= steps
    if (this.steps_left < 0) throw new OutOfSteps()
  }

  /** Runs one level deeper. @throws OutOfSteps below the deepest level */
  deeper<T>(run: () => T): T {
    if (this.depth === DEPTH_MAX) throw new OutOfSteps()
    this.depth++
    try {
      return run()
    } finally {
      this.depth--
    }
  }

  /**
   * Whether a pattern matches somewhere in a text, as the check has it; undefined when that cannot be said:
   * the pattern is one that no schema may have, or the text is long.
   */
  matches(pattern: string, text: string): boolean | undefined {
    if (text.length > TEXT_CHARS_MAX) return undefined
    const key = `${pattern}\n${text}`
    const known = this.answers.get(key)
    if (known !== undefined) return known
    const expression = this.expression(pattern)
    if (expression === undefined) return undefined
    this.step(1 + (text.length >> 4))
    const answer = expression.test(text)
    this.answers.set(key, answer)
    return answer
  }

  /** Texts that probably match a pattern; see {@link samplesOf}. */
  samplesOf(pattern: string): readonly string[] {
    let samples = this.samples.get(pattern)
    if (samples === undefined) {
      this.step(100)
      samples = samplesOf(pattern)
      this.samples.set(pattern, samples)
    }
    return samples
  }

  /** Whether a list, such as an `enum`, has a value equal to another. */
  isListed(value: unknown, list: readonly unknown[]): boolean {
    let texts = this.lists.get(list)
    if (texts === undefined) {
      this.step(list.length)
      texts = new Set(list.map(canonicalJson))
      this.lists.set(list, texts)
    }
    return texts.has(canonicalJson(value))
  }

  private expression(pattern: string): RegExp | undefined {
    if (this.expressions.has(pattern)) return this.expressions.get(pattern)
    this.step(20)
    let expression: RegExp | undefined
    try {
      expression = linearPattern(pattern)
    } catch {
      expression = undefined
    }
    this.expressions.set(pattern, expression)
    return expression
  }
}

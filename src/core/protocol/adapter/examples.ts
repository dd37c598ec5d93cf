import rcompare from 'semver/functions/rcompare.js'
import type { MaybePromise } from '../../maybe-promise.ts'
import type { NamedExample } from '../definition.ts'
import { type AdaptedVersion, adapt, Ranges, type Step, stepDown, stepUp } from './chain.ts'
import { AdapterFailure } from './failure.ts'
import { lossInWords } from './loss.ts'

/** Examples that one check adapts; a registration does not take longer than a second or so for them. */
const TRIED_MAX = 200
const PROBLEMS_MAX = 10
const WARNINGS_MAX = 20

/** A version and what it shows as payloads that fit it. */
export interface ExampleVersion {
  readonly version: string
  readonly examples: readonly NamedExample[]
}

/** Whether a payload fits a version: true, or false, or where and why it does not. */
export type Fit = boolean | { readonly path: string; readonly sentence: string }

/** Why a version cannot be registered with its adapters. */
export interface ExampleProblem {
  /** JSON pointer below `adapters`, such as `/0/up/3` or `/0/up`; absent where examples are missing. */
  readonly field?: string
  /** Index of the operation that failed; absent when all worked and the result did not fit. */
  readonly op?: number
  /** JSON pointer into the example as it was then; absent where no place is at fault. */
  readonly path?: string
  /** Name of the example, and its step, such as `1.2.0→2.0.0`. */
  readonly example?: string
  readonly step?: string
  readonly sentence: string
}

export interface ExampleCheck {
  /** At most 10. With any of them the version is to be refused. */
  readonly problems: readonly ExampleProblem[]
  /** At most 20 sentences: what payloads lose on the way there and back, and what could not be tried. */
  readonly warnings: readonly string[]
}

/**
 * Tries the adapters of a version on examples: those of older versions go up and must fit the version, its
 * own go down and must fit the older ones. Nearer versions come first.
 *
 * @param newer the version that is about to be registered
 * @param others all registered versions of the protocol; those that no adapter starts from are passed over
 * @param accepts whether a payload fits the schema of one of these versions
 */
export async function checkExamples(
  newer: AdaptedVersion & ExampleVersion,
  others: readonly ExampleVersion[],
  accepts: (version: string, payload: unknown) => MaybePromise<Fit>,
): Promise<ExampleCheck> {
  if (newer.adapters.length === 0) return { problems: [], warnings: [] }
  const trial = new Trial(newer, accepts)
  if (newer.examples.length === 0)
    trial.problems.push({
      sentence: `${newer.version} has adapters and no example to try them on: add one to its metadata.`,
    })
  const used = new Set<unknown>()
  const ranges = new Ranges()
  for (const older of others.toSorted((a, b) => rcompare(a.version, b.version))) {
    const up = stepUp(older.version, newer, ranges)
    const down = stepDown(newer, older.version, ranges)
    used.add(up?.operations).add(down?.operations)
    if (up !== undefined && older.examples.length === 0)
      trial.warn(`${older.version} has no examples, so the way up from it was not tried.`)
    for (const example of up ? older.examples : []) await trial.run(example, up!, down)
    for (const example of down ? newer.examples : []) await trial.run(example, down!, up)
  }
  for (const [index, { from, up, down }] of newer.adapters.entries())
    if (!used.has(up ?? down) && !used.has(down ?? up))
      trial.warn(`Adapter ${index} (from ${from}) is used for no registered version.`)
  if (trial.left > 0) trial.warn(`${trial.left} more examples were not tried.`)
  return { problems: trial.problems, warnings: trial.warnings }
}

/** What was found out so far. */
class Trial {
  readonly problems: ExampleProblem[] = []
  readonly warnings: string[] = []
  /** Examples that were not tried, since there are too many of them or of problems. */
  left = 0
  private tried = 0

  constructor(
    private readonly newer: AdaptedVersion,
    private readonly accepts: (version: string, payload: unknown) => MaybePromise<Fit>,
  ) {}

  warn(sentence: string): void {
    if (this.warnings.length < WARNINGS_MAX) this.warnings.push(sentence)
  }

  /** Takes an example over a step, and back when there is a way. */
  async run({ name, payload }: NamedExample, there: Step, back: Step | undefined): Promise<void> {
    if (this.tried === TRIED_MAX || this.problems.length === PROBLEMS_MAX) {
      this.left++
      return
    }
    this.tried++
    const adapted = attempt(payload, there)
    if (adapted instanceof AdapterFailure) {
      const { op, path, sentence } = adapted
      const words = `Example "${name}" of ${there.from} cannot be taken to ${there.to}: ${sentence}`
      this.refuse(words, name, there, { path, ...(op === undefined ? {} : { op }) })
      return
    }
    const fit = await this.accepts(there.to, adapted.payload)
    if (fit !== true) {
      const words = `Example "${name}" of ${there.from} was taken to ${there.to} and does not fit it`
      if (fit === false) this.refuse(`${words}.`, name, there, {})
      else this.refuse(`${words}: ${fit.sentence}`, name, there, { path: fit.path })
      return
    }
    if (back !== undefined) this.compare(name, payload, attempt(adapted.payload, back), there)
  }

  private compare(
    name: string,
    before: unknown,
    after: { readonly payload: unknown } | AdapterFailure,
    there: Step,
  ): void {
    const example = `Example "${name}" of ${there.from}`
    if (after instanceof AdapterFailure) {
      this.warn(`${example} does not come back from ${there.to}: ${after.sentence}`)
      return
    }
    const loss = lossInWords(before, after.payload)
    if (loss !== undefined) this.warn(`${example} ${loss} on the way to ${there.to} and back.`)
  }

  private refuse(
    sentence: string,
    example: string,
    { from, to, direction, operations }: Step,
    at: { readonly op?: number; readonly path?: string },
  ): void {
    const index = this.newer.adapters.findIndex((adapter) => adapter[direction] === operations)
    const field = `/${index}/${direction}${at.op === undefined ? '' : `/${at.op}`}`
    this.problems.push({ field, ...at, example, step: `${from}→${to}`, sentence })
  }
}

function attempt(payload: unknown, step: Step): { readonly payload: unknown } | AdapterFailure {
  try {
    return adapt(payload, [step])
  } catch (thrown) {
    if (thrown instanceof AdapterFailure) return thrown
    throw thrown
  }
}

import { canonicalJson } from '../../canonical.ts'
import type { JsonSchema } from '../json-schema.ts'
import { Acceptance } from './accepts.ts'
import { isDeclared } from './declared.ts'
import { Document, type Node, Numbering } from './document.ts'
import type { Mode } from './object-view.ts'
import type { Problem } from './problem.ts'
import type { Comparison, Reason, Relation } from './relation.ts'
import { sentenceOf } from './sentence.ts'
import { Values } from './values.ts'
import { Views } from './view.ts'
import { OutOfSteps, Work } from './work.ts'

/** Whether a payload fits one version, as its compiled check says. */
export type Check = (payload: unknown) => boolean

/** Whether a reader accepts all that a writer sends: proven, refuted by a payload, or neither. */
export type Verdict = 'yes' | 'no' | 'unknown'

/** One direction of a comparison. */
export interface Answer {
  readonly verdict: Verdict
  /** None for `yes`. */
  readonly reasons: readonly Reason[]
}

type Direction = Reason['direction']

/** A version in the course of a comparison. */
interface Side {
  readonly node: Node
  readonly check: Check
}

const PROOF_STEPS = 6_000
const SEARCH_STEPS = 6_000
/** Reasons beyond this many are left out. */
const REASONS_MAX = 32
/** Payloads that both checks are run on, for one problem and for one direction. */
const TRIED_FOR_PROBLEM = 80
const TRIED_FOR_DIRECTION = 160

/**
 * Compares two versions of a schema: whether readers of each accept what writers of the other send.
 *
 * It never guesses: `full`, `backward` and `forward` are proven, and each reason has a payload that the one
 * check accepts and the other refuses. What is neither proven nor refuted counts as breaking, with the rule
 * `not_decidable`. Lenient, it leaves out members that the writer's open objects do not declare, and items
 * beyond a tuple that is open. A name is declared by `properties`, `required`, `dependentRequired` and the
 * like, and in a branch for what fits that branch; a map, which says something of all its members or of their
 * names, declares them all.
 *
 * The work is bounded in steps, whatever the schemas are. Both are ones that the broker has taken: a
 * reference that leads nowhere makes the answer `not_decidable`.
 *
 * @param checkers the compiled checks of both; one that throws is taken to say nothing
 */
export function compareSchemas(
  older: JsonSchema,
  newer: JsonSchema,
  checkers: { readonly older: Check; readonly newer: Check },
): Comparison {
  const pair = new Pair(older, newer, checkers)
  const [backward, forward] = [pair.both('backward'), pair.both('forward')]
  const lenient = [...backward.lenient.reasons, ...forward.lenient.reasons]
  const known = new Set(lenient.map(placeOf))
  return {
    relation: relationOf(backward.lenient, forward.lenient),
    strict_relation: relationOf(backward.strict, forward.strict),
    reasons: lenient,
    strict_reasons: [...backward.strict.reasons, ...forward.strict.reasons].filter(
      (reason) => !known.has(placeOf(reason)),
    ),
  }
}

/** Two versions of a schema, read once for all questions about them. */
export class Pair {
  private readonly numbering = new Numbering()
  private readonly older: Side
  private readonly newer: Side
  private readonly is_same: boolean

  constructor(
    older: JsonSchema,
    newer: JsonSchema,
    checkers: { readonly older: Check; readonly newer: Check },
  ) {
    this.older = { node: new Document(older, this.numbering).root, check: checkers.older }
    this.newer = { node: new Document(newer, this.numbering).root, check: checkers.newer }
    const { document } = this.older.node
    // A reference that depends on the way that validation came is the same in the same document only.
    this.is_same =
      document.referencesOf(document.root) === 'ambiguous' && canonicalJson(older) === canonicalJson(newer)
  }

  /** One direction in both modes. What is accepted as it is written is accepted leniently too. */
  both(direction: Direction): Record<Mode, Answer> {
    const strict = this.accepts('strict', direction)
    return { strict, lenient: strict.verdict === 'yes' ? strict : this.accepts('lenient', direction) }
  }

  /** Whether readers of one version accept all that writers of the other send. */
  accepts(mode: Mode, direction: Direction): Answer {
    const [reader, writer] = direction === 'backward' ? [this.newer, this.older] : [this.older, this.newer]
    if (this.is_same) return { verdict: 'yes', reasons: [] }
    const search = new Views(new Work(SEARCH_STEPS), this.numbering)
    const values = new Values(search, mode)
    const proof = new Acceptance(new Views(new Work(PROOF_STEPS), this.numbering), values, mode)
    const problems = problemsOf(proof, reader.node, writer.node)
    if (problems.length === 0) return { verdict: 'yes', reasons: [] }
    const witnesses = new Witnesses(reader, writer, mode, search)
    const found = problems.map((problem) => ({ problem, witness: witnesses.of(problem) }))
    if (found.every(({ witness }) => witness === undefined))
      found[0]!.witness = witnesses.among(values.of([writer.node]))
    const reasons = found
      .sort((a, b) => Number(a.witness === undefined) - Number(b.witness === undefined))
      .map(({ problem, witness }) => reasonOf(problem, witness, direction))
    return { verdict: reasons.some(({ witness }) => witness !== undefined) ? 'no' : 'unknown', reasons }
  }
}

function problemsOf(proof: Acceptance, reader: Node, writer: Node): Problem[] {
  try {
    return proof.accepts(reader, [writer]).slice(0, REASONS_MAX)
  } catch (error) {
    if (!(error instanceof OutOfSteps)) throw error
    return [proof.tooMuch()]
  }
}

/** Finds payloads that the writer's check accepts and the reader's refuses. */
class Witnesses {
  private left = TRIED_FOR_DIRECTION
  private readonly reader: Side
  private readonly writer: Side
  private readonly mode: Mode
  private readonly views: Views

  constructor(reader: Side, writer: Side, mode: Mode, views: Views) {
    this.reader = reader
    this.writer = writer
    this.mode = mode
    this.views = views
  }

  of(problem: Problem): { readonly payload: unknown } | undefined {
    return this.among(problem.candidates())
  }

  among(payloads: Iterable<unknown>): { readonly payload: unknown } | undefined {
    let tried = 0
    try {
      for (const payload of payloads) {
        if (this.left-- <= 0 || tried++ === TRIED_FOR_PROBLEM) return undefined
        if (this.shows(payload)) return { payload }
      }
    } catch (error) {
      if (!(error instanceof OutOfSteps)) throw error
    }
    return undefined
  }

  private shows(payload: unknown): boolean {
    return (
      says(this.writer.check, payload) === true &&
      says(this.reader.check, payload) === false &&
      (this.mode === 'strict' || isDeclared(payload, [this.writer.node], this.views))
    )
  }
}

/** What a check says; undefined if it gives up, as on a payload that is too deep. */
function says(check: Check, payload: unknown): boolean | undefined {
  try {
    return check(payload)
  } catch {
    return undefined
  }
}

function reasonOf(problem: Problem, witness: Reason['witness'], direction: Direction): Reason {
  const { reader, writer } = problem
  const [old, new_] = direction === 'backward' ? [writer, reader] : [reader, writer]
  const path = problem.path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
  return {
    direction,
    rule: witness === undefined ? 'not_decidable' : problem.rule,
    path,
    ...(old === undefined ? {} : { old }),
    ...(new_ === undefined ? {} : { new: new_ }),
    ...(witness === undefined ? {} : { witness }),
    sentence: sentenceOf({ ...problem, path }, direction, witness !== undefined),
  }
}

function relationOf(backward: Answer, forward: Answer): Relation {
  if (backward.verdict === 'yes') return forward.verdict === 'yes' ? 'full' : 'backward'
  return forward.verdict === 'yes' ? 'forward' : 'breaking'
}

function placeOf({ direction, rule, path }: Reason): string {
  return JSON.stringify([direction, rule, path])
}

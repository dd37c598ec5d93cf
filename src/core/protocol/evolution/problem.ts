import { canonicalJson } from '../../canonical.ts'
import type { ArrayView } from './array-view.ts'
import type { Node } from './document.ts'
import type { Mode, ObjectView } from './object-view.ts'
import type { Values } from './values.ts'
import type { View, Views } from './view.ts'

/** Why it is not proven that a reader accepts all that a writer sends. */
export interface Problem {
  /** The keyword of the reader. */
  readonly rule: string
  /** Names and indexes down to the place, `*` for any. */
  readonly path: readonly string[]
  readonly reader?: unknown
  readonly writer?: unknown
  /** Values of the writer that may show it, at the place that the problem is reported to. */
  readonly candidates: () => Iterable<unknown>
}

/** What reader and writer say at a place. */
export interface Said {
  readonly reader?: unknown
  readonly writer?: unknown
}

/** A proof that readers of one version accept what writers of the other send. */
export interface Proof {
  readonly mode: Mode
  readonly views: Views
  readonly values: Values
  /** What is not proven of a reader and values that fit all schemas of a writer; none is a proof. */
  accepts(reader: Node, writer: readonly Node[]): readonly Problem[]
  /** The same for one {@link View} of the writer, at the same place. */
  acceptsView(reader: Node, view: View): readonly Problem[]
  /** Whether no value fits all schemas for certain. */
  isEmpty(nodes: readonly Node[]): boolean
  object(view: View): ObjectView
  array(view: View): ArrayView
  /** A problem at the place of the view, with values of the view that the reader does not surely take. */
  problem(rule: string, reader: Node, view: View, said: Said, candidates?: () => Iterable<unknown>): Problem
}

/** A problem of a member or an item as one of what it is in. */
export function within(
  problem: Problem,
  step: string,
  embedded: (value: unknown) => Iterable<unknown>,
): Problem {
  return {
    ...problem,
    path: [step, ...problem.path],
    *candidates() {
      let left = EMBEDDED_MAX
      for (const value of problem.candidates())
        for (const whole of embedded(value)) {
          yield whole
          if (--left === 0) return
        }
    },
  }
}

const EMBEDDED_MAX = 60

/** Problems of one rule at one place made one. */
export function merged(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length < 2) return problems
  const found = new Map<string, Problem>()
  for (const problem of problems) {
    const key = JSON.stringify([problem.rule, problem.path])
    const other = found.get(key)
    if (other !== problem) found.set(key, other === undefined ? problem : joined(other, problem))
  }
  return [...found.values()]
}

function joined(a: Problem, b: Problem): Problem {
  const writer = LISTS.includes(a.rule) ? union(a.writer, b.writer) : a.writer
  const { writer: _, ...rest } = a
  return {
    ...rest,
    ...(writer === undefined ? {} : { writer }),
    *candidates() {
      yield* a.candidates()
      yield* b.candidates()
    },
  }
}

/** Rules by which the writer's part is a list. */
const LISTS = ['type', 'enum', 'const', 'anyOf', 'oneOf']

/** What two problems say of the writer, in one list; undefined, which stands for anything, goes over all. */
function union(a: unknown, b: unknown): unknown {
  if (a === undefined || b === undefined) return undefined
  const all = new Map([a, b].flat().map((one) => [canonicalJson(one), one]))
  return all.size === 1 ? [...all.values()][0] : [...all.values()]
}

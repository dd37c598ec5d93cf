import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import { ArrayView } from './array-view.ts'
import { arrayProblems } from './arrays.ts'
import type { Node } from './document.ts'
import { fits, takesKind } from './fits.ts'
import { membersOf } from './json-text.ts'
import { leansOnNeighbours, type Mode, ObjectView } from './object-view.ts'
import { objectProblems } from './objects.ts'
import { merged, type Problem, type Proof, type Said } from './problem.ts'
import { isEmptyRange, lengthRange, numberProblems, numberRange, said, textProblems } from './scalars.ts'
import { first, type Values } from './values.ts'
import { keyOf, type View, type Views } from './view.ts'

/** How deep values are looked into to find that no value fits. */
const EMPTY_DEPTH_MAX = 4
/** Views told apart by the values of one member. */
const SPLIT_MAX = 16
/** What a reader that refuses one value of a list is said to refuse it by, the first that it has. */
const LISTING = ['const', 'enum', 'oneOf', 'anyOf', 'not', 'if'] as const

/**
 * Goes through a reader's schema with what a writer may send. What it accepts is proven: the writer is taken
 * for more than it is where it is not understood, the reader for less.
 */
export class Acceptance implements Proof {
  readonly mode: Mode
  readonly views: Views
  readonly values: Values
  private readonly objects = new Map<View, ObjectView>()
  private readonly arrays = new Map<View, ArrayView>()
  private readonly known = new Map<string, readonly Problem[]>()
  /** Pairs under comparison, taken for accepted until found otherwise, by how deep they lie. */
  private readonly open = new Map<string, number>()
  /** The outermost pair under comparison that an answer leant on. */
  private leant_on = Number.POSITIVE_INFINITY
  /** Problems of views at the place of the innermost pair. */
  private in_place = new Map<View, Map<Node, readonly Problem[]>>()
  private splits = 0

  /** @param values what finds examples, with a {@link Views} and steps of its own */
  constructor(views: Views, values: Values, mode: Mode) {
    this.mode = mode
    this.views = views
    this.values = values
  }

  accepts(reader: Node, writer: readonly Node[]): readonly Problem[] {
    this.views.work.step(2)
    if (reader.schema === true || writer.some((node) => this.isSame(node, reader))) return []
    const pair = `${reader.id} ${keyOf(writer)}`
    const known = this.known.get(pair)
    if (known !== undefined) return known
    const at = this.open.get(pair)
    if (at !== undefined) {
      this.leant_on = Math.min(this.leant_on, at)
      return []
    }
    const depth = this.open.size
    const outer = this.leant_on
    const in_place = this.in_place
    this.in_place = new Map()
    this.open.set(pair, depth)
    this.leant_on = Number.POSITIVE_INFINITY
    const views = this.views.of(writer).filter((view) => !this.isEmptyView(view, 1))
    const problems = merged(views.flatMap((view) => this.acceptsView(reader, view)))
    this.open.delete(pair)
    this.in_place = in_place
    const isFinal = this.leant_on >= depth
    if (problems.length > 0 || isFinal) this.known.set(pair, problems)
    this.leant_on = isFinal ? outer : Math.min(outer, this.leant_on)
    return problems
  }

  acceptsView(reader: Node, view: View): readonly Problem[] {
    let known = this.in_place.get(view)
    if (known === undefined) {
      known = new Map()
      this.in_place.set(view, known)
    }
    let problems = known.get(reader)
    if (problems === undefined) {
      problems = merged(this.newProblems(reader, view))
      known.set(reader, problems)
    }
    return problems
  }

  private newProblems(reader: Node, view: View): readonly Problem[] {
    const { schema } = reader
    this.views.work.step(2 + (view.parts.length >> 2))
    if (schema === true || view.parts.some((part) => this.isSameInPlace(part, reader))) return []
    if (!isSchemaObject(schema)) return [this.problem('false', reader, view, { reader: false })]
    if (!takesKind(schema.type, view.kind, view.integer)) {
      const writer = view.values === undefined ? said(view, 'type') : { writer: view.kind }
      return [this.problem('type', reader, view, { reader: schema.type, ...writer })]
    }
    if (view.values !== undefined) return this.listed(reader, schema, view, view.values)
    return this.views.work.deeper(() => [
      ...this.inPlace(reader, schema, view),
      ...(view.kind === 'number' ? numberProblems(this, reader, schema, view) : []),
      ...(view.kind === 'string' ? textProblems(this, reader, schema, view) : []),
      ...(view.kind === 'array' ? arrayProblems(this, reader, schema, view) : []),
      ...(view.kind === 'object' ? objectProblems(this, reader, schema, view) : []),
    ])
  }

  /** Whether no value fits both for certain. */
  private isDisjoint(view: View, node: Node): boolean {
    const own = view.kind === 'object' ? this.object(view) : undefined
    return (
      this.isContrary(view, node) ||
      (own !== undefined &&
        // What the other schema alone declares is not there.
        this.views
          .narrowed(view, [node])
          .every((one) => [...this.object(one).required].some((name) => own.member(name) === undefined)))
    )
  }

  /** The same by what both declare: a branch that only lacks a member is not contrary. */
  private isContrary(view: View, node: Node): boolean {
    if (view.excluded.some((one) => this.isSameInPlace(one, node))) return true
    return this.views.narrowed(view, [node]).every((one) => this.isEmptyView(one, EMPTY_DEPTH_MAX))
  }

  isEmpty(nodes: readonly Node[]): boolean {
    return this.views.of(nodes).every((view) => this.isEmptyView(view, 1))
  }

  object(view: View): ObjectView {
    let object = this.objects.get(view)
    if (object === undefined) {
      object = new ObjectView(view, this.mode, this.views.work)
      this.objects.set(view, object)
    }
    return object
  }

  array(view: View): ArrayView {
    let array = this.arrays.get(view)
    if (array === undefined) {
      array = new ArrayView(view, this.mode, this.views.work)
      this.arrays.set(view, array)
    }
    return array
  }

  problem(
    rule: string,
    reader: Node,
    view: View,
    what: Said,
    candidates: () => Iterable<unknown> = () => [],
  ): Problem {
    const { values } = this
    const near = isSchemaObject(reader.schema) ? [reader.schema] : []
    return {
      rule,
      path: [],
      ...what,
      *candidates() {
        for (const source of [candidates(), values.ofView(view, near)])
          for (const value of source) if (fits(value, reader, values.views.work) !== true) yield value
      },
    }
  }

  /** The problem of a comparison that ran out of steps. */
  tooMuch(): Problem {
    return { rule: 'too_complex', path: [], candidates: () => [] }
  }

  /** A list of values is accepted if each of them is. */
  private listed(
    reader: Node,
    schema: SchemaObject,
    view: View,
    values: readonly unknown[],
  ): readonly Problem[] {
    const refused = values.filter((value) => fits(value, reader, this.views.work) !== true)
    if (refused.length === 0) return []
    const rule = LISTING.find((keyword) => keyword in schema)
    const target = rule === undefined ? reader.document.target(reader) : undefined
    if (target !== undefined && fits(refused[0], target, this.views.work) !== true)
      return this.acceptsView(target, view)
    const takes = rule === 'const' || rule === 'enum' ? { reader: schema[rule] } : {}
    const what = { ...takes, writer: first(refused, 10) }
    return [this.problem(rule ?? 'enum', reader, view, what, () => refused)]
  }

  /** Keywords that hold at the same place in the payload. */
  private inPlace(reader: Node, schema: SchemaObject, view: View): Problem[] {
    const { document } = reader
    const problems: Problem[] = []
    for (const keyword of ['const', 'enum'])
      if (keyword in schema)
        problems.push(this.problem(keyword, reader, view, { reader: schema[keyword], writer: view.kind }))
    for (const keyword of ['$dynamicRef', '$recursiveRef'])
      if (keyword in schema) problems.push(this.problem(keyword, reader, view, { reader: schema[keyword] }))
    if ('$ref' in schema) {
      const target = document.target(reader)
      if (target !== undefined) problems.push(...this.acceptsView(target, view))
      else problems.push(this.problem('$ref', reader, view, { reader: schema.$ref }))
    }
    for (const part of document.list(reader, 'allOf')) problems.push(...this.acceptsView(part, view))
    for (const keyword of ['anyOf', 'oneOf'])
      if (Array.isArray(schema[keyword])) problems.push(...this.alternatives(reader, keyword, view))
    if (schema.not !== undefined) problems.push(...this.negation(reader, schema.not, view))
    if (schema.if !== undefined) problems.push(...this.condition(reader, schema, view))
    return problems
  }

  private negation(reader: Node, not: unknown, view: View): readonly Problem[] {
    const node = reader.document.child(reader, not)
    if (this.hasSame(view, reader, ['not']) || this.isDisjoint(view, node)) return []
    return [
      this.problem('not', reader, view, { reader: not, ...said(view, 'not') }, () => this.both(view, [node])),
    ]
  }

  private condition(reader: Node, schema: SchemaObject, view: View): readonly Problem[] {
    if (this.hasSame(view, reader, ['if', 'then', 'else'])) return []
    const { document } = reader
    const condition = document.child(reader, schema.if)
    const then = document.child(reader, schema.then ?? true)
    const otherwise = document.child(reader, schema.else ?? true)
    const holds = this.views
      .narrowed(view, [condition])
      .filter((one) => !this.isEmptyView(one, EMPTY_DEPTH_MAX))
      .flatMap((one) => this.acceptsView(then, one))
    const fails = this.acceptsView(otherwise, view)
    if (fails.length === 0 || this.acceptsView(condition, view).length === 0) return holds
    return [...holds, ...fails]
  }

  /** One branch has to accept the whole view, or each of the views that it is split into. */
  private alternatives(reader: Node, keyword: string, view: View): readonly Problem[] {
    if (keyword === 'oneOf' && this.hasSame(view, reader, ['oneOf'])) return []
    const branches = reader.document.list(reader, keyword)
    const failures: (readonly Problem[])[] = []
    for (const branch of branches) {
      const problems = this.acceptsView(branch, view)
      if (problems.length > 0) failures.push(problems)
      else return keyword === 'anyOf' ? [] : this.exclusive(reader, branch, branches, view)
    }
    const live = branches.flatMap((branch, index) => (this.isContrary(view, branch) ? [] : [index]))
    if (live.length === 1) return failures[live[0]!]!
    const split = this.split(view, branches)
    if (split !== undefined) {
      this.splits++
      const problems = split.flatMap((one) => this.alternatives(reader, keyword, one))
      this.splits--
      return merged(problems)
    }
    function* some() {
      for (const problems of failures)
        for (const problem of problems.slice(0, 4)) yield* first(problem.candidates(), 3)
    }
    return [this.problem(keyword, reader, view, { writer: view.kind }, some)]
  }

  /** The other branches of a `oneOf` must not accept what the chosen one does. */
  private exclusive(reader: Node, chosen: Node, branches: readonly Node[], view: View): readonly Problem[] {
    return branches
      .filter((other) => other !== chosen && !this.isDisjoint(view, other))
      .map((other) => this.problem('oneOf', reader, view, {}, () => this.both(view, [chosen, other])))
  }

  /** A view taken apart by the values of a member that tells the branches apart. */
  private split(view: View, branches: readonly Node[]): readonly View[] | undefined {
    if (view.kind !== 'object' || this.splits > 1) return undefined
    const object = this.object(view)
    for (const name of new Set(branches.flatMap(discriminators))) {
      const member = object.member(name)
      const values = member === undefined ? [] : this.views.of(member).map((one) => one.values)
      const listed = values.flatMap((one) => one ?? [])
      if (listed.length < 2 || listed.length > SPLIT_MAX || values.includes(undefined)) continue
      const schemas: SchemaObject[] = listed.map((value) => ({
        properties: { [name]: { const: value } },
        required: [name],
      }))
      if (!object.required.has(name)) schemas.push({ properties: { [name]: false } })
      return schemas
        .flatMap((schema) => this.views.narrowed(view, [this.views.node(schema)]))
        .filter((one) => !this.isEmptyView(one, EMPTY_DEPTH_MAX))
    }
    return undefined
  }

  /** Values of a view that fit further schemas too. */
  private *both(view: View, nodes: readonly Node[]): Generator<unknown> {
    for (const one of this.views.narrowed(view, nodes)) yield* this.values.ofView(one)
  }

  /** Whether no value fits a view; false if that is not sure. */
  private isEmptyView(view: View, depth: number): boolean {
    this.views.work.step(1 + (view.parts.length >> 2))
    if (view.values !== undefined) return view.values.length === 0
    if (view.kind === 'number') return isEmptyRange(numberRange(view))
    if (view.kind === 'string') {
      const { min, max } = lengthRange(view)
      return min > max
    }
    const isEmptyPart = (nodes: readonly Node[] | undefined) =>
      nodes === undefined ||
      (depth > 0 && this.views.of(nodes).every((one) => this.isEmptyView(one, depth - 1)))
    if (view.kind === 'array') {
      const array = this.array(view)
      if (array.min > array.max) return true
      for (let index = 0; index < array.min && index <= array.placed; index++)
        if (isEmptyPart(array.at(index))) return true
      return array.contains.some(({ node, min }) => {
        let possible = 0
        for (let index = 0; index <= array.placed && index < array.max && possible < min; index++) {
          const schemas = array.at(index)
          if (schemas !== undefined && !isEmptyPart([...schemas, node]))
            possible += index === array.placed ? Number.POSITIVE_INFINITY : 1
        }
        return possible < min
      })
    }
    const object = this.object(view)
    if (object.min > object.limit || (object.min > object.required.size && object.min > object.max))
      return true
    return [...object.required].some((name) => isEmptyPart(object.member(name)))
  }

  /** Whether the writer has the same under some keywords that mean the same wherever they stand. */
  private hasSame(view: View, reader: Node, keywords: readonly string[]): boolean {
    return view.parts.some((part) => keywords.every((keyword) => this.isSameUnder(part, reader, keyword)))
  }

  private isSameUnder(part: Node, reader: Node, keyword: string): boolean {
    const [a, b] = [part.schema, reader.schema]
    if (!isSchemaObject(a) || !isSchemaObject(b)) return false
    if (a[keyword] === undefined || b[keyword] === undefined) return a[keyword] === b[keyword]
    if (!Array.isArray(b[keyword]))
      return this.isSameInPlace(
        part.document.child(part, a[keyword]),
        reader.document.child(reader, b[keyword]),
      )
    const left = part.document.list(part, keyword)
    const all = reader.document.list(reader, keyword).every((branch) => {
      const at = left.findIndex((other) => this.isSameInPlace(other, branch))
      if (at !== -1) left.splice(at, 1)
      return at !== -1
    })
    return all && left.length === 0
  }

  /** Whether two schemas are the same wherever they stand. */
  private isSameInPlace(a: Node, b: Node): boolean {
    return this.isSame(a, b) && !leansOnNeighbours(b)
  }

  private isSame(a: Node, b: Node): boolean {
    return this.views.numbering.isSame(a, b)
  }
}

/** Names of members that a branch gives a fixed value or a list of them. */
function discriminators(branch: Node): string[] {
  const target = branch.document.target(branch) ?? branch
  if (!isSchemaObject(target.schema)) return []
  return membersOf(target.schema.properties)
    .filter(([, member]) => isSchemaObject(member) && ('const' in member || 'enum' in member))
    .map(([name]) => name)
}

import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import { bareNode, type Node, type Numbering } from './document.ts'
import { fits, type Kind, kindOf, takesKind } from './fits.ts'
import { membersOf } from './json-text.ts'
import type { Work } from './work.ts'

/**
 * One of the ways in which a value can fit some schemas: its kind, and all schemas that hold in place, with
 * one branch chosen of each `anyOf`, `oneOf`, `if` and dependency. The views of some schemas together take
 * in all values that fit, and maybe more.
 */
export interface View {
  readonly kind: Kind
  /** All schemas that hold in place, the containers of branches too. */
  readonly parts: readonly Node[]
  /** Whether all numbers of it are integers. */
  readonly integer: boolean
  /** All values, where a list is known; for null and booleans it always is. */
  readonly values: readonly unknown[] | undefined
  /** Branches of a `oneOf` that were not chosen: no value fits them. */
  readonly excluded: readonly Node[]
  /** Something was left out that may declare names, so nothing may be concluded from a name's absence. */
  readonly cut: boolean
}

interface Choice {
  readonly parts: readonly Node[]
  readonly excluded: readonly Node[]
  readonly cut: boolean
}

const KINDS: readonly Kind[] = ['null', 'boolean', 'number', 'string', 'array', 'object']
/** How many ways through the branches of some schemas are told apart. */
const CHOICES_MAX = 64

/** Finds the {@link View}s of schemas; remembers them. */
export class Views {
  private readonly known = new Map<string, readonly View[]>()
  private readonly bare = new Map<string, Node>()
  readonly work: Work
  readonly numbering: Numbering

  constructor(work: Work, numbering: Numbering) {
    this.work = work
    this.numbering = numbering
  }

  /** The views of values that fit all of the schemas. */
  of(nodes: readonly Node[]): readonly View[] {
    const key = keyOf(nodes)
    let views = this.known.get(key)
    if (views === undefined) {
      const start: Choice = { parts: [], excluded: [], cut: false }
      views = this.expanded(start, nodes).flatMap((choice) => this.viewsOf(choice, KINDS))
      this.known.set(key, views)
    }
    return views
  }

  /** What is left of a view when its values fit further schemas too. */
  narrowed(view: View, nodes: readonly Node[]): readonly View[] {
    const start: Choice = { parts: view.parts, excluded: view.excluded, cut: view.cut }
    return this.expanded(start, nodes).flatMap((choice) => this.viewsOf(choice, [view.kind]))
  }

  /** A schema of our own, such as one that requires a name. */
  node(schema: SchemaObject): Node {
    const text = JSON.stringify(schema)
    let node = this.bare.get(text)
    if (node === undefined) {
      node = bareNode(schema, this.numbering)
      this.bare.set(text, node)
    }
    return node
  }

  /** @param others how many choices there are beside this one */
  private expanded(start: Choice, nodes: readonly Node[], others = 1): readonly Choice[] {
    let choices: readonly Choice[] = [start]
    for (const node of nodes) {
      const count = choices.length * others
      choices = choices.flatMap((choice) => this.withNode(choice, node, count))
    }
    return choices
  }

  private withNode(choice: Choice, node: Node, others: number): readonly Choice[] {
    const { schema, document } = node
    this.work.step(1 + (choice.parts.length >> 1))
    if (!isSchemaObject(schema)) return schema ? [choice] : []
    if (choice.parts.includes(node)) return [choice]
    const target = document.target(node)
    const lost =
      ('$ref' in schema && target === undefined) || '$dynamicRef' in schema || '$recursiveRef' in schema
    const parts = [...choice.parts, node]
    const start = { ...choice, parts, cut: choice.cut || lost }
    const inner = [...(target === undefined ? [] : [target]), ...document.list(node, 'allOf')]
    return this.work.deeper(() => {
      let choices = this.expanded(start, inner, others)
      for (const branches of this.branchesOf(node, schema)) choices = this.branched(choices, branches, others)
      return choices
    })
  }

  /** Each set of alternatives of a schema: which schemas hold, and which of them exclude each other. */
  private branchesOf(node: Node, schema: SchemaObject): { readonly hold: Node[]; readonly not: Node[] }[][] {
    const { document } = node
    const sets = []
    if (Array.isArray(schema.anyOf))
      sets.push(document.list(node, 'anyOf').map((branch) => ({ hold: [branch], not: [] })))
    if (Array.isArray(schema.oneOf)) {
      const all = document.list(node, 'oneOf')
      sets.push(all.map((branch) => ({ hold: [branch], not: all.filter((other) => other !== branch) })))
    }
    if (schema.if !== undefined && (schema.then !== undefined || schema.else !== undefined)) {
      const [condition, then] = [document.child(node, schema.if), document.child(node, schema.then ?? true)]
      const otherwise = document.child(node, schema.else ?? true)
      sets.push([
        { hold: [condition, then], not: [] },
        { hold: [otherwise], not: [condition] },
      ])
    }
    for (const [name, needs] of [...membersOf(schema.dependentSchemas), ...membersOf(schema.dependencies)])
      if (!Array.isArray(needs))
        sets.push([
          { hold: [this.node({ properties: withFalse(name) })], not: [] },
          { hold: [this.node({ required: [name] }), document.child(node, needs)], not: [] },
        ])
    return sets
  }

  private branched(
    choices: readonly Choice[],
    branches: readonly { readonly hold: readonly Node[]; readonly not: readonly Node[] }[],
    others: number,
  ): readonly Choice[] {
    const cut = () => choices.map((choice) => ({ ...choice, cut: true }))
    const count = choices.length * branches.length
    if (count > 1 && count * others > CHOICES_MAX) return cut()
    const result = choices.flatMap((choice) =>
      branches.flatMap(({ hold, not }) =>
        this.expanded({ ...choice, excluded: [...choice.excluded, ...not] }, hold, count * others),
      ),
    )
    return result.length * others > CHOICES_MAX && result.length > 1 ? cut() : result
  }

  private viewsOf(choice: Choice, kinds: readonly Kind[]): readonly View[] {
    this.work.step(1 + choice.parts.length)
    const schemas = choice.parts.map((part) => part.schema).filter(isSchemaObject)
    const integer = schemas.some(
      ({ type, multipleOf }) =>
        (type !== undefined && [type].flat().includes('integer') && ![type].flat().includes('number')) ||
        (typeof multipleOf === 'number' && Number.isInteger(multipleOf)),
    )
    const listed = this.listedValues(choice, schemas)
    return kinds
      .filter((kind) => schemas.every(({ type }) => takesKind(type, kind, integer)))
      .map((kind) => ({ ...choice, kind, integer, values: this.valuesOf(kind, listed, choice) }))
      .filter(({ values }) => values === undefined || values.length > 0)
  }

  private listedValues(choice: Choice, schemas: readonly SchemaObject[]): readonly unknown[] | undefined {
    let listed: readonly unknown[] | undefined
    for (const schema of schemas) {
      if ('const' in schema) listed = [schema.const]
      else if (listed === undefined && Array.isArray(schema.enum)) listed = schema.enum
    }
    return listed?.filter((value) => this.isPossible(value, choice))
  }

  private valuesOf(kind: Kind, listed: readonly unknown[] | undefined, choice: Choice) {
    if (listed !== undefined) return listed.filter((value) => kindOf(value) === kind)
    const all = kind === 'null' ? [null] : kind === 'boolean' ? [false, true] : undefined
    return all?.filter((value) => this.isPossible(value, choice))
  }

  private isPossible(value: unknown, choice: Choice): boolean {
    return (
      choice.parts.every((part) => fits(value, part, this.work) !== false) &&
      !choice.excluded.some((part) => fits(value, part, this.work) === true)
    )
  }
}

/** Whether a value is among the values that a view lists. */
export function isListed(value: unknown, view: View, work: Work): boolean {
  return view.values !== undefined && work.isListed(value, view.values)
}

/** A text that the same set of schemas always has. */
export function keyOf(nodes: readonly Node[]): string {
  return [...new Set(nodes.map((node) => node.id))].sort((a, b) => a - b).join()
}

function withFalse(name: string): SchemaObject {
  return JSON.parse(`{${JSON.stringify(name)}:false}`) as SchemaObject
}

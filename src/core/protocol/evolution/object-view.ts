import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import type { Node } from './document.ts'
import { fits, memberSchemas } from './fits.ts'
import { membersOf, numberOr, stringsOf } from './json-text.ts'
import type { View } from './view.ts'
import type { Work } from './work.ts'

/** How the names that an open object does not declare are read. */
export type Mode = 'lenient' | 'strict'

/** `unevaluatedProperties` of a schema, with the names that it leaves alone. */
interface Unevaluated {
  readonly node: Node
  readonly names: ReadonlySet<string>
}

/** What the schemas of a {@link View} say of an object together. */
export class ObjectView {
  readonly declared: ReadonlySet<string>
  readonly required: ReadonlySet<string>
  /** Names that make others required. */
  readonly dependent: ReadonlyMap<string, readonly string[]>
  /** Patterns of names. */
  readonly patterns: ReadonlySet<string>
  readonly names: readonly Node[]
  readonly min: number
  /** What `maxProperties` says. */
  readonly limit: number
  /** Whether there may be names that are neither declared nor match a pattern. */
  readonly isOpen: boolean
  private readonly parts: readonly Node[]
  /** Declared with a schema. */
  private readonly properties: ReadonlySet<string>
  private readonly members = new Map<string, readonly Node[] | undefined>()
  private readonly unevaluated: readonly Unevaluated[]
  private readonly work: Work

  constructor(view: View, mode: Mode, work: Work) {
    work.step(view.parts.length)
    const schemas = view.parts.map((part) => part.schema).filter(isSchemaObject)
    this.parts = view.parts
    this.work = work
    this.dependent = new Map(
      schemas
        .flatMap((schema) => [...membersOf(schema.dependentRequired), ...membersOf(schema.dependencies)])
        .filter(([, needs]) => Array.isArray(needs))
        .map(([name, needs]): [string, string[]] => [name, stringsOf(needs)]),
    )
    this.required = this.closure(schemas.flatMap(({ required }) => stringsOf(required)))
    this.properties = new Set(schemas.flatMap((schema) => membersOf(schema.properties).map(([name]) => name)))
    this.declared = new Set([...this.properties, ...this.required, ...[...this.dependent].flat(2)])
    work.step(this.declared.size >> 1)
    this.patterns = new Set(
      schemas.flatMap(({ patternProperties }) => membersOf(patternProperties).map(([pattern]) => pattern)),
    )
    this.names = view.parts.flatMap((part) =>
      isSchemaObject(part.schema) && part.schema.propertyNames !== undefined
        ? [part.document.child(part, part.schema.propertyNames)]
        : [],
    )
    // Validators differ in what a branch sees of its neighbours: what any schema here evaluates counts.
    const others = schemas.flatMap((one) => [one.additionalProperties, one.unevaluatedProperties])
    const isLoose = others.some((one) => one !== undefined && one !== false)
    this.unevaluated = view.parts.flatMap((part) => {
      const names = isLoose ? undefined : unevaluatedNames(part)
      if (names === undefined || !isSchemaObject(part.schema)) return []
      return [{ node: part.document.child(part, part.schema.unevaluatedProperties), names }]
    })
    this.min = Math.max(0, this.required.size, ...schemas.map((schema) => numberOr(schema.minProperties, 0)))
    const rest = this.rest()
    // A map says something of names that it does not declare; an open object does not.
    const isMap =
      rest.some((node) => isSchemaObject(node.schema) && !isEmpty(node)) ||
      this.names.length > 0 ||
      this.min > this.declared.size ||
      view.cut
    this.isOpen = !rest.some((node) => node.schema === false) && (mode === 'strict' || isMap)
    const none = Number.POSITIVE_INFINITY
    this.limit = Math.min(...schemas.map(({ maxProperties }) => numberOr(maxProperties, none)))
  }

  /** How many members there may be, by the limit and by the names. */
  get max(): number {
    if (this.isOpen || this.patterns.size > 0) return this.limit
    return Math.min(this.limit, [...this.declared].filter((name) => this.member(name) !== undefined).length)
  }

  /** The schemas that a member has to fit; undefined when there can be no member of that name. */
  member(name: string): readonly Node[] | undefined {
    if (this.members.has(name)) return this.members.get(name)
    const schemas = this.newMember(name)
    this.members.set(name, schemas)
    return schemas
  }

  private newMember(name: string): readonly Node[] | undefined {
    if (this.names.some((rule) => fits(name, rule, this.work) === false)) return undefined
    this.work.step(this.parts.length >> 2)
    const found = new Set<Node>()
    let matched: boolean | undefined = false
    for (const part of this.parts) {
      const { parts, certain } = memberSchemas(part, name, this.work)
      if (!certain) matched = undefined
      for (const node of parts) found.add(node)
    }
    for (const pattern of this.patterns) if (this.work.matches(pattern, name)) matched = true
    if (matched === false && !this.declared.has(name) && !this.isOpen) return undefined
    if (matched === false && !this.properties.has(name))
      for (const { node, names } of this.unevaluated) if (!names.has(name)) found.add(node)
    return [...found].some((node) => node.schema === false) ? undefined : [...found]
  }

  /** The schemas that a member has to fit whose name matches a pattern; others may hold for it too. */
  matching(pattern: string): readonly Node[] {
    return this.parts.flatMap((part) => {
      const { schema, document } = part
      const found = isSchemaObject(schema)
        ? membersOf(schema.patternProperties).find(([name]) => name === pattern)
        : undefined
      return found === undefined ? [] : [document.child(part, found[1])]
    })
  }

  /** The schemas of members whose names nothing declares and no pattern matches. */
  rest(): readonly Node[] {
    return [
      ...this.parts.flatMap((part) => {
        const { schema, document } = part
        if (!isSchemaObject(schema) || schema.additionalProperties === undefined) return []
        return [document.child(part, schema.additionalProperties)]
      }),
      ...this.unevaluated.map(({ node }) => node),
    ]
  }

  /** Some names, and all that they make required. */
  closure(names: Iterable<string>): Set<string> {
    const all = new Set(names)
    for (const name of all) for (const need of this.dependent.get(name) ?? []) all.add(need)
    return all
  }
}

/**
 * The names that `unevaluatedProperties` of a schema certainly leaves alone, and maybe more; undefined if
 * there is no such keyword, or if what it leaves alone cannot be listed.
 *
 * @param sure only names that every object's branches cover, for a reader
 */
export function unevaluatedNames(part: Node, sure = false): ReadonlySet<string> | undefined {
  if (!isSchemaObject(part.schema) || part.schema.unevaluatedProperties === undefined) return undefined
  const names = new Set<string>()
  const seen = new Set<Node>()
  const add = (node: Node): boolean => {
    const { schema, document } = node
    if (!isSchemaObject(schema) || seen.has(node)) return true
    seen.add(node)
    if ('$dynamicRef' in schema || '$recursiveRef' in schema) return false
    if (schema.patternProperties !== undefined || schema.additionalProperties !== undefined) return sure
    if (node !== part && schema.unevaluatedProperties !== undefined) return sure
    for (const [name] of membersOf(schema.properties)) names.add(name)
    const target = document.target(node)
    if (target === undefined && '$ref' in schema) return false
    const certain = [...document.list(node, 'allOf'), ...(target === undefined ? [] : [target])]
    return (sure ? certain : inPlace(node, target, schema)).map(add).every(Boolean)
  }
  return add(part) ? names : undefined
}

/**
 * Whether what a schema means may depend on what stands beside it: some validators let an `unevaluated…`
 * within a branch see what its neighbours evaluate.
 */
export function leansOnNeighbours(node: Node, seen = new Set<Node>()): boolean {
  const { schema, document } = node
  if (!isSchemaObject(schema) || seen.has(node)) return false
  seen.add(node)
  if (schema.unevaluatedProperties !== undefined || schema.unevaluatedItems !== undefined) return true
  return inPlace(node, document.target(node), schema).some((inner) => leansOnNeighbours(inner, seen))
}

/** The schemas that hold at the same place as a schema, always or by a branch. */
function inPlace(node: Node, target: Node | undefined, schema: SchemaObject): Node[] {
  const { document } = node
  const inner = target === undefined ? [] : [target]
  for (const keyword of ['allOf', 'anyOf', 'oneOf']) inner.push(...document.list(node, keyword))
  for (const keyword of ['if', 'then', 'else', 'not'])
    if (schema[keyword] !== undefined) inner.push(document.child(node, schema[keyword]))
  for (const [, needs] of [...membersOf(schema.dependentSchemas), ...membersOf(schema.dependencies)])
    if (!Array.isArray(needs)) inner.push(document.child(node, needs))
  return inner
}

function isEmpty(node: Node): boolean {
  return node.document.keyOf(node) === node.document.numbering.textNumber('')
}

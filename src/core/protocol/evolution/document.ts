import { canonicalJson } from '../../canonical.ts'
import { isSchemaObject, type JsonSchema, type SchemaObject } from '../json-schema.ts'
import { membersOf, stringsOf } from './json-text.ts'

/** A schema at its place in a document. */
export interface Node {
  readonly id: number
  readonly document: Document
  /** In draft-07 a `$ref` stands alone: its neighbours are left out. */
  readonly schema: JsonSchema
  /** The schema as it is written. */
  readonly written: JsonSchema
  /** The URI that its references are relative to. */
  readonly base: string
}

/** Numbers for nodes and texts, shared by the documents of one comparison. */
export class Numbering {
  private readonly texts = new Map<string, number>()
  private readonly sameness = new Map<string, boolean>()
  private nodes = 0

  nextNode(): number {
    return this.nodes++
  }

  textNumber(text: string): number {
    let number = this.texts.get(text)
    if (number === undefined) {
      number = this.texts.size
      this.texts.set(text, number)
    }
    return number
  }

  /**
   * Whether two schemas are the same but for annotations and the order of things, and what they refer to is
   * the same too. False says nothing.
   */
  isSame(a: Node, b: Node): boolean {
    if (a === b) return true
    if (a.document.keyOf(a) !== b.document.keyOf(b)) return false
    const pair = `${a.id} ${b.id}`
    let same = this.sameness.get(pair)
    if (same === undefined) {
      same = refsAgree(a, b, new Set())
      this.sameness.set(pair, same)
    }
    return same
  }
}

const SINGLE = [
  'additionalProperties',
  'additionalItems',
  'contains',
  'propertyNames',
  'not',
  'if',
  'then',
  'else',
  'unevaluatedProperties',
  'unevaluatedItems',
]
const UNORDERED = ['allOf', 'anyOf', 'oneOf']
const NAMED = ['properties', 'patternProperties', 'dependentSchemas', 'dependencies']
const DEFINITIONS = ['$defs', 'definitions']
const VALUES = [
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength'],
  ...['pattern', 'minItems', 'maxItems', 'uniqueItems', 'minContains', 'maxContains', 'minProperties'],
  ...['maxProperties', 'dependentRequired', '$ref', '$dynamicRef', '$recursiveRef'],
]
const ROOT = 'http://schema.invalid/'

/** One version's schema, with its references resolved inside of it. */
export class Document {
  readonly root: Node
  readonly numbering: Numbering
  private readonly lone_refs: boolean
  private readonly nodes = new Map<object, Node>()
  private readonly constants: readonly [Node, Node]
  /** By URI, with `#name` for an anchor. */
  private readonly targets = new Map<string, Node>()
  private readonly keys = new Map<number, number>()
  private readonly references = new Map<number, ReadonlyMap<string, Node | undefined> | 'ambiguous'>()

  constructor(schema: JsonSchema, numbering: Numbering) {
    // A copy, so that no part occurs at two places.
    const copy = JSON.parse(JSON.stringify(schema)) as JsonSchema
    this.numbering = numbering
    this.constants = [this.newNode(false, false, ROOT), this.newNode(true, true, ROOT)]
    this.lone_refs = isSchemaObject(copy) && String(copy.$schema ?? '').includes('draft-07')
    this.root = this.enter(copy, ROOT)
    if (!this.targets.has(ROOT)) this.targets.set(ROOT, this.root)
  }

  /** The node of a part of a node's schema, such as the value of `not`. */
  child(parent: Node, schema: unknown): Node {
    if (typeof schema === 'boolean') return this.constants[schema ? 1 : 0]
    if (!isSchemaObject(schema)) return this.constants[1]
    return this.nodes.get(schema) ?? this.enter(schema, parent.base)
  }

  /** The children under a keyword whose value is a list of schemas. */
  list(node: Node, keyword: string): Node[] {
    const value = isSchemaObject(node.schema) ? node.schema[keyword] : undefined
    return Array.isArray(value) ? value.map((one) => this.child(node, one)) : []
  }

  /** What the `$ref` of a node leads to; undefined when it leads out of the document or nowhere. */
  target(node: Node): Node | undefined {
    const ref = isSchemaObject(node.schema) ? node.schema.$ref : undefined
    if (typeof ref !== 'string') return undefined
    const uri = resolved(ref, node.base)
    if (uri === undefined) return undefined
    const at = uri.indexOf('#')
    const resource = at === -1 ? uri : uri.slice(0, at)
    const fragment = at === -1 ? '' : uri.slice(at + 1)
    if (fragment !== '' && !fragment.startsWith('/')) return this.targets.get(`${resource}#${fragment}`)
    const start = this.targets.get(resource)
    return start === undefined || fragment === '' ? start : this.pointed(start, fragment)
  }

  /** A number that equal schemas share: annotations, definitions and the order of things do not count. */
  keyOf(node: Node): number {
    let key = this.keys.get(node.id)
    if (key === undefined) {
      key = this.numbering.textNumber(this.textOf(node))
      this.keys.set(node.id, key)
    }
    return key
  }

  /**
   * What the references within a node lead to, by their text; `ambiguous` if one text leads to two places,
   * or depends on the way that validation came.
   */
  referencesOf(node: Node): ReadonlyMap<string, Node | undefined> | 'ambiguous' {
    const known = this.references.get(node.id)
    if (known !== undefined) return known
    const found = new Map<string, Node | undefined>()
    this.references.set(node.id, found)
    const { schema } = node
    let result: ReadonlyMap<string, Node | undefined> | 'ambiguous' = found
    if (isSchemaObject(schema)) {
      if ('$dynamicRef' in schema || '$recursiveRef' in schema) result = 'ambiguous'
      if (typeof schema.$ref === 'string') found.set(schema.$ref, this.target(node))
      for (const child of this.parts(node, false)) {
        const inner = this.referencesOf(child)
        if (inner === 'ambiguous') result = 'ambiguous'
        else
          for (const [text, target] of inner) {
            if (found.has(text) && found.get(text) !== target) result = 'ambiguous'
            found.set(text, target)
          }
      }
    }
    this.references.set(node.id, result)
    return result
  }

  private newNode(schema: JsonSchema, written: JsonSchema, base: string): Node {
    return { id: this.numbering.nextNode(), document: this, schema, written, base }
  }

  /** Gives a schema and all in it their nodes, URIs and anchors. */
  private enter(schema: JsonSchema, base: string): Node {
    if (!isSchemaObject(schema)) return this.constants[schema ? 1 : 0]
    const lone = this.lone_refs && typeof schema.$ref === 'string'
    const own = lone ? undefined : schema.$id
    const uri = typeof own === 'string' && !own.startsWith('#') ? resolved(own, base) : undefined
    const node = this.newNode(
      lone ? { $ref: schema.$ref } : schema,
      schema,
      uri?.replace(/#.*$/s, '') ?? base,
    )
    this.nodes.set(schema, node)
    if (uri !== undefined) this.targets.set(node.base, node)
    if (typeof own === 'string' && own.startsWith('#')) this.targets.set(node.base + own, node)
    for (const anchor of [schema.$anchor, schema.$dynamicAnchor])
      if (typeof anchor === 'string') this.targets.set(`${node.base}#${anchor}`, node)
    this.parts({ ...node, schema }, true)
    return node
  }

  /** All direct children; with the definitions when the document is read for the first time. */
  private parts(node: Node, definitions: boolean): Node[] {
    if (!isSchemaObject(node.schema)) return []
    const { schema } = node
    const values = SINGLE.filter((keyword) => keyword in schema).map((keyword) => schema[keyword])
    for (const keyword of [...UNORDERED, 'prefixItems', 'items']) {
      const value = schema[keyword]
      if (Array.isArray(value)) values.push(...value)
      else if (keyword === 'items' && value !== undefined) values.push(value)
    }
    for (const keyword of definitions ? [...NAMED, ...DEFINITIONS] : NAMED)
      for (const [, value] of membersOf(schema[keyword])) if (!Array.isArray(value)) values.push(value)
    return values.map((value) => this.child(node, value))
  }

  private textOf(node: Node): string {
    const { schema } = node
    if (!isSchemaObject(schema)) return schema ? '' : 'false'
    const key = (value: unknown) => this.keyOf(this.child(node, value))
    const texts: string[] = []
    for (const keyword of VALUES)
      if (keyword in schema) texts.push(`${keyword} ${canonicalJson(schema[keyword])}`)
    if ('type' in schema) texts.push(`type ${sorted([schema.type].flat())}`)
    if ('required' in schema) texts.push(`required ${sorted(stringsOf(schema.required))}`)
    if (Array.isArray(schema.enum)) texts.push(`enum ${sorted(schema.enum.map(canonicalJson))}`)
    if ('const' in schema) texts.push(`enum ${sorted([canonicalJson(schema.const)])}`)
    for (const keyword of SINGLE)
      if (schema[keyword] !== undefined) texts.push(`${keyword} ${key(schema[keyword])}`)
    for (const keyword of UNORDERED)
      if (Array.isArray(schema[keyword])) texts.push(`${keyword} ${schema[keyword].map(key).sort().join()}`)
    for (const keyword of ['prefixItems', 'items']) {
      const value = schema[keyword]
      if (Array.isArray(value)) texts.push(`${keyword} [${value.map(key).join()}]`)
      else if (value !== undefined) texts.push(`${keyword} ${key(value)}`)
    }
    for (const keyword of NAMED)
      if (keyword in schema) {
        const members = membersOf(schema[keyword]).map(([name, value]) =>
          Array.isArray(value) ? [name, stringsOf(value).sort()] : [name, key(value)],
        )
        texts.push(`${keyword} ${sorted(members.map((member) => JSON.stringify(member)))}`)
      }
    return texts.sort().join('\n')
  }

  /** Follows a JSON pointer from the schema of a resource. */
  private pointed(start: Node, pointer: string): Node | undefined {
    let at: unknown = start.written
    let base = start
    for (const part of pointer.slice(1).split('/')) {
      if (typeof at !== 'object' || at === null) return undefined
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      if (!Object.hasOwn(at, name)) return undefined
      at = (at as SchemaObject)[name]
      const known = typeof at === 'object' && at !== null ? this.nodes.get(at) : undefined
      if (known !== undefined) base = known
    }
    return typeof at === 'boolean' || isSchemaObject(at) ? this.child(base, at) : undefined
  }
}

/** A schema of our own beside those of the versions, such as one that requires a name. */
export function bareNode(schema: SchemaObject, numbering: Numbering): Node {
  return new Document(schema, numbering).root
}

function sorted(values: readonly unknown[]): string {
  return JSON.stringify([...new Set(values)].sort())
}

function resolved(reference: string, base: string): string | undefined {
  // Written without the URL parser where it would refuse or change things: a base such as `urn:x`.
  if (reference.startsWith('#')) return base + decoded(reference)
  const url = URL.parse(reference, base)
  if (url === null) return undefined
  return url.hash === '' ? url.href.replace(/#$/, '') : url.href.replace(/#.*$/s, () => decoded(url.hash))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Whether the references within two schemas of equal text lead to equal schemas. */
function refsAgree(a: Node, b: Node, seen: Set<string>): boolean {
  const pair = `${a.id} ${b.id}`
  if (seen.has(pair)) return true
  seen.add(pair)
  const [of_a, of_b] = [a.document.referencesOf(a), b.document.referencesOf(b)]
  if (of_a === 'ambiguous' || of_b === 'ambiguous') return false
  for (const [text, target] of of_a) {
    const other = of_b.get(text)
    if (target === undefined && other === undefined && !text.startsWith('#')) continue
    if (target === undefined || other === undefined) return false
    if (target.document.keyOf(target) !== other.document.keyOf(other)) return false
    if (!refsAgree(target, other, seen)) return false
  }
  return true
}

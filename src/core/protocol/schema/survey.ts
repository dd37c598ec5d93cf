import { nearestNames } from '../../routing.ts'
import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import type { SchemaBounds } from './bounds.ts'
import { DIALECT_URIS, type Dialect, INSTEAD, KEYWORDS, type Shape } from './keywords.ts'
import { pointerTo, quoted, refuseSchema, refuseSize } from './refusal.ts'
import { checkShape, isListOfUnique, wrongShape } from './shapes.ts'

/** A part of a schema document with a URI of its own: the root, and each subschema with an `$id`. */
export interface Resource {
  /** Absolute, without a fragment. */
  readonly uri: string
  readonly root: SchemaObject | boolean
  readonly anchors: Map<string, SchemaObject>
  /** Those anchors that a `$dynamicRef` from outside may bind to. */
  readonly dynamic: Map<string, SchemaObject>
}

/** Where a subschema stands. */
export interface Place {
  /** JSON pointer into the document. */
  readonly path: string
  readonly resource: Resource
}

/** The base that relative `$id`s of a document without one are resolved against. */
const BASE_URI = 'schema:///'
const WARNINGS_MAX = 20

/**
 * Walks all subschemas of a document that {@link measureSchema} has let pass. It checks the type of each
 * keyword's value, counts, and notes where each subschema stands and what it is called.
 */
export class Survey {
  readonly dialect: Dialect
  readonly places = new Map<SchemaObject, Place>()
  readonly resources = new Map<string, Resource>()
  readonly warnings: string[] = []
  private readonly bounds: SchemaBounds
  private subschemas = 0
  private references = 0

  /** @throws BrokerError schema_invalid or schema_too_large */
  constructor(root: SchemaObject | boolean, dialect: Dialect, bounds: SchemaBounds) {
    this.dialect = dialect
    this.bounds = bounds
    const resource = this.newResource(BASE_URI, root, '')
    this.visit(root, '', resource)
  }

  /** Takes in a subschema at a place that no keyword makes one, since a `$ref` points there. */
  adopt(schema: SchemaObject, path: string, resource: Resource): void {
    this.visit(schema, path, resource)
  }

  warn(warning: string): void {
    if (this.warnings.length < WARNINGS_MAX && !this.warnings.includes(warning)) this.warnings.push(warning)
  }

  private visit(schema: unknown, path: string, outer: Resource): void {
    if (++this.subschemas > this.bounds.subschemas_max)
      refuseSize(path, 'subschemas_max', `The schema has more than ${this.bounds.subschemas_max} subschemas.`)
    if (typeof schema === 'boolean') return
    if (!isSchemaObject(schema)) wrongShape('a subschema', 'an object, true or false', schema, path)
    if (this.places.has(schema)) return
    const resource = this.resourceOf(schema, path, outer)
    this.places.set(schema, { path, resource })
    this.requireDialect(schema, path)
    for (const keyword of Object.keys(schema)) {
      const shape = KEYWORDS[this.dialect].get(keyword)
      if (shape === undefined) this.warnOfUnknown(keyword, path)
      else this.visitKeyword(keyword, shape, schema[keyword], pointerTo(path, keyword), resource)
    }
    this.noteReferences(schema, path)
  }

  private requireDialect({ $schema }: SchemaObject, path: string): void {
    if ($schema === undefined || typeof $schema !== 'string') return
    if ($schema.replace(/#$/, '') === DIALECT_URIS[this.dialect]) return
    refuseSchema({
      path: pointerTo(path, '$schema'),
      rule: '$schema',
      detail: `A part of the schema has another $schema than the ${this.dialect} of its root.`,
      next: 'Leave $schema out below the root.',
    })
  }

  private visitKeyword(
    keyword: string,
    shape: Shape,
    value: unknown,
    path: string,
    resource: Resource,
  ): void {
    switch (shape) {
      case 'schema':
        this.visitOnly(keyword, value, path, resource)
        break
      case 'schemas':
        if (!Array.isArray(value) || value.length === 0)
          wrongShape(keyword, 'a list of at least one schema', value, path)
        this.visitAll(value, path, resource)
        break
      case 'schema_or_schemas':
        if (Array.isArray(value)) this.visitAll(value, path, resource)
        else this.visitOnly(keyword, value, path, resource)
        break
      case 'schema_map':
      case 'pattern_map':
      case 'names_map':
      case 'dependencies':
        if (!isSchemaObject(value)) wrongShape(keyword, 'an object', value, path)
        for (const name of Object.keys(value))
          this.visitMember(keyword, shape, name, value[name], pointerTo(path, name), resource)
        break
      default:
        checkShape(keyword, shape, value, path, this.bounds)
        if (keyword === 'enum' && (value as unknown[]).length === 0)
          this.warn(`At ${path.slice(0, 200)}: an empty enum lets no value pass.`)
    }
  }

  private visitAll(values: readonly unknown[], path: string, resource: Resource): void {
    for (const [index, one] of values.entries()) this.visit(one, `${path}/${index}`, resource)
  }

  private visitOnly(keyword: string, value: unknown, path: string, resource: Resource): void {
    if (!isSchemaObject(value) && typeof value !== 'boolean')
      wrongShape(keyword, 'a schema: an object, true or false', value, path)
    this.visit(value, path, resource)
  }

  private visitMember(
    keyword: string,
    shape: Shape,
    name: string,
    value: unknown,
    path: string,
    resource: Resource,
  ): void {
    if (shape === 'pattern_map') checkShape(keyword, 'pattern', name, path, this.bounds)
    if (shape !== 'names_map' && !(shape === 'dependencies' && Array.isArray(value)))
      this.visitOnly(`${keyword}: ${quoted(name)}`, value, path, resource)
    else if (!isListOfUnique(value, (one) => typeof one === 'string'))
      wrongShape(`${keyword}: ${quoted(name)}`, 'a list of names, each once', value, path)
  }

  /** The resource that a subschema belongs to; a new one where it has an `$id`. */
  private resourceOf(schema: SchemaObject, path: string, outer: Resource): Resource {
    const { $id } = schema
    // In draft-07 nothing beside a $ref counts, not even an $id. Source: draft-07 core, section 8.3.
    const named = typeof $id === 'string' && !(this.dialect === 'draft-07' && typeof schema.$ref === 'string')
    const [base, fragment] = named ? splitUri($id, outer.uri, pointerTo(path, '$id')) : [outer.uri, '']
    const resource = base === outer.uri ? outer : this.newResource(base, schema, path)
    if (fragment !== '') {
      if (this.dialect === '2020-12')
        refuseSchema({
          path: pointerTo(path, '$id'),
          rule: '$id',
          detail: 'An $id of 2020-12 has no fragment.',
          next: 'Name the place with $anchor instead.',
        })
      this.nameAnchor(resource.anchors, fragment, schema, path)
    }
    if (this.dialect === 'draft-07') return resource
    if (typeof schema.$anchor === 'string') this.nameAnchor(resource.anchors, schema.$anchor, schema, path)
    if (typeof schema.$dynamicAnchor === 'string') {
      this.nameAnchor(resource.anchors, schema.$dynamicAnchor, schema, path)
      resource.dynamic.set(schema.$dynamicAnchor, schema)
    }
    return resource
  }

  private newResource(uri: string, root: SchemaObject | boolean, path: string): Resource {
    if (this.resources.has(uri))
      refuseSchema({
        path: pointerTo(path, '$id'),
        rule: '$id',
        detail: 'Two subschemas have the same $id.',
        next: 'Give each an $id of its own, or leave it out.',
      })
    const resource = { uri, root, anchors: new Map(), dynamic: new Map() }
    this.resources.set(uri, resource)
    return resource
  }

  private nameAnchor(anchors: Resource['anchors'], name: string, schema: SchemaObject, path: string): void {
    const other = anchors.get(name)
    if (other !== undefined && other !== schema)
      refuseSchema({
        path,
        rule: '$anchor',
        detail: `Two subschemas have the anchor ${quoted(name)}.`,
        next: 'Give each an anchor of its own.',
      })
    anchors.set(name, schema)
  }

  private noteReferences(schema: SchemaObject, path: string): void {
    if (typeof schema.$ref === 'string') this.references++
    if (this.dialect === '2020-12' && typeof schema.$dynamicRef === 'string') this.references++
    if (this.references > this.bounds.references_max)
      refuseSize(path, 'references_max', `The schema has more than ${this.bounds.references_max} references.`)
  }

  private warnOfUnknown(keyword: string, path: string): void {
    if (keyword.startsWith('x-') || this.warnings.length >= WARNINGS_MAX) return
    const other: Dialect = this.dialect === 'draft-07' ? '2020-12' : 'draft-07'
    const at = path === '' ? 'At the root' : `At ${path.slice(0, 200)}`
    if (KEYWORDS[other].has(keyword)) {
      const instead = INSTEAD[keyword] === undefined ? '' : `; use ${INSTEAD[keyword]}`
      this.warn(`${at}: ${keyword} has no effect, since it belongs to ${other}${instead}.`)
      return
    }
    const near = nearestNames(keyword, KEYWORDS[this.dialect].keys(), 1)
    const hint = near.length === 0 ? '.' : `; did you mean ${near[0]}?`
    this.warn(`${at}: ${quoted(keyword)} has no effect, since it is no keyword of ${this.dialect}${hint}`)
  }
}

/**
 * A URI reference as an absolute URI and its fragment, decoded.
 *
 * @throws BrokerError schema_invalid for one that cannot be read
 */
export function splitUri(reference: string, base: string, path: string): [string, string] {
  try {
    const url = new URL(reference, base)
    const fragment = decodeURIComponent(url.hash.slice(1))
    url.hash = ''
    return [url.href, fragment]
  } catch {
    return refuseSchema({
      path,
      rule: 'uri',
      detail: `${quoted(reference)} is not a URI that can be read.`,
      next: 'Write a place in this schema, such as #/$defs/name.',
    })
  }
}

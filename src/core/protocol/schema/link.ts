import { isSchemaObject, type JsonSchema, type SchemaObject } from '../json-schema.ts'
import type { SchemaBounds } from './bounds.ts'
import { KEYWORDS } from './keywords.ts'
import { Definitions, inPlace, type LinkedSchema } from './linked.ts'
import { judgePattern, type LinearPattern, PatternFlaw } from './pattern.ts'
import { resolveReference } from './references.ts'
import { pointerTo, refusePattern, refuseSchema, refuseSize } from './refusal.ts'
import type { Resource, Survey } from './survey.ts'

export interface Linked {
  readonly schema: LinkedSchema
  /** All patterns in it, also those that are names in `patternProperties`, by their text. */
  readonly patterns: ReadonlyMap<string, LinearPattern>
  /** Names that objects inherit from Object.prototype occur in it. */
  readonly bare: boolean
}

/** States of all patterns of a schema together. */
const PATTERN_SIZE_MAX = 8192
/** A subschema may be written several times, once for each dynamic scope that it is reached in. */
const COPIES_MAX = 4096

const INHERITED = new Set(Object.getOwnPropertyNames(Object.prototype))

/** What each `$dynamicAnchor` is bound to on the way from the root: the first resource that has it. */
interface Scope {
  readonly id: number
  readonly bound: ReadonlyMap<string, SchemaObject>
}

/** Keywords that a linked schema keeps as they are: what they hold for, and what an example is made of. */
const KEPT = new Set(
  `type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern
   maxItems minItems uniqueItems maxProperties minProperties required minContains maxContains
   dependentRequired title default examples format`.split(/\s+/),
)

/**
 * Rewrites an admitted schema so that nothing has to be resolved in it again.
 *
 * @throws BrokerError schema_invalid, pattern_refused or schema_too_large
 */
export function linkSchema(root: JsonSchema, survey: Survey, bounds: SchemaBounds): Linked {
  if (typeof root === 'boolean') return { schema: root, patterns: new Map(), bare: false }
  const linker = new Linker(root, survey, bounds)
  refuseCycles(linker.schema, linker.sources)
  return linker
}

class Linker implements Linked {
  readonly schema: SchemaObject
  readonly patterns = new Map<string, LinearPattern>()
  /** Where each linked subschema was written. */
  readonly sources = new Map<LinkedSchema, string>()
  bare = false
  private readonly bounds: SchemaBounds
  private readonly written = new Map<SchemaObject, Map<number, Record<string, unknown>>>()
  private readonly names = new Map<LinkedSchema, string>()
  private readonly defs: Record<string, LinkedSchema> = Object.create(null)
  private readonly scopes = new Map<string, Scope>()
  private readonly ids = new Map<SchemaObject, number>()
  private readonly surveys = new Set<Survey>()
  private root: LinkedSchema | undefined
  private copies = 0
  private pattern_size = 0

  constructor(root: SchemaObject, survey: Survey, bounds: SchemaBounds) {
    this.bounds = bounds
    this.surveys.add(survey)
    // A reference that nothing leads to is refused as well when it leads nowhere.
    for (const schema of survey.places.keys()) resolveAll(schema, survey)
    const schema = this.write(root, survey, this.scopeOf(new Map()))
    this.schema = schema as SchemaObject
    if (Object.keys(this.defs).length > 0) (schema as Record<string, unknown>).$defs = this.defs
  }

  private write(schema: JsonSchema, survey: Survey, outer: Scope): LinkedSchema {
    if (typeof schema === 'boolean') return schema
    const { path, resource } = survey.places.get(schema)!
    const scope = this.entered(outer, resource)
    const copies = this.written.get(schema) ?? new Map<number, Record<string, unknown>>()
    this.written.set(schema, copies)
    const known = copies.get(scope.id)
    if (known !== undefined) return known
    if (++this.copies > COPIES_MAX)
      refuseSize(
        path,
        'subschemas_max',
        'The schema has too many subschemas with its dynamic references bound.',
      )
    const out: Record<string, unknown> = {}
    copies.set(scope.id, out)
    this.root ??= out
    this.sources.set(out, path)
    if (typeof schema.$ref === 'string') {
      out.$ref = this.reference(schema, '$ref', survey, scope)
      if (survey.dialect === 'draft-07') {
        warnOfSiblings(schema, survey, path)
        return out
      }
    }
    if (typeof schema.$dynamicRef === 'string') this.writeDynamic(out, schema, survey, scope)
    for (const keyword of Object.keys(schema))
      if (KEYWORDS[survey.dialect].has(keyword))
        this.writeKeyword(out, keyword, schema[keyword], survey, scope, path)
    this.writeItems(out, schema, survey, scope)
    dropIdle(out)
    return out
  }

  private writeKeyword(
    out: Record<string, unknown>,
    keyword: string,
    value: unknown,
    survey: Survey,
    scope: Scope,
    path: string,
  ): void {
    const one = (schema: unknown) => this.write(schema as JsonSchema, survey, scope)
    switch (keyword) {
      case 'pattern':
        this.judge(value as string, pointerTo(path, keyword))
        break
      case 'format':
        survey.warn('format documents and is not checked; pattern is.')
        break
      case 'required':
        this.noteNames(value as string[])
        break
      case 'allOf':
      case 'anyOf':
      case 'oneOf':
        out[keyword] = appended(out[keyword], (value as unknown[]).map(one))
        return
      case 'not':
      case 'if':
      case 'then':
      case 'else':
      case 'contains':
      case 'propertyNames':
      case 'additionalProperties':
      case 'unevaluatedItems':
      case 'unevaluatedProperties':
        out[keyword] = one(value)
        return
      case 'properties':
      case 'patternProperties':
      case 'dependentSchemas':
        if (keyword === 'patternProperties')
          for (const name of Object.keys(value as object))
            this.judge(name, pointerTo(pointerTo(path, keyword), name))
        else this.noteNames(Object.keys(value as object))
        out[keyword] = mapped(value as object, one)
        return
      case 'dependentRequired':
        this.noteNames([...Object.keys(value as object), ...Object.values(value as object).flat()])
        break
      case 'dependencies':
        this.writeDependencies(out, value as object, one)
        return
    }
    if (KEPT.has(keyword)) out[keyword] = value
  }

  /** `items`, `prefixItems` and the list form of draft-07, as 2020-12 has them. */
  private writeItems(out: Record<string, unknown>, schema: SchemaObject, survey: Survey, scope: Scope): void {
    const draft07 = survey.dialect === 'draft-07'
    const list = draft07 ? schema.items : schema.prefixItems
    const rest = draft07 && Array.isArray(list) ? schema.additionalItems : schema.items
    const one = (inner: unknown) => this.write(inner as JsonSchema, survey, scope)
    if (Array.isArray(list) && list.length > 0) out.prefixItems = list.map(one)
    if (rest !== undefined) out.items = one(rest)
  }

  /** `dependencies` of draft-07 as the two keywords that 2020-12 has for it. */
  private writeDependencies(
    out: Record<string, unknown>,
    dependencies: object,
    one: (schema: unknown) => LinkedSchema,
  ): void {
    const entries = Object.entries(dependencies)
    this.noteNames(entries.flatMap(([name, value]) => [name, ...(Array.isArray(value) ? value : [])]))
    const required = entries.filter(([, value]) => Array.isArray(value))
    const schemas = entries.filter(([, value]) => !Array.isArray(value))
    if (required.length > 0) out.dependentRequired = named(required)
    if (schemas.length > 0) out.dependentSchemas = named(schemas.map(([name, value]) => [name, one(value)]))
  }

  /** A `$dynamicRef` bound to what the scope has for it; a `$ref` of its own if there is one beside it. */
  private writeDynamic(
    out: Record<string, unknown>,
    schema: SchemaObject,
    survey: Survey,
    scope: Scope,
  ): void {
    const ref = this.reference(schema, '$dynamicRef', survey, scope)
    if (out.$ref === undefined) out.$ref = ref
    else out.allOf = appended(out.allOf, [{ $ref: ref }])
  }

  /** The linked reference to what a `$ref` or `$dynamicRef` leads to. */
  private reference(schema: SchemaObject, keyword: string, survey: Survey, scope: Scope): string {
    const target = resolveReference(schema, keyword, survey)
    this.surveys.add(target.survey)
    const { resource, fragment } = target
    let found = target.schema
    let inside = this.entered(scope, resource)
    // Bound only if it names a dynamic anchor where it stands. Source: 2020-12 core, section 8.2.3.2.
    if (keyword === '$dynamicRef' && resource.dynamic.get(fragment) === found) {
      found = inside.bound.get(fragment)!
      if (found !== target.schema) inside = scope
    }
    if (typeof found === 'boolean') return this.nameOf(found, '')
    const home = [...this.surveys].find(({ places }) => places.has(found as SchemaObject))!
    return this.nameOf(this.write(found, home, inside), home.places.get(found)!.path)
  }

  private nameOf(out: LinkedSchema, path: string): string {
    if (out === this.root) return '#'
    let name = this.names.get(out)
    if (name === undefined) {
      const stem = /[A-Za-z0-9_]{1,40}$/.exec(path)?.[0] ?? 'schema'
      name = stem
      for (let count = 2; name in this.defs; count++) name = `${stem}_${count}`
      this.names.set(out, name)
      this.defs[name] = out
    }
    return `#/$defs/${name}`
  }

  private entered(scope: Scope, { dynamic }: Resource): Scope {
    const fresh = [...dynamic].filter(([name]) => !scope.bound.has(name))
    return fresh.length === 0 ? scope : this.scopeOf(new Map([...scope.bound, ...fresh]))
  }

  private scopeOf(bound: Map<string, SchemaObject>): Scope {
    const key = [...bound]
      .map(([name, schema]) => `${name} ${this.idOf(schema)}`)
      .toSorted()
      .join('\n')
    const scope = this.scopes.get(key) ?? { id: this.scopes.size, bound }
    this.scopes.set(key, scope)
    return scope
  }

  private idOf(schema: SchemaObject): number {
    const id = this.ids.get(schema) ?? this.ids.size
    this.ids.set(schema, id)
    return id
  }

  private judge(source: string, path: string): void {
    if (this.patterns.has(source)) return
    try {
      const pattern = judgePattern(source, this.bounds.repeat_max)
      this.pattern_size += pattern.size
      this.patterns.set(source, pattern)
    } catch (thrown) {
      if (!(thrown instanceof PatternFlaw)) throw thrown
      refusePattern({ path, rule: 'pattern', detail: thrown.message, next: thrown.instead })
    }
    if (this.pattern_size > PATTERN_SIZE_MAX)
      refuseSize(path, 'pattern_size_max', 'The patterns of the schema are too large together.')
  }

  private noteNames(names: readonly string[]): void {
    if (names.some((name) => INHERITED.has(name))) this.bare = true
  }
}

function resolveAll(schema: SchemaObject, survey: Survey): void {
  for (const keyword of survey.dialect === 'draft-07' ? ['$ref'] : ['$ref', '$dynamicRef'])
    if (typeof schema[keyword] === 'string') resolveReference(schema, keyword, survey)
}

/** Takes out keywords that mean nothing without another one. */
function dropIdle(out: Record<string, unknown>): void {
  if (out.if === undefined) {
    delete out.then
    delete out.else
  }
  if (out.contains === undefined) {
    delete out.minContains
    delete out.maxContains
  }
}

/** Names come from JSON: an object without a prototype takes `__proto__` as any other. */
function named<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const object: Record<string, T> = Object.create(null)
  for (const [name, value] of entries) object[name] = value
  return object
}

function mapped<T>(values: object, map: (value: unknown) => T): Record<string, T> {
  return named(Object.entries(values).map(([name, value]) => [name, map(value)]))
}

function appended(list: unknown, more: readonly unknown[]): unknown[] {
  return [...((list as unknown[] | undefined) ?? []), ...more]
}

function warnOfSiblings(schema: SchemaObject, survey: Survey, path: string): void {
  const idle = Object.keys(schema).filter(
    (keyword) => KEPT.has(keyword) && !/^(title|default|examples|format)$/.test(keyword),
  )
  if (idle.length > 0)
    survey.warn(
      `At ${path || 'the root'}: ${idle.join(', ')} beside $ref has no effect in draft-07; use allOf.`,
    )
}

/**
 * A schema that comes back to itself for the same value would be checked without end.
 *
 * @throws BrokerError schema_invalid
 */
function refuseCycles(root: LinkedSchema, sources: ReadonlyMap<LinkedSchema, string>): void {
  const definitions = new Definitions(root)
  const state = new Map<LinkedSchema, 'open' | 'closed'>()
  const visit = (schema: LinkedSchema | undefined): void => {
    if (!isSchemaObject(schema) || state.get(schema) === 'closed') return
    if (state.get(schema) === 'open')
      refuseSchema({
        path: sources.get(schema) ?? '',
        rule: 'cycle',
        detail: 'The schema refers back to itself without a step into the payload.',
        next: 'Let a reference to itself stand in properties or items only.',
      })
    state.set(schema, 'open')
    if (schema.$ref !== undefined) visit(definitions.get(schema.$ref))
    for (const inner of inPlace(schema)) visit(inner)
    state.set(schema, 'closed')
  }
  for (const schema of sources.keys()) visit(schema)
}

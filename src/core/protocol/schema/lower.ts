import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import type { AdmittedSchema } from './admit.ts'
import type { LinkedSchema } from './linked.ts'

/** A schema for the validator, and what it needs to know to run no expression of the validator's own. */
export interface Lowered {
  readonly schema: SchemaObject | boolean
  /** The expressions to put for the names in `patternProperties`, by these names. */
  readonly names: ReadonlyMap<string, RegExp>
  /** The expressions that stand in `pattern`. */
  readonly patterns: ReadonlySet<RegExp>
}

/** Which names an object schema declares, in the shape of a RegExp: the validator calls `test` on it. */
class DeclaredNames extends RegExp {
  private readonly names: ReadonlySet<string>
  private readonly patterns: readonly RegExp[]
  private readonly declared: boolean

  /** @param declared whether `test` says yes for the declared names, or for all others */
  constructor(names: readonly string[], patterns: readonly RegExp[], declared: boolean) {
    super('')
    this.names = new Set(names)
    this.patterns = patterns
    this.declared = declared
  }

  override test(name: string): boolean {
    if (this.names.has(name)) return this.declared
    for (const pattern of this.patterns) if (pattern.test(name)) return this.declared
    return !this.declared
  }
}

/** Keywords that typebox checks as they stand. */
const CHECKED = new Set(
  `$ref type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength
   maxItems minItems uniqueItems maxProperties minProperties required minContains maxContains
   dependentRequired`.split(/\s+/),
)

/**
 * Writes an admitted schema for typebox, which joins names and patterns of an object to one native
 * expression: `additionalProperties` becomes `propertyNames` when it is false, else a name in
 * `patternProperties`, and all names there are placeholders.
 */
export function lowerSchema({ schema, patterns }: AdmittedSchema): Lowered {
  const names = new Map<string, RegExp>()
  const used = new Set<RegExp>()
  const known = new Map<LinkedSchema, SchemaObject>()
  /** Definitions that are not in the linked schema. */
  const more: Record<string, LinkedSchema> = {}

  const placeholder = (expression: RegExp): string => {
    const name = `p${names.size}`
    names.set(name, expression)
    return name
  }
  const expression = (source: string): RegExp => {
    const { regexp } = patterns.get(source)!
    used.add(regexp)
    return regexp
  }

  const lower = (linked: LinkedSchema): SchemaObject | boolean => {
    if (!isSchemaObject(linked)) return linked
    const before = known.get(linked)
    if (before !== undefined) return before
    const out: Record<string, unknown> = {}
    known.set(linked, out)
    for (const [keyword, value] of Object.entries(linked)) lowerKeyword(out, keyword, value)
    lowerNames(out, linked)
    if (out.unevaluatedProperties === undefined || !takesArrays(linked)) return out
    const guarded = objectsOnly(out)
    known.set(linked, guarded)
    return guarded
  }

  // For typebox, unevaluatedProperties also holds for the indices of an array.
  const objectsOnly = (out: Record<string, unknown>): SchemaObject => {
    const { unevaluatedProperties: _, ...forArrays } = out
    // As references, since each is to be compiled once, however deep they are nested.
    const branches = [forArrays, out].map((branch) => {
      const name = `branch-${Object.keys(more).length}`
      more[name] = branch
      return { $ref: `#/$defs/${name}` }
    })
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema; nothing awaits a schema.
    return { if: { type: 'array' }, then: branches[0], else: branches[1] }
  }

  const lowerKeyword = (out: Record<string, unknown>, keyword: string, value: unknown): void => {
    switch (keyword) {
      case 'pattern':
        out.pattern = expression(value as string)
        return
      case 'allOf':
      case 'anyOf':
      case 'oneOf':
      case 'prefixItems':
        out[keyword] = (value as LinkedSchema[]).map(lower)
        return
      case 'not':
      case 'if':
      case 'then':
      case 'else':
      case 'items':
      case 'contains':
      case 'propertyNames':
      case 'unevaluatedItems':
      case 'unevaluatedProperties':
        out[keyword] = lower(value as LinkedSchema)
        return
      case 'properties':
      case 'dependentSchemas':
        out[keyword] = lowerMap(value as Record<string, LinkedSchema>, same)
        return
      default:
        if (CHECKED.has(keyword)) out[keyword] = value
    }
  }

  const lowerMap = (schemas: Record<string, LinkedSchema>, rename: (name: string) => string): object => {
    const out: Record<string, unknown> = Object.create(null)
    for (const [name, inner] of Object.entries(schemas)) out[rename(name)] = lower(inner)
    return out
  }

  const lowerNames = (out: Record<string, unknown>, linked: SchemaObject): void => {
    const declared = Object.keys((linked.properties as object | undefined) ?? {})
    const patterned = (linked.patternProperties ?? {}) as Record<string, LinkedSchema>
    const expressions = Object.keys(patterned).map((source) => patterns.get(source)!.regexp)
    const rest = linked.additionalProperties as LinkedSchema | undefined
    const byName = lowerMap(patterned, (source) => placeholder(patterns.get(source)!.regexp)) as Record<
      string,
      unknown
    >
    if (rest === false) {
      const closed = { pattern: new DeclaredNames(declared, expressions, true) }
      used.add(closed.pattern)
      if (out.propertyNames === undefined) out.propertyNames = closed
      else out.propertyNames = { allOf: [out.propertyNames, closed] }
    } else if (rest !== undefined)
      byName[placeholder(new DeclaredNames(declared, expressions, false))] = lower(rest)
    if (Object.keys(byName).length > 0) out.patternProperties = byName
  }

  const lowered = lower(schema)
  if (!isSchemaObject(lowered)) return { schema: lowered, names, patterns: used }
  const $defs = isSchemaObject(schema)
    ? lowerMap((schema.$defs ?? {}) as Record<string, LinkedSchema>, same)
    : {}
  // Its $schema tells typebox not to search for the base of an older draft.
  const root = {
    ...lowered,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $defs: { ...$defs, ...more },
  }
  return { schema: root, names, patterns: used }
}

const same = (name: string): string => name

function takesArrays({ type }: SchemaObject): boolean {
  return type === undefined || [type].flat().includes('array')
}

import type { SchemaObject } from '../../../../src/core/protocol/json-schema.ts'
import { type Dice, NAMES } from './schemas.ts'

const ANY: readonly unknown[] = [
  null,
  true,
  false,
  0,
  1,
  2,
  2.5,
  -1,
  6,
  '',
  'x',
  'ok',
  'ab',
  'abcdef',
  '0x',
  [],
  {},
]
const TEXTS = ['', 'x', 'y', 'ok', 'error', 'ab', 'abc', 'abcdefg', 'x_1', '7', '2024-01', 'a_b', 'A', 'new']
const FREE = [...NAMES, 'x_1', 'free', 'zz']

/**
 * Random values that probably fit a schema of these tests. Written apart from the code that they test: it
 * shares no line with it.
 *
 * @param closed whether to use only names that the schema declares
 */
export class RandomValue {
  constructor(
    private readonly root: SchemaObject,
    private readonly random: Dice,
    private readonly closed: boolean,
  ) {}

  next(): unknown {
    return this.value([this.root], 0)
  }

  private value(schemas: readonly unknown[], depth: number): unknown {
    const parts = schemas.flatMap((schema) => this.inPlace(schema, 0))
    for (const part of parts) if (part.const !== undefined && this.roll(20)) return part.const
    const listed = parts.find((part) => part.enum !== undefined)
    if (listed !== undefined && this.roll(20)) return this.any(listed.enum as unknown[])
    const typed = parts
      .filter((part) => part.type !== undefined)
      .map((part) => [part.type].flat() as string[])
    const shared = (typed[0] ?? []).filter((type) => typed.every((types) => accepts(types, type)))
    const numeric = typed.flat().includes('integer') && typed.flat().includes('number') ? ['integer'] : []
    const type = this.any(shared.length > 0 ? shared : numeric.length > 0 ? numeric : ['any', 'object'])
    if (type === 'object') return this.object(parts, depth)
    if (type === 'array') return this.array(parts, depth)
    if (type === 'string') return this.any(TEXTS)
    if (type === 'integer') return this.roll(14) - 3
    if (type === 'number') return (this.roll(60) - 10) / this.any([1, 2, 4, 10])
    if (type === 'boolean') return this.roll(2) === 0
    return type === 'null' ? null : this.any(ANY)
  }

  /** All schemas that hold in place, with a branch chosen of each set. */
  private inPlace(schema: unknown, depth: number): SchemaObject[] {
    if (typeof schema !== 'object' || schema === null || depth > 6) return []
    const own = schema as SchemaObject
    const inner: unknown[] = [...((own.allOf as unknown[]) ?? [])]
    if (own.$ref === '#') inner.push(this.root)
    if (own.$ref === '#/$defs/part') inner.push((this.root.$defs as SchemaObject).part)
    for (const keyword of ['anyOf', 'oneOf'])
      if (Array.isArray(own[keyword])) inner.push(this.any(own[keyword]))
    if (own.if !== undefined) inner.push(...(this.roll(2) ? [own.if, own.then] : [own.else]))
    // A name that another name brings a schema for is sometimes there, and then the schema is too.
    const dependent = { ...(own.dependentSchemas as object), ...(own.dependencies as object) }
    for (const [name, needs] of Object.entries(dependent))
      if (this.roll(2)) inner.push({ required: [name] }, needs)
    return [own, ...inner.flatMap((one) => this.inPlace(one, depth + 1))]
  }

  private object(parts: readonly SchemaObject[], depth: number): object {
    const required = new Set(parts.flatMap((part) => (part.required as string[]) ?? []))
    const declared = new Set([
      ...parts.flatMap((part) => Object.keys((part.properties as object) ?? {})),
      ...parts.flatMap((part) => Object.entries((part.dependentRequired as object) ?? {}).flat(2)),
      ...parts.flatMap((part) => Object.keys((part.dependentSchemas as object) ?? {})),
      ...parts.flatMap((part) => Object.keys((part.dependencies as object) ?? {})),
      ...required,
    ])
    const names = [...declared].filter((name) => required.has(name) || (depth < 4 && this.roll(3) > 0))
    const patterns = parts.flatMap((part) => Object.keys((part.patternProperties as object) ?? {}))
    for (let left = this.roll(4); left > 0; left--) {
      const name = this.any(FREE)
      const matches = patterns.some((pattern) => new RegExp(pattern, 'u').test(name))
      if (matches || !this.closed || isMap(parts, declared.size)) names.push(name)
    }
    const members = [...new Set(names)].map((name) => [name, this.member(parts, name, depth)])
    return Object.fromEntries(members)
  }

  private member(parts: readonly SchemaObject[], name: string, depth: number): unknown {
    const schemas = parts.flatMap((part) => {
      const found: unknown[] = []
      const own = (part.properties as SchemaObject) ?? {}
      if (name in own) found.push(own[name])
      for (const [pattern, value] of Object.entries((part.patternProperties as object) ?? {}))
        if (new RegExp(pattern, 'u').test(name)) found.push(value)
      return found.length === 0 && part.additionalProperties !== undefined
        ? [part.additionalProperties]
        : found
    })
    return depth > 5 ? null : this.value(schemas, depth + 1)
  }

  private array(parts: readonly SchemaObject[], depth: number): unknown[] {
    const placed = Math.max(0, ...parts.map((part) => ((part.prefixItems as unknown[]) ?? []).length))
    const least = Math.max(0, ...parts.map((part) => (part.minItems as number) ?? 0))
    const says = parts.some((part) => isSaying(part.items) || part.contains !== undefined)
    const closes = this.closed && placed > 0 && !says
    const most = closes ? Math.max(placed, least) : 4
    const length = Math.min(most, least + this.roll(4))
    return Array.from({ length }, (_, index) => {
      const schemas = parts.flatMap((part) => {
        const first = (part.prefixItems as unknown[]) ?? []
        return index < first.length ? [first[index]] : part.items === undefined ? [] : [part.items]
      })
      const contains = parts.filter((part) => part.contains !== undefined).map((part) => part.contains)
      const wanted = this.roll(2) ? [...schemas, ...contains] : schemas
      return depth > 4 ? this.any(ANY) : this.value(wanted, depth + 1)
    })
  }

  private any<T>(list: readonly T[]): T {
    return list[this.roll(list.length)]!
  }

  private roll(sides: number): number {
    return this.random.roll(sides)
  }
}

function accepts(types: readonly string[], type: string): boolean {
  return types.includes(type) || (type === 'integer' && types.includes('number'))
}

/** Whether a schema says anything of what it is for. */
function isSaying(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && Object.keys(schema).length > 0
}

/** Whether some objects say something of members that they do not declare. */
function isMap(parts: readonly SchemaObject[], declared: number): boolean {
  return parts.some(
    (part) =>
      isSaying(part.additionalProperties) ||
      isSaying(part.unevaluatedProperties) ||
      part.propertyNames !== undefined ||
      ((part.minProperties as number) ?? 0) > declared,
  )
}

const BRANCHES = ['anyOf', 'oneOf', 'if', 'dependentSchemas', 'dependencies']

export function hasBranches(schema: SchemaObject): boolean {
  const text = JSON.stringify(schema)
  return BRANCHES.some((keyword) => text.includes(`"${keyword}":`))
}

/** A schema with one branch taken of each choice, at random. Values that fit it may not fit the whole. */
export function withoutBranches(schema: SchemaObject, random: Dice): SchemaObject {
  const chosen = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(chosen)
    return typeof value === 'object' && value !== null
      ? withoutBranches(value as SchemaObject, random)
      : value
  }
  const all: unknown[] = []
  const rest: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (['enum', 'const', 'default'].includes(keyword)) rest[keyword] = value
    else if (keyword === 'properties' || keyword === 'patternProperties' || keyword === '$defs')
      rest[keyword] = Object.fromEntries(
        Object.entries(value as object).map(([name, one]) => [name, chosen(one)]),
      )
    else if (keyword === 'anyOf' || keyword === 'oneOf')
      all.push(chosen((value as unknown[])[random.roll((value as unknown[]).length)]))
    else if (keyword === 'allOf') all.push(...(chosen(value) as unknown[]))
    else if (keyword === 'if')
      all.push(...(random.roll(2) ? [chosen(value), chosen(schema.then)] : [chosen(schema.else)]))
    else if (keyword === 'dependentSchemas' || keyword === 'dependencies')
      for (const [name, needs] of Object.entries(value as object))
        all.push(
          ...(random.roll(2) ? [{ required: [name] }, chosen(needs)] : [{ properties: { [name]: false } }]),
        )
    else if (keyword !== 'then' && keyword !== 'else') rest[keyword] = chosen(value)
  }
  return all.length === 0 ? rest : { ...rest, allOf: all }
}

import { isSchemaObject, type SchemaObject } from '../json-schema.ts'
import { ArrayView } from './array-view.ts'
import type { Node } from './document.ts'
import { fits, kindOf } from './fits.ts'
import { isEqual, numberOr, setMember } from './json-text.ts'
import { type Mode, ObjectView } from './object-view.ts'
import type { View, Views } from './view.ts'
import type { Work } from './work.ts'

const DEPTH_MAX = 6
/** How many values of one member or item are tried in turn. */
const TRIED_MAX = 12
const NAMES_MAX = 40
const TEXT_MAX = 70_000
const ITEMS_MAX = 300
const TEXTS = ['a', '', 'A', '0', '-', ' ', 'x y', '~!', 'é', 'true']
const LETTERS = 'abcdefgh'
const COUNTS = ['minItems', 'maxItems', 'minContains', 'maxContains']
const LENGTHS = ['minLength', 'maxLength']
const SIZES = ['minProperties', 'maxProperties']
/** Names that nothing declares, most likely. */
const FREE_NAMES = Array.from({ length: 64 }, (_, at) => `x${LETTERS[at >> 3]}${LETTERS[at & 7]}`)
const NUMBERS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']

/** What an array is to be like beyond its schemas. */
interface Wishes {
  readonly fixed?: { readonly index: number; readonly value: unknown }
  /** The first items fit a further schema. */
  readonly many?: { readonly min: number; readonly node: Node }
  /** Each item has another value, where there are several. */
  readonly varied?: boolean
}

/** Makes values that fit schemas, always the same ones in the same order: small ones and boundaries first. */
export class Values {
  private readonly smallest_of = new Map<string, { readonly value: unknown }>()
  private readonly objects = new WeakMap<View, ObjectView>()
  readonly views: Views
  private readonly mode: Mode

  constructor(views: Views, mode: Mode) {
    this.views = views
    this.mode = mode
  }

  /**
   * Values that probably fit the schemas.
   *
   * @param near schemas whose bounds are worth a try too
   */
  *of(nodes: readonly Node[], near: readonly SchemaObject[] = [], depth = 0): Generator<unknown> {
    for (const view of this.views.of(nodes)) yield* this.ofView(view, near, depth)
  }

  /** The same for one {@link View}. */
  *ofView(view: View, near: readonly SchemaObject[] = [], depth = 0): Generator<unknown> {
    const schemas = view.parts.map((part) => part.schema).filter(isSchemaObject)
    for (const value of this.candidates(view, [...schemas, ...near], depth)) {
      this.views.work.step()
      if (view.parts.every((part) => fits(value, part, this.views.work) !== false)) yield value
    }
  }

  /** A small value that fits the schemas, boxed; undefined if none is found. */
  smallest(nodes: readonly Node[], depth = 0): { readonly value: unknown } | undefined {
    const key = nodes.map((node) => node.id).join()
    const known = this.smallest_of.get(key)
    if (known !== undefined || depth > DEPTH_MAX) return known
    const tried = first(this.of(nodes, [], depth), 4)
    if (tried.length === 0) return undefined
    const { work } = this.views
    const sure = tried.findIndex((value) => nodes.every((node) => fits(value, node, work) === true))
    const found = { value: tried[Math.max(sure, 0)] }
    this.smallest_of.set(key, found)
    return found
  }

  /** Objects of a view that have a member of a given value: a small one and a large one. */
  *withMember(view: View, name: string, value: unknown): Generator<object> {
    const object = this.object(view)
    for (const names of [[name], [name, ...object.declared]]) {
      const built = this.built(object, names, 0, { name, value })
      if (built !== undefined) yield built
    }
  }

  /** Arrays of a view that have a given value at an index. */
  *withItem(view: View, index: number, value: unknown): Generator<readonly unknown[]> {
    const array = new ArrayView(view, this.mode, this.views.work)
    for (const length of new Set([Math.max(array.min, index + 1), index + 1, index + 2, index + 3])) {
      const items = this.items(array, length, 0, { fixed: { index, value } })
      if (items !== undefined) yield items
    }
  }

  /** An array of a view whose first items all fit a further schema. */
  *withMany(view: View, count: number, node: Node): Generator<readonly unknown[]> {
    const array = new ArrayView(view, this.mode, this.views.work)
    const items = this.items(array, Math.max(count, array.min), 0, { many: { min: count, node } })
    if (items !== undefined) yield items
  }

  private *candidates(view: View, schemas: readonly SchemaObject[], depth: number): Generator<unknown> {
    if (view.values !== undefined) yield* view.values
    else {
      if (view.kind === 'string') yield* texts(schemas, this.views.work)
      if (view.kind === 'number') yield* numbers(schemas, view.integer)
      if (view.kind === 'array' && depth <= DEPTH_MAX) yield* this.arrays(view, schemas, depth)
      if (view.kind === 'object' && depth <= DEPTH_MAX) yield* this.objectsOf(view, schemas, depth)
      for (const schema of schemas)
        for (const value of [schema.default, schema.examples].flat())
          if (value !== undefined && kindOf(value) === view.kind) yield value
    }
  }

  private *objectsOf(view: View, schemas: readonly SchemaObject[], depth: number): Generator<unknown> {
    const object = this.object(view)
    const least = this.built(object, [], depth)
    if (least !== undefined) yield least
    const names = [...object.declared].slice(0, NAMES_MAX)
    const full = this.built(object, names, depth)
    if (full !== undefined) yield full
    for (const name of names)
      if (!object.required.has(name)) {
        const one = this.built(object, [name], depth)
        if (one !== undefined) yield one
      }
    const extra = object.isOpen ? [...this.extraNames(object), 'x'] : this.extraNames(object)
    for (const name of extra.slice(0, 8)) {
      const one = this.built(object, [name], depth)
      if (one !== undefined) yield one
    }
    for (const size of around(schemas, SIZES, 64)) {
      const all = new Set([...object.required, ...names, ...extra, ...(object.isOpen ? FREE_NAMES : [])])
      const one = this.built(object, [...all].slice(0, size), depth)
      if (one !== undefined) yield one
    }
    if (depth > 2) return
    for (const name of [...names, ...extra.slice(0, 2)])
      for (const value of first(this.of(object.member(name) ?? [], [], depth + 1), TRIED_MAX)) {
        const one = this.built(object, [name], depth, { name, value })
        if (one !== undefined) yield one
      }
  }

  private object(view: View): ObjectView {
    let object = this.objects.get(view)
    if (object === undefined) {
      object = new ObjectView(view, this.mode, this.views.work)
      this.objects.set(view, object)
    }
    return object
  }

  /** Names that a pattern of the object takes, or its rule for names. */
  private extraNames(object: ObjectView): string[] {
    const found = [...object.patterns].flatMap((pattern) => this.views.work.samplesOf(pattern).slice(0, 6))
    if (object.names.length > 0)
      found.push(...first(this.of([...object.names, this.views.node({ type: 'string' })]), 8).map(String))
    return found.filter((name) => !object.declared.has(name))
  }

  /** Names to fill an object up with. */
  private moreNames(object: ObjectView): string[] {
    return [...object.declared, ...this.extraNames(object), ...(object.isOpen ? FREE_NAMES : [])]
  }

  /** An object that has some members, and what they and the schema make required. */
  private built(
    object: ObjectView,
    wanted: readonly string[],
    depth: number,
    fixed?: { readonly name: string; readonly value: unknown },
  ): object | undefined {
    this.views.work.step(1 + object.required.size + wanted.length)
    const built: object = {}
    for (const name of object.closure([...object.required, ...wanted])) {
      const isNeeded = object.required.has(name) || name === fixed?.name
      const schemas = object.member(name)
      if (schemas === undefined && name !== fixed?.name) {
        if (isNeeded) return undefined
        continue
      }
      const value = name === fixed?.name ? fixed : this.smallest(schemas ?? [], depth + 1)
      if (value === undefined && isNeeded) return undefined
      if (value !== undefined) setMember(built, name, value.value)
    }
    if (Object.keys(built).length >= object.min) return built
    for (const name of this.moreNames(object)) {
      if (Object.keys(built).length >= object.min) break
      const schemas = Object.hasOwn(built, name) ? undefined : object.member(name)
      const value = schemas === undefined ? undefined : this.smallest(schemas, depth + 1)
      if (value !== undefined) setMember(built, name, value.value)
    }
    return built
  }

  private *arrays(view: View, schemas: readonly SchemaObject[], depth: number): Generator<unknown> {
    const array = new ArrayView(view, this.mode, this.views.work)
    const lengths = new Set([array.min, array.min + 1, array.placed, array.placed + 1, 2])
    for (const length of [...lengths, ...around(schemas, COUNTS, ITEMS_MAX)])
      if (length >= array.min && length <= array.max)
        for (const varied of [false, true]) {
          const items = this.items(array, length, depth, { varied })
          if (items !== undefined) yield items
        }
    if (depth > 2) return
    for (let index = 0; index <= Math.min(array.placed, 8); index++)
      for (const value of first(this.of(array.at(index) ?? [], [], depth + 1), TRIED_MAX)) {
        const items = this.items(array, Math.max(array.min, index + 1), depth, { fixed: { index, value } })
        if (items !== undefined) yield items
      }
  }

  /** An array of a length. */
  private items(
    array: ArrayView,
    length: number,
    depth: number,
    { fixed, many, varied = array.isUnique }: Wishes = {},
  ): readonly unknown[] | undefined {
    if (length > ITEMS_MAX) return undefined
    const built: unknown[] = []
    const isTaken = (value: unknown) => built.some((one) => isEqual(one, value))
    for (let index = 0; index < length; index++) {
      this.views.work.step()
      const schemas = index === fixed?.index ? [] : array.at(index)
      if (schemas === undefined) return undefined
      const contained = [...array.contains, ...(many ? [many] : [])].filter(({ min }) => index < min)
      const wanted = [...schemas, ...contained.map(({ node }) => node)]
      const small = index === fixed?.index ? fixed : this.smallest(wanted, depth + 1)
      if (small === undefined) return undefined
      let { value } = small
      if (varied && index !== fixed?.index && (isTaken(value) || (fixed && isEqual(value, fixed.value))))
        for (const other of first(this.of(wanted, [{ minLength: index, minimum: index }], depth + 1), 40))
          if (!isTaken(other)) {
            value = other
            break
          }
      built.push(value)
    }
    return built
  }
}

/** The first values of a generator. */
export function first<T>(values: Iterable<T>, count: number): T[] {
  const found: T[] = []
  if (count > 0)
    for (const value of values) {
      found.push(value)
      if (found.length === count) break
    }
  return found
}

/** Whole numbers at and beside the bounds that schemas set with some keywords, in order. */
function around(schemas: readonly SchemaObject[], keywords: readonly string[], max: number): number[] {
  const found = new Set<number>()
  for (const schema of schemas)
    for (const keyword of keywords) {
      const bound = numberOr(schema[keyword], -9)
      for (const count of [bound, bound + 1, bound - 1])
        if (count >= 0 && count <= max) found.add(Math.floor(count))
    }
  return [...found].sort((a, b) => a - b)
}

function* texts(schemas: readonly SchemaObject[], work: Work): Generator<string> {
  for (const { pattern } of schemas) if (typeof pattern === 'string') yield* work.samplesOf(pattern)
  yield* TEXTS
  for (const length of around(schemas, LENGTHS, TEXT_MAX)) {
    yield 'a'.repeat(length)
    for (const { pattern } of schemas)
      if (typeof pattern === 'string')
        for (const sample of work.samplesOf(pattern).slice(0, 8))
          if (sample.length > 0 && sample.length < length)
            yield sample + sample.at(-1)!.repeat(length - sample.length)
  }
}

function* numbers(schemas: readonly SchemaObject[], integer: boolean): Generator<number> {
  const bounds = schemas.flatMap((schema) => NUMBERS.map((keyword) => schema[keyword]))
  const known = bounds.filter((bound) => typeof bound === 'number')
  const steps = schemas.map(({ multipleOf }) => multipleOf).filter((step) => typeof step === 'number')
  const found = new Set<number>([0, 1, -1])
  if (!integer) found.add(0.5)
  for (const bound of known) {
    const whole = [Math.floor(bound), Math.ceil(bound)]
    for (const one of integer ? whole : [bound, ...whole, bound + 0.5, bound - 0.5, bound + 1e-6])
      for (const value of [one, one + 1, one - 1]) found.add(value)
  }
  const all = steps.reduce((product, step) => product * step, 1)
  for (const step of [...steps, all])
    if (step !== 1)
      for (const start of [0, ...known])
        for (const times of [0, 1, 2, 3, 5, 7, -1, -2]) {
          const value = (Math.round(start / step) + times) * step
          found.add(Number(value.toPrecision(15)))
        }
  for (const value of [2, 3, 7, 10, 100, 1000, 1.5, -0.25, 0.1, -1000, 1e9]) found.add(value)
  for (const value of found) if (Number.isFinite(value) && (!integer || Number.isInteger(value))) yield value
}

import type { SchemaObject } from '../../json-schema.ts'
import type { LinkedSchema } from '../linked.ts'
import { effortWithin } from '../nodes.ts'
import { quoted } from '../refusal.ts'
import { equalItems } from './assertions.ts'
import { addEvaluated } from './evaluated.ts'
import type { At } from './findings.ts'
import { entriesOf, type Members, type Visitor } from './visitor.ts'
import { counted, kindOf, meant, nameWords, orList, wantedBy } from './wording.ts'

const NAMES_LISTED_MAX = 20

/** One object or array of a payload, and one schema that is held against what is inside. */
abstract class Inside {
  fits = true
  protected readonly visitor: Visitor
  protected readonly schema: SchemaObject
  protected readonly at: At | undefined
  protected readonly report: boolean

  constructor(visitor: Visitor, schema: SchemaObject, at: At | undefined, report: boolean) {
    this.visitor = visitor
    this.schema = schema
    this.at = at
    this.report = report
  }

  /** Without a report the first failure ends the search. */
  protected get done(): boolean {
    return !this.fits && !this.report
  }

  protected visit(schema: unknown, value: unknown, name: string | number): void {
    if (this.done) return
    const at = this.report ? { parent: this.at, name } : undefined
    if (!this.visitor.visit(schema as LinkedSchema, value, at, this.report)) this.fits = false
  }

  /** Notes a failure whose words nobody reads: there is no report, or it is full. */
  protected isCounted(): boolean {
    this.fits = false
    if (this.report && !this.visitor.findings.full) return false
    if (this.report) this.visitor.findings.total++
    return true
  }

  protected fail(rule: string, expected: string, says: string, got: string, name?: string | number): void {
    this.fits = false
    if (!this.report) return
    const at = name === undefined ? this.at : { parent: this.at, name }
    this.visitor.findings.add(at, rule, expected, says, got)
  }
}

export class InsideObject extends Inside {
  private readonly value: Members
  private readonly properties: Readonly<Record<string, LinkedSchema>>

  constructor(visitor: Visitor, schema: SchemaObject, value: Members, at: At | undefined, report: boolean) {
    super(visitor, schema, at, report)
    this.value = value
    this.properties = (schema.properties ?? {}) as Record<string, LinkedSchema>
  }

  /** Whether all members fit. */
  check(): boolean {
    this.required()
    this.declared()
    if (!this.done) this.others()
    if (!this.done && this.schema.propertyNames !== undefined) this.names(this.schema.propertyNames)
    if (!this.done && this.schema.unevaluatedProperties !== undefined)
      this.unevaluated(this.schema.unevaluatedProperties)
    return this.fits
  }

  private required(): void {
    const { definitions } = this.visitor
    for (const name of (this.schema.required ?? []) as string[]) {
      if (this.has(name)) continue
      const property = Object.hasOwn(this.properties, name) ? this.properties[name] : undefined
      if (this.isCounted()) continue
      this.fail('required', wantedBy(property, definitions), 'is required and missing', 'nothing', name)
    }
    const dependent = (this.schema.dependentRequired ?? {}) as Record<string, string[]>
    for (const [name, needed] of Object.entries(dependent))
      for (const other of this.has(name) ? needed : [])
        if (!this.has(other)) {
          const says = `is required beside ${quoted(name)} and missing`
          this.fail('dependentRequired', 'any value', says, 'nothing', other)
        }
  }

  private declared(): void {
    const entries = Object.entries(this.properties)
    this.visitor.spend(entries.length / 10)
    for (const [name, schema] of entries) if (this.has(name)) this.visit(schema, this.value[name], name)
  }

  /** Members that patterns or `additionalProperties` are for. */
  private others(): void {
    const patterned = entriesOf(this.schema.patternProperties)
    const rest = this.schema.additionalProperties
    if (patterned.length === 0 && rest === undefined) return
    for (const name of Object.keys(this.value)) {
      this.visitor.spend(1)
      const matching = patterned.filter(([source]) => this.visitor.matches(source, name))
      for (const [, schema] of matching) this.visit(schema, this.value[name], name)
      if (rest === undefined || matching.length > 0 || Object.hasOwn(this.properties, name)) continue
      if (rest === false) this.undeclared(name, 'additionalProperties')
      else this.visit(rest, this.value[name], name)
    }
  }

  private names(schema: unknown): void {
    const wanted = nameWords(schema as LinkedSchema, this.visitor.definitions)
    const expected = wanted === undefined ? 'another name' : `a name that is ${wanted}`
    const says = `has a name that is not allowed${wanted === undefined ? '' : `; a name must be ${wanted}`}`
    for (const name of Object.keys(this.value))
      if (!this.visitor.visit(schema as LinkedSchema, name, undefined, false))
        this.fail('propertyNames', expected, says, kindOf(name), name)
  }

  private unevaluated(schema: unknown): void {
    const seen = new Set<string | number>()
    addEvaluated(this.visitor, this.schema, this.value, seen, true)
    for (const name of Object.keys(this.value)) {
      if (seen.has(name)) continue
      if (schema === false) this.undeclared(name, 'unevaluatedProperties')
      else this.visit(schema, this.value[name], name)
    }
  }

  private undeclared(name: string, rule: string): void {
    if (this.isCounted()) return
    const known = Object.keys(this.properties)
    const missing = known.filter((one) => !this.has(one))
    const shown = known.slice(0, NAMES_LISTED_MAX).map((one) => quoted(one))
    const expected =
      known.length === 0 ? 'no property' : `only ${orList(shown).replace(/ or ([^ ]+)$/, ' and $1')}`
    const says = `is not a property here${meant(name, missing)}`
    this.fail(rule, expected, says, kindOf(this.value[name]), name)
  }

  private has(name: string): boolean {
    return Object.hasOwn(this.value, name)
  }
}

export class InsideArray extends Inside {
  private readonly value: readonly unknown[]

  constructor(
    visitor: Visitor,
    schema: SchemaObject,
    value: readonly unknown[],
    at: At | undefined,
    report: boolean,
  ) {
    super(visitor, schema, at, report)
    this.value = value
  }

  /** Whether all items fit. */
  check(): boolean {
    this.each()
    if (!this.done && this.schema.contains !== undefined) this.contains(this.schema.contains as LinkedSchema)
    if (!this.done && this.schema.uniqueItems === true) this.unique()
    if (!this.done && this.schema.unevaluatedItems !== undefined)
      this.unevaluated(this.schema.unevaluatedItems)
    return this.fits
  }

  private each(): void {
    const prefix = (this.schema.prefixItems ?? []) as unknown[]
    const { items } = this.schema
    for (const [index, item] of this.value.entries()) {
      if (index < prefix.length) this.visit(prefix[index], item, index)
      else if (items === undefined || this.done) return
      else this.visit(items, item, index)
    }
  }

  private contains(schema: LinkedSchema): void {
    const least = (this.schema.minContains ?? 1) as number
    const most = (this.schema.maxContains ?? Number.POSITIVE_INFINITY) as number
    let count = 0
    for (const item of this.value) if (this.visitor.visit(schema, item, undefined, false)) count++
    const wanted = wantedBy(schema, this.visitor.definitions)
    const range = count < least ? `at least ${least}` : `at most ${most}`
    if (count < least || count > most)
      this.fail(
        'contains',
        `${range} of: ${wanted}`,
        `must hold ${range} of: ${wanted}`,
        counted(count, 'such item'),
      )
  }

  private unique(): void {
    this.visitor.spend(effortWithin(this.value, Number.POSITIVE_INFINITY))
    const equal = equalItems(this.value)
    if (equal === undefined) return
    const says = `must have no equal items, and items ${equal[0]} and ${equal[1]} are equal`
    this.fail('uniqueItems', 'items that all differ', says, kindOf(this.value))
  }

  private unevaluated(schema: unknown): void {
    const seen = new Set<string | number>()
    addEvaluated(this.visitor, this.schema, this.value, seen, true)
    for (const [index, item] of this.value.entries()) {
      if (seen.has(index)) continue
      if (schema === false)
        this.fail('unevaluatedItems', 'no further items', 'must not be there', kindOf(item), index)
      else this.visit(schema, item, index)
    }
  }
}

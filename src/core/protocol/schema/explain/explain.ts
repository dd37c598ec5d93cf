import { isSchemaObject, type SchemaObject } from '../../json-schema.ts'
import type { AdmittedSchema } from '../admit.ts'
import { Definitions, type LinkedSchema } from '../linked.ts'
import { type LinearPattern, SMALL_PATTERN } from '../pattern.ts'
import { ASSERTIONS } from './assertions.ts'
import { type At, type Explanation, Findings } from './findings.ts'
import { InsideArray, InsideObject } from './inside.ts'
import { branchesOfType, discriminatorOf } from './unions.ts'
import { entriesOf, type Members, type Visitor } from './visitor.ts'
import { branchWords, cut, kindOf, listed, orList, wantedBy } from './wording.ts'

export type { Explanation, PayloadError } from './findings.ts'

/** Steps that an explanation may take, each of some 0.6 µs. What has been found until then is the answer. */
const STEPS_MAX = 50_000

class OutOfSteps extends Error {}

/**
 * Says where and why a payload does not fit, in words that let its sender mend it. Of a union only the branch
 * that is meant is reported, if one can tell which by a member such as `kind` or by the type of the value.
 */
export function explain(admitted: AdmittedSchema, payload: unknown): Explanation {
  const { errors, total } = findingsOf(admitted, payload)
  if (total > 0) return { errors, total }
  const findings = new Findings()
  findings.addFor(undefined, 'schema', 'a payload that fits the schema', 'does not fit the schema', payload)
  return findings
}

/** The findings alone: none for a payload that fits, nor for one whose fault lies beyond the steps. */
export function findingsOf(admitted: AdmittedSchema, payload: unknown): Explanation {
  const walk = new Walk(admitted)
  try {
    walk.visit(admitted.schema, payload, undefined, true)
  } catch (thrown) {
    if (!(thrown instanceof OutOfSteps)) throw thrown
  }
  return walk.findings
}

/** Checks a payload against a linked schema as a validator does, slower, and writes down what fails. */
class Walk implements Visitor {
  readonly findings = new Findings()
  readonly definitions: Definitions
  private readonly patterns: AdmittedSchema['patterns']
  private steps = 0

  constructor({ schema, patterns }: AdmittedSchema) {
    this.definitions = new Definitions(schema)
    this.patterns = patterns
  }

  visit(schema: LinkedSchema, value: unknown, at: At | undefined, report: boolean): boolean {
    this.spend(1)
    if (!isSchemaObject(schema)) {
      if (!schema && report) this.findings.add(at, 'false', 'nothing', 'must not be there', kindOf(value))
      return schema
    }
    // A value of another type fails in everything else as well, which says nothing more.
    if (!this.asserts('type', schema, value, at, report)) return false
    let fits = true
    const failed = () => {
      fits = false
      return !report
    }
    for (const keyword of Object.keys(schema))
      if (keyword !== 'type' && !this.asserts(keyword, schema, value, at, report) && failed()) return false
    if (!this.applies(schema, value, at, report) && failed()) return false
    if (isSchemaObject(value) && !new InsideObject(this, schema, value, at, report).check() && failed())
      return false
    if (Array.isArray(value) && !new InsideArray(this, schema, value, at, report).check() && failed())
      return false
    return fits
  }

  spend(steps: number): void {
    this.steps += steps
    if (this.steps > STEPS_MAX) throw new OutOfSteps()
  }

  matches(source: string, text: string): boolean {
    const pattern = this.patterns.get(source)!
    this.spend(1 + stepsOf(pattern, text.length))
    return pattern.regexp.test(text)
  }

  private asserts(
    keyword: string,
    schema: SchemaObject,
    value: unknown,
    at: At | undefined,
    report: boolean,
  ): boolean {
    const limit = schema[keyword]
    const assertion = Object.hasOwn(ASSERTIONS, keyword) ? ASSERTIONS[keyword] : undefined
    if (assertion === undefined || limit === undefined) return true
    if (assertion.steps !== undefined) this.spend(assertion.steps(limit, value))
    const holds =
      keyword === 'pattern' && typeof value === 'string'
        ? this.matches(limit as string, value)
        : assertion.holds(limit, value)
    if (holds) return true
    if (report && this.findings.full) this.findings.total++
    else if (report) {
      const expected = assertion.expected(limit)
      this.findings.addFor(at, keyword, expected, `${assertion.must} ${expected}`, value)
    }
    return false
  }

  /** The keywords that hold other schemas against the same value. */
  private applies(schema: SchemaObject, value: unknown, at: At | undefined, report: boolean): boolean {
    let fits = true
    const all = (schemas: readonly LinkedSchema[]) => {
      for (const one of schemas) if ((fits || report) && !this.visit(one, value, at, report)) fits = false
    }
    if (schema.$ref !== undefined) all([this.definitions.get(schema.$ref) ?? true])
    if (schema.allOf !== undefined) all(schema.allOf as LinkedSchema[])
    if (schema.if !== undefined) {
      const branch = this.visit(schema.if as LinkedSchema, value, at, false) ? schema.then : schema.else
      all([(branch ?? true) as LinkedSchema])
    }
    for (const [name, one] of entriesOf(schema.dependentSchemas))
      if (isSchemaObject(value) && Object.hasOwn(value, name)) all([one])
    for (const keyword of ['anyOf', 'oneOf'] as const)
      if (schema[keyword] !== undefined && (fits || report))
        fits = this.union(keyword, schema[keyword] as LinkedSchema[], value, at, report) && fits
    if (
      schema.not !== undefined &&
      (fits || report) &&
      this.visit(schema.not as LinkedSchema, value, at, false)
    ) {
      fits = false
      const unwanted = wantedBy(schema.not as LinkedSchema, this.definitions)
      if (report) this.findings.add(at, 'not', `not ${unwanted}`, 'fits what not rules out', kindOf(value))
    }
    return fits
  }

  private union(
    keyword: 'anyOf' | 'oneOf',
    branches: readonly LinkedSchema[],
    value: unknown,
    at: At | undefined,
    report: boolean,
  ): boolean {
    let fitting = 0
    for (const branch of branches) {
      if (this.visit(branch, value, at, false)) fitting++
      if (fitting > (keyword === 'anyOf' ? 0 : 1)) break
    }
    if (fitting === 1) return true
    if (!report) return false
    if (fitting > 1)
      this.findings.add(
        at,
        keyword,
        `exactly one of ${branches.length} alternatives`,
        'fits several of the alternatives, and must fit exactly one',
        kindOf(value),
      )
    else this.explainUnion(keyword, branches, value, at)
    return false
  }

  /** Why none of the branches fits. */
  private explainUnion(
    keyword: string,
    branches: readonly LinkedSchema[],
    value: unknown,
    at: At | undefined,
  ): void {
    let meantBy = branchesOfType(branches, value, this.definitions)
    const discriminator = isSchemaObject(value) ? discriminatorOf(meantBy, this.definitions) : undefined
    if (discriminator !== undefined && meantBy.length > 1) {
      const { name, values } = discriminator
      const inside = { parent: at, name }
      const expected = listed([...new Set(values.flat())])
      if (!Object.hasOwn(value as Members, name)) {
        this.findings.add(inside, 'required', expected, `is required and must be ${expected}`, 'nothing')
        return
      }
      const given = (value as Members)[name]
      meantBy = meantBy.filter((_, index) => values[index]!.includes(given))
      if (meantBy.length === 0) {
        this.findings.addFor(inside, 'enum', expected, `must be ${expected}`, given)
        return
      }
    }
    if (meantBy.length === 1) {
      this.visit(meantBy[0]!, value, at, true)
      return
    }
    const words = new Set(branches.map((branch) => branchWords(branch, this.definitions)))
    const expected = `one of ${branches.length} alternatives (${cut(orList([...words].slice(0, 8)))})`
    this.findings.addFor(at, keyword, expected, `must fit ${expected}`, value)
  }
}

/** Steps of matching a text: a large automaton may pass all its states for each character. */
function stepsOf({ size }: LinearPattern, chars: number): number {
  if (size === 0) return chars / 1000
  return (chars * (size <= SMALL_PATTERN ? 1 : size)) / 20
}

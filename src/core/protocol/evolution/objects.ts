import type { SchemaObject } from '../json-schema.ts'
import type { Node } from './document.ts'
import { fits, memberSchemas } from './fits.ts'
import { membersOf, numberOr, stringsOf } from './json-text.ts'
import { type ObjectView, unevaluatedNames } from './object-view.ts'
import { type Problem, type Proof, within } from './problem.ts'
import { said } from './scalars.ts'
import { first } from './values.ts'
import type { View } from './view.ts'

/** What a reader may object to in the objects of a view. */
export function objectProblems(proof: Proof, reader: Node, schema: SchemaObject, view: View): Problem[] {
  return new ObjectReading(proof, reader, schema, view).problems()
}

class ObjectReading {
  private readonly object: ObjectView
  private readonly found: Problem[] = []
  private readonly proof: Proof
  private readonly reader: Node
  private readonly schema: SchemaObject
  private readonly view: View

  constructor(proof: Proof, reader: Node, schema: SchemaObject, view: View) {
    this.proof = proof
    this.reader = reader
    this.schema = schema
    this.view = view
    this.object = proof.object(view)
  }

  problems(): Problem[] {
    this.required()
    this.members()
    this.undeclared()
    this.unevaluated()
    this.names()
    this.counts()
    this.dependencies()
    return this.found
  }

  private required(): void {
    for (const name of stringsOf(this.schema.required))
      if (!this.object.required.has(name)) {
        const writer = this.object.declared.has(name) ? { writer: 'optional' } : {}
        this.add('required', [name], { reader: 'required', ...writer })
      }
  }

  /** Members under names that one side declares. */
  private members(): void {
    const own = membersOf(this.schema.properties).map(([name]) => name)
    for (const name of new Set([...this.object.declared, ...own])) {
      const writer = this.object.member(name)
      if (writer === undefined) continue
      const { parts, certain } = memberSchemas(this.reader, name, this.proof.views.work)
      for (const part of parts) this.addMembers(part, writer, name, [name])
      if (!certain) this.add('patternProperties', [name], {})
    }
  }

  /** Members under names that a pattern of the writer takes, or nothing declares. */
  private undeclared(): void {
    const { additionalProperties } = this.schema
    const patterns = membersOf(this.schema.patternProperties)
    const additional =
      additionalProperties === undefined
        ? []
        : [this.reader.document.child(this.reader, additionalProperties)]
    const own = (value: unknown) => this.reader.document.child(this.reader, value)
    // A pattern that both have is enough: the writer holds the names that match it to its schema.
    const alone = patterns.filter(([pattern]) => !this.object.patterns.has(pattern))
    for (const pattern of this.object.patterns) {
      const writer = this.object.matching(pattern)
      const names = this.proof.views.work.samplesOf(pattern).slice(0, 4)
      const same = patterns.filter(([one]) => one === pattern)
      for (const [, value] of [...same, ...alone]) this.addMembers(own(value), writer, '*', names)
      if (same.length === 0) for (const part of additional) this.addMembers(part, writer, '*', names)
    }
    if (!this.object.isOpen) return
    const rest = this.object.rest()
    for (const [pattern, value] of alone)
      this.addMembers(own(value), rest, '*', this.proof.views.work.samplesOf(pattern).slice(0, 4))
    for (const part of additional) this.addMembers(part, rest, '*', this.freeNames())
  }

  private unevaluated(): void {
    const { unevaluatedProperties, additionalProperties } = this.schema
    if (unevaluatedProperties === undefined || additionalProperties !== undefined) return
    const part = this.reader.document.child(this.reader, unevaluatedProperties)
    const names = unevaluatedNames(this.reader, true)
    if (names === undefined) {
      if (part.schema !== true) this.add('unevaluatedProperties', [], {})
      return
    }
    for (const name of this.object.declared) {
      const writer = this.object.member(name)
      if (names.has(name) || writer === undefined) continue
      const { parts, certain } = memberSchemas(this.reader, name, this.proof.views.work)
      if (parts.length === 0 || !certain) this.addMembers(part, writer, name, [name], 'unevaluatedProperties')
    }
    for (const pattern of this.object.patterns)
      this.addMembers(
        part,
        this.object.matching(pattern),
        '*',
        this.proof.views.work.samplesOf(pattern).slice(0, 4),
      )
    if (this.object.isOpen) this.addMembers(part, this.object.rest(), '*', this.freeNames())
  }

  private names(): void {
    const { propertyNames } = this.schema
    if (propertyNames === undefined) return
    const rule = this.reader.document.child(this.reader, propertyNames)
    for (const name of this.object.declared)
      if (this.object.member(name) !== undefined && fits(name, rule, this.proof.views.work) !== true)
        this.add('propertyNames', [name], { reader: propertyNames }, () => this.objectsWith(name))
    const texts = [...this.object.patterns].map((pattern) => ({ type: 'string', pattern }))
    for (const text of this.object.isOpen ? [...texts, { type: 'string' }] : texts) {
      const writer = [...this.object.names, this.proof.views.node(text)]
      for (const { candidates } of this.proof.accepts(rule, writer))
        this.add('propertyNames', ['*'], { reader: propertyNames, ...said(this.view, 'propertyNames') }, () =>
          this.objectsWith(...first(candidates(), 20).map(String)),
        )
    }
  }

  private counts(): void {
    const { minProperties, maxProperties } = this.schema
    if (this.object.min < numberOr(minProperties, 0))
      this.add('minProperties', [], { reader: minProperties, ...said(this.view, 'minProperties') })
    if (this.object.max > numberOr(maxProperties, Number.POSITIVE_INFINITY))
      this.add('maxProperties', [], { reader: maxProperties, ...said(this.view, 'maxProperties') })
  }

  private dependencies(): void {
    for (const keyword of ['dependentRequired', 'dependencies', 'dependentSchemas'])
      for (const [name, needs] of membersOf(this.schema[keyword])) {
        if (this.object.member(name) === undefined) continue
        if (Array.isArray(needs)) {
          const closure = this.object.closure([...this.object.required, name])
          const missing = stringsOf(needs).find((need) => !closure.has(need))
          if (missing !== undefined)
            this.add(keyword, [missing], { reader: { [name]: needs } }, () => this.objectsWith(name))
        } else {
          const part = this.reader.document.child(this.reader, needs)
          const having = this.proof.views.node({ required: [name] })
          for (const view of this.proof.views.narrowed(this.view, [having]))
            this.found.push(...this.proof.acceptsView(part, view))
        }
      }
  }

  /** Problems of members under any of some names; `step` is how the path calls them. */
  private addMembers(
    part: Node,
    writer: readonly Node[],
    step: string,
    names: readonly string[],
    rule?: string,
  ): void {
    for (const problem of this.proof.accepts(part, writer)) {
      const { values } = this.proof
      const { view } = this
      const inner = within(problem, step, function* (value) {
        for (const name of names) yield* values.withMember(view, name, value)
      })
      const closes = part.schema === false && this.isAdditional(part)
      this.found.push(closes ? { ...inner, rule: rule ?? 'additionalProperties', reader: false } : inner)
    }
  }

  private isAdditional(part: Node): boolean {
    const { additionalProperties, unevaluatedProperties } = this.schema
    return part.schema === false && (additionalProperties === false || unevaluatedProperties === false)
  }

  private *objectsWith(...names: string[]): Generator<unknown> {
    for (const name of names)
      for (const value of first(this.proof.values.of(this.object.member(name) ?? []), 3))
        yield* this.proof.values.withMember(this.view, name, value)
  }

  /** Names that nothing declares, for examples. */
  private freeNames(): string[] {
    const texts = [...this.object.names, this.proof.views.node({ type: 'string' })]
    const names =
      this.object.names.length > 0 ? first(this.proof.values.of(texts), 4).map(String) : ['x', 'x1']
    return names.filter((name) => !this.object.declared.has(name))
  }

  private add(
    rule: string,
    path: readonly string[],
    what: { reader?: unknown; writer?: unknown },
    candidates?: () => Iterable<unknown>,
  ): void {
    this.proof.views.work.step()
    this.found.push({ ...this.proof.problem(rule, this.reader, this.view, what, candidates), path })
  }
}

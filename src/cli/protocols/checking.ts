import { checkInput } from '../../broker/command.ts'
import { registerProtocol } from '../../broker/commands/protocols.ts'
import {
  type FiledDefinition,
  type Place,
  placeText,
} from '../../broker/protocols/registration/definition-files.ts'
import { checkedMetadata } from '../../broker/protocols/registration/registration.ts'
import { reasonLines } from '../../core/error-lines.ts'
import { BrokerError } from '../../core/errors.ts'
import { checkAdapters } from '../../core/protocol/adapter/check.ts'
import { checkExamples } from '../../core/protocol/adapter/examples.ts'
import type { Adapter } from '../../core/protocol/adapter/operations.ts'
import type { NamedExample, ProtocolMetadata } from '../../core/protocol/definition.ts'
import type { Relation } from '../../core/protocol/evolution/relation.ts'
import { neighbours } from '../../core/protocol/evolution/semver-rule.ts'
import { admitSchema } from '../../core/protocol/schema/admit.ts'
import { compileSchema } from '../../core/protocol/schema/checker.ts'
import { parseVersion } from '../../core/protocol/versions.ts'
import { CliError } from '../verb.ts'
import { type Comparable, compareVersions } from './comparing.ts'
import { offlineError } from './telling.ts'

/** What a check found out about one version. */
export interface Checked extends Place {
  readonly name: string
  readonly version: string
  /** Compared with the version before it in the folder; absent for a first version. */
  readonly relation?: Relation
  readonly strict_relation?: Relation
  /** How many examples fit, and how many payloads that should not fit do not. */
  readonly examples: number
  readonly warnings: readonly string[]
}

export interface Report {
  readonly checked: readonly Checked[]
  readonly problems: readonly CliError[]
}

/** A version whose schema is admitted. */
interface Version extends Comparable {
  readonly adapters: readonly Adapter[]
  readonly examples: readonly NamedExample[]
}

/**
 * Checks definitions as the broker would when they are registered one after the other in an empty project:
 * schemas, examples, version numbers, adapters.
 *
 * @param definitions by name, then by version, lowest first
 */
export async function checkDefinitions(definitions: readonly FiledDefinition[]): Promise<Report> {
  const checked: Checked[] = []
  const problems: CliError[] = []
  for (const versions of Map.groupBy(definitions, ({ input }) => input.name).values()) {
    const before: Version[] = []
    for (const definition of versions) await new Check(definition, before, checked, problems).run()
  }
  return { checked, problems }
}

/** The check of one definition. */
class Check {
  readonly #place: Place
  readonly #about: string
  readonly #warnings: string[] = []

  constructor(
    readonly definition: FiledDefinition,
    /** The lower versions; it adds its own. */
    readonly before: Version[],
    readonly checked: Checked[],
    readonly problems: CliError[],
  ) {
    const { input, ...place } = definition
    this.#place = place
    this.#about = `${input.name} ${input.version} (${placeText(place)})`
  }

  async run(): Promise<void> {
    const version = this.#admitted()
    if (!version) return
    const { examples_invalid = [], ...metadata } = this.#metadata
    for (const example of version.examples) this.#example(version, example)
    for (const [at, payload] of examples_invalid.entries()) this.#invalidExample(version, payload, at)
    const relations = this.#compared(version, metadata.compare === 'strict')
    await this.#adapters(version)
    this.before.push(version)
    this.checked.push({
      ...this.#place,
      name: version.name,
      version: version.version,
      ...relations,
      examples: version.examples.length + examples_invalid.length,
      warnings: this.#warnings,
    })
  }

  get #metadata(): ProtocolMetadata {
    return (this.definition.input.metadata ?? {}) as ProtocolMetadata
  }

  /** The version with its schema compiled; undefined where it is refused. */
  #admitted(): Version | undefined {
    const { input } = this.definition
    try {
      checkInput(registerProtocol.input, input)
      const version = parseVersion(input.version, '/version')
      checkedMetadata(this.#metadata)
      const admitted = admitSchema(input.schema)
      this.#warnings.push(...admitted.warnings)
      return {
        name: input.name,
        version,
        schema: input.schema,
        checker: compileSchema(admitted),
        adapters: checkAdapters(input.adapters, version, '/adapters'),
        examples: this.#metadata.examples ?? [],
      }
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
      this.problems.push(offlineError(error, this.#about, this.#place))
      return undefined
    }
  }

  #example({ checker }: Version, { name, payload }: NamedExample): void {
    if (checker.check(payload)) return
    const { errors } = checker.errors(payload)
    this.#problem(
      `the example "${name}" does not fit the schema.`,
      'Correct the example, or the schema.',
      errors.map(({ sentence }) => sentence),
      { errors },
    )
  }

  #invalidExample({ checker }: Version, payload: unknown, at: number): void {
    if (!checker.check(payload)) return
    this.#problem(
      `examples_invalid, item ${at + 1}, fits the schema.`,
      'Correct the example, or have the schema refuse it.',
      [JSON.stringify(payload)],
    )
  }

  /** Holds the version number to what the schemas keep. */
  #compared(version: Version, strict: boolean): Pick<Checked, 'relation' | 'strict_relation'> {
    const { lower } = neighbours(
      this.before.map(({ version }) => version),
      version.version,
    )
    const older = this.before.find(({ version }) => version === lower)
    if (!older) return {}
    const { comparison, broken } = compareVersions(older, version, strict)
    const { relation, strict_relation } = comparison
    if (broken && this.definition.input.allow_breaking === true)
      this.#warnings.push(`${broken.sentence} allow_breaking lets it pass.`)
    else if (broken)
      this.#problem(broken.sentence, broken.fix, reasonLines(broken.reasons), {
        relation,
        strict_relation,
        reasons: broken.reasons,
      })
    return { relation, strict_relation }
  }

  /** Tries the adapters on the examples of this version and of those before it. */
  async #adapters(version: Version): Promise<void> {
    const versions = new Map([...this.before, version].map((one) => [one.version, one]))
    const { problems, warnings } = await checkExamples(version, this.before, (of, payload) => {
      const { checker } = versions.get(of)!
      if (checker.check(payload)) return true
      const [first] = checker.errors(payload).errors
      return first ?? false
    })
    this.#warnings.push(...warnings)
    for (const { sentence, field } of problems)
      this.#problem(sentence, 'Correct the adapter, or the example.', [], {
        ...(field === undefined ? {} : { field: `/adapters${field}` }),
      })
  }

  #problem(
    what: string,
    fix: string,
    lines: readonly string[],
    more: Readonly<Record<string, unknown>> = {},
  ): void {
    const place = { ...this.#place, ...more }
    this.problems.push(new CliError(`${this.#about}: ${what}`, fix, false, place, lines))
  }
}

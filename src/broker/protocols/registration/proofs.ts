import { BrokerError } from '../../../core/errors.ts'
import { checkExamples } from '../../../core/protocol/adapter/examples.ts'
import type { ProtocolMetadata } from '../../../core/protocol/definition.ts'
import { type Comparison, type Reason, told } from '../../../core/protocol/evolution/relation.ts'
import { neighbours, semverRule } from '../../../core/protocol/evolution/semver-rule.ts'
import type { JsonSchema } from '../../../core/protocol/json-schema.ts'
import type { SchemaBounds } from '../../../core/protocol/schema/bounds.ts'
import { shortened } from '../../../core/shortened.ts'
import { breather } from '../../turns.ts'
import type { Compiled } from '../../validation/messages.ts'
import type { ValidationWorker } from '../../validation/validation-worker.ts'
import type { Family, ProtocolVersion } from '../family.ts'
import type { From, Validation } from '../sending/validation.ts'

/** Admits and compiles a schema where that can be stopped. @throws BrokerError as `admitSchema` */
export async function compiledInWorker(
  { worker }: Validation,
  from: From,
  { key, registered }: ProtocolVersion,
  bounds: SchemaBounds,
): Promise<Compiled> {
  try {
    return await worker.compile(from.project, key, registered.schema, bounds)
  } catch (error) {
    if (!isTimeout(error)) throw error
    throw new BrokerError('schema_too_large', {
      field: '/schema',
      detail: 'The schema takes too long to compile.',
    })
  }
}

/** Examples must fit, and what is said not to fit must not. @throws BrokerError `invalid_params` */
export async function checkOwnExamples(
  validation: Validation,
  from: From,
  version: ProtocolVersion,
  { examples = [], examples_invalid = [] }: ProtocolMetadata,
): Promise<void> {
  const breathe = breather()
  const check = async (payload: unknown) => {
    await breathe()
    return validation.check(version, from, payload, JSON.stringify(payload).length)
  }
  for (const [i, { name, payload }] of examples.entries()) {
    const result = await check(payload)
    if (!result) continue
    const first = result.errors[0]
    throw new BrokerError('invalid_params', {
      field: `/metadata/examples/${i}/payload${first?.path ?? ''}`,
      detail: `The example "${shortened(name)}" does not fit the schema: ${first?.sentence ?? 'it is refused.'}`,
      next: 'Correct the example or the schema.',
      more: { errors: result.errors },
    })
  }
  for (const [i, payload] of examples_invalid.entries())
    if (!(await check(payload)))
      throw new BrokerError('invalid_params', {
        field: `/metadata/examples_invalid/${i}`,
        detail: 'This payload is given as one that does not fit, and the schema accepts it.',
        next: 'Correct it, or tighten the schema.',
      })
}

/**
 * Compares two versions where it can be stopped; once more without payloads, if these took too long. What
 * takes too long even so is not decided, and counts as breaking.
 */
async function compared(
  worker: ValidationWorker,
  { project }: From,
  key: string,
  older: JsonSchema,
  newer: JsonSchema,
): Promise<Comparison> {
  try {
    return await worker.compare(project, key, older, newer)
  } catch (error) {
    if (!isTimeout(error)) throw error
  }
  try {
    return await worker.compare(project, key, older, newer, true)
  } catch (error) {
    if (!isTimeout(error)) throw error
    return UNDECIDED
  }
}

const undecided = (direction: 'backward' | 'forward') => ({
  direction,
  rule: 'not_decidable',
  path: '',
  sentence: `Comparing the versions takes too long, so it is not known whether ${
    direction === 'backward' ? 'the newer reads what the older sends' : 'the older reads what the newer sends'
  }.`,
})
const UNDECIDED: Comparison = {
  relation: 'breaking',
  strict_relation: 'breaking',
  reasons: [undecided('backward'), undecided('forward')],
  strict_reasons: [],
}

function isTimeout(error: unknown): boolean {
  return error instanceof BrokerError && error.code === 'validation_timeout'
}

/** Makes an example where it can be stopped; undefined where there is none, or it took too long. */
export async function exampleInWorker(
  { worker }: Validation,
  { project }: From,
  { key, registered }: ProtocolVersion,
): Promise<{ readonly payload: unknown } | undefined> {
  try {
    return await worker.example(project, key, registered.schema)
  } catch (error) {
    if (!isTimeout(error)) throw error
    return undefined
  }
}

/** What the comparison with the versions around it found. */
export interface Neighbourly extends Partial<Pick<Comparison, 'relation' | 'strict_relation'>> {
  readonly reasons: readonly Reason[]
}

/**
 * Compares with the version before, and with the one after, if any.
 *
 * @throws BrokerError `protocol_breaking`
 */
export async function compareWithNeighbours(
  { worker }: Validation,
  from: From,
  allow_breaking: boolean,
  { key, version, registered }: ProtocolVersion,
  family: Family | undefined,
): Promise<Neighbourly> {
  const { lower, upper } = neighbours(family?.newest.map(({ version }) => version) ?? [], version)
  const rule = { strict: registered.metadata.compare === 'strict', allow_breaking }
  let found: Comparison | undefined
  for (const [older, newer] of [
    [lower, version],
    [version, upper],
  ] as const) {
    if (older === undefined || newer === undefined) continue
    const schemaOf = (one: string) =>
      one === version ? registered.schema : family!.get(one)!.registered.schema
    const comparison = await compared(worker, from, key, schemaOf(older), schemaOf(newer))
    if (newer === version) found = comparison
    const broken = semverRule(older, newer, comparison, rule)
    if (broken)
      throw new BrokerError('protocol_breaking', {
        field: '/version',
        detail: broken.sentence,
        next: 'Or keep to what the version before accepts: reasons says what breaks, with such a payload.',
        more: {
          relation: comparison.relation,
          strict_relation: comparison.strict_relation,
          reasons: told(broken.reasons),
        },
      })
  }
  if (!found) return { reasons: [] }
  const { relation, strict_relation, reasons } = found
  return { relation, strict_relation, reasons }
}

/**
 * Examples of older versions go up by the new adapters and must fit, and the new version's go down.
 *
 * @returns what a round trip loses
 * @throws BrokerError `invalid_params`
 */
export async function checkAdaptedExamples(
  validation: Validation,
  from: From,
  candidate: ProtocolVersion,
  family: Family | undefined,
): Promise<readonly string[]> {
  const { version, adapters, metadata } = candidate.registered
  const breathe = breather()
  const accepts = async (of: string, payload: unknown) => {
    await breathe()
    const held = of === version ? candidate : family!.get(of)!
    const result = await validation.check(held, from, payload, JSON.stringify(payload).length)
    const first = result?.errors[0]
    return first ? { path: first.path, sentence: first.sentence } : result === undefined
  }
  const others = (family?.newest ?? []).flatMap(({ version: of, registered }) =>
    of === version ? [] : [{ version: of, examples: registered.metadata.examples ?? [] }],
  )
  const { problems, warnings } = await checkExamples(
    { version, adapters, examples: metadata.examples ?? [] },
    others,
    accepts,
  )
  const first = problems[0]
  if (first)
    throw new BrokerError('invalid_params', {
      field: first.field === undefined ? '/metadata/examples' : `/adapters${first.field}`,
      detail: first.sentence,
      next: 'Correct the adapter, or the example.',
      more: { problems },
    })
  return warnings
}

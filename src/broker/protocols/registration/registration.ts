import { canonicalJson } from '../../../core/canonical.ts'
import { BrokerError } from '../../../core/errors.ts'
import { jsonFlaw } from '../../../core/json.ts'
import { checkAdapters } from '../../../core/protocol/adapter/check.ts'
import {
  PROTOCOL_CAPABILITIES,
  type ProtocolCapability,
  type ProtocolMetadata,
  type RegisteredProtocol,
} from '../../../core/protocol/definition.ts'
import { type Relation, type ToldReason, told } from '../../../core/protocol/evolution/relation.ts'
import type { JsonSchema } from '../../../core/protocol/json-schema.ts'
import type { ProtocolRules } from '../../../core/protocol/rules.ts'
import type { SchemaBounds } from '../../../core/protocol/schema/bounds.ts'
import { measureSchema } from '../../../core/protocol/schema/measure.ts'
import { parseVersion } from '../../../core/protocol/versions.ts'
import type { SenderOrder } from '../../validation/order.ts'
import { ProtocolVersion } from '../family.ts'
import type { ProjectProtocols, Registry } from '../registry.ts'
import type { From, Validation } from '../sending/validation.ts'
import {
  checkAdaptedExamples,
  checkOwnExamples,
  compareWithNeighbours,
  compiledInWorker,
  exampleInWorker,
} from './proofs.ts'

/** What a caller registers, its shapes checked. */
export interface Registration {
  readonly name: string
  readonly version: string
  readonly schema: unknown
  readonly capabilities?: readonly ProtocolCapability[] | undefined
  readonly metadata?: ProtocolMetadata | undefined
  readonly adapters?: unknown
  readonly allow_breaking?: boolean | undefined
  readonly dry_run?: boolean | undefined
}

export interface Registered {
  readonly name: string
  readonly version: string
  readonly created: boolean
  /** Only the metadata has changed. */
  readonly updated: boolean
  /** Absent for a first version. */
  readonly relation?: Relation
  readonly strict_relation?: Relation
  readonly reasons: readonly ToldReason[]
  readonly warnings: readonly string[]
}

export interface RegistrationParts {
  readonly registry: Registry
  readonly validation: Validation
  readonly registrations: SenderOrder
  readonly rules: ProtocolRules
  readonly bounds: SchemaBounds
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** A payload nested deeper than this is refused. */
const PAYLOAD_DEPTH_MAX = 64
/** Of one definition: its metadata, and all of it, as JSON. */
const METADATA_CHARS_MAX = 32 * 1024
/** What took longer than this to compile is checked by the worker only. */
const COMPILE_MS_MAX = 10
/** How often a registration begins anew because another one for the same version was first. */
const TRIES = 3

/**
 * Registers a version of a protocol: checks schema, examples, adapters and version number, and keeps it.
 * The same definition again changes nothing; with other metadata, only that.
 *
 * @throws BrokerError `schema_invalid`, `pattern_refused`, `schema_too_large`, `protocol_taken`,
 *   `protocol_breaking`, `protocol_limit`, `invalid_params`, `validation_timeout`, `validation_busy`
 */
export async function register(
  parts: RegistrationParts,
  from: From,
  input: Registration,
): Promise<Registered> {
  const { registry, registrations, now } = parts
  // The worker admits it, since that may take long. What is larger or deeper does not even go there.
  measureSchema(input.schema, parts.bounds)
  const version = parseVersion(input.version, '/version')
  const definition: RegisteredProtocol = {
    name: input.name,
    version,
    schema: input.schema as JsonSchema,
    capabilities: [...new Set(input.capabilities ?? PROTOCOL_CAPABILITIES)],
    metadata: checkedMetadata(input.metadata ?? {}),
    adapters: checkAdapters(input.adapters ?? [], version, '/adapters'),
    registered_ms: now(),
  }
  return registrations.run(from.project, input.name, async () => {
    for (let tries = 1; ; tries++) {
      const protocols = await registry.of(from.project)
      const before = protocols.has(input.name) ? protocols.family(input.name)?.get(version) : undefined
      const done = before
        ? await registerAgain(parts, from, input, definition, protocols, before)
        : await registerNew(parts, from, input, definition, protocols)
      if (done) return done
      if (tries === TRIES) throw new BrokerError('protocol_taken', { field: '/version' })
    }
  })
}

/** @throws BrokerError `invalid_params`; `nesting_too_deep` for an example that no message could carry */
export function checkedMetadata(metadata: ProtocolMetadata): ProtocolMetadata {
  for (const [i, { payload }] of (metadata.examples ?? []).entries())
    checkDepth(payload, `/metadata/examples/${i}/payload`)
  for (const [i, payload] of (metadata.examples_invalid ?? []).entries())
    checkDepth(payload, `/metadata/examples_invalid/${i}`)
  const chars = JSON.stringify(metadata).length
  if (chars <= METADATA_CHARS_MAX) return metadata
  throw new BrokerError('invalid_params', {
    field: '/metadata',
    detail: `metadata is ${chars} characters of JSON; at most ${METADATA_CHARS_MAX} are kept.`,
    next: 'Give fewer or shorter examples.',
  })
}

/** @throws BrokerError `nesting_too_deep` */
function checkDepth(payload: unknown, field: string): void {
  if (jsonFlaw(payload, PAYLOAD_DEPTH_MAX) !== 'depth') return
  throw new BrokerError('nesting_too_deep', {
    field,
    detail: `The example is nested deeper than ${PAYLOAD_DEPTH_MAX} levels, as no payload may be.`,
  })
}

/** A version that is there already. @returns undefined when another writer was first */
async function registerAgain(
  { registry, validation, rules }: RegistrationParts,
  from: From,
  { metadata, dry_run = false }: Registration,
  definition: RegisteredProtocol,
  protocols: ProjectProtocols,
  before: ProtocolVersion,
): Promise<Registered | undefined> {
  const { registered } = before
  const different = differences(registered, definition)
  if (different.length > 0)
    throw new BrokerError('protocol_taken', {
      field: '/version',
      detail: `${definition.name} ${definition.version} is registered with another ${different.join(' and ')}.`,
      more: { different },
    })
  const { relation, strict_relation } = registered
  const answer = {
    name: definition.name,
    version: definition.version,
    created: false,
    ...(relation === undefined ? {} : { relation }),
    ...(strict_relation === undefined ? {} : { strict_relation }),
    reasons: [],
    warnings: [],
  }
  if (metadata === undefined || canonicalJson(metadata) === canonicalJson(registered.metadata))
    return { ...answer, updated: false }
  const changed = { ...registered, metadata }
  const bytes = JSON.stringify(changed).length
  checkBytes(protocols, bytes - before.bytes, rules)
  await checkOwnExamples(validation, from, before, metadata)
  const candidate = new ProtocolVersion(changed, from.project, before.record_version, bytes)
  if (changed.adapters.length > 0)
    await checkAdaptedExamples(validation, from, candidate, protocols.family(definition.name))
  if (dry_run) return { ...answer, updated: true }
  const written = await registry.write(from.project, changed, before.record_version)
  return written && { ...answer, updated: true }
}

async function registerNew(
  parts: RegistrationParts,
  from: From,
  input: Registration,
  definition: RegisteredProtocol,
  protocols: ProjectProtocols,
): Promise<Registered | undefined> {
  const { registry, validation } = parts
  const { name, version, metadata, adapters } = definition
  const bytes = JSON.stringify(definition).length
  checkRoom(protocols, bytes, parts.rules)
  const candidate = new ProtocolVersion(definition, from.project, 0, bytes)
  const compiled = await compiledInWorker(validation, from, candidate, parts.bounds)
  if (compiled.ms > COMPILE_MS_MAX) candidate.slow = true
  await checkOwnExamples(validation, from, candidate, metadata)
  const before = protocols.has(name) ? protocols.family(name) : undefined
  const compared = await compareWithNeighbours(
    validation,
    from,
    input.allow_breaking ?? false,
    candidate,
    before,
  )
  const adapter_warnings =
    adapters.length > 0 ? await checkAdaptedExamples(validation, from, candidate, before) : []
  const example = await exampleInWorker(validation, from, candidate)
  const { relation, strict_relation } = compared
  const reasons = told(compared.reasons)
  const relations = {
    ...(relation === undefined ? {} : { relation }),
    ...(strict_relation === undefined ? {} : { strict_relation }),
  }
  const registered: RegisteredProtocol = {
    ...definition,
    ...relations,
    ...(example ? { example } : {}),
    ...(candidate.slow ? { slow: true as const } : {}),
  }
  const warnings = [...compiled.warnings, ...adapter_warnings]
  if (!before && protocols.family(name))
    warnings.push(`${name} replaces the ready protocol of that name in this project.`)
  if (!example && !metadata.examples?.length)
    warnings.push('No example was given or could be made, so an error about a payload will show none.')
  const answer = { name, version, created: true, updated: false, ...relations, reasons, warnings }
  if (input.dry_run) return answer
  return registry.alone(from.project, async () => {
    // Other protocols may have taken the room meanwhile.
    checkRoom(await registry.of(from.project), bytes, parts.rules)
    return (await registry.write(from.project, registered, 0)) && answer
  })
}

/** @throws BrokerError `protocol_limit` */
function checkRoom(protocols: ProjectProtocols, more: number, rules: ProtocolRules): void {
  if (protocols.count >= rules.protocols_max)
    throw new BrokerError('protocol_limit', {
      detail: `The project holds ${protocols.count} protocol versions.`,
    })
  checkBytes(protocols, more, rules)
}

/** @throws BrokerError `protocol_limit` */
function checkBytes({ bytes }: ProjectProtocols, more: number, { protocols_bytes_max }: ProtocolRules): void {
  if (bytes + more > protocols_bytes_max)
    throw new BrokerError('protocol_limit', {
      detail: `The project's protocols take ${bytes} bytes, and this adds ${more}: that is too much.`,
      next: 'Register smaller schemas, or have the operator raise protocols_bytes_max.',
    })
}

/** The parts of a definition, metadata aside, in which two differ. */
function differences(a: RegisteredProtocol, b: RegisteredProtocol): string[] {
  const same = (x: unknown, y: unknown) => canonicalJson(x) === canonicalJson(y)
  return [
    ...(same(a.schema, b.schema) ? [] : ['schema']),
    ...(same([...a.capabilities].sort(), [...b.capabilities].sort()) ? [] : ['list of capabilities']),
    ...(same(a.adapters, b.adapters) ? [] : ['list of adapters']),
  ]
}

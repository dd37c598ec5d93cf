import type { Adapter } from './adapter/operations.ts'
import type { Relation } from './evolution/relation.ts'
import type { JsonSchema } from './json-schema.ts'

/** What messages of a protocol may be sent by. `streaming` only informs. */
export const PROTOCOL_CAPABILITIES = ['point_to_point', 'broadcast', 'request_response', 'streaming'] as const
export type ProtocolCapability = (typeof PROTOCOL_CAPABILITIES)[number]

/** A payload under a name, for people and models to learn from. */
export interface NamedExample {
  readonly name: string
  readonly payload: unknown
}

export interface ProtocolMetadata {
  readonly description?: string
  readonly author?: string
  readonly tags?: readonly string[]
  readonly documentation_url?: string
  readonly examples?: readonly NamedExample[]
  /** Payloads that the schema must refuse. */
  readonly examples_invalid?: readonly unknown[]
  /** What a model should know beyond the schema. */
  readonly agent_notes?: string
  /** Which relation decides whether a version number is right. */
  readonly compare?: 'lenient' | 'strict'
}

/** One version of a protocol, as it is registered. Nothing but the metadata ever changes. */
export interface ProtocolDefinition {
  readonly name: string
  /** Semver without `v` and without a build part. */
  readonly version: string
  readonly schema: JsonSchema
  readonly capabilities: readonly ProtocolCapability[]
  readonly metadata: ProtocolMetadata
  /** How payloads of older versions become this one, and back. */
  readonly adapters: readonly Adapter[]
}

export interface Deprecation {
  readonly message?: string
  /** A version of the same protocol, or another protocol, to use instead. */
  readonly successor?: string
}

/** A definition and what its registration found out, as it is kept in a record. */
export interface RegisteredProtocol extends ProtocolDefinition {
  readonly registered_ms: number
  /** Compared with the version before it; absent for a first version. */
  readonly relation?: Relation
  readonly strict_relation?: Relation
  /** The smallest payload found that fits; absent when none was found. Boxed, since it may be null. */
  readonly example?: { readonly payload: unknown }
  /** It took long to compile, so payloads are checked by the worker only. */
  readonly slow?: true
  readonly deprecated?: Deprecation
}

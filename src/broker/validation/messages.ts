import type { ErrorCode, ErrorDetail } from '../../core/errors.ts'
import type { Comparison } from '../../core/protocol/evolution/relation.ts'
import type { SchemaBounds } from '../../core/protocol/schema/bounds.ts'
import type { Checker } from '../../core/protocol/schema/checker.ts'

/**
 * What crosses between the broker and its validation worker: plain data, with schemas and payloads as JSON
 * text, because a text crosses faster than the objects it stands for. The worker answers each task before it
 * takes the next, so neither carries a number.
 */
export type Task = CompileTask | CheckTask | ExampleTask | CompareTask

/** Answered by {@link Compiled}, or {@link Refused}. */
export interface CompileTask {
  readonly do: 'compile'
  /** JSON text. */
  readonly schema: string
  readonly bounds: SchemaBounds
  /** The key to keep the checker under; without one, the checker is thrown away. */
  readonly keep?: string
}

/**
 * Answered by {@link CheckResult}, `unknown` if the worker has no checker of that key, or {@link Refused}.
 */
export interface CheckTask {
  readonly do: 'check'
  readonly key: string
  /** JSON text. */
  readonly payload: string
}

/**
 * Asks for a payload that fits, as small as one can be made. Answered by {@link Made}, or {@link Refused}.
 */
export interface ExampleTask {
  readonly do: 'example'
  /** JSON text. */
  readonly schema: string
  readonly bounds: SchemaBounds
}

/** Compares two versions of a schema. Answered by {@link Compared}, or {@link Refused}. */
export interface CompareTask {
  readonly do: 'compare'
  /** JSON texts. */
  readonly older: string
  readonly newer: string
  readonly bounds: SchemaBounds
  /** No payload is checked: what would need a witness counts as not decidable. */
  readonly without_witnesses?: true
}

export type Answer = CheckResult | Compiled | Made | Compared | Refused | 'unknown'

/** True for a payload that fits its schema, else what is wrong with it. */
export type CheckResult = true | ReturnType<Checker['errors']>

export interface Compiled {
  /** How long admission, compiling and a first check took, in milliseconds. */
  readonly ms: number
  /** Of the admission: what in the schema has no effect, in sentences. */
  readonly warnings: readonly string[]
}

export interface Made {
  /** In a box, since it may be null; absent where none could be made. */
  readonly example?: { readonly payload: unknown }
}

export interface Compared {
  readonly comparison: Comparison
}

/** An error of the catalogue in parts, because an Error would lose its members on the way. */
export interface Refused {
  readonly refused: ErrorCode
  readonly detail: ErrorDetail
  /** For the log, if the fault is the broker's own: the stack of what was thrown. */
  readonly fault?: string
}

/** The first message of a worker: it has loaded and takes tasks. */
export const READY = 'ready'

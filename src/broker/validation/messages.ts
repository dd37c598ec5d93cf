import type { ErrorCode, ErrorDetail } from '../../core/errors.ts'
import type { SchemaBounds } from '../../core/protocol/schema/bounds.ts'
import type { Checker } from '../../core/protocol/schema/checker.ts'

/**
 * What crosses between the broker and its validation worker: plain data, with schemas and payloads as JSON
 * text, because a text crosses faster than the objects it stands for. The worker answers each task before it
 * takes the next, so neither carries a number.
 */
export type Task = CompileTask | CheckTask

/** Answered by {@link Compiled}, or {@link Refused}. */
export interface CompileTask {
  readonly do: 'compile'
  /** JSON text. */
  readonly schema: string
  readonly bounds: SchemaBounds
  /** The key to keep the checker under; without one, the checker is thrown away. */
  readonly keep?: string
}

/** Answered by {@link CheckResult}, `unknown` if the worker has no checker of that key, or {@link Refused}. */
export interface CheckTask {
  readonly do: 'check'
  readonly key: string
  /** JSON text. */
  readonly payload: string
}

export type Answer = CheckResult | Compiled | Refused | 'unknown'

/** True for a payload that fits its schema, else what is wrong with it. */
export type CheckResult = true | ReturnType<Checker['errors']>

export interface Compiled {
  /** How long compiling and a first check took, in milliseconds. */
  readonly ms: number
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

import type { ErrorEntry } from './errors/entry.ts'
import { GENERAL_ERRORS } from './errors/general.ts'
import { PROTOCOL_ERRORS } from './errors/protocols.ts'

export type { ErrorEntry } from './errors/entry.ts'

/** The catalogue, in the order in which the reference page has it. */
export const ERRORS = {
  ...GENERAL_ERRORS,
  ...PROTOCOL_ERRORS,
  internal: {
    title: 'The broker failed to carry this out; the fault is its own.',
    http_status: 500,
    rpc_code: 1500,
    retryable: true,
    next: 'Try again; if it stays, report the correlation_id, which is in the log.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

/** What one error may say beyond its entry. */
export interface ErrorDetail {
  /** One sentence: what is wrong in this case. Defaults to the entry's title. */
  readonly detail?: string
  /** JSON pointer of the parameter that is wrong, such as `/headers/trace`. */
  readonly field?: string
  /** How long to wait before trying again, in milliseconds. */
  readonly retry_after_ms?: number
  /** What to do in this case. Defaults to the entry's `next`. */
  readonly next?: string
  /**
   * Further members for programs, such as the `errors` of a payload; none has a name of {@link ErrorBody}.
   */
  readonly more?: Readonly<Record<string, unknown>>
}

/** An entry of the catalogue as a thrown error; the doors render it. */
export class BrokerError extends Error {
  readonly code: ErrorCode
  readonly entry: ErrorEntry
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, detail: ErrorDetail = {}) {
    super(detail.detail ?? ERRORS[code].title)
    this.name = 'BrokerError'
    this.code = code
    this.entry = ERRORS[code]
    this.detail = detail
  }
}

/** An error in JSON, with the same members at every door. */
export interface ErrorBody {
  code: ErrorCode
  detail: string
  retryable: boolean
  next: string
  field?: string
  retry_after_ms?: number
  correlation_id?: string
  /** What {@link ErrorDetail.more} has. */
  [more: string]: unknown
}

/** Renders an error for the wire; `correlation_id` is the request's, as in the log. */
export function errorBody(error: BrokerError, correlation_id?: string): ErrorBody {
  const { field, retry_after_ms, next, more } = error.detail
  return {
    code: error.code,
    detail: error.message,
    retryable: error.entry.retryable,
    next: next ?? error.entry.next,
    ...(field === undefined ? {} : { field }),
    ...(retry_after_ms === undefined ? {} : { retry_after_ms }),
    ...more,
    ...(correlation_id === undefined ? {} : { correlation_id }),
  }
}

/**
 * The storage did not do what it was asked, or did it without an answer. The same call may succeed later.
 * Engines throw it; a caller gets `storage_unavailable`, or what follows.
 */
export class StorageFailed extends Error {
  /** It may have been done all the same: a caller gets `outcome_unknown`. */
  readonly may_have_run: boolean = false
  /** The log has the cause already, once for all calls. */
  readonly told: boolean = false
}

/** The level at which something thrown is logged: a fault, unless the log has told of its cause. */
export function logLevelOf(thrown: unknown): 'error' | 'debug' {
  return thrown instanceof StorageFailed && thrown.told ? 'debug' : 'error'
}

/**
 * The engine does not start on what it finds, such as a directory that another process holds. The message is
 * one sentence for the operator.
 *
 * @param fix one sentence: what to do; undefined where the message says it
 */
export class StartRefused extends Error {
  override name = 'StartRefused'

  constructor(
    message: string,
    readonly fix?: string | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** How long a caller waits before it tries again. */
const STORAGE_RETRY_MS = 1000

/** Any thrown value as an error of the catalogue: `internal`, unless it is one already. */
export function asBrokerError(thrown: unknown): BrokerError {
  if (thrown instanceof BrokerError) return thrown
  if (thrown instanceof StorageFailed)
    return new BrokerError(thrown.may_have_run ? 'outcome_unknown' : 'storage_unavailable', {
      retry_after_ms: STORAGE_RETRY_MS,
    })
  return new BrokerError('internal')
}

import type { Logger } from 'pino'
import { asBrokerError } from '../core/errors.ts'
import type { MaybePromise } from '../core/maybe-promise.ts'

/** The ids of errors whose calls have been logged, for the doors to tell the same. */
const IDS = new WeakMap<object, string>()

/**
 * An id for one request or call, as in the log.
 *
 * @param thrown its error, whose call may be logged already
 */
export function correlationId(thrown?: unknown): string {
  const logged = typeof thrown === 'object' && thrown !== null ? IDS.get(thrown) : undefined
  return logged ?? Bun.randomUUIDv7('base64url')
}

/** How a request or call ended. */
interface Ended {
  /** The HTTP method, or what carried the call: `WebSocket`, `tools/call`. */
  readonly method: string
  readonly command: string
  /** The HTTP status; of a call `ok` or the error's code. */
  readonly status: number | string
  /** From {@link CallLog.now}. */
  readonly begun_ms: number
  readonly correlation_id?: string | undefined
}

/**
 * A log line at level debug for each request and each call: the command, how it ended and how long it took,
 * never its content. Where the log's level is higher the doors have no such log, so it costs them nothing.
 */
export class CallLog {
  constructor(private readonly log: Logger) {}

  now(): number {
    return performance.now()
  }

  write({ method, command, status, begun_ms, correlation_id = correlationId() }: Ended): void {
    const ms = Math.round((this.now() - begun_ms) * 100) / 100
    this.log.debug({ correlation_id, method, command, status, ms }, 'request')
  }

  /** Carries a call out and logs how it ended. What it throws or returns goes on to the caller. */
  watch<T>(method: string, command: string, run: () => MaybePromise<T>): MaybePromise<T> {
    const begun_ms = this.now()
    const done = (value: T) => {
      this.write({ method, command, status: 'ok', begun_ms })
      return value
    }
    const fail = (thrown: unknown): never => {
      const correlation_id = correlationId(thrown)
      if (typeof thrown === 'object' && thrown !== null) IDS.set(thrown, correlation_id)
      this.write({ method, command, status: asBrokerError(thrown).code, begun_ms, correlation_id })
      throw thrown
    }
    let result: MaybePromise<T>
    try {
      result = run()
    } catch (thrown) {
      return fail(thrown)
    }
    return result instanceof Promise ? result.then(done, fail) : done(result)
  }
}

import { BrokerError } from '../../../core/errors.ts'
import type { MaybePromise } from '../../../core/maybe-promise.ts'
import { NO_BOUNDS } from '../../../core/protocol/schema/bounds.ts'
import type { Checker } from '../../../core/protocol/schema/checker.ts'
import type { Explanation } from '../../../core/protocol/schema/explain/explain.ts'
import { effortWithin, nodesWithin, TYPED_NODES_MAX } from '../../../core/protocol/schema/nodes.ts'
import type { Turns } from '../../turns.ts'
import { checkerBytes } from '../../validation/checker-bytes.ts'
import type { ValidationWorker } from '../../validation/validation-worker.ts'
import type { ProtocolVersion, Weights } from '../family.ts'
import type { ProtocolTally } from '../tally.ts'

/** What a check in this thread may cost: the schema's weight times the parts of the payload. */
const INLINE_COST_MAX = 200_000
/** What costs no more never waits for a later turn. */
const SMALL_COST_MAX = 2000
/** A check that took longer counts for what long calls may take of a turn. */
const SHORT_MS = 0.02
/** In the worker, what surely costs no more than this does not wait behind what may cost anything. */
const QUICK_COST_MAX = 2_000_000
/** Each part of a payload takes at least this many bytes of its message. */
const NODE_BYTES_MIN = 2
/** Compiled schemas that are kept, and the bytes that they may take together; most take some 20 kB. */
const CHECKERS_MAX = 256
const CHECKERS_BYTES_MAX = 8 * 1024 * 1024

/**
 * Of the checks in this thread, one in so many is timed: reading the clock twice takes longer than a check.
 */
const TIMED_EVERY = 16

/** Of a version that is slow: all of its checks are the worker's. */
const NO_WEIGHTS: Weights = { weight: Number.POSITIVE_INFINITY, weight_once: Number.POSITIVE_INFINITY }

/** Whose payload is checked: turns in the worker go round over projects, then senders. */
export interface From {
  readonly project: string
  readonly sender_id: string
}

/** Holds payloads to schemas: in this thread where that is surely cheap, else in the worker. */
export class Validation {
  /** Versions with a compiled checker, those that came first at the front. */
  readonly #compiled = new Set<ProtocolVersion>()
  #compiled_bytes = 0
  #compiling: typeof import('./compiling.ts') | undefined
  /** Checks in this thread but the first of each version. */
  #checks = 0

  constructor(
    readonly worker: ValidationWorker,
    private readonly tally: ProtocolTally,
    private readonly turns: Turns,
  ) {}

  /** Loads what compiles schemas, ahead of the first check, which would do so by itself. */
  async load(): Promise<void> {
    this.#compiling ??= await import('./compiling.ts')
  }

  /**
   * @param bytes at least the length of the payload's JSON
   * @returns undefined when it fits
   * @throws BrokerError `payload_too_complex`, `validation_timeout`, `validation_busy`
   */
  check(
    version: ProtocolVersion,
    from: From,
    payload: unknown,
    bytes: number,
  ): MaybePromise<Explanation | undefined> {
    if (!this.#compiling) return this.#checkOnceLoaded(version, from, payload, bytes)
    const cost = this.#costOf(version, payload, bytes)
    if (cost > INLINE_COST_MAX) return this.#checkInWorker(version, from, payload)
    if (cost > SMALL_COST_MAX && this.turns.full) return this.#checkLater(version, payload)
    const { checker } = version
    if (!checker || cost > SMALL_COST_MAX || this.#checks++ % TIMED_EVERY === 0)
      return this.#checkTimed(version, payload)
    version.used = true
    this.tally.validatedUntimed()
    return checker.check(payload) ? undefined : this.#explain(checker, payload)
  }

  async #checkOnceLoaded(
    version: ProtocolVersion,
    from: From,
    payload: unknown,
    bytes: number,
  ): Promise<Explanation | undefined> {
    await this.load()
    return this.check(version, from, payload, bytes)
  }

  #checkLater(version: ProtocolVersion, payload: unknown): Promise<Explanation | undefined> {
    return this.turns.inLaterTurn(() => this.#checkTimed(version, payload))
  }

  /** Takes longer than the check. */
  #explain(checker: Checker, payload: unknown): MaybePromise<Explanation> {
    return this.turns.run(() => checker.errors(payload))
  }

  #checkTimed(version: ProtocolVersion, payload: unknown): MaybePromise<Explanation | undefined> {
    const began_ms = performance.now()
    const checker = version.checker ?? this.#compile(version)
    version.used = true
    const fits = checker.check(payload)
    this.#took('inline', performance.now() - began_ms)
    return fits ? undefined : this.#explain(checker, payload)
  }

  /** Many short checks in one turn make it a long one, so those that are not quite short count. */
  #took(where: 'inline' | 'worker', ms: number): void {
    this.tally.validated(where, ms)
    if (where === 'inline' && ms > SHORT_MS) this.turns.spend(ms)
  }

  async #checkInWorker(
    version: ProtocolVersion,
    { project, sender_id }: From,
    payload: unknown,
  ): Promise<Explanation | undefined> {
    const began_ms = performance.now()
    const { key, registered } = version
    const { weight, weight_once } = this.#weightsOf(version)
    try {
      const text = JSON.stringify(payload)
      const quick = weight_once * effortWithin(payload, QUICK_COST_MAX / weight_once) <= QUICK_COST_MAX
      const result = await this.worker.check(project, sender_id, key, registered.schema, text, quick)
      return result === true ? undefined : result
    } catch (error) {
      throw withWeight(error, weight)
    } finally {
      this.#took('worker', performance.now() - began_ms)
    }
  }

  /** An upper bound of what a check in this thread costs, in checks of a scalar. */
  #costOf(version: ProtocolVersion, payload: unknown, bytes: number): number {
    const { weight } = this.#weightsOf(version)
    const nodes_most = bytes / NODE_BYTES_MIN
    if (nodes_most <= TYPED_NODES_MAX && weight * nodes_most <= SMALL_COST_MAX) return weight * nodes_most
    const nodes = nodesWithin(payload, TYPED_NODES_MAX + 1)
    if (nodes > TYPED_NODES_MAX)
      throw new BrokerError('payload_too_complex', {
        field: '/payload',
        detail: `The payload has more than ${TYPED_NODES_MAX} values; a message with a protocol has no more.`,
      })
    return weight * effortWithin(payload, INLINE_COST_MAX / weight)
  }

  #weightsOf(version: ProtocolVersion): Weights {
    version.weights ??= version.slow ? NO_WEIGHTS : this.#weigh(version)
    return version.weights
  }

  #weigh({ registered }: ProtocolVersion): Weights {
    const { admitSchema, descendsOnce, weightOf } = this.#compiling!
    const { schema, patterns, weight } = admitSchema(registered.schema, NO_BOUNDS)
    const once = weight === Number.POSITIVE_INFINITY && descendsOnce(schema)
    return { weight, weight_once: once ? weightOf(schema, patterns, 0) : weight }
  }

  #compile(version: ProtocolVersion) {
    const { admitSchema, compileSchema } = this.#compiling!
    // Not kept, since it may take much more memory than the schema.
    const admitted = admitSchema(version.registered.schema, NO_BOUNDS)
    const checker = compileSchema(admitted)
    version.checker = checker
    version.checker_bytes = checkerBytes(admitted, version.bytes)
    this.#compiled_bytes += version.checker_bytes
    while (this.#compiled.size >= CHECKERS_MAX || this.#lacksRoom) this.#giveUpOne()
    this.#compiled.add(version)
    return checker
  }

  get #lacksRoom(): boolean {
    return this.#compiled.size > 0 && this.#compiled_bytes > CHECKERS_BYTES_MAX
  }

  /** Gives up the checker that came first of those that were not used since the last look. */
  #giveUpOne(): void {
    for (const version of this.#compiled) {
      this.#compiled.delete(version)
      if (!version.used) {
        version.checker = undefined
        this.#compiled_bytes -= version.checker_bytes
        return
      }
      version.used = false
      this.#compiled.add(version)
    }
  }
}

/** A check that ran out of time says what its schema weighs; a recursive one has no bound. */
function withWeight(error: unknown, weight: number): unknown {
  if (!(error instanceof BrokerError) || error.code !== 'validation_timeout') return error
  const weighs = Number.isFinite(weight)
    ? `The schema weighs ${Math.ceil(weight)} checks for each value of a payload.`
    : 'What a check against this schema costs has no known bound.'
  return new BrokerError('validation_timeout', {
    ...error.detail,
    field: '/payload',
    detail: `${error.message} ${weighs}`,
    more: { weight: Number.isFinite(weight) ? weight : 'unbounded' },
  })
}

import { StorageFailed } from '../core/errors.ts'
import type { MaybePromise } from '../core/maybe-promise.ts'
import type { Engine } from '../engine/engine.ts'
import type { Hub } from './hub.ts'

/**
 * Holds answers back until what their calls did is stored. A flush covers what was held when it began: what
 * comes while it is under way waits for the next one.
 */
export interface Holder {
  /** A flush begins. */
  seal(): void
  /** That flush has failed: the appends of the calls whose answers it covers have been undone. */
  failed(): void
  /** Queues on its connection what flushes have covered. */
  handOver(): void
  /** Writes what is queued. @returns whether anything is held that no flush has covered */
  write(): boolean
}

/**
 * The end of each turn of the event loop in which there was something to do. In order:
 *
 *   flush       the engine stores what was done, so that an answer or a message says what is so
 *   read        each subscription with something to read reads, and writes nothing
 *   flush       again, if a read leased or acknowledged anything
 *   hand over   answers, then hints, then messages; each connection writes once
 *
 * One end of a turn runs at a time. With an engine that has nothing to wait for, all of it is synchronous.
 * When a flush fails, only appends have: everything else goes out.
 */
export class EndOfTurn {
  #scheduled = false
  #running = false
  /** The last flush has failed. */
  #failing = false
  #last: PromiseWithResolvers<void> | undefined
  #holders: Holder[] = []
  #steps: (() => void)[] = []
  /** What callers wait for; made for the first. Those that are sealed wait for the flush under way. */
  #flushed: PromiseWithResolvers<void> | undefined
  #over: PromiseWithResolvers<void> | undefined
  #sealed_flushed: PromiseWithResolvers<void> | undefined
  #sealed_over: PromiseWithResolvers<void> | undefined

  constructor(
    private readonly engine: Pick<Engine, 'flush' | 'flushes'>,
    private readonly hub: Hub,
    private readonly report: (error: unknown) => void,
  ) {}

  /** Has this turn end with a flush. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    if (!this.#running) setImmediate(this.#begin)
  }

  /** Hands over at the end of this turn what `holder` holds. Called when it begins to hold something. */
  hold(holder: Holder): void {
    this.#holders.push(holder)
    this.schedule()
  }

  /** Calls `step` at the end of this turn, after the flush. */
  afterFlush(step: () => void): void {
    this.#steps.push(step)
    this.schedule()
  }

  /**
   * Ends when everything done so far is stored. All callers of one turn share one promise; an engine that
   * does not flush has them wait for nothing.
   *
   * @throws StorageFailed the appends of this turn have been undone
   */
  flushed(): MaybePromise<void> {
    if (!this.engine.flushes) return
    if (!this.#flushed) {
      this.#flushed = Promise.withResolvers()
      // A caller may have gone by the time it fails.
      this.#flushed.promise.catch(() => undefined)
      this.schedule()
    }
    return this.#flushed.promise
  }

  /** Like {@link flushed}, for those whom a failure does not concern. */
  over(): MaybePromise<void> {
    if (!this.engine.flushes) return
    if (!this.#over) {
      this.#over = Promise.withResolvers()
      this.schedule()
    }
    return this.#over.promise
  }

  /** Resolves when nothing is held back any more. The app calls it once, after all calls. */
  last(): MaybePromise<void> {
    if (!this.#scheduled && !this.#running) return
    this.#last ??= Promise.withResolvers()
    return this.#last.promise
  }

  readonly #begin = (): void => {
    this.#scheduled = false
    this.#running = true
    const flushing = this.#flush()
    if (flushing) void flushing.then(this.#readSoon)
    else this.#read()
  }

  /**
   * As a task of its own. Between a call's append and its asking for the flush, only promises are run: a
   * flush that began among these would cover the append and not the asking.
   */
  readonly #readSoon = (): void => {
    setImmediate(this.#read)
  }

  readonly #read = (): void => {
    const flushing = this.hub.read() ? this.#flush() : undefined
    if (flushing) void flushing.then(this.#handOver)
    else this.#handOver()
  }

  readonly #handOver = (): void => {
    const holders = this.#holders
    const steps = this.#steps
    this.#holders = []
    if (steps.length > 0) this.#steps = []
    for (const holder of holders) this.#attempt(holder, handOver)
    this.#attempt(this.hub, write)
    for (const holder of holders) if (this.#attempt(holder, write)) this.hold(holder)
    for (const step of steps) this.#attempt(step, call)
    this.#running = false
    if (this.#scheduled) setImmediate(this.#begin)
    else this.#last?.resolve()
  }

  /** Flushes the engine. @returns a promise if that takes time; it never rejects */
  #flush(): Promise<void> | undefined {
    for (const holder of this.#holders) holder.seal()
    this.hub.seal()
    this.#sealed_flushed = this.#flushed
    this.#sealed_over = this.#over
    this.#flushed = undefined
    this.#over = undefined
    try {
      const flushing = this.engine.flush()
      if (flushing instanceof Promise) return flushing.then(this.#stored, this.#failed)
      this.#stored()
    } catch (error) {
      this.#failed(error)
    }
    return undefined
  }

  readonly #stored = (): void => {
    this.#failing = false
    this.#sealed_flushed?.resolve()
    this.#sealed_over?.resolve()
  }

  readonly #failed = (error: unknown): void => {
    // Each call that failed is logged by its door; of a fault that lasts, one line is enough.
    if (!this.#failing) this.report(error)
    this.#failing = true
    for (const holder of this.#holders) this.#attempt(holder, failed)
    const failure = error instanceof StorageFailed ? error : new StorageFailed('', { cause: error })
    this.#sealed_flushed?.reject(failure)
    this.#sealed_over?.resolve()
  }

  /** A fault with one connection must not hold up the others. */
  #attempt<T, R>(on: T, what: (on: T) => R): R | undefined {
    try {
      return what(on)
    } catch (error) {
      this.report(error)
      return undefined
    }
  }
}

const handOver = (holder: Holder) => holder.handOver()
const write = <R>(on: { write(): R }): R => on.write()
const failed = (holder: Holder) => holder.failed()
const call = (step: () => void) => step()

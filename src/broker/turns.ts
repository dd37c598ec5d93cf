import type { MaybePromise } from '../core/maybe-promise.ts'

/** How much of one turn of the event loop all long calls together may take, in milliseconds. */
export const TURN_MS_MAX = 3

/**
 * Keeps long calls from holding up the others. All long calls together get a few milliseconds of each turn
 * of the event loop. The calls that do not fit wait for a later turn, first come, first served.
 */
export class Turns {
  #spent_ms = 0
  #waiting: (() => void)[] = []
  #scheduled = false
  #serving = false

  /** Whether a long call that comes now must wait for a later turn. */
  get full(): boolean {
    return this.#spent_ms >= TURN_MS_MAX || (this.#waiting.length > 0 && !this.#serving)
  }

  /** Runs a long call: at once if this turn has time for it, else in a later turn. */
  run<R>(call: () => MaybePromise<R>): MaybePromise<R> {
    return this.full ? this.inLaterTurn(call) : this.timed(call)
  }

  /** Runs a long call in a later turn. */
  inLaterTurn<R>(call: () => MaybePromise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.later(() => {
        try {
          resolve(this.timed(call))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** Calls `begin` in a later turn that has time for a long call. `begin` must not throw. */
  later(begin: () => void): void {
    this.#waiting.push(begin)
    this.#schedule()
  }

  /**
   * Visits the pages of a list, as many in each turn as fit.
   *
   * @param read answers the page after `after`; undefined is the first
   * @param visit returns whether to go on
   * @param turn_ms how much of a turn it may take; Infinity for a call that keeps its place among others
   */
  pages<P extends { readonly next: string | undefined }>(
    read: (after: string | undefined) => MaybePromise<P>,
    visit: (page: P) => boolean,
    turn_ms = TURN_MS_MAX,
    after?: string,
  ): MaybePromise<void> {
    const began_ms = performance.now()
    for (let from = after; ; ) {
      const page = read(from)
      if (page instanceof Promise)
        return page.then((page) =>
          goesOn(page, visit) ? this.pages(read, visit, turn_ms, page.next) : undefined,
        )
      if (!goesOn(page, visit)) return
      from = page.next
      if (performance.now() - began_ms >= turn_ms)
        return this.inLaterTurn(() => this.pages(read, visit, turn_ms, from))
    }
  }

  /** Counts time that a call took of this turn. */
  spend(ms: number): void {
    this.#spent_ms += ms
    this.#schedule()
  }

  /** Runs a long call at once, and counts its time. */
  timed<R>(call: () => R): R {
    const began_ms = performance.now()
    try {
      return call()
    } finally {
      this.spend(performance.now() - began_ms)
    }
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    // An immediate would run before the answers of this turn are written.
    setTimeout(this.#serve, 0)
  }

  readonly #serve = (): void => {
    this.#scheduled = false
    this.#spent_ms = 0
    this.#serving = true
    let served = 0
    while (served < this.#waiting.length && this.#spent_ms < TURN_MS_MAX) this.#waiting[served++]!()
    this.#serving = false
    this.#waiting.splice(0, served)
    if (this.#waiting.length > 0) this.#schedule()
  }
}

/**
 * For work of many small steps that awaits between them: has the event loop go on where the work has held it
 * for as long as a turn allows.
 *
 * @returns what to await after each step
 */
export function breather(): () => Promise<void> {
  let began_ms = performance.now()
  return async () => {
    if (performance.now() - began_ms < TURN_MS_MAX) return
    await nextTurn()
    began_ms = performance.now()
  }
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}

/** Takes all steps, in as many turns as that takes. @returns what they come to */
export async function inTurns<R>(steps: Generator<void, R>): Promise<R> {
  const breathe = breather()
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value
    await breathe()
  }
}

/**
 * Maps items one after the other, in as many turns as that takes: at once where it is quick.
 *
 * @param map where it answers a promise, the next item waits for it
 */
export function mapInTurns<T, R>(items: readonly T[], map: (item: T) => MaybePromise<R>): MaybePromise<R[]> {
  const results: R[] = []
  const end_ms = performance.now() + TURN_MS_MAX
  for (const item of items) {
    const result = map(item)
    if (result instanceof Promise || performance.now() > end_ms) return mapRest(items, map, results, result)
    results.push(result)
  }
  return results
}

async function mapRest<T, R>(
  items: readonly T[],
  map: (item: T) => MaybePromise<R>,
  results: R[],
  next: MaybePromise<R>,
): Promise<R[]> {
  const breathe = breather()
  results.push(await next)
  while (results.length < items.length) {
    await breathe()
    results.push(await map(items[results.length]!))
  }
  return results
}

function goesOn<P extends { readonly next: string | undefined }>(
  page: P,
  visit: (page: P) => boolean,
): boolean {
  return visit(page) && page.next !== undefined
}

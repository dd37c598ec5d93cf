/** Something to do again and again. */
interface Chore {
  readonly interval_ms: number
  due_ms: number
  readonly run: () => unknown
}

/** The only periodic timer of the process: everything that happens by the clock is a chore of it. */
export class Housekeeping {
  #chores: Chore[] = []
  #timer: ReturnType<typeof setInterval> | undefined

  /** @param report is told of a chore that failed; the others go on */
  constructor(
    private readonly now: () => number,
    private readonly report: (error: unknown) => void,
  ) {}

  /** Runs `run` every `interval_ms` from now on, as near as the tick allows. @returns a function that ends it */
  every(interval_ms: number, run: () => unknown): () => void {
    const chore = { interval_ms, due_ms: this.now() + interval_ms, run }
    this.#chores.push(chore)
    return () => {
      this.#chores = this.#chores.filter((other) => other !== chore)
    }
  }

  start(tick_ms = TICK_MS): void {
    this.#timer ??= setInterval(() => this.tick(), tick_ms)
  }

  /** Does what is due. */
  tick(): void {
    const now = this.now()
    for (const chore of this.#chores) {
      if (chore.due_ms > now) continue
      chore.due_ms = now + chore.interval_ms
      try {
        const done = chore.run()
        if (done instanceof Promise) done.catch(this.report)
      } catch (error) {
        this.report(error)
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** Fine enough for a lease or an expiry to be late by no more than a person notices. */
const TICK_MS = 100

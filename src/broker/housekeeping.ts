/** A periodic task. */
interface Chore {
  readonly interval_ms: number
  due_ms: number
  readonly run: () => unknown
}

/** The only periodic timer of the process. Every periodic task is a chore of it. */
export class Housekeeping {
  #chores: Chore[] = []
  #timer: ReturnType<typeof setInterval> | undefined

  /** @param report takes the error of a chore that failed; the other chores go on */
  constructor(
    private readonly now: () => number,
    private readonly report: (error: unknown) => void,
  ) {}

  /** Calls `run` every `interval_ms`, at the first tick after it is due. @returns a function that ends it */
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

  /** Runs the chores that are due. */
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

/** Short enough that nobody notices how late a lease or a message expires. */
const TICK_MS = 100

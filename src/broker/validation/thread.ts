import { type Answer, READY, type Task } from './messages.ts'

/** How long one task may take. A comparison is made once, at a registration, and may take longer. */
export const TASK_MS_MAX: Readonly<Record<Task['do'], number>> = {
  check: 250,
  compile: 250,
  example: 250,
  compare: 1000,
}
/** How long a thread may take to load; it takes about 10 ms on an idle machine. */
const START_MS_MAX = 10_000
/** How much the process may grow while it compiles one schema. */
const COMPILE_BYTES_MAX = 150_000_000
const MEMORY_LOOK_MS = 10
/** A thread that has not closed so long after it was told to end is stuck. */
const CLOSING_MS_MAX = 1000

/** Why a thread is of no use any more: its task takes too long or too much memory, or the thread failed. */
export type Loss = 'late' | 'overgrown' | Error

/** What a thread tells its owner. */
export interface ThreadEvents {
  answered(answer: Answer): void
  /** The owner has to end the thread. */
  lost(why: Loss): void
  /** The thread has closed after `end`, which frees its memory. */
  closed(): void
  /** The thread has not closed in time, as happens in a native regular expression; it may close later. */
  stuck(): void
}

/**
 * One worker thread, from its start to its end: starting → ready → ending → closed, or ending → stuck →
 * closed. It carries out one task at a time. It holds the process only while it does.
 */
export class ValidationThread {
  stuck = false
  readonly #worker: Worker
  #ready = false
  #ending = false
  #closed = false
  /** What is not answered yet. A task that is posted before the thread is ready waits in it. */
  #task: Task | undefined
  #deadline: ReturnType<typeof setTimeout> | undefined
  #memory_look: ReturnType<typeof setTimeout> | undefined

  /** @param entry the URL of the file that the thread runs */
  constructor(
    entry: string,
    private readonly events: ThreadEvents,
  ) {
    this.#worker = new Worker(entry)
    this.#worker.unref()
    this.#worker.onmessage = (event: MessageEvent<Answer | typeof READY>) => this.#heard(event.data)
    this.#worker.onerror = (event) => this.#fails(`it failed: ${event.message}`)
    this.#worker.addEventListener('close', () => this.#closes())
  }

  /** Gives the thread a task. The one before must be answered. */
  post(task: Task): void {
    this.#task = task
    this.#worker.postMessage(task)
    if (this.#ready) this.#watch(task)
    else this.#deadline = setTimeout(() => this.#fails('it did not start'), START_MS_MAX)
  }

  /** Ends the thread, whatever it is doing. Its owner hears only `closed` and `stuck` afterwards. */
  end(): void {
    this.#ending = true
    this.#unwatch()
    if (this.#closed) this.events.closed()
    else {
      this.#worker.terminate()
      setTimeout(() => this.#sticks(), CLOSING_MS_MAX).unref()
    }
  }

  #heard(message: Answer | typeof READY): void {
    if (this.#ending) return
    if (message === READY) {
      this.#ready = true
      if (this.#task) this.#watch(this.#task)
    } else {
      this.#unwatch()
      this.#task = undefined
      this.events.answered(message)
    }
  }

  #watch(task: Task): void {
    this.#unwatch()
    this.#deadline = setTimeout(() => this.#late(), TASK_MS_MAX[task.do])
    if (task.do === 'compile') this.#watchMemory(process.memoryUsage.rss() + COMPILE_BYTES_MAX)
  }

  #unwatch(): void {
    clearTimeout(this.#deadline)
    clearTimeout(this.#memory_look)
    this.#deadline = undefined
  }

  /** The time is up. If the broker was held up, the answer may be there already: it is taken first. */
  #late(): void {
    const deadline = this.#deadline
    setImmediate(() => {
      if (this.#deadline === deadline) this.events.lost('late')
    })
  }

  /** Other work of the process counts as well, since the system does not tell the memory of threads apart. */
  #watchMemory(bytes_max: number): void {
    this.#memory_look = setTimeout(() => {
      if (process.memoryUsage.rss() > bytes_max) this.events.lost('overgrown')
      else this.#watchMemory(bytes_max)
    }, MEMORY_LOOK_MS)
  }

  #fails(how: string): void {
    if (!this.#ending) this.events.lost(new Error(`the validation worker was lost: ${how}`))
  }

  #closes(): void {
    this.#closed = true
    this.stuck = false
    if (this.#ending) this.events.closed()
    else this.#fails('it ended by itself')
  }

  #sticks(): void {
    if (this.#closed) return
    this.stuck = true
    this.events.stuck()
  }
}

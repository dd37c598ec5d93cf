import { BrokerError } from '../../core/errors.ts'
import type { Comparison } from '../../core/protocol/evolution/relation.ts'
import type { JsonSchema } from '../../core/protocol/json-schema.ts'
import { NO_BOUNDS, type SchemaBounds } from '../../core/protocol/schema/bounds.ts'
import { Lanes } from './lanes.ts'
import type { Answer, CheckResult, Compared, Compiled, Made, Refused, Task } from './messages.ts'
import { Strikes } from './strikes.ts'
import { type Loss, TASK_MS_MAX, ValidationThread } from './thread.ts'

/** Threads that have not closed, the one that takes tasks included. */
const THREADS_MAX = 2
/** Lanes: what is surely quick, what may take any time, and that of those who took too long of late. */
const QUICK = 0
const ORDINARY = 1
const SUSPECT = 2
/** Jobs of one project that may wait in each lane. */
const WAITING_MAX = [1000, 32, 32]
/** A thread without work for so long is ended, which frees about 5 MB. */
const IDLE_MS_MAX = 60_000
const WAITING_MS_MAX = 3000
const RETRY_MS = 1000

/** The build names this file as an entry point. In the binary, Bun finds it by the same name. */
const ENTRY = new URL('./worker.ts', import.meta.url).href

export interface ValidationWorkerOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Takes faults of the worker: it failed, or did not end. */
  readonly report: (error: unknown) => void
  /** What schemas are held to, if not by the caller. */
  readonly bounds?: SchemaBounds
  /** The URL of the file that a thread runs. */
  readonly entry?: string
  /** A job that has waited for so long is refused, so that its caller hears within a few seconds. */
  readonly waiting_ms_max?: number
}

/** What a caller waits for. A check may need two tasks more, if its schema has to be compiled again. */
interface Job {
  readonly task: Task
  /** What its failures count for; see {@link Strikes}. */
  readonly counts_for: string
  /** Whose failure it is, too. */
  readonly sender_counts_for: string
  readonly schema: JsonSchema
  /** Refuses it if its turn does not come. */
  waits: ReturnType<typeof setTimeout> | undefined
  /** Refused before its turn came. */
  given_up: boolean
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: BrokerError) => void
}

/**
 * Checks payloads and compiles schemas that may take long, in a thread that is killed when they do. One job
 * at a time is in the thread; the others wait in lanes, and in each in turns that go round projects, then
 * senders.
 *
 * | state | `#running` | `#thread` | leaves it by |
 * |---|---|---|---|
 * | at rest | none | none | a job |
 * | idle | none | one | a job; a minute without one |
 * | at work | a job | one | its answer; its deadline, a failure or too much memory, which end the thread |
 * | held up | none | none | one of two ended threads closes; when both are stuck, jobs are refused |
 */
export class ValidationWorker {
  readonly #queue = new Lanes<Job>(WAITING_MAX)
  readonly #strikes = new Strikes()
  readonly #bounds: SchemaBounds
  readonly #entry: string
  readonly #waiting_ms_max: number
  /** Threads that were told to end and have not closed. */
  readonly #ending = new Set<ValidationThread>()
  #thread: ValidationThread | undefined
  #running: Job | undefined
  /** What the thread does for the running job. */
  #task: Task | undefined
  /** When the last job was done. */
  #worked_ms = 0
  #stopped = false

  constructor(private readonly options: ValidationWorkerOptions) {
    this.#bounds = options.bounds ?? NO_BOUNDS
    this.#entry = options.entry ?? ENTRY
    this.#waiting_ms_max = options.waiting_ms_max ?? WAITING_MS_MAX
  }

  /** Threads that have not closed; at most two. */
  get threads(): number {
    return this.#ending.size + (this.#thread ? 1 : 0)
  }

  /**
   * Compiles a schema to see what that costs, and keeps nothing, since its registration may be refused yet.
   *
   * @param key names the version; compilations that run out of time are counted for it, apart from checks
   * @param bounds what the schema is held to
   * @returns how long that took, in milliseconds, and what its author is to be told
   * @throws BrokerError as a rejection: `validation_timeout` after 250 ms, `schema_too_large` when it takes
   *   too much memory, what `admitSchema` throws, `validation_busy` as in {@link check}, `shutting_down`,
   *   `internal`
   */
  compile(project: string, key: string, schema: JsonSchema, bounds = this.#bounds): Promise<Compiled> {
    const task: Task = { do: 'compile', schema: JSON.stringify(schema), bounds }
    return this.#run(project, '', task, `compile ${key}`, schema)
  }

  /**
   * Checks a payload.
   *
   * @param sender whose turn it takes
   * @param key names one schema for the life of the process; the worker keeps its checker under it
   * @param payload JSON text
   * @param quick it surely takes no more than some 20 ms, so it does not wait behind what may take longer
   * @throws BrokerError as a rejection: `validation_timeout` after 250 ms; `validation_busy` when too many
   * wait, when its turn does not come within three seconds, when the key ran out of time three times in a
   * minute, or when the threads do not end; `payload_too_complex`, `shutting_down`, `internal`
   */
  check(
    project: string,
    sender: string,
    key: string,
    schema: JsonSchema,
    payload: string,
    quick = false,
  ): Promise<CheckResult> {
    const task: Task = { do: 'check', key, payload }
    const quick_key = `quick check ${key}`
    // What was taken for quick and was not has a mistake in it.
    if (quick && !this.#strikes.failedOfLate(quick_key, this.options.now()))
      return this.#run(project, sender, task, quick_key, schema, true)
    return this.#run(project, sender, task, `check ${key}`, schema)
  }

  /**
   * Makes the smallest payload that fits a schema.
   *
   * @returns in a box, since it may be null; undefined where none could be made
   * @throws BrokerError as {@link compile}
   */
  async example(
    project: string,
    key: string,
    schema: JsonSchema,
  ): Promise<{ readonly payload: unknown } | undefined> {
    const task: Task = { do: 'example', schema: JSON.stringify(schema), bounds: this.#bounds }
    return (await this.#run<Made>(project, '', task, `example ${key}`, schema)).example
  }

  /**
   * Compares two versions of a schema.
   *
   * @param key names the newer one
   * @param without_witnesses checks no payload, which is quick whatever the schemas are, and decides less
   * @throws BrokerError as {@link compile}
   */
  async compare(
    project: string,
    key: string,
    older: JsonSchema,
    newer: JsonSchema,
    without_witnesses = false,
  ): Promise<Comparison> {
    const task: Task = {
      do: 'compare',
      older: JSON.stringify(older),
      newer: JSON.stringify(newer),
      bounds: this.#bounds,
      ...(without_witnesses ? { without_witnesses } : {}),
    }
    return (await this.#run<Compared>(project, '', task, `compare ${key}`, newer)).comparison
  }

  /** A chore for housekeeping: ends a thread that has had no work for a minute. */
  rest(): void {
    if (this.#running || this.options.now() - this.#worked_ms < IDLE_MS_MAX) return
    this.#endThread()
  }

  /** Refuses all jobs with `shutting_down`, those that come later too, and ends the thread. */
  stop(): void {
    this.#stopped = true
    this.#endThread()
    this.#finish()?.reject(shuttingDown())
    this.#refuseWaiting(shuttingDown)
  }

  /** @typeParam A the answers to `task` that are no refusals */
  #run<A extends Answer>(
    project: string,
    sender: string,
    task: Task,
    counts_for: string,
    schema: JsonSchema,
    quick = false,
  ): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      if (this.#stopped) return reject(shuttingDown())
      const sender_counts_for = `sender ${project}/${sender}`
      const job: Job = {
        task,
        counts_for,
        sender_counts_for,
        schema,
        waits: undefined,
        given_up: false,
        resolve: resolve as Job['resolve'],
        reject,
      }
      if (this.#refusesBlocked(job)) return
      const lane = quick ? QUICK : this.#isSuspect(job) ? SUSPECT : ORDINARY
      const removed = this.#queue.push(lane, project, sender, job)
      if (removed) giveUp(removed, busy())
      this.#next()
      // One that was refused must not stay in memory for a timer's sake.
      if (this.#running !== job && !job.given_up)
        job.waits = setTimeout(() => giveUp(job, busy()), this.#waiting_ms_max).unref()
    })
  }

  /** Begins the job whose turn it is, if there is a thread for it. */
  #next(): void {
    while (!this.#running && !this.#queue.empty) {
      if (!this.#thread && this.#ending.size >= THREADS_MAX) {
        for (const thread of this.#ending) if (!thread.stuck) return
        this.#refuseWaiting(busy)
        return
      }
      const job = this.#queue.take()!
      if (job.given_up || this.#refusesBlocked(job)) continue
      clearTimeout(job.waits)
      this.#thread ??= this.#newThread()
      this.#running = job
      this.#post(job.task)
    }
  }

  /** Whether its schema or its sender took too long of late. */
  #isSuspect({ counts_for, sender_counts_for }: Job): boolean {
    const now_ms = this.options.now()
    return (
      this.#strikes.failedOfLate(counts_for, now_ms) || this.#strikes.failedOfLate(sender_counts_for, now_ms)
    )
  }

  #refusesBlocked(job: Job): boolean {
    const blocked_ms = this.#strikes.blockedMs(job.counts_for, this.options.now())
    if (blocked_ms > 0) giveUp(job, blocked(blocked_ms))
    return blocked_ms > 0
  }

  #refuseWaiting(error: () => BrokerError): void {
    for (let job = this.#queue.take(); job; job = this.#queue.take()) giveUp(job, error())
  }

  #newThread(): ValidationThread {
    const thread: ValidationThread = new ValidationThread(this.#entry, {
      answered: (answer) => this.#answered(answer),
      lost: (why) => this.#lost(why),
      closed: () => {
        this.#ending.delete(thread)
        this.#next()
      },
      stuck: () => {
        this.options.report(new Error('a validation worker did not end when it was told to'))
        this.#next()
      },
    })
    return thread
  }

  #endThread(): void {
    const thread = this.#thread
    if (!thread) return
    this.#thread = undefined
    this.#ending.add(thread)
    thread.end()
  }

  #post(task: Task): void {
    this.#task = task
    this.#thread!.post(task)
  }

  #answered(answer: Answer): void {
    const { task, schema } = this.#running!
    if (answer === 'unknown' && task.do === 'check') {
      this.#post({ do: 'compile', schema: JSON.stringify(schema), bounds: this.#bounds, keep: task.key })
      return
    }
    if (this.#task !== task && isCompiled(answer)) {
      this.#post(task)
      return
    }
    const job = this.#finish()!
    if (isRefused(answer)) {
      if (answer.fault !== undefined) this.options.report(new Error(answer.fault))
      job.reject(new BrokerError(answer.refused, answer.detail))
    } else job.resolve(answer)
    this.#next()
  }

  /** Ends the thread, and refuses the job that is in it, if one is. */
  #lost(why: Loss): void {
    this.#endThread()
    const task = this.#task
    const job = this.#finish()
    if (why === 'late' && job) {
      const now_ms = this.options.now()
      this.#strikes.add(job.counts_for, now_ms)
      if (job.task.do === 'check') this.#strikes.add(job.sender_counts_for, now_ms)
    }
    if (why instanceof Error) this.options.report(why)
    job?.reject(lossError(why, task))
    this.#next()
  }

  /** The running job is done. */
  #finish(): Job | undefined {
    const job = this.#running
    this.#running = undefined
    this.#task = undefined
    this.#worked_ms = this.options.now()
    return job
  }
}

function giveUp(job: Job, error: BrokerError): void {
  clearTimeout(job.waits)
  job.given_up = true
  job.reject(error)
}

function isCompiled(answer: Answer): answer is Compiled {
  return typeof answer === 'object' && 'ms' in answer
}

function isRefused(answer: Answer): answer is Refused {
  return typeof answer === 'object' && 'refused' in answer
}

function lossError(why: Loss, task: Task | undefined): BrokerError {
  if (why instanceof Error) return new BrokerError('internal')
  const compiles = task?.do !== 'check'
  if (why === 'overgrown')
    return new BrokerError('schema_too_large', {
      detail: 'Compiling the schema takes too much memory.',
      more: { bound: 'compile_bytes_max' },
    })
  const doing = task?.do ?? 'check'
  return new BrokerError('validation_timeout', {
    detail: `${WORK[doing]} takes longer than ${TASK_MS_MAX[doing]} ms.`,
    ...(compiles ? { next: 'Simplify the schema.' } : {}),
  })
}

const WORK: Readonly<Record<Task['do'], string>> = {
  check: 'Checking the payload',
  compile: 'Compiling the schema',
  example: 'Making an example',
  compare: 'Comparing the versions',
}

const busy = () => new BrokerError('validation_busy', { retry_after_ms: RETRY_MS })
const shuttingDown = () => new BrokerError('shutting_down', { retry_after_ms: RETRY_MS })
const blocked = (blocked_ms: number) =>
  new BrokerError('validation_busy', {
    detail: 'This protocol version ran out of time three times within a minute.',
    next: 'Wait retry_after_ms, or send by another version of the protocol.',
    retry_after_ms: blocked_ms,
  })

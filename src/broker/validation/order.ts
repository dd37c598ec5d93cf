import { BrokerError } from '../../core/errors.ts'
import type { MaybePromise } from '../../core/maybe-promise.ts'

/** How many calls of one sender may wait for an earlier one of its. */
const WAITING_MAX = 1000
const RETRY_MS = 1000

/** What a sender's next call has to wait for. */
interface Pending {
  /** Resolves when the last call of the sender is over; never rejects. */
  tail: Promise<void>
  /** Calls that are not over, the running one included. */
  calls: number
}

/**
 * Keeps the calls of each sender in order while one of them waits. A sender of which nothing waits is not
 * known here, so its calls run at once.
 */
export class SenderOrder {
  readonly #pending = new Map<string, Pending>()

  /** @param of what so many may wait of, in the words of the refusal */
  constructor(
    private readonly waiting_max = WAITING_MAX,
    private readonly of = 'messages of this sender',
  ) {}

  /** Whether a call of any sender is pending. While none is, a call that never waits may go past this. */
  get busy(): boolean {
    return this.#pending.size > 0
  }

  /**
   * Runs a call when all earlier ones of its sender are over, however they ended: at once if none is pending.
   * `work` does all that must keep its place, and must not run another call of the same sender.
   *
   * @returns what `work` answers, at once if it does so at once
   * @throws BrokerError `validation_busy` when too many calls of the sender wait; and what `work` throws
   */
  run<T>(project: string, sender: string, work: () => MaybePromise<T>): MaybePromise<T> {
    const key = `${project}/${sender}`
    const pending = this.#pending.get(key)
    if (pending) return this.#runAfter(key, pending, work)
    const done = work()
    if (done instanceof Promise) {
      const first: Pending = { tail: Promise.resolve(), calls: 1 }
      this.#pending.set(key, first)
      this.#settles(key, first, done)
    }
    return done
  }

  #runAfter<T>(key: string, pending: Pending, work: () => MaybePromise<T>): Promise<T> {
    if (pending.calls > this.waiting_max)
      throw new BrokerError('validation_busy', {
        detail: `${this.waiting_max} ${this.of} wait for an earlier one to be checked.`,
        retry_after_ms: RETRY_MS,
      })
    pending.calls++
    const done = pending.tail.then(work)
    this.#settles(key, pending, done)
    return done
  }

  /** Makes `done` the tail. A caller that awaits `done` goes on before the next call begins. */
  #settles(key: string, pending: Pending, done: Promise<unknown>): void {
    const over = () => undefined
    pending.tail = done.then(over, over)
    void pending.tail.then(() => {
      if (--pending.calls === 0) this.#pending.delete(key)
    })
  }
}

import type { Timer } from '../../../src/broker/clock.ts'

interface Event {
  readonly at_ms: number
  /** Of two events at one time, the one that was planned first happens first. */
  readonly number: number
  readonly name: string
  readonly run: () => void | Promise<void>
  cancelled: boolean
}

/** Before time leaps by so much, what a broker does at the end of a turn is over. */
const LEAP_MS = 20
/** The end of a turn takes up to so many more. */
const END_TURNS = 3

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/**
 * Simulated time, and what is to happen in it. An event is over before the next one begins, also one that
 * takes real time. Between two events the event loop turns once.
 */
export class Schedule {
  /** Milliseconds since the epoch. */
  now = Date.UTC(2026, 0, 31, 12)
  events = 0
  /** A number that follows from all that has happened so far, in its order. */
  trace = 0
  #planned = 0
  /** In order of time. */
  readonly #queue: Event[] = []

  readonly clock = (): number => this.now

  /** Timers of a broker. */
  readonly timer: Timer = (run, ms) => {
    const event = this.later(ms, 'timer', run)
    return () => {
      event.cancelled = true
    }
  }

  later(ms: number, name: string, run: Event['run']): Event {
    const event = { at_ms: this.now + ms, number: this.#planned++, name, run, cancelled: false }
    let at = this.#queue.length
    while (at > 0 && this.#queue[at - 1]!.at_ms > event.at_ms) at--
    this.#queue.splice(at, 0, event)
    return event
  }

  #leaps(): boolean {
    const next = this.#queue[0]
    return next === undefined || next.at_ms - this.now >= LEAP_MS
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.later(ms, 'pause', resolve))
  }

  /**
   * Ends when what the last events led to at the end of a turn is over. To be awaited by an event that takes
   * real time: how often the event loop turns in that does not matter then.
   */
  async quiet(): Promise<void> {
    for (let i = 0; i < END_TURNS; i++) await turn()
  }

  /** Adds to the trace. */
  note(what: string): void {
    for (let i = 0; i < what.length; i++) this.trace = (Math.imul(this.trace, 31) + what.charCodeAt(i)) | 0
  }

  /** Has all happen that falls due in the next `ms`, in its order, while `goes_on`. */
  async pass(ms: number, goes_on: () => boolean): Promise<void> {
    const end_ms = this.now + ms
    for (;;) {
      await turn()
      if (this.#leaps()) await this.quiet()
      const next = this.#queue[0]
      if (!next || next.at_ms > end_ms || !goes_on()) break
      this.#queue.shift()
      if (next.cancelled) continue
      this.now = next.at_ms
      this.events++
      this.trace = (Math.imul(this.trace, 31) + next.at_ms) | 0
      this.note(next.name)
      const running = next.run()
      if (running) await running
    }
    this.now = end_ms
  }
}

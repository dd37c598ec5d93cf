import { type MaybePromise, then } from '../core/maybe-promise.ts'
import { nearestNames } from '../core/routing.ts'

/** Each look compares a name with all known ones. A caller beyond this number gets no hint. */
const LOOKS_PER_SECOND = 100
const SHOWN_MAX = 3

/** The known names nearest to an unknown one. Results are kept for a second: senders repeat themselves. */
export class NearNames {
  #second = 0
  readonly #found = new Map<string, MaybePromise<readonly string[]>>()

  /** @param now milliseconds since the epoch */
  constructor(private readonly now: () => number) {}

  /** @param known returns the names of the project; called only when they are needed */
  of(
    project: string,
    wanted: string,
    known: () => MaybePromise<Iterable<string>>,
  ): MaybePromise<readonly string[]> {
    const second = Math.floor(this.now() / 1000)
    if (second !== this.#second) this.#found.clear()
    this.#second = second
    const key = `${project}/${wanted}`
    const found = this.#found.get(key)
    if (found || this.#found.size >= LOOKS_PER_SECOND) return found ?? []
    const near = then(known(), (names) =>
      // One more than is shown: the unknown address exists by now, and is nearest to itself.
      nearestNames(wanted, names, SHOWN_MAX + 1).filter((name) => name !== wanted),
    )
    this.#found.set(key, near)
    return near
  }
}

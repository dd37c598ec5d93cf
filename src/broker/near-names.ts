import { nearestNames } from '../core/routing.ts'
import { type MaybePromise, then } from '../engine/engine.ts'

/** So many names are compared with all that are known in a second; who asks for more goes without a hint. */
const LOOKS_PER_SECOND = 100
const SHOWN_MAX = 3

/** The known names nearest to ones that nobody has. What was found is kept for a second: senders repeat themselves. */
export class NearNames {
  #second = 0
  readonly #found = new Map<string, MaybePromise<readonly string[]>>()

  /** @param now milliseconds since the epoch */
  constructor(private readonly now: () => number) {}

  /** @param known the names of the project; asked for only where they are needed */
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
      // One more than shown: the address exists by now, and is nearest to itself.
      nearestNames(wanted, names, SHOWN_MAX + 1).filter((name) => name !== wanted),
    )
    this.#found.set(key, near)
    return near
  }
}

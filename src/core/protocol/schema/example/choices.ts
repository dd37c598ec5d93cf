/** An attempt that leads nowhere, such as a branch that is `false`. */
export class GiveUp extends Error {}

/**
 * The choices of one attempt: which branch, which value. A list says how to choose, in the order in which the
 * choices come up; beyond it the first possibility is taken.
 */
export class Choices {
  /** How much work is left. */
  steps: number
  private readonly taken: readonly number[]
  /** How many possibilities each choice had. */
  private readonly widths: number[] = []

  constructor(taken: readonly number[], steps: number) {
    this.taken = taken
    this.steps = steps
  }

  /** @throws GiveUp when there is no work left */
  spend(): void {
    if (--this.steps < 0) throw new GiveUp()
  }

  /** One of the possibilities. @throws GiveUp if there are none */
  pick<T>(possibilities: readonly T[]): T {
    if (possibilities.length === 0) throw new GiveUp()
    if (possibilities.length === 1) return possibilities[0]!
    const index = this.taken[this.widths.length] ?? 0
    this.widths.push(possibilities.length)
    return possibilities[Math.min(index, possibilities.length - 1)]!
  }

  /** The lists that differ from this attempt in one later choice, so that each list is tried once. */
  others(): number[][] {
    const lists: number[][] = []
    for (let at = this.taken.length; at < this.widths.length; at++)
      for (let index = 1; index < this.widths[at]!; index++) {
        const zeros = new Array<number>(at - this.taken.length).fill(0)
        lists.push([...this.taken, ...zeros, index])
      }
    return lists
  }
}

import { FairQueue } from './fair-queue.ts'

/** How many items may be taken in a row while others wait that have to let them go first. */
const IN_A_ROW_MAX = 4

/**
 * Items that wait for their turn, in lanes: those of the first go before those of the second, and so on,
 * though not for ever. Within a lane turns are fair. Each lane has room of its own, so that a full one
 * refuses nothing that would go first.
 */
export class Lanes<T> {
  readonly #lanes: readonly FairQueue<T>[]
  /** Of each lane, how many items in a row were taken from it while a later one had to wait. */
  readonly #in_a_row: number[]

  /** @param project_max of each lane, how many items of one project may wait in it */
  constructor(project_max: readonly number[]) {
    this.#lanes = project_max.map((max) => new FairQueue<T>(max))
    this.#in_a_row = this.#lanes.map(() => 0)
  }

  get empty(): boolean {
    return this.#lanes.every(({ empty }) => empty)
  }

  /** As {@link FairQueue.push}. @param lane from 0 */
  push(lane: number, project: string, sender: string, item: T): T | undefined {
    return this.#lanes[lane]!.push(project, sender, item)
  }

  /** Takes the item whose turn it is; undefined when none waits. */
  take(): T | undefined {
    let lane = this.#lanes.findIndex(({ empty }) => !empty)
    for (let next = lane + 1; lane !== -1 && next < this.#lanes.length; next++) {
      if (this.#lanes[next]!.empty) continue
      if (++this.#in_a_row[lane]! <= IN_A_ROW_MAX) break
      this.#in_a_row[lane] = 0
      lane = next
    }
    return lane === -1 ? undefined : this.#lanes[lane]!.take()
  }
}

import type { Address } from '../engine/values.ts'

/**
 * Counts who is here for each address: readers, waiting calls, watchers, bound connections. Tells the engine
 * of the first and of the last.
 */
export class Following {
  readonly #counts = new Map<string, Map<string, number>>()

  constructor(private readonly follow: (address: Address, on: boolean) => void) {}

  enter({ project, client_id }: Address): void {
    const counts = this.#counts.get(project) ?? new Map<string, number>()
    this.#counts.set(project, counts)
    const count = counts.get(client_id) ?? 0
    counts.set(client_id, count + 1)
    if (count === 0) this.follow({ project, client_id }, true)
  }

  leave({ project, client_id }: Address): void {
    const counts = this.#counts.get(project)
    const count = counts?.get(client_id)
    if (!counts || count === undefined) return
    if (count > 1) {
      counts.set(client_id, count - 1)
      return
    }
    counts.delete(client_id)
    if (counts.size === 0) this.#counts.delete(project)
    this.follow({ project, client_id }, false)
  }
}

import type { Address, Latest } from '../engine/values.ts'

/** Which change of a mailbox is meant. */
export type Change = Pick<Latest, 'epoch' | 'changes'>

/** An address for which somebody is here. The lookout notes here what it knows of the mailbox. */
export interface Followed {
  readonly address: Address
  count: number
  /** All changes up to this one have been told here; undefined before the first look. */
  told: Change | undefined
  /** The latest change at the last look. */
  seen: Change | undefined
}

/**
 * Counts who is here for each address: readers, waiting calls, watchers, bound connections. Tells the engine
 * of the first and of the last.
 */
export class Following {
  readonly #followed = new Map<string, Map<string, Followed>>()

  constructor(private readonly follow: (address: Address, on: boolean) => void) {}

  enter({ project, client_id }: Address): void {
    const clients = this.#followed.get(project) ?? new Map<string, Followed>()
    this.#followed.set(project, clients)
    const followed = clients.get(client_id)
    if (followed) {
      followed.count++
      return
    }
    const address = { project, client_id }
    clients.set(client_id, { address, count: 1, told: undefined, seen: undefined })
    this.follow(address, true)
  }

  leave({ project, client_id }: Address): void {
    const clients = this.#followed.get(project)
    const followed = clients?.get(client_id)
    if (!clients || !followed) return
    if (--followed.count > 0) return
    clients.delete(client_id)
    if (clients.size === 0) this.#followed.delete(project)
    this.follow(followed.address, false)
  }

  of({ project, client_id }: Address): Followed | undefined {
    return this.#followed.get(project)?.get(client_id)
  }

  *all(): Generator<Followed> {
    for (const clients of this.#followed.values()) yield* clients.values()
  }
}

/**
 * Items that wait for their turn. Turns go round the projects, and within a project round its senders, so
 * that neither a project nor a sender with many items holds up the others.
 */
export class FairQueue<T> {
  /** Projects, and the senders of each, in the order of their next turns. None is empty. */
  readonly #projects = new Map<string, Map<string, T[]>>()
  /** Whose turn was last. They go to the end only at the next turn, behind those that came meanwhile. */
  #served: { readonly project: string; readonly sender: string } | undefined

  /** @param project_max how many items of one project may wait */
  constructor(private readonly project_max: number) {}

  get empty(): boolean {
    return this.#projects.size === 0
  }

  /**
   * Adds an item.
   *
   * @returns the item that has no room: the newest of the sender that has the most, or the new one itself if
   *   its sender would have as many; undefined if there is room for all
   */
  push(project: string, sender: string, item: T): T | undefined {
    const senders = this.#projects.get(project) ?? new Map<string, T[]>()
    const own = senders.get(sender)
    let removed: T | undefined
    if (countIn(senders) >= this.project_max) {
      const most = longest(senders)
      if (most.length <= (own?.length ?? 0) + 1) return item
      removed = most.pop()
    }
    if (own) own.push(item)
    else senders.set(sender, [item])
    // Adds a new project, and changes nothing for one that is there.
    if (senders.size === 1) this.#projects.set(project, senders)
    return removed
  }

  /** Takes the item whose turn it is; undefined when none waits. */
  take(): T | undefined {
    this.#endTurn()
    for (const [project, senders] of this.#projects)
      for (const [sender, items] of senders) {
        const item = items.shift()
        if (items.length === 0) senders.delete(sender)
        if (senders.size === 0) this.#projects.delete(project)
        this.#served = { project, sender }
        return item
      }
    return undefined
  }

  #endTurn(): void {
    if (!this.#served) return
    const { project, sender } = this.#served
    moveToEnd(this.#projects, project)
    const senders = this.#projects.get(project)
    if (senders) moveToEnd(senders, sender)
  }
}

function moveToEnd<V>(entries: Map<string, V>, key: string): void {
  const value = entries.get(key)
  if (value === undefined) return
  entries.delete(key)
  entries.set(key, value)
}

function countIn<T>(senders: ReadonlyMap<string, readonly T[]>): number {
  let count = 0
  for (const items of senders.values()) count += items.length
  return count
}

function longest<T>(senders: ReadonlyMap<string, T[]>): T[] {
  let most: T[] = []
  for (const items of senders.values()) if (items.length > most.length) most = items
  return most
}

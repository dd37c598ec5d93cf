/** Counts how often what seldom happens has happened. */
export class RarePaths {
  readonly counts = new Map<string, number>()

  took(path: string): void {
    this.counts.set(path, (this.counts.get(path) ?? 0) + 1)
  }

  add({ counts }: RarePaths): void {
    for (const [path, count] of counts) this.counts.set(path, (this.counts.get(path) ?? 0) + count)
  }
}

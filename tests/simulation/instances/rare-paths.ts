/** What seldom happens, and has to happen in a run of many seeds. */
export const RARE_PATHS = [
  'announced lost',
  'acknowledged lost',
  'session lost',
  'event doubled',
  'read failed before',
  'read failed after',
  'append failed before',
  'append failed after',
  'settle failed before',
  'settle failed after',
  'checkin failed before',
  'checkin failed after',
  'latest failed before',
  'latest failed after',
  'sent after a failure',
  'crash',
  'takeover',
  'resumed after a cursor',
  'closed: session_replaced',
  'closed: slow_reader',
  'found by a look',
  'answered',
  'answered by any message',
  'woke empty',
  'poll woken',
  'ended in safety',
  'ended in liveness',
] as const

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

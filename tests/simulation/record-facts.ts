import type { Records } from '../../src/engine/engine.ts'
import { DONE, type Stage, SYNCED, WRITTEN } from './stage.ts'

/** Kind and project of the records that a world puts. */
export const RECORDS = ['note', 'default'] as const

interface Put {
  readonly version: number
  /** Undefined: it was deleted. */
  readonly value: unknown
  stage: Stage
}

/** The records that were put, all versions of each. */
export class RecordFacts {
  readonly #puts = new Map<string, Put[]>()

  /** @throws Error when a version does not rise */
  put(id: string, version: number, value: unknown): Put {
    const puts = this.#puts.getOrInsertComputed(id, (): Put[] => [])
    const before = puts.at(-1)?.version ?? 0
    if (version <= before) throw new Error(`version ${version} of record ${id} comes after ${before}`)
    const put = { version, value, stage: DONE as Stage }
    puts.push(put)
    return put
  }

  written(): (() => void)[] {
    return [...this.#puts.values()].flat().flatMap((put) =>
      put.stage === WRITTEN
        ? [
            () => {
              put.stage = SYNCED
            },
          ]
        : [],
    )
  }

  /**
   * Compares what a start has brought back with what was put, and goes on from there.
   *
   * @param sure the least stage of what has to be there
   * @returns what is wrong
   */
  async check(records: Records, sure: Stage): Promise<string | undefined> {
    for (const [id, puts] of this.#puts) {
      const found = await records.get(...RECORDS, id)
      const least = puts.findLastIndex(({ stage }) => stage >= sure)
      // Of several deletions the first: nothing tells which it is.
      const at = puts.findIndex(({ version, value }, i) => i >= least && isSame(found, version, value))
      const none = found === undefined && least < 0
      if (at < 0 && !none)
        return `record ${id} is ${JSON.stringify(found)}, of ${JSON.stringify(puts.slice(-4))}`
      puts.length = none ? 0 : at + 1
      for (const put of puts) put.stage = SYNCED
    }
    return undefined
  }
}

function isSame(
  found: { version: number; value: unknown } | undefined,
  version: number,
  value: unknown,
): boolean {
  if (!found) return value === undefined
  return found.version === version && Bun.deepEquals(found.value, value)
}

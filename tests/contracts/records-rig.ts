import { expect } from 'bun:test'
import type { MaybePromise } from '../../src/core/maybe-promise.ts'
import type { Records } from '../../src/engine/engine.ts'
import type { Page, Versioned } from '../../src/engine/values.ts'
import { until } from '../harness.ts'

/** What the engine told of one change: kind, project, id and the version that it made. */
export type Change = readonly [kind: string, project: string, id: string, version: number]

/** Records under test. They are disposed of at the end of each test. */
export interface RecordsRig extends AsyncDisposable {
  readonly records: Records
  /** All that was told so far. */
  readonly changed: readonly Change[]
}

/** Makes records in a fresh, empty store. */
export type MakeRecords = () => MaybePromise<RecordsRig>

/** Waits until these changes were told, in any order, each at least once, and checks that no others were. */
export async function hears(rig: RecordsRig, expected: readonly Change[]): Promise<void> {
  const sorted = (changes: readonly Change[]) =>
    [...new Set(changes.map((change) => JSON.stringify(change)))].sort()
  const told = () => sorted(rig.changed).join('\n') === sorted(expected).join('\n')
  await until('the changes to be told', () => told() || undefined, 2000).catch(() => undefined)
  expect(sorted(rig.changed)).toEqual(sorted(expected))
}

/**
 * All pages of a list, one after the other.
 *
 * @param between runs after each page that is not the last
 * @throws Error when a page goes on from where an earlier one did
 */
export async function pages(
  records: Records,
  [kind, project, prefix]: readonly [string, string, string],
  limit: number,
  between: () => void = () => undefined,
): Promise<Page<Versioned>[]> {
  const found = [await records.list(kind, project, prefix, undefined, limit)]
  const from = new Set<string>()
  for (let next = found[0]!.next; next !== undefined; next = found.at(-1)!.next) {
    if (from.has(next)) throw new Error(`a second page after ${JSON.stringify(next)}`)
    from.add(next)
    between()
    found.push(await records.list(kind, project, prefix, next, limit))
  }
  return found
}

export function idsOf(...found: readonly Page<Versioned>[]): string[] {
  return found.flatMap(({ items }) => items.map(({ id }) => id))
}

import { expect, test } from 'bun:test'
import { then } from '../../../src/core/maybe-promise.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { JournalEngine, JournalLevel } from '../../../src/engine/journal/journal.ts'
import { check, readAll } from '../../../src/engine/journal/upkeep/check.ts'
import { hold } from '../../../src/engine/journal/upkeep/holding.ts'
import { writeAnew } from '../../../src/engine/journal/upkeep/repair.ts'
import { engineContract } from '../../contracts/engine.ts'
import type { MakeEngine } from '../../contracts/rig.ts'
import { journalIn, MemoryDisk } from './memory-disk.ts'
import { NOBODY } from './nobody.ts'
import { difference, type State, stateOf } from './state-of.ts'

/** Small, so that the log goes through many segments, and what lives is written anew. */
const SEGMENT_BYTES = 4096
/** One restart in so many finds a log that was checked, and written anew as a repair does. */
const REWRITTEN = 4
/** So many calls of a test are compared at most, unless too much is stored. */
const COMPARED_MAX = 200
const BYTES_MAX = 100_000

let epochs = 0
let compared = 0

type Options = Parameters<MakeEngine>[0]

function journalOn(disk: MemoryDisk, { limits, now }: Options, level: JournalLevel): JournalEngine {
  const newEpoch = () => `j${(epochs++).toString(36)}`
  return journalIn(
    disk,
    { limits, now, newId: () => crypto.randomUUID(), newEpoch },
    { level, segment_bytes: SEGMENT_BYTES, reserve_bytes: 0, slack_bytes: SEGMENT_BYTES },
  )
}

/** Writes down all that lives on a disk anew. @throws Error for one that is damaged */
async function rewrite(disk: MemoryDisk, now: number): Promise<void> {
  const { damage } = await check(disk, { now })
  if (damage.length > 0) throw new Error(`damaged: ${JSON.stringify(damage)}`)
  const read = await readAll(disk, { now })
  await writeAnew(
    disk,
    read,
    hold(read.loaded, read.recorder, now, undefined, () => 'new'),
  )
}

const APART: ReadonlySet<string> = new Set<keyof Engine>(['start', 'flush', 'heard', 'follow', 'health'])

/**
 * A journal that is flushed after each call. After each, another one is started on a copy of its disk, and
 * must hold the same; the first to differ fails the test at its end. With `full`, calls are answered later.
 *
 * @param compared_max of one test, this many are compared, and then one in a hundred
 */
const restarted =
  (level: JournalLevel, compared_max: number) =>
  (options: Options): Engine => {
    const disk = new MemoryDisk()
    const engine = journalOn(disk, options, level)
    const checks: Promise<void>[] = []
    let calls = 0
    const compare = async (call: string, before: State, copy: MemoryDisk, now: number) => {
      if (compared % REWRITTEN === 0) await rewrite(copy, now)
      const other = journalOn(copy, { ...options, now: () => now }, level)
      await other.start(NOBODY)
      compared++
      const problem = difference(before, stateOf(other, now), now)
      if (problem) throw new Error(`after ${call}: ${problem}`)
    }
    const stop = async () => {
      await Promise.all(checks)
      await engine.stop()
    }
    return new Proxy(engine as Engine, {
      get(target, name) {
        const member = name === 'stop' ? stop : Reflect.get(target, name)
        if (typeof member !== 'function' || name === 'stop') return member
        return (...args: unknown[]) => {
          const answer = member.apply(target, args)
          if (APART.has(String(name))) return answer
          const stored = () => {
            engine.write()
            const now = options.now()
            const chosen = ++calls < compared_max || calls % 100 === 0
            if (chosen && engine.stats().stored_bytes < BYTES_MAX)
              checks.push(compare(String(name), stateOf(engine, now), disk.copy(), now))
            return answer
          }
          // What the first flush drops has its bounces stored by the next, and sweeping writes the rest.
          const flushed = then(target.flush(), () => target.flush())
          return level === 'full' ? Promise.resolve(flushed).then(stored) : stored()
        }
      },
    })
  }

engineContract('journal, restarted after each call', restarted('normal', COMPARED_MAX))
engineContract('journal that syncs, restarted after each call', restarted('full', COMPARED_MAX / 10))

test('many restarts were compared', () => {
  expect(compared).toBeGreaterThan(2000)
})

import { expect, test } from 'bun:test'
import { SyncPace } from '../../../src/engine/journal/log/sync-pace.ts'
import { frame } from './frames.ts'
import { openLog } from './open-log.ts'

/** Quick syncs on another thread until this one may do them. */
function streak(pace: SyncPace): number {
  let syncs = 0
  for (; !pace.quick; syncs++) pace.elsewhere(0.3)
  return syncs
}

test('a disk has to be quick elsewhere for a while, and one slow sync there begins the count anew', () => {
  const pace = new SyncPace()
  expect(pace.quick).toBe(false)
  for (let i = 0; i < 20; i++) pace.elsewhere(0.3)
  pace.elsewhere(5)
  const needed = streak(pace)
  expect(needed).toBeGreaterThan(20)
  // One that takes long there, once it is known to be quick, says more of the threads than of the disk.
  pace.elsewhere(5)
  expect(pace.quick).toBe(true)
})

test('each slow sync here has it be quick elsewhere for twice as long, until it is forgotten', () => {
  const pace = new SyncPace()
  const first = streak(pace)
  pace.here(4)
  expect(pace.quick).toBe(false)
  expect(streak(pace)).toBe(2 * first)
  pace.here(4)
  expect(streak(pace)).toBe(4 * first)
  for (let i = 0; i < 10_000; i++) pace.here(0.2)
  pace.here(4)
  expect(streak(pace)).toBe(2 * first)
})

test('with full, a commit on a quick disk is synced when it returns', async () => {
  const { log, disk } = await openLog()
  disk.quick = 1
  // The first sync of a segment brings its name to the disk as well.
  const first = log.commit(frame('', 'first'), true)
  while (disk.pending > 0) disk.step()
  await first
  expect(log.commit(frame('', 'second'), true)).toBeUndefined()
  const { bodies } = await openLog(disk.powerCut(), { boot_id: 'boot-2' })
  expect(bodies).toContain('second')
})

import { expect, test } from 'bun:test'
import { StorageFailed } from '../../../src/core/errors.ts'
import type { Checkin } from '../../../src/engine/values.ts'
import { until } from '../../harness.ts'
import { AT, Bench, type BenchOptions, PROJECT } from './bench.ts'

const SEGMENT_BYTES = 4 * 1024 * 1024
const RESERVE_BYTES = 1.5 * 1024 * 1024
const SIZES = { segment_bytes: SEGMENT_BYTES, reserve_bytes: RESERVE_BYTES, slack_bytes: 2 * SEGMENT_BYTES }
const ROOM_SECONDS_MAX = 5

/** A journal whose disk is full, with so many messages for `r`. */
async function full(chars = 300, segments = 2, options: BenchOptions = {}) {
  const limits = { lease_seconds: 3600, attempts_max: 100_000, history_messages_max: 100 }
  const bench = await Bench.start({ ...SIZES, ...options, limits })
  bench.disk.space = segments * SEGMENT_BYTES + 1000
  return { bench, ...(await bench.fill('r', chars)) }
}

test('a full disk refuses sends, and 10,000 acknowledgements are stored that a kill leaves', async () => {
  const { bench, stored, refused } = await full()
  // The turn that would have used up the reserve fails at its end.
  expect(refused).toBe('failed')
  expect(bench.send('r', 1)).toBe('storage_full')
  expect(stored).toBeGreaterThan(10_000)
  expect(bench.engine.health()).toEqual({
    ok: false,
    detail: '/data (964 bytes free): no next segment can be made: ENOSPC',
  })
  expect(bench.reports).toEqual(['no next segment can be made: ENOSPC'])

  const leased = bench.take('r', 'manual', 10_000)
  expect(leased).toHaveLength(10_000)
  for (const { message } of leased) expect(bench.acknowledge('r', message.message_id)).toBe(1)
  expect(bench.take('r', 'auto', 10)).toHaveLength(10)
  expect(bench.send('r', 1)).toBe('storage_full')

  const before = bench.state
  await bench.kill()
  expect(bench.difference(before)).toBeUndefined()
  expect(bench.take('r', 'none')).toHaveLength(stored - 10_010)
}, 20_000)

test('room on the disk lets sends go on by itself', async () => {
  const { bench, stored } = await full()
  bench.disk.space += SEGMENT_BYTES
  await bench.pass(ROOM_SECONDS_MAX)
  expect(bench.engine.health()).toEqual({ ok: true })
  expect(bench.send('r', 1)).toBe('stored')
  const before = bench.state
  await bench.kill()
  expect(bench.difference(before)).toBeUndefined()
  expect(bench.take('r', 'none')).toHaveLength(stored + 1)
})

test('acknowledgements alone make room, once what lives in the oldest segment fits in the reserve', async () => {
  // A slack that the log never reaches: only the full disk has segments deleted.
  const { bench, stored } = await full(3000, 4, { slack_bytes: 100 * SEGMENT_BYTES })
  const journal = () => bench.engine.stats().journal!
  expect(journal().segments).toBe(4)
  const { bytes } = journal()

  // As long as it does not fit, nothing is written anew, which would only use the reserve up.
  await bench.pass(60)
  bench.acknowledge('r', bench.take('r', 'manual', 1)[0]!.message.message_id)
  expect(bench.engine.health().ok).toBe(false)
  expect(bench.engine.checkin({ ...AT('other') } as Checkin)).toBeObject()
  await bench.restart()
  expect(bench.take('r', 'none')).toHaveLength(stored - 1)

  // History keeps some of these.
  bench.take('r', 'auto', Math.floor(stored / 2))
  await until('room', async () => {
    await bench.pass(1)
    return bench.engine.health().ok || undefined
  })
  expect(bench.send('r', 1)).toBe('stored')
  expect(journal().bytes).toBe(bytes)
  const before = bench.state
  await bench.kill()
  expect(bench.difference(before)).toBeUndefined()
  expect(bench.take('r', 'none')).toHaveLength(stored - Math.floor(stored / 2))
}, 20_000)

test('a stop that cannot be noted for want of space loses nothing', async () => {
  const { bench, stored } = await full()
  bench.disk.space = bench.disk.used
  await bench.stop()
  expect(bench.reports.at(-1)).toBe('the stop could not be noted, and counts as a kill: ENOSPC')
  await bench.kill()
  expect(bench.take('r', 'auto')).toHaveLength(stored)
  expect(bench.notes).toEqual([])
})

test('with the reserve used up, only peeks and history go on, until there is room', async () => {
  const { bench } = await full()
  const { engine } = bench
  expect(useUp(bench)).toBeGreaterThan(5000)
  const left = bench.take('r', 'none').length

  const before = bench.state
  for (const refused of [
    () => bench.take('r', 'manual', 1),
    () => bench.take('r', 'auto', 1),
    () => engine.settle(AT('r'), { message_ids: ['x'] }),
    () => engine.open(AT('r'), undefined, 'auto', undefined),
    () => engine.checkin({ ...AT('new') } as Checkin),
    () => engine.records.put('grant', PROJECT, 'g', { a: 1 }, undefined),
  ])
    expect(refused).toThrow(StorageFailed)
  expect(bench.send('r', 1)).toBe('storage_full')
  expect(bench.take('r', 'none')).toHaveLength(left)
  expect(engine.history(AT('r'), {}, 10, 1_000_000).deliveries).toHaveLength(10)
  expect(engine.health().ok).toBe(false)

  // All that was said to be done is there after a kill.
  await bench.kill()
  expect(bench.difference(before)).toBeUndefined()
  bench.disk.space += SEGMENT_BYTES
  await bench.pass(ROOM_SECONDS_MAX)
  expect(bench.engine.health()).toEqual({ ok: true })
  expect(bench.send('r', 1)).toBe('stored')
  expect(bench.take('r', 'auto')).toHaveLength(left + 1)
}, 20_000)

test('what time does while nothing can be written is kept, told, and written once there is room', async () => {
  const { bench } = await full()
  const { engine, died } = bench
  const session = engine.checkin({ ...AT('holder') } as Checkin)
  const { session_id } = (session as { session: { session_id: string } }).session
  engine.records.put('grant', PROJECT, 'before', { a: 1 }, undefined)
  engine.flush()
  useUp(bench)

  // One more is leased: its acknowledgement was refused.
  const live = bench.take('r', 'none').length + 1
  engine.end(AT('holder'), session_id, 'closed')
  await bench.pass(3601)
  expect(engine.stats()).toMatchObject({ pending: 0, dead_letters: live })
  expect(died).toHaveLength(live)
  // Nobody was told by a bounce, which the operator sees; the letters are kept.
  expect(died.filter(({ bounced }) => bounced)).toEqual([])
  expect(bench.reports.filter((report) => !report.includes('ENOSPC'))).toEqual([])

  bench.disk.space += 4 * SEGMENT_BYTES
  await bench.pass(ROOM_SECONDS_MAX)
  expect(engine.health()).toEqual({ ok: true })
  const before = bench.state
  await bench.kill()
  expect(bench.difference(before)).toBeUndefined()
  expect(bench.engine.records.get('grant', PROJECT, 'before')?.value).toEqual({ a: 1 })
})

/** Acknowledges one message after the other, until that is refused. @returns how many */
function useUp(bench: Bench): number {
  for (let done = 0; ; done++) {
    try {
      const [due] = bench.take('r', 'manual', 1)
      expect(bench.acknowledge('r', due!.message.message_id)).toBe(1)
    } catch (error) {
      expect(error).toBeInstanceOf(StorageFailed)
      return done
    }
  }
}

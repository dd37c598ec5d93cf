import { describe, expect, test } from 'bun:test'
import { UNSYNCED_BYTES_MAX } from '../../../src/engine/journal/log/unsynced.ts'
import { Random } from '../../simulation/random.ts'
import { driven, finished, turn } from './driven.ts'
import { frame } from './frames.ts'
import { afterKill, append, type Bench, openLog, second, watched } from './open-log.ts'
import { VirtualDisk } from './virtual-disk.ts'

describe('a sync that fails', () => {
  test('has its frames written into a new segment', async () => {
    for (const level of ['full', 'normal'] as const) {
      const bench = await openLog(undefined, { level })
      const { log, disk } = bench
      await append(bench, 'synced')
      disk.sync_failures = 1
      const first = watched(log.commit(frame('effect ', 'first'), true))
      const synced = log.sync()
      await finished(disk)
      await turn()
      expect(first.state).toBe('done')
      await synced
      expect([log.segment, log.refuses]).toEqual([2, undefined])
      log.commit(frame('', 'second'), true)
      await finished(disk)
      const { bodies } = await openLog(disk.powerCut(), { boot_id: 'boot-2' })
      expect(bodies.slice(0, 2)).toEqual(['synced', 'effect first'])
    }
  })

  test('on the thread that writes has them written into a new segment, too', async () => {
    const bench = await openLog()
    const { log, disk } = bench
    await append(bench, 'synced')
    disk.quick = 1
    disk.sync_failures = 1
    const first = watched(log.commit(frame('effect ', 'first'), true))
    await finished(disk)
    await turn()
    expect([first.state, log.segment, log.refuses]).toEqual(['done', 2, undefined])
    const { bodies } = await openLog(disk.powerCut(), { boot_id: 'boot-2' })
    expect(bodies).toEqual(['synced', 'effect first'])
  })

  test('twice: full cuts the frames off, keeps their effects, and tries again each second', async () => {
    const bench = await openLog()
    const { log, disk, reports } = bench
    await append(bench, 'synced')
    disk.sync_failures = Number.POSITIVE_INFINITY
    const first = watched(log.commit(frame('effect ', 'first'), true))
    log.commit(frame('alone '), false)
    const second_commit = watched(log.commit(frame('', 'second'), true))
    await finished(disk)
    await turn()
    expect([first, second_commit].map(({ state }) => state)).toEqual(['failed', 'failed'])
    expect([log.refuses, log.exhausted]).toEqual(['failed', true])
    expect(() => log.commit(frame('third ', 'third'), true)).toThrow('syncing fails')
    await expect(log.sync()).rejects.toThrow('EIO')
    expect(log.status.trouble).toContain('EIO')
    expect((await openLog(disk.copy())).bodies).toEqual(['synced'])
    await second(bench)
    expect(log.refuses).toBe('failed')

    disk.sync_failures = 0
    await second(bench)
    await second(bench)
    expect([log.refuses, log.exhausted]).toEqual([undefined, false])
    await append(bench, 'fourth')
    expect(reports.at(-1)).toBe('syncing works again')
    expect((await openLog(disk.powerCut(), { boot_id: 'boot-2' })).bodies.join('')).toBe(
      'syncedeffect alone third fourth',
    )
  })

  test('twice: normal keeps what was answered, and tries again each second', async () => {
    const bench = await openLog(undefined, { level: 'normal' })
    const { log, disk } = bench
    disk.sync_failures = Number.POSITIVE_INFINITY
    log.commit(frame('', 'first '), true)
    await second(bench)
    expect(log.refuses).toBe('failed')
    expect(() => log.commit(frame('effect ', 'second'), true)).toThrow('syncing fails')
    await second(bench)
    expect((await openLog(disk.copy())).bodies.join('')).toBe('first effect ')
    disk.sync_failures = 0
    await second(bench)
    expect(log.refuses).toBeUndefined()
    log.commit(frame('', 'third'), true)
    await driven(disk, log.sync())
    expect((await openLog(disk.powerCut(), { boot_id: 'boot-2' })).bodies.join('')).toBe('first effect third')
  })

  test('with more than is kept, under normal, refuses appends until the next start', async () => {
    const bench = await openLog(undefined, { level: 'normal', segment_bytes: UNSYNCED_BYTES_MAX * 4 })
    const { log, disk } = bench
    log.commit(frame('', 'x'.repeat(UNSYNCED_BYTES_MAX)), true)
    disk.sync_failures = 1
    await second(bench)
    expect(log.status.trouble).toContain('too much')
    await second(bench)
    expect(log.refuses).toBe('failed')
    const closing = watched(log.close())
    await finished(disk)
    expect(closing.state).toBe('failed')
    expect((await afterKill(bench))[0]!.length).toBe(UNSYNCED_BYTES_MAX)
  })

  test('much that waits for a sync, under full, refuses nothing: what comes waits for the next', async () => {
    const { log, disk } = await openLog(undefined, { segment_bytes: UNSYNCED_BYTES_MAX * 4 })
    const first = watched(log.commit(frame('', 'x'.repeat(UNSYNCED_BYTES_MAX)), true))
    expect(log.refuses).toBeUndefined()
    const second = watched(log.commit(frame('', 'second'), true))
    await turn()
    expect([first.state, second.state]).toEqual(['waits', 'waits'])
    await finished(disk)
    await turn()
    expect([first.state, second.state]).toEqual(['done', 'done'])
  })

  test('frames that were cut off do not come back with a power cut after the next start', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const bench = await failedInSecondSegment(seed)
      const disk = bench.disk.kill()
      const { log } = await openLog(disk)
      log.commit(frame('', 'third'), false)
      const { bodies } = await openLog(disk.powerCut(), { boot_id: 'boot-2' })
      expect(bodies).not.toContain('second')
    }
  })

  test('a log of which nothing is left but a segment that was cut off can be started again', async () => {
    const bench = await failedInSecondSegment(1)
    await driven(bench.disk, bench.log.drop(1))
    const again = await openLog(bench.disk.kill())
    expect(again.bodies).toEqual([])
    await append(again, 'third')
    await driven(again.disk, again.log.close())
    expect((await openLog(again.disk.kill())).bodies).toEqual(['third'])
  })

  /** A frame in the first segment, and one in the second that could not be synced. */
  async function failedInSecondSegment(seed: number): Promise<Bench> {
    const bench = await openLog(new VirtualDisk(new Random(seed)))
    await append(bench, 'x'.repeat(4050))
    await finished(bench.disk)
    const failed = watched(bench.log.commit(frame('', 'second'), true))
    await turn()
    // The sync of the first segment works.
    bench.disk.step()
    bench.disk.sync_failures = Number.POSITIVE_INFINITY
    await finished(bench.disk)
    expect(failed.state).toBe('failed')
    bench.disk.sync_failures = 0
    return bench
  }

  test('and frames that cannot be cut off: the process has to end', async () => {
    const disk = new VirtualDisk(new Random(1))
    disk.truncate = () => {
      throw Object.assign(new Error('EROFS'), { code: 'EROFS' })
    }
    const reasons: string[] = []
    const { log, reports } = await openLog(disk, { fatal: (reason) => reasons.push(reason) })
    disk.sync_failures = Number.POSITIVE_INFINITY
    const committed = watched(log.commit(frame('', 'append'), true))
    await finished(disk)
    await turn()
    expect(committed.state).toBe('failed')
    expect(reasons).toEqual([reports.at(-1)!])
    expect(reasons[0]).toContain('cannot be cut off the log: EROFS')
    expect(() => log.commit(frame('', 'more'), true)).toThrow()
  })
})

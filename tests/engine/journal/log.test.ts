import { describe, expect, test } from 'bun:test'
import { UNSYNCED_BYTES_MAX } from '../../../src/engine/journal/log/unsynced.ts'
import { driven, finished, turn } from './driven.ts'
import { frame } from './frames.ts'
import { afterKill, append, openLog, second, watched } from './open-log.ts'

describe('full', () => {
  test('a commit waits for its sync, and all that come meanwhile share the next one', async () => {
    const { log, disk } = await openLog()
    const syncs: number[] = []
    log.observe = { written: () => undefined, synced: (seconds) => syncs.push(seconds) }
    const first = watched(log.commit(frame('', 'first'), true))
    const others = ['second', 'third'].map((text) => watched(log.commit(frame('', text), true)))
    await turn()
    expect(first.state).toBe('waits')
    disk.step()
    await turn()
    expect(first.state).toBe('done')
    await turn()
    expect(others.map(({ state }) => state)).toEqual(['waits', 'waits'])
    disk.step()
    await turn()
    expect(others.map(({ state }) => state)).toEqual(['done', 'done'])
    expect(syncs.length).toBe(2)
  })

  test('an empty frame waits for the sync under way, and for none where all is synced', async () => {
    const { log, disk } = await openLog()
    log.commit(frame('', 'first'), true)
    const empty = watched(log.commit(frame(''), true))
    await turn()
    expect(empty.state).toBe('waits')
    await finished(disk)
    await turn()
    expect(empty.state).toBe('done')
    expect(log.commit(frame(''), true)).toBeUndefined()
  })

  test('a frame that nobody waits for is synced by the next second', async () => {
    const bench = await openLog()
    expect(bench.log.commit(frame('effect'), false)).toBeUndefined()
    expect(bench.disk.pending).toBe(0)
    await second(bench)
    expect(bench.log.status).toMatchObject({ last_sync_at: bench.clock.now, trouble: undefined, segments: 1 })
  })
})

describe('normal', () => {
  test('a commit is done when it is written; syncs come once a second', async () => {
    const bench = await openLog(undefined, { level: 'normal' })
    const { log, disk, clock } = bench
    expect(log.commit(frame('', 'first'), true)).toBeUndefined()
    await second(bench)
    log.commit(frame('', 'second'), true)
    clock.now += 999
    log.tick()
    await turn()
    expect(disk.pending).toBe(0)
    clock.now++
    log.tick()
    await turn()
    expect(disk.pending).toBe(1)
    expect(await afterKill(bench)).toEqual(['first', 'second'])
  })

  test('a clock that is set back holds up no sync', async () => {
    const bench = await openLog(undefined, { level: 'normal' })
    await second(bench)
    bench.log.commit(frame('', 'first'), true)
    bench.clock.now -= 3_600_000
    bench.log.tick()
    await turn()
    expect(bench.disk.pending).toBe(1)
  })

  test('much that is not synced does not wait for the second', async () => {
    const { log, disk } = await openLog(undefined, { level: 'normal', segment_bytes: UNSYNCED_BYTES_MAX * 4 })
    log.commit(frame('', 'x'.repeat(UNSYNCED_BYTES_MAX / 2)), true)
    await turn()
    expect(disk.pending).toBe(1)
  })
})

describe('a full disk', () => {
  test('refuses appends and writes effects until there is space again', async () => {
    const bench = await openLog()
    const { log, disk, reports } = bench
    disk.space = disk.used
    let appends = 0
    expect(
      (async () => {
        for (; appends < 100; appends++) await append(bench, 'x'.repeat(200))
      })(),
    ).rejects.toThrow('no next segment can be made: ENOSPC')
    await finished(disk)
    expect(appends).toBe(Math.floor((4096 - 1024) / 224))
    expect(log.refuses).toBe('full')
    expect(reports).toEqual(['no next segment can be made: ENOSPC'])
    expect(log.status).toMatchObject({ trouble: reports[0], free_bytes: 0 })
    expect(() => log.commit(frame('an effect', 'refused'), true)).toThrow(
      'no next segment can be made: ENOSPC',
    )
    const exhausted = () => log.exhausted
    let effects = 0
    for (; !exhausted(); effects++) log.commit(frame(`effect ${effects};`), false)
    expect(effects).toBeGreaterThan(15)
    expect(log.status.trouble).toContain('ENOSPC')

    disk.space = Number.POSITIVE_INFINITY
    await second(bench)
    await second(bench)
    expect([log.refuses, exhausted()]).toEqual([undefined, false])
    expect(reports.at(-1)).toBe('a next segment could be made again')
    await append(bench, 'goes on')
    const all = (await afterKill(bench)).join('')
    expect(all).toContain('an effect')
    expect(all).not.toContain('refused')
    expect(all.match(/effect \d+;/g)!.length).toBe(effects)
  })

  test('a frame that would use up the reserve is refused, and all that come after it', async () => {
    const bench = await openLog()
    bench.disk.space = bench.disk.used
    bench.log.commit(frame('', 'x'.repeat(2200)), false)
    await second(bench)
    expect(bench.log.refuses).toBeUndefined()
    expect(() => bench.log.commit(frame('', 'x'.repeat(1500)), false)).toThrow(
      'no next segment can be made: ENOSPC',
    )
    expect(bench.log.refuses).toBe('full')
    expect(() => bench.log.commit(frame('', 'small'), false)).toThrow('no next segment can be made: ENOSPC')
    bench.disk.space = Number.POSITIVE_INFINITY
    await second(bench)
    bench.log.commit(frame('', 'small'), false)
    expect((await afterKill(bench)).at(-1)).toBe('small')
  })

  test('a write that fails leaves nothing of its appends, and its effects', async () => {
    const bench = await openLog()
    bench.disk.write_failures = 1
    expect(() => bench.log.commit(frame('effect', 'append'), true)).toThrow('EIO')
    bench.disk.write_failures = 3
    expect(() => bench.log.commit(frame(' second', 'append'), true)).toThrow('EIO')
    expect(bench.log.exhausted).toBe(true)
    bench.log.commit(frame(' third', ' append'), false)
    expect(bench.log.exhausted).toBe(false)
    expect((await afterKill(bench)).join('')).toBe('effect second third append')
  })

  test('the note of the process is made later where there is no space for it', async () => {
    const bench = await openLog()
    await driven(bench.disk, bench.log.close())
    const disk = bench.disk.kill()
    disk.space = disk.used
    const started = await openLog(disk)
    expect(started.how).toBe('clean')
    expect(started.log.status.trouble).toBe('the start cannot be noted: ENOSPC')
    started.log.commit(frame('', 'append'), false)
    disk.space = Number.POSITIVE_INFINITY
    await second(started)
    expect(started.log.status.trouble).toBeUndefined()
    expect((await openLog(disk.kill())).how).toBe('same_boot')
  })
})

describe('segments', () => {
  test('the next one is prepared ahead, and made at once where it is late', async () => {
    const { log, disk } = await openLog()
    for (let i = 0; i < 3; i++) log.commit(frame('', 'x'.repeat(1500)), false)
    expect(log.segment).toBe(2)
    expect(disk.list().find(({ name }) => name === '00000002.log')!.size).toBeLessThan(2000)
    await finished(disk)
    for (let i = 0; i < 2; i++) log.commit(frame('', 'x'.repeat(1500)), false)
    expect(log.segment).toBe(3)
    expect(disk.list().find(({ name }) => name === '00000003.log')!.size).toBe(4096)
    expect(log.bytes).toBe(disk.used - disk.bytes('boot').length)
  })

  test('a frame larger than a segment has a larger one of its own', async () => {
    const bench = await openLog()
    bench.log.commit(frame('', 'small'), false)
    bench.log.commit(frame('', 'x'.repeat(10_000)), false)
    bench.log.commit(frame('', 'after'), false)
    expect(bench.log.segment).toBe(3)
    expect((await afterKill(bench)).map((body) => body.length)).toEqual([5, 10_000, 5])
  })

  test('none is deleted while a backup has it pinned', async () => {
    const { log, disk } = await openLog()
    for (let i = 0; i < 8; i++) log.commit(frame('', 'x'.repeat(1500)), false)
    const pinned = await driven(disk, log.pin())
    expect(pinned!.files.map(({ name }) => name)).toContain('00000001.log')
    for (const { name, size } of pinned!.files) expect(disk.bytes(name)[size] ?? 0).toBe(0)
    let dropped = false
    const dropping = log.drop(1).then(() => {
      dropped = true
    })
    await finished(disk)
    expect([dropped, log.oldest]).toEqual([false, 1])
    pinned!.release()
    pinned!.release()
    await driven(disk, dropping)
    expect(log.oldest).toBe(2)
    await expect(log.drop(log.segment)).rejects.toThrow('not the oldest')
    await turn()
  })

  test('a log that is closed takes nothing any more', async () => {
    const { log, disk } = await openLog()
    log.commit(frame('', 'x'.repeat(1500)), false)
    await driven(disk, log.close())
    expect(() => log.commit(frame('', 'late'), true)).toThrow('closed')
    await expect(log.drop(1)).rejects.toThrow('closed')
    await turn()
    log.tick()
    expect(disk.pending).toBe(0)
    expect((await openLog(disk.powerCut(), { boot_id: 'boot-2' })).how).toBe('clean')
  })

  test('progress is told while it is read', async () => {
    const bench = await openLog()
    for (let i = 0; i < 8; i++) bench.log.commit(frame('', 'x'.repeat(1500)), false)
    const told: [number, number][] = []
    const { log } = await openLog(bench.disk.kill(), { progress: (read, total) => told.push([read, total]) })
    expect(told.length).toBeGreaterThan(2)
    expect(told.at(-1)![0]).toBe(told.at(-1)![1])
    expect(log.status.segments).toBeGreaterThan(2)
  })
})

import { describe, expect, test } from 'bun:test'
import { Damage } from '../../../src/engine/journal/log/damage.ts'
import { HEAD_BYTES } from '../../../src/engine/journal/log/frame.ts'
import { Random } from '../../simulation/random.ts'
import { driven } from './driven.ts'
import { frame } from './frames.ts'
import { openLog } from './open-log.ts'
import type { VirtualDisk } from './virtual-disk.ts'

const FLIPS = 200

/** A log of three segments, and where its frames lie. */
async function written(
  stop: 'stopped' | 'killed',
): Promise<{ disk: VirtualDisk; ends: Map<string, number> }> {
  const { log, disk } = await openLog()
  for (let i = 0; i < 60; i++) {
    const done = log.commit(frame(`effect ${i} `, `append ${'x'.repeat(100)}`), true)
    if (i % 3 === 0) await driven(disk, Promise.resolve(done))
  }
  await driven(disk, log.sync())
  log.commit(frame('not synced'), false)
  const pinned = await driven(disk, log.pin())
  const ends = new Map(pinned!.files.map(({ name, size }) => [name, size]))
  if (stop === 'stopped') await driven(disk, log.close())
  return { disk: disk.kill(), ends }
}

async function opened(
  disk: VirtualDisk,
  boot_id?: string,
): Promise<Damage | Awaited<ReturnType<typeof openLog>>> {
  try {
    return await openLog(disk, boot_id === undefined ? {} : { boot_id })
  } catch (error) {
    if (error instanceof Damage) return error
    throw error
  }
}

async function damaged(disk: VirtualDisk): Promise<Damage> {
  const found = await opened(disk)
  if (!(found instanceof Damage)) throw new Error(`opened: ${found.how}, ${JSON.stringify(found.cut)}`)
  return found
}

describe('a flipped bit in a frame', () => {
  for (const [stop, boot] of [
    ['stopped', 'boot-1'],
    ['killed', 'boot-1'],
    ['killed', 'boot-2'],
  ] as const)
    test(`is named or cut and said: ${stop}, started on ${boot}`, async () => {
      let named = 0
      for (let seed = 1; seed <= FLIPS; seed++) {
        const random = new Random(seed)
        const { disk, ends } = await written(stop)
        const name = random.pick([...ends.keys()])
        const at = random.between(0, ends.get(name)! - 1)
        const before = await contents(disk)
        disk.bytes(name)[at]! ^= 1 << random.between(0, 7)
        const files = snapshot(disk)
        const found = await opened(disk, boot)
        if (found instanceof Damage) {
          named++
          expect(ends.has(found.file)).toBe(true)
          expect(found.message).toContain(`${found.file} is damaged at byte ${found.offset}`)
          if (found.file === name) expect(found.offset).toBeLessThanOrEqual(at)
          // Nothing was changed.
          expect(snapshot(disk)).toBe(files)
        } else {
          expect(found.cut).toBeDefined()
          expect(found.cut!.file).toBe(name)
          expect(found.cut!.bytes).toBeGreaterThan(0)
          expect(found.bodies).toEqual(before.slice(0, found.bodies.length))
        }
      }
      if (stop === 'stopped') expect(named).toBe(FLIPS)
      else expect(named).toBeGreaterThan(FLIPS * 0.8)
    })
})

/** What is in the log, as a copy of the disk gives it. */
async function contents(disk: VirtualDisk): Promise<readonly string[]> {
  return (await openLog(disk.copy())).bodies
}

function snapshot(disk: VirtualDisk): string {
  return JSON.stringify(disk.list().map(({ name }) => [name, Bun.hash(disk.bytes(name)).toString()]))
}

describe('damage', () => {
  test('a segment that is missing', async () => {
    const { disk } = await written('killed')
    disk.remove('00000002.log')
    expect(await damaged(disk)).toMatchObject({
      file: '00000002.log',
      offset: 0,
      what: 'the file is missing',
    })
  })

  test('the first or the last segment missing after a stop in order', async () => {
    for (const name of ['00000001.log', '00000003.log']) {
      const { disk, ends } = await written('stopped')
      expect(ends.has(name)).toBe(true)
      disk.remove(name)
      await damaged(disk)
    }
  })

  test('all segments missing', async () => {
    const { disk } = await written('killed')
    for (const { name } of disk.list()) if (name !== 'boot') disk.remove(name)
    expect(await damaged(disk)).toMatchObject({ what: 'the file is missing' })
  })

  test('a file that was cut short', async () => {
    const { disk, ends } = await written('stopped')
    const [name, end] = [...ends].at(-1)!
    disk.truncate(name, end - 1)
    expect(await damaged(disk)).toMatchObject({ file: name })
  })

  test('something behind the end of a log that was stopped in order', async () => {
    const { disk, ends } = await written('stopped')
    const [name, end] = [...ends].at(-1)!
    disk.bytes(name)[end + 5] = 1
    expect(await damaged(disk)).toMatchObject({ file: name, offset: end })
  })

  test('a frame that is missing between others', async () => {
    const { disk, ends } = await written('killed')
    const [name, end] = [...ends].at(-1)!
    const bytes = disk.bytes(name)
    const first = HEAD_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
    bytes.copyWithin(0, first, end)
    await damaged(disk)
  })

  test('a note of the last process that cannot be read', async () => {
    for (const text of [
      '{',
      '{}',
      'null',
      '{"level":"half"}',
      '{"level":"full","clean":1}',
      '{"level":"full","claan":1}',
    ]) {
      const { disk } = await written('stopped')
      disk.truncate('boot', 0)
      disk.write('boot', 0, new TextEncoder().encode(text))
      expect(await damaged(disk)).toMatchObject({ file: 'boot' })
    }
  })
})

describe('on the same boot, when nothing vouches for it', () => {
  test('a bad frame with good ones behind it is damage; after another boot it is torn', async () => {
    const at = HEAD_BYTES + 'first'.length
    // In its body, and in its length, which claims all that follows then.
    for (const [flipped, bit] of [
      [at + HEAD_BYTES, 1],
      [at + 1, 4],
    ] as const) {
      const { log, disk } = await openLog()
      for (const text of ['first', 'second', 'third']) log.commit(frame('', text), false)
      disk.bytes('00000001.log')[flipped]! ^= bit
      expect((await openLog(disk.copy(), { boot_id: 'boot-2' })).bodies).toEqual(['first'])
      expect(await damaged(disk.kill())).toMatchObject({ offset: at })
    }
  })

  test('what lies beyond a frame that was broken off is damage; after another boot it is torn', async () => {
    for (const [beyond, name] of [
      [0, '00000001.log'],
      [1, '00000001.log'],
      [1, '00000002.log'],
    ] as const) {
      const { log, disk } = await openLog()
      log.commit(frame('', 'first'), false)
      log.commit(frame('', 'second'), false)
      log.commit(frame('', 'x'.repeat(4090)), false)
      const bytes = disk.bytes('00000001.log')
      const at = HEAD_BYTES + 'first'.length
      const end = at + HEAD_BYTES + 'second'.length
      disk.bytes('00000002.log').fill(0)
      // Its last byte was not written.
      bytes[end - 1] = 0
      if (name === '00000001.log') bytes[end + beyond - 1] = beyond
      else disk.bytes(name)[100] = beyond
      const other = await openLog(disk.copy(), { boot_id: 'boot-2' })
      expect(other).toMatchObject({ bodies: ['first'], cut: { file: '00000001.log', offset: at } })
      if (beyond) expect(await damaged(disk.kill())).toMatchObject({ offset: at })
      else expect((await openLog(disk.kill())).cut).toMatchObject({ offset: at, bytes: end - at - 1 })
    }
  })
})

describe('a torn tail', () => {
  test('zeros that a power cut leaves are cut and said', async () => {
    const { disk, ends } = await written('killed')
    const [name, end] = [...ends].at(-1)!
    // The last frame is the only one that nothing vouches for.
    disk.bytes(name).fill(0, end - 12, end)
    const found = await openLog(disk, { boot_id: 'boot-2' })
    expect(found).toMatchObject({ how: 'other_boot', level_before: 'full', cut: { file: name } })
    expect(found.cut!.offset).toBe(end - HEAD_BYTES - 'not synced'.length)
    await driven(disk, Promise.resolve(found.log.commit(frame('', 'goes on'), true)))
    const again = await openLog(disk.kill(), { boot_id: 'boot-2' })
    expect(again).toMatchObject({ how: 'same_boot', cut: undefined })
    expect(again.bodies.at(-1)).toBe('goes on')
  })

  test('without a boot id every start is one after another boot', async () => {
    const { disk } = await written('killed')
    expect((await openLog(disk, { boot_id: undefined })).how).toBe('other_boot')
  })

  test('a log without a note was left by nobody knows whom', async () => {
    const { disk } = await written('stopped')
    disk.remove('boot')
    expect(await openLog(disk)).toMatchObject({ how: 'other_boot', level_before: 'normal', cut: undefined })
  })
})

import { expect, test } from 'bun:test'
import { HEAD_BYTES, seal } from '../../../../src/engine/journal/log/frame.ts'
import { Log } from '../../../../src/engine/journal/log/log.ts'
import { segmentFiles } from '../../../../src/engine/journal/log/opening.ts'
import { type Gap, salvage } from '../../../../src/engine/journal/upkeep/salvage.ts'
import { Random } from '../../../simulation/random.ts'
import { MemoryDisk } from '../memory-disk.ts'

const SEGMENT_BYTES = 2048

/** A frame of the log that holds a number and so much else. */
function frameOf(number: number, length: number) {
  const bytes = new Uint8Array(HEAD_BYTES + 4 + length)
  new DataView(bytes.buffer).setUint32(HEAD_BYTES, number, true)
  bytes.fill(number % 251, HEAD_BYTES + 4)
  return { bytes, length: bytes.length, appends_at: bytes.length }
}

async function logOn(disk: MemoryDisk): Promise<Log> {
  const options = { level: 'normal', boot_id: 'b', segment_bytes: SEGMENT_BYTES, reserve_bytes: 0 } as const
  const { log } = await Log.open({ ...options, disk, now: Date.now, report: () => {} }, () => {})
  await log.begin()
  return log
}

/** What is saved of a disk: the numbers of its frames, and what is not. */
async function saved(disk: MemoryDisk): Promise<{ numbers: number[]; gaps: Gap[] }> {
  const numbers: number[] = []
  const gaps = await salvage({ disk, files: segmentFiles({ disk }), boot: undefined }, (body) => {
    const { buffer, byteOffset, length } = body
    const number = new DataView(buffer, byteOffset, length).getUint32(0, true)
    expect([...new Set(body.subarray(4))]).toEqual(length > 4 ? [number % 251] : [])
    numbers.push(number)
  })
  return { numbers, gaps }
}

test('every frame is saved that no flipped byte has hit, and each hit is named', async () => {
  for (let round = 0; round < 300; round++) {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = new Random(seed)
    const disk = new MemoryDisk()
    const log = await logOn(disk)
    /** Where each frame lies. */
    const places: { file: string; from: number; to: number }[] = []
    const ends = new Map<number, number>()
    for (let number = 0; number < 60; number++) {
      const frame = frameOf(number, random.between(0, 300))
      await log.commit(frame, false)
      const from = ends.get(log.segment) ?? 0
      ends.set(log.segment, from + frame.length)
      places.push({ file: `0000000${log.segment}.log`, from, to: from + frame.length })
    }
    await log.close()
    const hit = new Set<number>()
    for (let flips = random.between(1, 6); flips > 0; flips--) {
      const number = random.between(0, 59)
      const { file, from, to } = places[number]!
      const at = random.between(from, to - 1)
      const byte = disk.read(file, at, 1)
      byte[0]! ^= 1 << random.between(0, 7)
      if (!hit.has(number)) disk.write(file, at, byte)
      hit.add(number)
    }
    const { numbers, gaps } = await saved(disk)
    const expected = places.map((_, number) => number).filter((number) => !hit.has(number))
    expect({ seed, numbers }).toEqual({ seed, numbers: expected })
    for (const number of hit) {
      const { file, from } = places[number]!
      // What comes last in a segment may end in zeros, which nobody can tell from what was prepared.
      const named = gaps.some(
        (gap) => gap.file === file && gap.offset <= from && gap.offset + gap.bytes > from,
      )
      expect({ seed, number, named }).toEqual({ seed, number, named: true })
    }
    const lost = gaps.reduce((sum, { frames }) => sum + (frames ?? 0), 0)
    expect(lost).toBeLessThanOrEqual(hit.size)
  }
})

test('what a sync that failed had written twice is read once, though its mark is damaged', async () => {
  const disk = new MemoryDisk()
  const log = await logOn(disk)
  for (let number = 0; number < 5; number++) await log.commit(frameOf(number, 50), false)
  await log.sync()
  for (let number = 5; number < 10; number++) await log.commit(frameOf(number, 50), false)
  const { sync } = disk
  disk.sync = () => {
    disk.sync = sync
    return Promise.reject(new Error('it failed once'))
  }
  await log.sync()
  for (let number = 10; number < 12; number++) await log.commit(frameOf(number, 50), false)
  await log.close()
  expect((await saved(disk)).numbers).toEqual([...Array(12).keys()])
  // The mark is the first frame of the second segment.
  disk.write('00000002.log', 9, Uint8Array.of(7))
  const { numbers, gaps } = await saved(disk)
  // The frame that took the mark's number in the first segment may come from there: it says the same.
  expect(numbers.filter((number, i) => number !== numbers[i - 1])).toEqual([...Array(12).keys()])
  expect(gaps).toMatchObject([{ file: '00000002.log', offset: 0, bytes: HEAD_BYTES }])
})

test('a frame from before in the place of another is not read', async () => {
  const disk = new MemoryDisk()
  const log = await logOn(disk)
  for (let number = 0; number < 6; number++) await log.commit(frameOf(number, 50), false)
  await log.close()
  const length = HEAD_BYTES + 54
  disk.write('00000001.log', 3 * length, disk.read('00000001.log', length, length))
  const { numbers, gaps } = await saved(disk)
  expect(numbers).toEqual([0, 1, 2, 4, 5])
  expect(gaps).toMatchObject([{ file: '00000001.log', offset: 3 * length, bytes: length, frames: 1 }])
})

test('frames that are missing without a trace are counted', async () => {
  const disk = new MemoryDisk()
  const log = await logOn(disk)
  for (let number = 0; number < 6; number++) await log.commit(frameOf(number, 50), false)
  await log.close()
  const length = HEAD_BYTES + 54
  disk.write('00000001.log', 2 * length, disk.read('00000001.log', 4 * length, 2 * length))
  disk.write('00000001.log', 4 * length, new Uint8Array(2 * length))
  const { numbers, gaps } = await saved(disk)
  expect(numbers).toEqual([0, 1, 4, 5])
  expect(gaps).toMatchObject([{ offset: 2 * length, bytes: 0, frames: 2 }])
})

test('a text inside a damaged frame that looks like one is not read', async () => {
  const disk = new MemoryDisk()
  const log = await logOn(disk)
  await log.commit(frameOf(0, 50), false)
  const forged = frameOf(99, 20)
  seal(forged.bytes, forged.length, 1, 3, { segment: 1, offset: 0 })
  const around = frameOf(1, 200)
  around.bytes.set(forged.bytes, 100)
  await log.commit(around, false)
  for (const number of [2, 3]) await log.commit(frameOf(number, 50), false)
  await log.close()
  disk.write('00000001.log', HEAD_BYTES + 54 + HEAD_BYTES + 10, Uint8Array.of(0))
  expect((await saved(disk)).numbers).toEqual([0, 2, 3])
})

test('a frame that nobody understands is named, and the others are read', async () => {
  const disk = new MemoryDisk()
  const log = await logOn(disk)
  for (let number = 0; number < 3; number++) await log.commit(frameOf(number, 50), false)
  await log.close()
  let visits = 0
  const gaps = await salvage({ disk, files: segmentFiles({ disk }), boot: undefined }, () => {
    if (++visits === 2) throw new Error('who wrote this?')
  })
  expect(visits).toBe(3)
  expect(gaps).toEqual([
    {
      file: '00000001.log',
      offset: HEAD_BYTES + 54,
      bytes: HEAD_BYTES + 54,
      frames: 1,
      what: 'who wrote this?',
    },
  ])
})

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Log, type LogStart } from '../../../src/engine/journal/log/log.ts'
import { NodeDisk } from '../../../src/engine/journal/log/node-disk.ts'
import { frame } from './frames.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-'))
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function open(
  level: 'normal' | 'full' = 'full',
  boot_id = 'boot-1',
): Promise<LogStart & { bodies: string[] }> {
  const bodies: string[] = []
  const started = await Log.open(
    {
      disk: new NodeDisk(directory),
      level,
      boot_id,
      segment_bytes: 64 * 1024,
      reserve_bytes: 4096,
      now: Date.now,
      report: (trouble) => {
        throw trouble
      },
    },
    (body, segment) => bodies.push(`${segment}:${Buffer.from(body).toString().slice(0, 20)}`),
  )
  await started.log.begin()
  return { ...started, bodies }
}

describe('a log in a directory', () => {
  test('gives back what was written, after a stop in order', async () => {
    const { log, how, level_before } = await open()
    expect([how, level_before]).toEqual(['new', undefined])
    await log.commit(frame('effect ', 'append'), true)
    log.commit(frame('more'), false)
    await log.close()

    const again = await open('normal')
    expect(again).toMatchObject({ how: 'clean', level_before: 'full', cut: undefined })
    expect(again.bodies).toEqual(['1:effect append', '1:more'])
    await again.log.close()
  })

  test('goes on in its last segment after a process has died, and many starts make no segments', async () => {
    for (let i = 0; i < 20; i++) {
      const { log, how, bodies } = await open('normal', i % 3 === 0 ? `boot-${i}` : 'boot-1')
      if (i > 0) expect(how).toBe(i % 3 === 2 ? 'same_boot' : 'other_boot')
      expect(bodies.length).toBe(i)
      log.commit(frame('', `frame ${i}`), true)
      await log.sync()
    }
    expect(segments()).toEqual(['00000001.log'])
  })

  test('begins segments and deletes old ones', async () => {
    const { log } = await open()
    while (log.segment < 4) await log.commit(frame('', 'x'.repeat(10_000)), true)
    expect([log.oldest, log.segment]).toEqual([1, 4])
    await log.drop(1)
    await expect(log.drop(3)).rejects.toThrow('not the oldest')
    const files = segments()
    expect(files.slice(0, 3)).toEqual(['00000002.log', '00000003.log', '00000004.log'])
    // The last may have been begun before it was prepared.
    expect(log.bytes).toBeGreaterThan(2.5 * 64 * 1024)
    await log.close()
    const again = await open()
    expect(again.bodies.map((body) => body[0])).toContain('2')
    expect(again.log.oldest).toBe(2)
    // Behind a segment that was not prepared, the next one is begun.
    expect(again.log.segment).toBeWithin(4, 6)
    await again.log.close()
  })

  test('makes files that others cannot read', async () => {
    const { log } = await open()
    await log.commit(frame('', 'secret'), true)
    await log.close()
    for (const name of readdirSync(directory))
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600)
  })
})

describe('a directory as a disk', () => {
  const bytes = new TextEncoder().encode('written')

  test('cuts files, whether they are open or not', async () => {
    const disk = new NodeDisk(directory)
    disk.write('a', 0, bytes)
    await disk.sync('a')
    disk.truncate('a', 4)
    disk.close('a')
    disk.close('a')
    expect(disk.read('a', 1, 100)).toEqual(bytes.slice(1, 4))
    disk.truncate('a', 2)
    expect(disk.list()).toEqual([{ name: 'a', size: 2 }])
    expect(disk.read('a', 5, 1).length).toBe(0)
  })

  test('goes on writing to a file that was renamed, and to none that was replaced or removed', async () => {
    const disk = new NodeDisk(directory)
    disk.write('a', 0, bytes)
    disk.write('b', 0, bytes)
    disk.rename('a', 'b')
    disk.write('b', bytes.length, bytes)
    expect(disk.list()).toEqual([{ name: 'b', size: 2 * bytes.length }])
    disk.remove('b')
    disk.write('b', 0, bytes)
    expect(disk.list()).toEqual([{ name: 'b', size: bytes.length }])
    await disk.syncDirectory()
  })

  test('a file may be closed and removed while it is synced', async () => {
    const disk = new NodeDisk(directory)
    for (let i = 0; i < 50; i++) {
      disk.write('a', 0, bytes)
      const synced = [disk.sync('a'), disk.sync('a')]
      disk.remove('a')
      disk.write('a', 0, bytes)
      await Promise.all(synced)
      await disk.sync('a')
    }
    expect(openDescriptors()).toBeLessThanOrEqual(1)
  })

  test('prepares zeros, and says what is missing when it cannot', async () => {
    const disk = new NodeDisk(directory)
    await disk.prepare('next.tmp', 700_000)
    expect(disk.read('next.tmp', 0, 1_000_000)).toEqual(Buffer.alloc(700_000))
    await expect(disk.prepare('next.tmp', disk.free() * 2)).rejects.toMatchObject({ code: 'ENOSPC' })
    rmSync(directory, { recursive: true })
    await expect(disk.prepare('next.tmp', 10)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.syncDirectory()).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

/** How many of this process's descriptors are of files in the directory. */
function openDescriptors(): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(directory)
    } catch {
      return false
    }
  }).length
}

function segments(): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .sort()
}

import { expect, test } from 'bun:test'
import { DEFAULT_LIMITS } from '../../../../src/core/limits.ts'
import { createMessage } from '../../../../src/core/message.ts'
import { JournalEngine } from '../../../../src/engine/journal/journal.ts'
import type { Disk } from '../../../../src/engine/journal/log/disk.ts'
import { check, readAll } from '../../../../src/engine/journal/upkeep/check.ts'
import { hold } from '../../../../src/engine/journal/upkeep/holding.ts'
import { writeAnew } from '../../../../src/engine/journal/upkeep/repair.ts'
import { MemoryDisk } from '../memory-disk.ts'
import { NOBODY } from '../nobody.ts'

const NOW = 1_800_000_000_000

function engineOn(disk: Disk, notes: unknown[] = []): JournalEngine {
  const note = (said: unknown) => void notes.push(said)
  return new JournalEngine({
    limits: () => DEFAULT_LIMITS,
    now: () => NOW,
    newId: () => crypto.randomUUID(),
    newEpoch: () => 'epoch',
    level: 'normal',
    open: () => ({ path: 'memory', disk, boot_id: 'boot', close() {} }),
    report: note,
    note,
    fatal: note,
    segment_bytes: 4096,
    reserve_bytes: 0,
  })
}

/** A disk with messages in several segments, one of which has a flipped byte. */
async function damaged(): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const engine = engineOn(disk)
  await engine.start(NOBODY)
  for (let n = 0; n < 20; n++) {
    const id = `m-${String(n).padStart(4, '0')}`
    engine.append('default', createMessage({ payload: 'x'.repeat(800) }, 's', 'r', id, NOW, 3600), 'r')
    await engine.flush()
  }
  await engine.stop()
  const byte = disk.read('00000002.log', 1500, 1)
  byte[0]! ^= 1
  disk.write('00000002.log', 1500, byte)
  return disk
}

/** A disk whose process dies before a change, after so many. */
function fused(disk: MemoryDisk, changes: number): Disk {
  const counted = new Set(['write', 'truncate', 'rename', 'remove', 'sync', 'syncDirectory'])
  return new Proxy(disk, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        if (counted.has(String(name)) && changes-- <= 0) throw new Error('it died')
        return member.apply(target, args)
      }
    },
  })
}

async function repaired(disk: Disk): Promise<void> {
  const read = await readAll(disk, { now: NOW })
  await writeAnew(
    disk,
    read,
    hold(read.loaded, read.recorder, NOW, 'offsets', () => 'new'),
  )
}

test('a repair that is broken off at any step has changed nothing, or is done', async () => {
  const before = await damaged()
  const { counts, damage } = await check(before.copy(), { now: NOW })
  expect(counts).toMatchObject({ pending: 19, clients: 1 })
  expect(damage).toHaveLength(1)
  const outcomes = new Set<string>()
  for (let changes = 0; ; changes++) {
    const disk = before.copy()
    const died = await repaired(fused(disk, changes)).then(
      () => false,
      () => true,
    )
    const found = await check(disk, { now: NOW })
    outcomes.add(found.damage.length > 0 ? 'as before' : 'done')
    expect({ changes, counts: found.counts }).toEqual({ changes, counts })
    // It starts, or can be repaired again, whatever was left.
    if (found.damage.length > 0) {
      await expect(engineOn(disk.copy()).start(NOBODY)).rejects.toThrow('is damaged')
      await repaired(disk)
    }
    const engine = engineOn(disk)
    await engine.start(NOBODY)
    expect(engine.stats()).toMatchObject({ pending: 19, clients: 1 })
    await engine.stop()
    if (!died) break
  }
  expect([...outcomes].sort()).toEqual(['as before', 'done'])
})

import { describe, expect, test } from 'bun:test'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { createMessage, type StoredMessage } from '../../../src/core/message.ts'
import { JournalEngine, type JournalLevel } from '../../../src/engine/journal/journal.ts'
import type { Disk } from '../../../src/engine/journal/log/disk.ts'
import { HEAD_BYTES } from '../../../src/engine/journal/log/frame.ts'
import { Recorder } from '../../../src/engine/journal/records/recorder.ts'
import { Loaded } from '../../../src/engine/journal/state/loaded.ts'
import { MemoryDisk } from './memory-disk.ts'
import { NOBODY } from './nobody.ts'

const PROJECT = 'p'
const READER = { project: PROJECT, client_id: 'reader' }
const TAKE = { limit: 10, bytes_max: 1e6, ack: 'manual' } as const
const START_MS = Date.UTC(2026, 0, 31, 12)

let now = START_MS
let ids = 0
let epochs = 0

/** The engine of one process. */
async function started(disk: Disk, boot_id: string, level: JournalLevel = 'normal'): Promise<JournalEngine> {
  const engine = new JournalEngine({
    limits: () => DEFAULT_LIMITS,
    now: () => now,
    newId: () => crypto.randomUUID(),
    newEpoch: () => `e${epochs++}`,
    level,
    open: () => ({ path: 'memory', disk, boot_id, close() {} }),
    report: () => undefined,
    note: () => undefined,
    fatal: () => undefined,
  })
  await engine.start(NOBODY)
  return engine
}

function message(ttl_seconds: number): StoredMessage {
  const id = `01a22e4f-84c0-7000-8000-${String(ids++).padStart(12, '0')}`
  return createMessage({ payload: 'x', ttl_seconds }, 'sender', READER.client_id, id, now, 60)
}

async function send(engine: JournalEngine, ttl_seconds = 1000): Promise<void> {
  engine.append(PROJECT, message(ttl_seconds), READER.client_id)
  await engine.flush()
}

/** A disk on which nothing can be written to segments while `full`. */
class FullDisk extends MemoryDisk {
  full = false

  override write(file: string, at: number, bytes: Uint8Array): number {
    if (this.full && file.endsWith('.log')) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    return super.write(file, at, bytes)
  }
}

/** A disk whose syncs end when they are let. */
class HeldDisk extends MemoryDisk {
  readonly #held: (() => void)[] = []
  holds = false

  override async sync(): Promise<void> {
    if (this.holds) await new Promise<void>((resolve) => this.#held.push(resolve))
  }

  release(): void {
    this.holds = false
    for (const resolve of this.#held.splice(0)) resolve()
  }
}

describe('a journal', () => {
  test('writes a death and its bounce at once, also when no flush has come since', async () => {
    const disk = new MemoryDisk()
    const engine = await started(disk, 'boot')
    await send(engine, 1)
    now += 2000
    engine.sweep()
    const next = await started(disk.copy(), 'boot')
    expect(next.dead(PROJECT, {}, { limit: 10 }).total).toBe(1)
    const bounced = next.read({ project: PROJECT, client_id: 'sender' }, undefined, TAKE)
    expect(bounced).toMatchObject({ due: [{ message: { sender_id: 'mcp-broker' } }] })
  })

  test('writes a bounce once', async () => {
    const disk = new MemoryDisk()
    const engine = await started(disk, 'boot')
    await send(engine, 1)
    now += 2000
    engine.sweep()
    await engine.flush()
    const text = disk.list().map(({ name, size }) => Buffer.from(disk.read(name, 0, size)).toString('latin1'))
    expect(text.join('').split('"bounce":"expired","message_id"').length - 1).toBe(1)
  })

  test('counts a delivery that a power cut may have lost, also after one more start', async () => {
    const disk = new MemoryDisk()
    await send(await started(disk, 'boot 1', 'full'))
    const second = disk.copy()
    await started(second, 'boot 2', 'full')
    const third = await started(second.copy(), 'boot 2', 'full')
    expect(third.read(READER, undefined, TAKE)).toMatchObject({ due: [{ attempt: 2 }] })
  })

  test('gives new epochs again when those that it gave could not be written', async () => {
    const disk = new FullDisk()
    await send(await started(disk, 'boot 1'))
    const second = new FullDisk(disk.files())
    second.full = true
    const engine = await started(second, 'boot 2', 'full')
    const { epoch } = engine.history(READER, {}, 10, 1e6)
    const third = new FullDisk(second.files())
    const after = (await started(third, 'boot 3', 'full')).history(READER, {}, 10, 1e6).epoch
    expect(after).not.toBe(epoch)
    // Not that of the first process either, whose last messages may be lost.
    expect(Number(after.slice(1))).toBeGreaterThan(Number(epoch.slice(1)))
  })

  test('begins as soon as the new epochs can be written', async () => {
    const disk = new FullDisk()
    await send(await started(disk, 'boot 1'))
    disk.full = true
    const engine = await started(disk, 'boot 2')
    const { epoch } = engine.history(READER, {}, 10, 1e6)
    disk.full = false
    // The first tick writes what is kept, and the next sweep notes the start.
    for (let sweeps = 0; sweeps < 2; sweeps++) {
      now += 1000
      engine.sweep()
      for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate)
    }
    const again = await started(disk.copy(), 'boot 2')
    expect(again.history(READER, {}, 10, 1e6).epoch).toBe(epoch)
  })

  test('goes on with the numbers of dead letters of which only the requeue is left', () => {
    const recorder = new Recorder(() => now)
    const of = { project: PROJECT, recipient_id: READER.client_id, epoch: 'e', offset: 1, attempts: 1 }
    const letter = { ...of, message: message(1), reason: 'expired', dead_ms: now } as const
    const drained = [{ project: PROJECT, letters: [{ number: 7, letter }] }]
    const { bytes, length } = recorder.frame({ appends: [], keyed: [], drained })
    const loaded = new Loaded(new Recorder(() => now))
    loaded.read(bytes.subarray(HEAD_BYTES, length), 1)
    expect(loaded.letters().get(PROJECT)?.sorted.last).toBe(7)
  })

  test('syncs other words before they are answered', async () => {
    const disk = new HeldDisk()
    const engine = await started(disk, 'boot', 'full')
    await send(engine)
    const { epoch, deliveries } = engine.history(READER, {}, 10, 1e6)
    const [{ offset, message }] = deliveries as [(typeof deliveries)[0]]
    const after = JSON.stringify({ ...JSON.parse(message.json), payload: 'y' })
    disk.holds = true
    engine.rewrite(READER, { epoch, messages: [{ offset, before: message.json, after }] })
    let stored = false
    const flushing = Promise.resolve(engine.flush()).then(() => {
      stored = true
    })
    for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate)
    expect(stored).toBeFalse()
    disk.release()
    await flushing
    expect(stored).toBeTrue()
  })
})

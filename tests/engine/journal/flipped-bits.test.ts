import { expect, test } from 'bun:test'
import { StartRefused } from '../../../src/core/errors.ts'
import { claimedLength } from '../../../src/engine/journal/log/frame.ts'
import { numberOf } from '../../../src/engine/journal/log/segments.ts'
import type { Checkin } from '../../../src/engine/values.ts'
import { Random } from '../../simulation/random.ts'
import { AT, Bench, journalOn, PROJECT } from './bench.ts'
import { MemoryDisk } from './memory-disk.ts'
import { NOBODY } from './nobody.ts'
import { difference, type State, stateOf } from './state-of.ts'

const SEGMENT_BYTES = 16 * 1024
const FLIPS = 200
const MAILBOXES = ['a', 'b', 'c', 'd']

type Files = ReadonlyMap<string, Uint8Array>

/** What a process left behind, and what it held. */
interface Left {
  readonly files: Files
  readonly state: State
  /** What it held when the disk was last synced. */
  readonly synced: State
  /** Every message that was ever there. */
  readonly stored: ReadonlyMap<string, unknown>
  readonly now: number
}

/** Some of everything that a journal writes. */
function something(bench: Bench, random: Random): void {
  const { engine } = bench
  const mailbox = random.pick(MAILBOXES)
  const chance = random.next()
  if (chance < 0.5) bench.send(mailbox, random.between(0, 600), random.pick([3, 3600]))
  else if (chance < 0.65) bench.take(mailbox, random.pick(['auto', 'manual']), 3)
  else if (chance < 0.8)
    for (const { message } of bench.take(mailbox, 'manual', 2)) bench.acknowledge(mailbox, message.message_id)
  else if (chance < 0.9) engine.checkin({ ...AT(mailbox), name: 'somebody' } as Checkin)
  else engine.records.put('grant', PROJECT, mailbox, { n: random.next() }, undefined)
  engine.flush()
}

/** A log of several segments, the oldest of which were deleted. */
async function left(how: 'killed' | 'stopped'): Promise<Left> {
  const bench = await Bench.start({
    segment_bytes: SEGMENT_BYTES,
    reserve_bytes: 0,
    slack_bytes: SEGMENT_BYTES,
  })
  const random = new Random(7)
  const stored = new Map<string, unknown>()
  const keep = () => {
    for (const [name, message] of messages(bench.state)) stored.set(name, message)
  }
  for (let i = 0; i < 1500; i++) {
    something(bench, random)
    keep()
    if (i % 100 === 0) await bench.pass(1)
    else if (i % 5 === 0) await bench.work()
  }
  await bench.pass(2)
  const synced = bench.state
  for (let i = 0; i < 20; i++) {
    something(bench, random)
    keep()
  }
  const { state, now } = bench
  if (how === 'stopped') await bench.stop()
  const files = new Map(bench.disk.list().map(({ name, size }) => [name, bench.disk.read(name, 0, size)]))
  const numbers = [...files.keys()].flatMap((name) => numberOf(name) ?? [])
  expect(Math.min(...numbers)).toBeGreaterThan(1)
  expect(numbers.length).toBeGreaterThan(3)
  return { files, state, synced, stored, now }
}

/** Flips one bit of the frames. @returns where, and where the frame begins that it is in */
function flip(files: Files, random: Random) {
  const segments = [...files].filter(([name, bytes]) => numberOf(name) && bytes.some((byte) => byte !== 0))
  const [file, bytes] = random.pick(segments)
  const at = random.between(
    0,
    bytes.findLastIndex((byte) => byte !== 0),
  )
  const flipped = bytes.slice()
  flipped[at]! ^= 1 << random.between(0, 7)
  let frame = 0
  while (frame + claimedLength(bytes, frame) <= at) frame += claimedLength(bytes, frame)
  return { files: new Map([...files, [file, flipped] as const]), file, at, frame }
}

/** Starts on some files. @returns what was said, and what is there then; undefined if it was refused */
async function started(files: Files, now: number, boot_id: string) {
  const disk = new MemoryDisk(files).copy()
  const said: string[] = []
  const report = (told: string) => void said.push(told)
  const engine = journalOn({ disk, now: () => now, boot_id, segment_bytes: SEGMENT_BYTES, report })
  try {
    await engine.start(NOBODY)
    return { said, state: stateOf(engine, now) }
  } catch (error) {
    expect(error).toBeInstanceOf(StartRefused)
    for (const [name, bytes] of files) expect(Buffer.compare(disk.read(name, 0, 1e9), bytes)).toBe(0)
    expect(disk.list()).toHaveLength(files.size)
    return { said: [(error as StartRefused).message], state: undefined }
  }
}

/** Every message, with all that is known of it. */
function messages(state: State): Map<string, unknown> {
  const found = new Map<string, unknown>()
  for (const [name, { live, history }] of Object.entries(state.clients))
    for (const { offset, message } of [...live, ...history] as { offset: number; message: unknown }[])
      found.set(`${name} ${offset}`, message)
  return found
}

test.each([
  ['killed', 'boot'],
  ['killed', 'another boot'],
  ['stopped', 'boot'],
  ['stopped', 'another boot'],
] as const)(
  'a log that was %s, with a flipped bit, on %s: refused, or cut and said',
  async (how, boot_id) => {
    const { files, state, synced, stored, now } = await left(how)
    const whole = await started(files, now, boot_id)
    expect(whole.state && boot_id === 'boot' && difference(state, whole.state, now)).toBeFalsy()
    const end = messages(state)
    const counts = { refused: 0, cut: 0 }
    const random = new Random(11)
    for (let i = 0; i < FLIPS; i++) {
      const flipped = flip(files, random)
      const { said, state: found } = await started(flipped.files, now, boot_id)
      const where = `${flipped.file} at ${flipped.at}: ${said.join(' ')}`
      if (!found) {
        counts.refused++
        const [, file, offset] = /^In \/data, (\S+) is damaged at byte (\d+): \S.*\.$/.exec(said[0]!) ?? []
        expect([where, file, Number(offset)]).toEqual([where, flipped.file, flipped.frame])
        continue
      }
      counts.cut++
      expect([
        where,
        said.some((line) => line.includes(`${flipped.file} was cut at byte ${flipped.frame}: `)),
      ]).toEqual([where, true])
      // Nothing is there that was not stored, and all that was synced is.
      for (const [name, message] of messages(found))
        expect([where, name, message]).toEqual([where, name, stored.get(name)])
      expect([where, lacks(found, synced, end)]).toEqual([where, []])
    }
    expect(counts.refused + counts.cut).toBe(FLIPS)
    if (how === 'stopped') expect(counts.cut).toBe(0)
    expect(counts.refused).toBeGreaterThan(FLIPS / 2)
  },
)

/** What was there at a time and is there at the end, and is not there. */
function lacks(found: State, synced: State, end: ReadonlyMap<string, unknown>): string[] {
  const there = messages(found)
  return [...messages(synced).keys()].filter((name) => end.has(name) && !there.has(name))
}

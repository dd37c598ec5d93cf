import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StartRefused } from '../../../src/core/errors.ts'
import { createMessage } from '../../../src/core/message.ts'
import type { JournalEngine } from '../../../src/engine/journal/journal.ts'
import { openVolume } from '../../../src/engine/journal/volume.ts'
import { AT, journalOn, PROJECT } from './bench.ts'
import { MemoryDisk } from './memory-disk.ts'
import { NOBODY } from './nobody.ts'

const SEGMENT_BYTES = 16 * 1024
const NOW = Date.UTC(2026, 0, 31, 12)
const BY = 'mcp-broker 1.2.3'
let root: string
let data: string
let said: string[]

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'mcp-broker-odd-'))
  for (const [name, chars] of [
    ['stopped', 100],
    ['other', 150],
  ] as const) {
    const engine = journalIn(join(root, name))
    await engine.start(NOBODY)
    await send(engine, 200, chars)
    await engine.stop()
  }
  // As a process leaves it that is killed: without the note of a stop.
  cpSync(join(root, 'stopped'), join(root, 'killed'), { recursive: true })
  const { clean: _, ...note } = JSON.parse(readFileSync(join(root, 'killed', 'boot'), 'utf8'))
  writeFileSync(join(root, 'killed', 'boot'), `${JSON.stringify(note)}\n`)
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

beforeEach(() => {
  data = join(root, 'data')
  rmSync(data, { recursive: true, force: true })
  said = []
})

function journalIn(path: string): JournalEngine {
  return journalOn({
    open: () => openVolume(path, BY),
    disk: new MemoryDisk(),
    now: () => NOW,
    segment_bytes: SEGMENT_BYTES,
    limits: { mailbox_messages_max: 10_000 },
    report: (told) => void said.push(told),
  })
}

async function send(engine: JournalEngine, count: number, chars: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const content = { payload: { n, text: 'x'.repeat(chars) } }
    engine.append(PROJECT, createMessage(content, 's', 'r', Bun.randomUUIDv7(), NOW, 3600), 'r')
    engine.flush()
    // Preparing goes on meanwhile.
    if (n % 5 === 0) await Bun.sleep(1)
  }
}

function readable(engine: JournalEngine): number {
  const read = engine.read(AT('r'), undefined, { limit: 10_000, bytes_max: 1e9, ack: 'none' })
  return typeof read === 'string' ? -1 : read.due.length
}

const segments = () =>
  readdirSync(data)
    .filter((name) => name.endsWith('.log'))
    .sort()

function everything(): unknown[] {
  return readdirSync(data)
    .sort()
    .map((name) => [name, statSync(join(data, name)).mode, readFileSync(join(data, name)).toString('base64')])
}

/** Begins, in the middle of a segment, the frame whose length is to be changed. */
function frameIn(file: string, number: number): number {
  const bytes = readFileSync(file)
  let at = 0
  for (let n = 0; n < number; n++) at += 24 + bytes.readUInt32LE(at)
  return at
}

function setLength(file: string, at: number, length: number): void {
  const bytes = readFileSync(file)
  bytes.writeUInt32LE(length, at)
  writeFileSync(file, bytes)
}

function remove(names: readonly string[]): void {
  for (const name of names) rmSync(path(name))
}

const path = (name: string | undefined) => join(data, name!)
const note = (change: object) =>
  writeFileSync(
    path('boot'),
    JSON.stringify({ ...JSON.parse(readFileSync(path('boot'), 'utf8')), ...change }),
  )

const CASES: readonly [what: string, left: 'stopped' | 'killed', does: () => void, says: RegExp][] = [
  [
    'a segment in the middle is missing',
    'killed',
    () => remove(segments().slice(2, 3)),
    /00000003\.log is damaged at byte 0: the file is missing\.$/,
  ],
  [
    'the oldest segment is missing',
    'stopped',
    () => remove(segments().slice(0, 1)),
    /00000001\.log is damaged at byte 0: the file is missing\.$/,
  ],
  [
    'the last segments are missing',
    'stopped',
    () => remove(segments().slice(2)),
    /00000002\.log is damaged at byte \d+: the log ended at byte \d+ of segment \d+ when it was stopped\.$/,
  ],
  [
    'all segments are missing',
    'killed',
    () => remove(segments()),
    /00000001\.log is damaged at byte 0: the file is missing\.$/,
  ],
  [
    'a segment is empty',
    'killed',
    () => truncateSync(path(segments()[1]), 0),
    /0000000[12]\.log is damaged at byte \d+: this was written whole before what 00000003\.log holds at byte 0\.$/,
  ],
  [
    'a segment was cut short',
    'killed',
    () => truncateSync(path(segments()[1]), 5000),
    /00000002\.log is damaged at byte \d+: this was written whole before what 00000002\.log holds|00000003\.log holds at byte 0\.$/,
  ],
  [
    'a segment is of another journal',
    'killed',
    () => copyFileSync(join(root, 'other', '00000002.log'), path('00000002.log')),
    /0000000[12]\.log is damaged at byte \d+: this was written whole before what 0000000[23]\.log holds at byte 0\.$/,
  ],
  [
    'a segment of another journal follows the last',
    'killed',
    () => copyFileSync(join(root, 'other', '00000002.log'), path(`0000000${segments().length + 1}.log`)),
    /\.log is damaged at byte \d+: no write that was broken off leaves this\.$/,
  ],
  [
    'a frame claims to be huge',
    'killed',
    () => setLength(path(segments()[1]), frameIn(path(segments()[1]), 5), 0xffff_ffff),
    /00000002\.log is damaged at byte \d+: this was written whole before what 00000002\.log holds at byte \d+\.$/,
  ],
  [
    'the last frame claims to be huge, after a stop',
    'stopped',
    () => {
      const { segment, offset } = JSON.parse(readFileSync(path('boot'), 'utf8')).clean
      const file = path(`0000000${segment}.log`)
      setLength(file, lastFrame(file, offset), 0xffff_ffff)
    },
    /\.log is damaged at byte \d+: the log ended at byte \d+ of segment \d+ when it was stopped\.$/,
  ],
  [
    'the boot note is garbage',
    'killed',
    () => writeFileSync(path('boot'), '\0\0\0'),
    /boot is damaged at byte 0: it is not JSON\.$/,
  ],
  [
    'the boot note is empty',
    'killed',
    () => truncateSync(path('boot'), 0),
    /boot is damaged at byte 0: it is not JSON\.$/,
  ],
  [
    'the boot note is another',
    'killed',
    () => note({ level: 'most' }),
    /boot is damaged at byte 0: it has other fields than expected\.$/,
  ],
  [
    'the boot note has more',
    'stopped',
    () => note({ later: 1 }),
    /boot is damaged at byte 0: it has other fields than expected\.$/,
  ],
  [
    'the format is newer',
    'killed',
    () => writeFileSync(path('format'), '{"format":2,"by":"mcp-broker 9.0.0"}'),
    /has format 2, which mcp-broker 1\.2\.3 does not know: start mcp-broker 9\.0\.0 or a later version, or choose another data directory\.$/,
  ],
]

/** Where the last frame begins that ends at an offset. */
function lastFrame(file: string, end: number): number {
  const bytes = readFileSync(file)
  let at = 0
  for (let next = 0; next < end; next += 24 + bytes.readUInt32LE(next)) at = next
  return at
}

test.each(CASES)('%s (%s): refused in one sentence, and left as it is', async (_, left, does, says) => {
  cpSync(join(root, left), data, { recursive: true })
  does()
  const before = everything()
  let error: unknown
  try {
    await journalIn(data).start(NOBODY)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(StartRefused)
  const { message } = error as StartRefused
  expect(message).toMatch(says)
  expect(message).toContain(data)
  expect(message.split(/[.!?] /)).toHaveLength(1)
  expect(everything()).toEqual(before)
})

test('an empty file after the last segment is taken as room for the next, and nothing is lost', async () => {
  cpSync(join(root, 'killed'), data, { recursive: true })
  const next = `0000000${segments().length + 1}.log`
  writeFileSync(path(next), '')
  const engine = journalIn(data)
  await engine.start(NOBODY)
  expect(readable(engine)).toBe(200)
  await send(engine, 300, 100)
  await engine.stop()
  const again = journalIn(data)
  await again.start(NOBODY)
  expect(readable(again)).toBe(500)
  await again.stop()
  expect(said).toEqual([])
})

test('what is left of the last frame after a kill is cut and said', async () => {
  cpSync(join(root, 'killed'), data, { recursive: true })
  const { clean } = JSON.parse(readFileSync(join(root, 'stopped', 'boot'), 'utf8'))
  const file = path(`0000000${clean.segment}.log`)
  const at = lastFrame(file, clean.offset)
  setLength(file, at, 0xffff_ffff)
  const engine = journalIn(data)
  await engine.start(NOBODY)
  expect(readable(engine)).toBe(199)
  expect(said).toEqual([
    expect.stringMatching(
      new RegExp(`^${file} was cut at byte ${at}: the last write, \\d+ bytes, was torn\\.$`),
    ),
  ])
  await engine.stop()
})

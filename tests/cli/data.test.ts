import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { App } from '../../src/app.ts'
import type { DeadLetter } from '../../src/core/mailbox/entry.ts'
import type { JournalEngine } from '../../src/engine/journal/journal.ts'
import { difference, type State, stateOf } from '../engine/journal/state-of.ts'
import { brokerOn, folder, retained, sendTo } from '../engine/journal/upkeep/brokers.ts'
import { Random } from '../simulation/random.ts'
import { WsClient } from '../ws-client.ts'
import { type } from './harness.ts'

/** What `--json` prints. */
interface Told {
  readonly ok?: boolean
  readonly damage: { file: string; offset: number; bytes: number; frames?: number; what: string }[]
  readonly counts: Record<string, number>
  readonly after: { counts: Record<string, number>; segments: number }
  readonly torn?: { file: string; offset: number; bytes: number }
  readonly copy?: string
}

async function told(...args: string[]): Promise<Told & { code: number }> {
  const { code, out, err } = await type(['data', ...args, '--json'])
  if (out === '') throw new Error(err)
  return { code, ...(JSON.parse(out) as Told) }
}

const stateIn = ({ broker }: App) => stateOf(broker.engine as JournalEngine, broker.now())

/** The same state under no epochs: a repair gives others. */
function withoutEpochs(state: State): State {
  const clients = Object.entries(state.clients).map(([name, of]) => [name, { ...of, epoch: '' }])
  return { ...state, clients: Object.fromEntries(clients) }
}

/** Fills a broker with something of all that it keeps. */
async function furnish(app: App): Promise<void> {
  const client = await WsClient.checkedIn(app.url, 'reader')
  const sender = await WsClient.checkedIn(app.url, 'sender')
  const send = (recipient_id: string, input: object = {}) =>
    sender.call('send_message', {
      recipient_id,
      payload: { text: 'äöü€', filler: 'x'.repeat(2000) },
      ...input,
    })
  for (let n = 0; n < 60; n++) await send('reader', { priority: ['low', 'normal', 'high', 'urgent'][n % 4] })
  for (let n = 0; n < 20; n++)
    await send(`client-${n % 5}`, { idempotency_key: `key-${n}`, ttl_seconds: 600 })
  const page = async (limit: number) =>
    (await client.call<{ messages: { message_id: string }[] }>('get_messages', { ack: 'manual', limit }))
      .messages
  const ids = (await page(20)).map(({ message_id }) => message_id)
  await client.call('ack_messages', { message_ids: ids.slice(0, 8) })
  await client.call('nack_messages', { message_ids: ids.slice(8, 12), delay_seconds: 500 })
  await client.call('nack_messages', { message_ids: ids.slice(12, 14) })
  await send('gone', { ttl_seconds: 3000 })
  const gone = await WsClient.checkedIn(app.url, 'gone')
  for (let n = 0; n < 5; n++) {
    await gone.call('get_messages', { ack: 'manual' })
    await gone.call('nack_messages')
  }
  await sender.call('broadcast_message', { payload: 'to all' })
  const definition = { name: 'talk', version: '1.0.0', schema: { type: 'object' } }
  await sender.call('register_protocol', definition)
  for (const one of [client, sender, gone]) one.close()
}

/** A directory that a broker has filled, and stopped on in order. @returns what the broker held */
async function furnished(directory: string): Promise<{ state: State; stats: object }> {
  await using app = await brokerOn(directory)
  await furnish(app)
  await app.broker.flushed()
  const { journal: _, stored_bytes: _b, ...stats } = await app.broker.engine.stats()
  return { state: stateIn(app), stats }
}

const segments = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .sort()

/** The segment with most in it, and where its frames end. */
function middle(directory: string): { file: string; path: string; bytes: Buffer } {
  const file = segments(directory)[1]!
  const path = join(directory, file)
  return { file, path, bytes: readFileSync(path) }
}

/** Each message in a mailbox, by its place. */
function messages({ clients }: State): [place: string, message: unknown][] {
  return Object.entries(clients).flatMap(([name, { live, history }]) =>
    ([...live, ...history] as { offset: number; message: unknown }[]).map(
      ({ offset, message }): [string, unknown] => [`${name} ${offset}`, message],
    ),
  )
}

/** Each dead letter, by the place where it was. */
function letters(state: State): [place: string, message: unknown][] {
  const all = Object.values(state.letters) as { letter: DeadLetter }[][]
  return all
    .flat()
    .map(({ letter: { project, recipient_id, offset, message } }) => [
      `${project}/${recipient_id} ${offset}`,
      message,
    ])
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at]! ^= 1 << (at % 8)
  writeFileSync(path, bytes)
}

function snapshot(directory: string): string[] {
  return readdirSync(directory).map((name) => {
    const { size, mtimeMs } = statSync(join(directory, name))
    return `${name} ${size} ${mtimeMs} ${Bun.hash(readFileSync(join(directory, name)))}`
  })
}

describe('data check', () => {
  test('counts what a start brings back, and changes nothing', async () => {
    using dir = folder()
    const { stats } = await furnished(dir.in('data'))
    const before = snapshot(dir.in('data'))
    const { code, ok, damage, counts, torn } = await told('check', dir.in('data'))
    expect({ code, ok, damage, torn }).toEqual({ code: 0, ok: true, damage: [], torn: undefined })
    const { pending, leased, delayed, acknowledged, clients, dead_letters, ...rest } = counts
    expect<object>({
      pending,
      leased: leased! + delayed!,
      history: acknowledged,
      clients,
      dead_letters,
    }).toEqual(stats)
    expect({ delayed, acknowledged, dead_letters, ...rest }).toEqual({
      ...{ delayed: 4, acknowledged: 8, dead_letters: 1 },
      ...{ idempotency_keys: 20, records: 1, astray: 0 },
    })
    expect(snapshot(dir.in('data'))).toEqual(before)
    // A copy of the files alone is as good, and none is made there.
    rmSync(join(dir.in('data'), 'lock'))
    expect(await told('check', dir.in('data'))).toMatchObject({ code: 0, counts })
    expect(existsSync(join(dir.in('data'), 'lock'))).toBe(false)
  })

  test('for people and in a pipe', async () => {
    using dir = folder()
    await furnished(dir.in('data'))
    const piped = await type(['data', 'check', dir.in('data')])
    expect(piped).toMatchObject({ code: 0, err: '' })
    expect(piped.out).toMatch(/^clients\t\d+\npending\t\d+\n/)
    const { file, path } = middle(dir.in('data'))
    flip(path, 3000)
    const { code, out, err } = await type(['data', 'check', dir.in('data')], { interactive: true })
    expect(code).toBe(1)
    expect(out).toMatch(new RegExp(`^damage: ${file} at byte \\d+: .*, \\d+ bytes skipped, 1 frames lost\n`))
    expect(err).toContain(`data repair ${dir.in('data')}`)
    expect((await type(['data', 'check', dir.in('data')])).out).toMatch(
      /^damage\t00000002.log\t\d+\t\d+\t1\t/,
    )
  })

  test('a write that was broken off is no damage', async () => {
    using dir = folder()
    await furnished(dir.in('data'))
    // As after a kill: no note of the end, and half a frame of a longer one behind the last.
    const boot = join(dir.in('data'), 'boot')
    const { clean, ...note } = JSON.parse(readFileSync(boot, 'utf8'))
    writeFileSync(boot, JSON.stringify(note))
    const path = join(dir.in('data'), segments(dir.in('data')).at(-1)!)
    const last = join(dir.in('data'), `${String(clean.segment).padStart(8, '0')}.log`)
    expect(path >= last).toBe(true)
    const half = Buffer.from('\x00\x02\x00\x00torn', 'latin1')
    writeFileSync(last, Buffer.concat([readFileSync(last).subarray(0, clean.offset), half]))
    const { code, damage, torn } = await told('check', dir.in('data'))
    expect({ code, damage }).toEqual({ code: 0, damage: [] })
    expect(torn).toMatchObject({ offset: clean.offset, bytes: 8 })
    expect((await type(['data', 'check', dir.in('data')])).err).toContain('the next start cuts it off')
  })

  test.each<[string, (directory: string) => void, string]>([
    ['that is not there', () => {}, 'There is no directory'],
    ['that is a file', (path) => writeFileSync(path, ''), 'is not a directory'],
    ['that is empty', (path) => mkdirSync(path), 'is an empty directory'],
    [
      'with something else in it',
      (path) => {
        mkdirSync(path)
        writeFileSync(join(path, 'note'), '')
      },
      'is no data directory',
    ],
    [
      'of a later version',
      (path) => {
        mkdirSync(path)
        writeFileSync(join(path, 'format'), '{"format":7,"by":"mcp-broker 7.0.0"}')
      },
      'start mcp-broker 7.0.0',
    ],
  ])('refuses a directory %s', async (_, make, why) => {
    using dir = folder()
    make(dir.in('data'))
    for (const verb of ['check', 'repair']) {
      const { code, out, err } = await type(['data', verb, dir.in('data')])
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toContain(why)
    }
  })

  test('wants to know what to do', async () => {
    expect(await type(['data'])).toMatchObject({ code: 2, err: expect.stringContaining('check and repair') })
  })
})

describe('data repair', () => {
  test('leaves a directory alone that is as it was written', async () => {
    using dir = folder()
    await furnished(dir.in('data'))
    const before = snapshot(dir.in('data'))
    const { code, err } = await type(['data', 'repair', dir.in('data')])
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('nothing was changed') })
    expect(snapshot(dir.in('data'))).toEqual(before)
    expect(readdirSync(dir.path)).toEqual(['data'])
  })

  test('writes down all that lives, under new epochs, and keeps the directory as it was', async () => {
    using dir = folder()
    const { state } = await furnished(dir.in('data'))
    writeFileSync(join(dir.in('data'), 'boot'), 'no JSON')
    const before = snapshot(dir.in('data')).map((line) => line.replace(/ \S+ (\S+)$/, ' $1'))
    const { code, damage, copy } = await told('repair', dir.in('data'))
    expect({ code, damage }).toMatchObject({ code: 0, damage: [{ file: 'boot', what: 'it is not JSON' }] })
    expect(copy).toMatch(new RegExp(`^${dir.in('data')}\\.damaged-\\d{8}T\\d{6}Z$`))
    const aside = snapshot(copy!).map((line) => line.replace(/ \S+ (\S+)$/, ' $1'))
    expect(aside).toEqual(before.filter((line) => !line.startsWith('lock ')))
    expect(segments(dir.in('data'))).toHaveLength(1)
    expect(await told('check', dir.in('data'))).toMatchObject({ code: 0, damage: [] })

    await using app = await brokerOn(dir.in('data'))
    expect(app.notes).toEqual([])
    const after = stateIn(app)
    expect(difference(withoutEpochs(state), withoutEpochs(after), app.broker.now())).toBeUndefined()
    for (const [name, { epoch }] of Object.entries(after.clients))
      expect(epoch).not.toBe(state.clients[name]!.epoch)
    const protocols = await fetch(`${app.url}/v1/protocols?name=talk`)
    expect(await protocols.text()).toContain('talk')
    // It goes on as any other: what comes is written behind it, and it is there after the next start.
    await sendTo(app, 'later', [1])
    await app.stop()
    await using again = await brokerOn(dir.in('data'))
    expect(await retained(again, 'later')).toHaveLength(1)
    expect(await retained(again, 'reader')).toHaveLength(61)
  })

  test('of flipped bits saves all but the damaged frames, and never a wrong message', async () => {
    using dir = folder()
    const { state } = await furnished(dir.in('data'))
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = new Random(seed)
    // A message that was dead is in its mailbox again where the note of its death is gone.
    const sent = new Map([...messages(state), ...letters(state)])
    for (let round = 0; round < 40; round++) {
      const broken = dir.in(`broken-${round}`)
      cpSync(dir.in('data'), broken, { recursive: true })
      const file = join(broken, random.pick(segments(broken)))
      const at = random.between(0, Math.min(statSync(file).size, 60_000) - 1)
      flip(file, at)
      const found = await told('check', broken)
      expect({ code: found.code, seed, at }).toEqual({ code: 1, seed, at })
      const { offset, bytes } = found.damage[0]!
      expect(offset <= at && at < offset + bytes).toBe(true)

      const repaired = await told('repair', broken)
      expect({ code: repaired.code, damage: repaired.damage }).toEqual({ code: 0, damage: found.damage })
      expect(repaired.after.counts).toEqual({ ...found.counts, astray: 0 })
      await using app = await brokerOn(broken)
      const saved = messages(stateIn(app))
      for (const [place, message] of [...saved, ...letters(stateIn(app))])
        expect(message).toEqual(sent.get(place))
      // Each frame had one message at most, but for the broadcast to all.
      expect(saved.length).toBeGreaterThanOrEqual(messages(state).length - 10)
      const { pending, clients } = await app.broker.engine.stats()
      expect({ pending, clients }).toEqual({
        pending: repaired.after.counts.pending!,
        clients: repaired.after.counts.clients!,
      })
    }
  }, 60_000)

  test.each<[string, (directory: string) => void, RegExp]>([
    ['a segment is missing', (path) => rmSync(join(path, segments(path)[1]!)), /^00000002.log 0 .*missing/],
    ['the first is missing', (path) => rmSync(join(path, segments(path)[0]!)), /^00000001.log 0 .*missing/],
    [
      'the last with frames is missing',
      (path) => rmSync(join(path, `${String(cleanEnd(path).segment).padStart(8, '0')}.log`)),
      /^0000000\d.log 0 .*missing/,
    ],
    [
      'a segment was cut off in the midst',
      (path) => truncateSync(join(path, segments(path)[1]!), 30_000),
      /^00000002.log \d+ /,
    ],
    [
      'the end is missing',
      (path) => {
        const { segment, offset } = cleanEnd(path)
        const file = join(path, `${String(segment).padStart(8, '0')}.log`)
        truncateSync(file, offset - 10)
      },
      /^0000000\d.log \d+ /,
    ],
    [
      'a segment is all zeros',
      (path) => writeFileSync(join(path, segments(path)[1]!), Buffer.alloc(65_536)),
      /^0000000\d.log \d+ /,
    ],
    [
      'a segment has the frames of another',
      (path) => cpSync(join(path, segments(path)[0]!), join(path, segments(path)[1]!)),
      /^00000002.log 0 /,
    ],
    [
      'something was written behind the end',
      (path) => appendFileSync(join(path, segments(path).at(-1)!), 'x'),
      /^0000000\d.log \d+ /,
    ],
  ])('when %s', async (_, damage, place) => {
    using dir = folder()
    const { state } = await furnished(dir.in('data'))
    damage(dir.in('data'))
    const found = await told('check', dir.in('data'))
    expect(found.code).toBe(1)
    expect(found.damage.map(({ file, offset, what }) => `${file} ${offset} ${what}`).join('\n')).toMatch(
      place,
    )
    expect((await told('repair', dir.in('data'))).code).toBe(0)
    expect(await told('check', dir.in('data'))).toMatchObject({ code: 0, damage: [] })
    await using app = await brokerOn(dir.in('data'))
    expect(app.notes).toEqual([])
    const names = Object.keys(stateIn(app).clients)
    expect(Object.keys(state.clients)).toEqual(expect.arrayContaining(names))
  })

  test('of the file format alone changes nothing else', async () => {
    using dir = folder()
    const { state } = await furnished(dir.in('data'))
    for (const spoil of [rmSync, (path: string) => writeFileSync(path, '{}')]) {
      spoil(join(dir.in('data'), 'format'))
      expect(await told('check', dir.in('data'))).toMatchObject({ code: 1, damage: [{ file: 'format' }] })
      await told('repair', dir.in('data'), '--copy', dir.in(`copy-${spoil.length}`))
      expect(await told('check', dir.in('data'))).toMatchObject({ code: 0 })
    }
    await using app = await brokerOn(dir.in('data'))
    expect(difference(state, stateIn(app), app.broker.now())).toBeUndefined()
  })

  test('changes nothing where the copy cannot be made', async () => {
    using dir = folder()
    await furnished(dir.in('data'))
    flip(middle(dir.in('data')).path, 1000)
    const before = snapshot(dir.in('data'))
    for (const copy of [dir.path, dir.in('no/where')]) {
      const { code, err } = await type(['data', 'repair', dir.in('data'), '--copy', copy])
      expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(`cannot be copied to ${copy}`) })
    }
    expect(snapshot(dir.in('data'))).toEqual(before)
    expect(readdirSync(dir.path)).toEqual(['data'])
  })
})

function cleanEnd(directory: string): { segment: number; offset: number } {
  return JSON.parse(readFileSync(join(directory, 'boot'), 'utf8')).clean
}

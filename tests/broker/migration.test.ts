import { describe, expect, test } from 'bun:test'
import { type Migrated, type Migration, migrateMessages } from '../../src/broker/migration.ts'
import { Turns } from '../../src/broker/turns.ts'
import type { Limits } from '../../src/core/limits.ts'
import { type Content, type Message, rewriteMessage, type StoredMessage } from '../../src/core/message.ts'
import { type MakeEngine, PROJECT, payloadOf, Rig } from '../contracts/rig.ts'
import { makeMemoryEngine } from '../engine/make.ts'
import { slowEngine } from '../slow-engine.ts'

const OLD: Content = { protocol_name: 'chat', protocol_version: '1.0.0' }
const SMALL: Partial<Limits> = { mailbox_messages_max: 5000 }

const makeSlowEngine: MakeEngine = async (options) =>
  slowEngine(await makeMemoryEngine(options), { turns: () => 1 })

/** The next version says everything in capitals; numbers cannot be converted. */
function loud(message: StoredMessage, { payload }: Message): StoredMessage | 'left' {
  if (typeof payload !== 'string') return 'left'
  return rewriteMessage(message, {
    payload: payload.toUpperCase(),
    protocol_version: '2.0.0',
    adapted_from: { version: '1.0.0', steps: ['1.0.0→2.0.0'] },
  })
}

function migrate(rig: Rig, how: Partial<Migration> = {}): Promise<Migrated> {
  return migrateMessages(
    { engine: rig.engine, turns: new Turns() },
    {
      project: PROJECT,
      protocol_name: 'chat',
      versions: new Set(['1.0.0', '1.1.0']),
      dry_run: false,
      convert: loud,
      ...how,
    },
  )
}

function counts(rewritten: number, left: Partial<Migrated['left']> = {}): Migrated {
  return { rewritten, left: { leased_or_delivered: 0, acknowledged: 0, failed: 0, no_room: 0, ...left } }
}

async function payloadsOf(rig: Rig, client_id: string): Promise<unknown[]> {
  const { deliveries } = await rig.engine.history(rig.at(client_id), {}, 5000, Number.MAX_SAFE_INTEGER)
  return deliveries.map(({ message }) => payloadOf(message))
}

describe.each([
  ['here', makeMemoryEngine],
  ['elsewhere', makeSlowEngine],
])('a migration with an engine that is %s', (_, make) => {
  test('rewrites what nobody was given of the versions it names, and counts all others of them', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('a', ['dead'], { ...OLD, ttl_seconds: 1 })
    await rig.pass(1)
    await rig.sendAll('a', ['read'], OLD)
    await rig.take('a')
    await rig.sendAll('a', [8, 'again'], OLD)
    const [, again] = await rig.lease('a')
    await rig.settle('a', { message_ids: [again!.id], failed_delay_ms: 0 })
    await rig.sendAll('a', ['one'], { ...OLD, priority: 'high' })
    await rig.sendAll('a', [7], OLD)
    await rig.sendAll('b', ['two'], { ...OLD, protocol_version: '1.1.0' })
    for (const other of [
      {},
      { protocol_name: 'chat' },
      { ...OLD, protocol_version: '2.0.0' },
      { ...OLD, protocol_name: 'chats' },
    ])
      await rig.sendAll('b', ['other'], other)
    for (const other of [{}, { ...OLD, protocol_name: 'task' }]) await rig.sendAll('b', [OLD], other)
    await rig.send('c', { ...OLD, payload: 'elsewhere' }, undefined, 'q')
    const expected = counts(2, { leased_or_delivered: 2, acknowledged: 1, failed: 1 })
    expect(await migrate(rig, { dry_run: true })).toEqual(expected)
    expect(await payloadsOf(rig, 'a')).toEqual(['read', 8, 'again', 'one', 7])
    expect(await migrate(rig)).toEqual(expected)
    expect(await payloadsOf(rig, 'a')).toEqual(['read', 8, 'again', 'ONE', 7])
    expect(await payloadsOf(rig, 'b')).toEqual(['TWO', 'other', 'other', 'other', 'other', OLD, OLD])
    expect(await rig.dead()).toEqual(['dead expired'])
    const { due } = await rig.taken('a', { limit: 1 })
    expect(JSON.parse(due[0]!.message.json)).toMatchObject({
      payload: 'ONE',
      priority: 'high',
      protocol_name: 'chat',
      protocol_version: '2.0.0',
      adapted_from: { version: '1.0.0', steps: ['1.0.0→2.0.0'] },
    })
    // Done is done: they are of another version.
    expect(await migrate(rig)).toEqual(counts(0, { leased_or_delivered: 2, acknowledged: 1, failed: 1 }))
  })

  test('goes through all mailboxes and all pages of each', async () => {
    await using rig = await Rig.start(make, SMALL)
    const many = Array.from({ length: 230 }, (_, i) => `r${i}`)
    await rig.send(many, { ...OLD, payload: 'all' })
    await rig.sendAll('r7', Array(350).fill('more'), OLD)
    await rig.checkedIn('idle')
    expect(await migrate(rig)).toEqual(counts(580))
    expect(await payloadsOf(rig, 'r7')).toEqual(['ALL', ...Array(350).fill('MORE')])
    expect(await payloadsOf(rig, many.at(-1)!)).toEqual(['ALL'])
  })

  test('a dry run foresees which messages find no room, over pages and mailboxes', async () => {
    const long = 'long'.repeat(100)
    const grow = (message: StoredMessage) => ({ ...message, json: message.json.replace('"x"', `"${long}"`) })
    for (const limits of [{ mailbox_bytes_max: 100_000 }, { stored_bytes_max: 280_000 }]) {
      await using rig = await Rig.start(make, limits)
      for (const client_id of ['a', 'b', 'c']) await rig.sendAll(client_id, Array(250).fill('x'), OLD)
      const foreseen = await migrate(rig, { dry_run: true, convert: grow })
      expect(foreseen.left.no_room).toBeGreaterThan(0)
      // Past the first page of a mailbox, and past the first mailbox.
      expect(foreseen.rewritten).toBeGreaterThan(300)
      expect(await migrate(rig, { convert: grow })).toEqual(foreseen)
    }
  })

  test('what is delivered while it is converted is left and counted, what dies is not', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['leased', 'read', 'stays'], OLD)
    await rig.sendAll('r', ['dies'], { ...OLD, ttl_seconds: 1 })
    const convert = async (message: StoredMessage, wire: Message) => {
      if (wire.payload === 'leased') await rig.lease('r', { limit: 1 })
      if (wire.payload === 'read') await rig.take('r', { limit: 1 })
      if (wire.payload === 'dies') rig.now += 1000
      return loud(message, wire)
    }
    expect(await migrate(rig, { convert })).toEqual(counts(1, { leased_or_delivered: 1, acknowledged: 1 }))
    expect(await payloadsOf(rig, 'r')).toEqual(['leased', 'read', 'STAYS'])
  })

  test('comes to an end, however much is sent meanwhile', async () => {
    await using rig = await Rig.start(make, SMALL)
    await rig.sendAll('r', Array(150).fill('x'), OLD)
    const convert = async (message: StoredMessage, wire: Message) => {
      await rig.sendAll('r', ['more', 'and more'], OLD)
      return loud(message, wire)
    }
    expect((await migrate(rig, { convert })).rewritten).toBeLessThan(400)
  })

  test('leaves a mailbox that was forgotten and begun anew meanwhile', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', Array(150).fill('x'), { ...OLD, ttl_seconds: 1 })
    let begun = false
    const convert = async (message: StoredMessage, wire: Message) => {
      if (!begun) {
        begun = true
        await rig.pass(1)
        await rig.pass(100_000)
        await rig.sendAll('r', ['read', 'later'], OLD)
        await rig.take('r', { limit: 1 })
      }
      return loud(message, wire)
    }
    expect(await migrate(rig, { convert })).toEqual(counts(0))
    expect(await payloadsOf(rig, 'r')).toEqual(['read', 'later'])
  })

  test('fails with its engine, and goes on from there when it is called again', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', Array(150).fill('x'), OLD)
    let count = 0
    const convert = (message: StoredMessage, wire: Message) => {
      if (++count === 120) throw new Error('on fire')
      return loud(message, wire)
    }
    await expect(migrate(rig, { convert })).rejects.toThrow('on fire')
    expect(await migrate(rig)).toEqual(counts(50))
  })
})

test('a migration of many leaves most of each turn to others', async () => {
  await using rig = await Rig.start(makeMemoryEngine, SMALL)
  await rig.sendAll('r', Array(2000).fill('x'), OLD)
  const convert = (message: StoredMessage, wire: Message) => {
    for (const end = performance.now() + 0.05; performance.now() < end; );
    return loud(message, wire)
  }
  let turns_between = 0
  const counting = setInterval(() => turns_between++, 0)
  expect(await migrate(rig, { convert })).toEqual(counts(2000))
  clearInterval(counting)
  expect(turns_between).toBeGreaterThan(10)
})

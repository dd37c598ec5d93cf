import { expect, test } from 'bun:test'
import type { Limits } from '../../src/core/limits.ts'
import type { NewJson, Rewrite, RewriteOutcome } from '../../src/engine/values.ts'
import { type MakeEngine, PROJECT, payloadOf, payloads, Rig } from './rig.ts'

/** What a mailbox retains. */
async function kept(rig: Rig, client_id = 'r') {
  return rig.engine.history(rig.at(client_id), {}, 1000, Number.MAX_SAFE_INTEGER)
}

/** New payloads for messages as they are now, by the payloads they have. */
async function worded(rig: Rig, words: Readonly<Record<string, string>>, client_id = 'r'): Promise<Rewrite> {
  const { epoch, deliveries } = await kept(rig, client_id)
  const messages: NewJson[] = []
  for (const { offset, message } of deliveries) {
    const word = words[String(payloadOf(message))]
    if (word !== undefined)
      messages.push({ offset, before: message.json, after: inWords(message.json, word) })
  }
  return { epoch, messages }
}

function inWords(json: string, payload: string): string {
  return JSON.stringify({ ...JSON.parse(json), payload })
}

/** Rewrites messages of a mailbox. @returns the outcomes, in order of offset */
async function rewrite(
  rig: Rig,
  words: Readonly<Record<string, string>>,
  client_id = 'r',
): Promise<readonly RewriteOutcome[]> {
  const { outcomes } = await rig.engine.rewrite(rig.at(client_id), await worded(rig, words, client_id))
  return outcomes
}

/** Messages are rewritten before anybody was given them. */
export function rewriteContract(make: MakeEngine): void {
  test('a message that nobody was given is read in its new words, and is the same in all else', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b'], { ttl_seconds: 100 })
    await rig.sendAll('r', ['c'], { ttl_seconds: 50, priority: 'urgent', in_reply_to: 'q' })
    const before = await kept(rig)
    const state = await rig.client('r')
    expect(await rewrite(rig, { b: 'much longer than b', c: '' })).toEqual(['rewritten', 'rewritten'])
    const after = await kept(rig)
    expect(payloads(after.deliveries)).toEqual(['a', 'much longer than b', ''])
    const same = ({ deliveries, ...page }: typeof after) => ({
      ...page,
      deliveries: deliveries.map(({ message: { json, bytes, ...message }, ...delivery }) => {
        expect(bytes).toBe(json.length)
        const { payload: _, ...wire } = JSON.parse(json)
        return { ...delivery, message, wire }
      }),
    })
    expect(same(after)).toEqual(same(before))
    expect(await rig.client('r')).toEqual(state)
    await rig.expectBytesOf('r')
    const { due } = await rig.taken('r', { ack: 'manual' })
    expect(due.map(({ offset, attempt }) => [offset, attempt])).toEqual([
      [3, 1],
      [1, 1],
      [2, 1],
    ])
    expect(payloads(due)).toEqual(['', 'a', 'much longer than b'])
    await rig.pass(50)
    expect(await rig.dead()).toEqual([' expired'])
    await rig.expectBytesOf('r')
  })

  test('nobody is told of it, and a reader that comes by gets the new words', async () => {
    await using rig = await Rig.start(make)
    const reader = await rig.open('r', undefined, 'auto')
    const peeking = await rig.open('r', undefined, 'none')
    const sent = await rig.sendAll('r', ['a', 'b'])
    expect(payloads(await rig.read('r', peeking, { limit: 1, ack: 'none' }))).toEqual(['a'])
    expect(await rewrite(rig, { a: 'A', b: 'B' })).toEqual(['rewritten', 'rewritten'])
    expect(payloads(await rig.read('r', peeking, { ack: 'none' }))).toEqual(['B'])
    expect(payloads(await rig.read('r', reader))).toEqual(['A', 'B'])
    const [later] = await rig.sendAll('r', ['c'])
    await rig.hears(() => rig.announced.map(({ message_id }) => message_id), [...sent, later!])
    await rig.hears(() => rig.acknowledged.map(({ message_id }) => message_id), sent)
  })

  test('what was delivered before is left: acknowledged, delayed, leased or pending again', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['read'])
    await rig.take('r')
    const message_ids = await rig.sendAll('r', ['acknowledged unread'])
    await rig.settle('r', { message_ids })
    await rig.sendAll('r', ['delayed'])
    await rig.lease('r')
    await rig.settle('r', { failed_delay_ms: 60_000 })
    await rig.sendAll('r', ['leased'])
    await rig.lease('r')
    const again = await rig.sendAll('r', ['again'])
    await rig.lease('r')
    await rig.settle('r', { message_ids: again, failed_delay_ms: 0 })
    await rig.sendAll('r', ['peeked'])
    expect(await rig.take('r', { ack: 'none' })).toEqual(['again', 'peeked'])
    const { deliveries } = await kept(rig)
    const seen = deliveries.map((kept) => [payloadOf(kept.message), kept.attempt, kept.acknowledged])
    expect(seen).toEqual([
      ['read', 1, true],
      ['acknowledged unread', 1, true],
      ['delayed', 1, false],
      ['leased', 1, false],
      ['again', 1, false],
      ['peeked', 0, false],
    ])
    const words = Object.fromEntries(seen.map(([payload]) => [payload, `${payload}, in other words`]))
    const outcomes = await rewrite(rig, words)
    expect(outcomes.slice(0, 2)).toEqual(['acknowledged', 'acknowledged'])
    expect(outcomes.slice(2)).toEqual(['delivered', 'delivered', 'delivered', 'rewritten'])
    expect(payloads((await kept(rig)).deliveries)).toEqual([
      ...seen.slice(0, 5).map(([payload]) => payload),
      'peeked, in other words',
    ])
    await rig.expectBytesOf('r')
  })

  test('one that is not here, or is another, is gone', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['dies'], { ttl_seconds: 1 })
    await rig.sendAll('r', ['stays'])
    const asked = await worded(rig, { dies: 'x', stays: 'y' })
    rig.now += 1000
    const [dies, stays] = asked.messages
    const { epoch } = asked
    const outcomes = async (asked: Rewrite, client_id = 'r') =>
      (await rig.engine.rewrite(rig.at(client_id), asked)).outcomes
    expect(await outcomes({ epoch: `${epoch}0`, messages: [stays!] })).toEqual(['gone'])
    expect(await outcomes(asked, 'nobody')).toEqual(['gone', 'gone'])
    expect(await rig.client('nobody')).toBeUndefined()
    const elsewhere = [1, 2, 3].map((offset) => ({ ...(offset === 2 ? dies! : stays!), offset }))
    expect(await outcomes({ epoch, messages: elsewhere })).toEqual(['gone', 'gone', 'gone'])
    expect(await outcomes(asked)).toEqual(['gone', 'rewritten'])
    expect(await rig.take('r')).toEqual(['y'])
    expect(await rig.dead()).toEqual(['dies expired'])
  })

  test('a call that is made again finds its work done, whatever has come of it since', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b', 'c'])
    const asked = await worded(rig, { a: 'A', b: 'B', c: 'C' })
    const other = await worded(rig, { a: '?', b: '?', c: '?' })
    const again = async () => rig.engine.rewrite(rig.at('r'), asked)
    const done = Array(3).fill('rewritten')
    expect(await again()).toEqual({ outcomes: done, bytes: 0 })
    expect(await again()).toEqual({ outcomes: done, bytes: 0 })
    await rig.take('r', { limit: 1 })
    await rig.lease('r', { limit: 1 })
    expect(await again()).toEqual({ outcomes: done, bytes: 0 })
    // Of two that read the same words, one is first.
    expect((await rig.engine.rewrite(rig.at('r'), other)).outcomes).toEqual(Array(3).fill('gone'))
    expect(payloads((await kept(rig)).deliveries)).toEqual(['A', 'B', 'C'])
    await rig.expectBytesOf('r')
  })

  test('a mailbox grows as far as it may: over its history, and over no message', async () => {
    const size = await sizeOfOne(make)
    await using rig = await Rig.start(make, { mailbox_bytes_max: 4 * size + 1 })
    await rig.sendAll('r', ['1', '2'])
    await rig.take('r')
    await rig.sendAll('r', ['3', '4'])
    const long = 'x'.repeat(size + 2)
    expect(await rewrite(rig, { 3: long, 4: long })).toEqual(['rewritten', 'no_room'])
    expect(payloads((await kept(rig)).deliveries)).toEqual(['2', long, '4'])
    await rig.expectBytesOf('r')
    // What is shorter makes room for what comes after it.
    expect(await rewrite(rig, { [long]: '', 4: long })).toEqual(['rewritten', 'rewritten'])
    expect(payloads((await kept(rig)).deliveries)).toEqual(['2', '', long])
    await rig.expectBytesOf('r')
  })

  test('an engine grows as far as it may, over the history of others', async () => {
    const size = await sizeOfOne(make)
    await using rig = await Rig.start(make, { stored_bytes_max: 4 * size + 1 })
    await rig.sendAll('other', ['1', '2'])
    await rig.take('other')
    await rig.sendAll('r', ['3', '4'])
    const long = 'x'.repeat(size + 2)
    expect(await rewrite(rig, { 3: long, 4: long })).toEqual(['rewritten', 'no_room'])
    expect(payloads((await kept(rig)).deliveries)).toEqual([long, '4'])
    expect(payloads((await kept(rig, 'other')).deliveries)).toEqual(['2'])
    expect((await rig.engine.stats()).stored_bytes).toBe(4 * size + 1)
    expect(await rewrite(rig, { [long]: 'y', 4: '' })).toEqual(['rewritten', 'rewritten'])
    expect((await rig.engine.stats()).stored_bytes).toBe(3 * size - 1)
  })

  test('what found no room leaves all history as it was', async () => {
    const size = await sizeOfOne(make)
    await using rig = await Rig.start(make, { stored_bytes_max: 2 * size })
    await rig.sendAll('other', ['1'])
    await rig.take('other')
    await rig.sendAll('r', ['2'])
    expect(await rewrite(rig, { 2: 'x'.repeat(2 * size) })).toEqual(['no_room'])
    expect(payloads((await kept(rig, 'other')).deliveries)).toEqual(['1'])
  })

  for (const [bound, limit, read] of [
    ['a mailbox', 'mailbox_bytes_max', '0'],
    ['the engine', 'stored_bytes_max', undefined],
    ['the engine and its history', 'stored_bytes_max', '0'],
  ] as const)
    test(`a dry run within the bounds of ${bound} says what would come of it`, async () => {
      const size = await sizeOfOne(make)
      const limits: Partial<Limits> = { [limit]: 6 * size }
      await using dry = await Rig.start(make, limits)
      await using real = await Rig.start(make, limits)
      const long = 'x'.repeat(size + 2)
      const words = { 1: long, 2: long, 3: long, 4: '' }
      for (const rig of [dry, real]) {
        if (read) await rig.sendAll('r', [read])
        await rig.take('r')
        await rig.sendAll('r', ['1', '2', '3', '4'])
      }
      const before = await kept(dry)
      const whole = await worded(dry, words)
      const parts = [whole.messages.slice(0, 2), whole.messages.slice(2)]
      const told: RewriteOutcome[] = []
      let grown = 0
      for (const messages of parts) {
        const dry_run = { mailbox_bytes: grown, stored_bytes: grown }
        const { outcomes, bytes } = await dry.engine.rewrite(dry.at('r'), { ...whole, messages, dry_run })
        told.push(...outcomes)
        grown += bytes
      }
      expect(await kept(dry)).toEqual(before)
      expect(told).toEqual(['rewritten', 'no_room', 'no_room', 'rewritten'])
      const done = await real.engine.rewrite(real.at('r'), await worded(real, words))
      expect(done).toEqual({ outcomes: told, bytes: grown })
      await dry.expectBytesOf('r')
      await real.expectBytesOf('r')
    })

  test('a letter that was requeued without ever being delivered is rewritten, another is left', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['seen'], { ttl_seconds: 1 })
    await rig.lease('r')
    await rig.sendAll('r', ['unseen'], { ttl_seconds: 1 })
    await rig.pass(1)
    await rig.requeue()
    expect(await rewrite(rig, { seen: 'x', unseen: 'y' })).toEqual(['delivered', 'rewritten'])
    expect(await rig.take('r')).toEqual(['seen', 'y'])
  })

  test('one recipient of a broadcast gets new words, the others do not, and its key is used', async () => {
    await using rig = await Rig.start(make)
    const first = await rig.send(['r', 'other'], { payload: 'a' }, 'key')
    expect(await rewrite(rig, { a: 'A' })).toEqual(['rewritten'])
    expect(await rig.send(['r', 'other'], { payload: 'a' }, 'key')).toEqual({
      ...first,
      repeated: true,
      digest: '"a"',
    })
    const found = await rig.found(first.message_id)
    expect(found.map(({ recipient_id, message }) => [recipient_id, payloadOf(message)]).sort()).toEqual([
      ['other', 'a'],
      ['r', 'A'],
    ])
    expect(await rig.engine.client(PROJECT, { client_id: 'r' })).toMatchObject({ pending: 1, changes: 1 })
  })
}

/** The bytes of a message with a payload of one letter. */
async function sizeOfOne(make: MakeEngine): Promise<number> {
  await using rig = await Rig.start(make)
  return rig.broadcast({ payload: '1' }).bytes
}

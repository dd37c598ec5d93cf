import { expect, test } from 'bun:test'
import { type MakeEngine, PROJECT, Rig } from './rig.ts'

/** Sends messages which expire at once, one after the other. */
async function die(rig: Rig, client_id: string, payloads: readonly unknown[]): Promise<string[]> {
  const ids: string[] = []
  for (const payload of payloads) {
    ids.push(...(await rig.sendAll(client_id, [payload], { ttl_seconds: 1 })))
    await rig.pass(1)
  }
  return ids
}

export function deadLetterContract(make: MakeEngine): void {
  test('are listed newest first, by reason and recipient, with their total', async () => {
    await using rig = await Rig.start(make, { attempts_max: 1 })
    await die(rig, 'r', ['a', 'b'])
    await die(rig, 'other', ['c'])
    await rig.sendAll('r', ['d'])
    await rig.lease('r')
    await rig.settle('r', { failed_delay_ms: 0 })
    expect(await rig.dead()).toEqual(['d attempts_exhausted', 'c expired', 'b expired', 'a expired'])
    expect(await rig.dead({ reason: 'expired' }, 2)).toEqual(['c expired', 'b expired'])
    expect(await rig.dead({ client_id: 'other' })).toEqual(['c expired'])
    expect((await rig.engine.dead(PROJECT, { reason: 'expired' }, { limit: 1 })).total).toBe(3)
    expect((await rig.engine.dead('q', {}, { limit: 10 })).total).toBe(0)
    expect((await rig.engine.stats()).dead_letters).toBe(4)
  })

  test('say when, where and after how many attempts', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a'], { ttl_seconds: 90 })
    await rig.lease('r')
    await rig.pass(60)
    await rig.pass(30)
    const { items: letters } = await rig.engine.dead(PROJECT, {}, { limit: 10 })
    expect(letters).toMatchObject([
      { project: PROJECT, recipient_id: 'r', dead_ms: rig.now, attempts: 1, reason: 'expired' },
    ])
    await rig.hears(() => rig.died, [...letters])
  })

  test('are bounded in number, the oldest going first', async () => {
    await using rig = await Rig.start(make, { dead_letters_max: 2 })
    await die(rig, 'r', ['a', 'b', 'c'])
    expect(await rig.dead()).toEqual(['c expired', 'b expired'])
    await rig.hears(() => rig.died.length, 3)
  })

  test('are bounded in bytes', async () => {
    await using rig = await Rig.start(make, { dead_letters_bytes_max: 1500 })
    await die(rig, 'r', ['x'.repeat(500), 'y'.repeat(500), 'z'.repeat(500)])
    expect((await rig.dead()).length).toBe(2)
    expect((await rig.engine.stats()).stored_bytes).toBeLessThanOrEqual(1500)
    await die(rig, 'r', ['w'.repeat(2000)])
    expect(await rig.dead()).toEqual([])
    expect((await rig.engine.stats()).stored_bytes).toBe(0)
  })

  test('go back into their mailboxes with their time to live begun anew', async () => {
    await using rig = await Rig.start(make)
    const [a, b] = await die(rig, 'r', ['a', 'b'])
    rig.announced.length = 0
    expect(await rig.requeue({ message_ids: new Set([b!, 'no-such']) })).toEqual({
      requeued: [b!],
      refused: [],
    })
    expect(await rig.dead()).toEqual(['a expired'])
    await rig.hears(
      () => rig.announced.map(({ message_id, redelivery }) => [message_id, redelivery]),
      [[b!, false]],
    )
    await rig.expectBytesOf('r')
    rig.now += 999
    expect(await rig.take('r')).toEqual(['b'])
    expect(await rig.requeue({ reason: 'overflowed' })).toEqual({ requeued: [], refused: [] })
    expect((await rig.requeue()).requeued).toEqual([a!])
    await rig.pass(1)
    expect(await rig.dead()).toEqual(['a expired'])
  })

  test('that are excepted are neither listed, counted nor requeued, and hold up no other', async () => {
    await using rig = await Rig.start(make)
    const [a, b, c] = await die(rig, 'r', ['a', 'b', 'c'])
    const except = new Set([b!, 'no-such'])
    expect(await rig.dead({ except })).toEqual(['c expired', 'a expired'])
    expect((await rig.engine.dead(PROJECT, { except }, { limit: 1 })).total).toBe(2)
    expect(await rig.requeue({ except, message_ids: new Set([a!, b!]) })).toEqual({
      requeued: [a!],
      refused: [],
    })
    expect((await rig.requeue({ except })).requeued).toEqual([c!])
    expect(await rig.dead()).toEqual(['b expired'])
    expect(await rig.take('r')).toEqual(['a', 'c'])
    expect((await rig.requeue({ except: new Set() })).requeued).toEqual([b!])
  })

  test('requeued again and again live no longer than at first', async () => {
    await using rig = await Rig.start(make)
    await die(rig, 'r', ['a'])
    for (let i = 0; i < 3; i++) {
      await rig.pass(100)
      expect((await rig.requeue()).requeued.length).toBe(1)
      await rig.pass(0.999)
      expect(await rig.take('r', { ack: 'none' })).toEqual(['a'])
      await rig.pass(0.001)
      expect(await rig.dead()).toEqual(['a expired'])
    }
  })

  test('which find no room stay dead letters', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 1 })
    const [a] = await die(rig, 'r', ['a'])
    const [b] = await die(rig, 'other', ['b'])
    await rig.sendAll('r', ['in the way'])
    const { requeued, refused } = await rig.requeue()
    expect([requeued, refused]).toEqual([[b!], [a!]])
    expect(await rig.dead()).toEqual(['a expired'])
    expect(await rig.take('other')).toEqual(['b'])
  })

  test('and what they push out keep the count of bytes right', async () => {
    const limits = { mailbox_messages_max: 1, mailbox_overflow: 'drop_oldest', dead_letters_max: 3 } as const
    await using rig = await Rig.start(make, limits)
    await die(rig, 'r', ['a', 'b', 'c'])
    await rig.sendAll('r', ['d'])
    await rig.requeue()
    await rig.expectBytesOf('r')
    expect((await rig.dead()).length).toBeLessThanOrEqual(3)
  })
}

import { expect, test } from 'bun:test'
import type { DeadFilter, Found, Page, Requeued } from '../../src/engine/values.ts'
import { type MakeEngine, PROJECT, payloadOf, Rig } from './rig.ts'

/** All pages of something, one after the other. */
async function all<T, P extends Page<T>>(page: (after: string | undefined) => P | Promise<P>): Promise<P[]> {
  const pages = [await page(undefined)]
  for (let next = pages[0]!.next; next !== undefined; next = pages.at(-1)!.next) {
    if (pages.length > 1000) throw new Error('the pages do not end')
    pages.push(await page(next))
  }
  return pages
}

/** What comes in parts: where a message is, dead letters, and their requeue. */
export function pageContract(make: MakeEngine): void {
  test('where a broadcast is comes in pages, each recipient once', async () => {
    await using rig = await Rig.start(make)
    const recipients = Array.from({ length: 2500 }, (_, i) => `r${String(i).padStart(4, '0')}`)
    const { message_id } = await rig.send(recipients)
    for (const limit of [7, 1000, 10_000]) {
      const pages = await all<Found, Page<Found>>((after) =>
        rig.engine.find(PROJECT, message_id, { after, limit }),
      )
      const found = pages.flatMap(({ items }) => items.map(({ recipient_id }) => recipient_id))
      expect(found.sort()).toEqual(recipients)
      if (limit < recipients.length) expect(pages.length).toBeGreaterThan(1)
    }
  })

  test('where a message is that few have comes, too, however many mailboxes there are', async () => {
    await using rig = await Rig.start(make)
    const recipients = Array.from({ length: 2500 }, (_, i) => `r${String(i).padStart(4, '0')}`)
    await rig.send(recipients)
    const { message_id } = await rig.send(['r0001', 'r1999', 'r2499'], { ttl_seconds: 100 })
    await rig.pass(60)
    await rig.take('r1999')
    await rig.pass(40)
    await rig.requeue({ client_id: 'r2499' })
    const find = async (recipient_id?: string) =>
      (
        await all<Found, Page<Found>>((after) =>
          rig.engine.find(PROJECT, message_id, { recipient_id, after, limit: 2 }),
        )
      )
        .flatMap(({ items }) => items)
        .map(({ recipient_id, state }) => [recipient_id, typeof state])
    expect(await find()).toEqual([
      ['r2499', 'number'],
      ['r0001', 'string'],
    ])
    expect(await find('r0001')).toEqual([['r0001', 'string']])
    expect(await find('r2499')).toEqual([['r2499', 'number']])
    expect(await find('r0002')).toEqual([])
    expect(await find('nobody')).toEqual([])
  })

  test('dead letters come newest first, page by page, with the total of all that match', async () => {
    await using rig = await Rig.start(make)
    for (let i = 0; i < 7; i++) {
      await rig.sendAll(i % 2 === 0 ? 'even' : 'odd', [i], { ttl_seconds: 1 })
      await rig.pass(1)
    }
    const list = async (filter: DeadFilter, limit: number, between?: () => Promise<unknown>) => {
      const pages = await all(async (after) => {
        if (after !== undefined) await between?.()
        return rig.engine.dead(PROJECT, filter, { after, limit })
      })
      return {
        pages: pages.map(({ items }) => items.map((l) => payloadOf(l.message))),
        total: pages[0]!.total,
      }
    }
    for (const limit of [1, 2, 3, 7, 100]) {
      const { pages, total } = await list({}, limit)
      expect([pages.flat(), total]).toEqual([[6, 5, 4, 3, 2, 1, 0], 7])
      expect(Math.max(...pages.map(({ length }) => length))).toBeLessThanOrEqual(limit)
      expect((await list({ client_id: 'odd' }, limit)).pages.flat()).toEqual([5, 3, 1])
      expect((await list({ reason: 'overflowed' }, limit)).pages.flat()).toEqual([])
    }
    let more = 0
    const growing = await list({}, 3, async () => {
      await rig.sendAll('even', [`new ${more++}`], { ttl_seconds: 1 })
      await rig.pass(1)
    })
    expect(growing.pages.flat()).toEqual([6, 5, 4, 3, 2, 1, 0])
    // A page follows on the letter before it, though that be gone by then.
    const shrinking = await list({ client_id: 'odd' }, 1, async () => {
      const [newest] = (await rig.engine.dead(PROJECT, { client_id: 'odd' }, { limit: 1 })).items
      await rig.requeue({ message_ids: new Set([newest!.message.message_id]) })
    })
    expect(shrinking.pages.flat()).toEqual([5, 3, 1])
  })

  test('a requeue of many goes on from where the part before ended, and tries each once', async () => {
    const count = 1200
    await using rig = await Rig.start(make, { mailbox_messages_max: 500, dead_letters_max: 10_000 })
    const ids: string[] = []
    const full: string[] = []
    for (let i = 0; i < count; i++) {
      const to_full = i % 3 === 0
      const sent = await rig.sendAll(to_full ? 'full' : `r${i % 10}`, [i], { ttl_seconds: 1 })
      ;(to_full ? full : ids).push(...sent)
      // They die in three lots, so that each part has some for the full mailbox.
      if (i % 400 === 399) await rig.pass(1)
    }
    await rig.sendAll('full', Array(499).fill('x'), { ttl_seconds: 1000 })
    const parts: Requeued[] = []
    for (let from: string | undefined; parts.length === 0 || from; from = parts.at(-1)!.next) {
      parts.push(await rig.engine.requeue(PROJECT, {}, from))
      // One that dies meanwhile is left to another requeue; room that is made meanwhile keeps the order.
      await rig.sendAll('late', [parts.length], { ttl_seconds: 1 })
      await rig.take('full', { limit: 1 })
      rig.now += 1
    }
    const requeued = parts.flatMap((part) => part.requeued)
    expect(requeued.toSorted()).toEqual([...ids, full[0]!].sort())
    expect(parts.flatMap((part) => part.refused)).toEqual(full.slice(1))
    expect((await rig.engine.dead(PROJECT, { client_id: 'full' }, { limit: 1 })).total).toBe(full.length - 1)
    expect(await rig.take('r1')).toEqual(Array.from({ length: count }, (_, i) => i).filter(isFor1))
  })

  test('a requeue leaves those that die after it began to another', async () => {
    await using rig = await Rig.start(make, { dead_letters_max: 10_000 })
    await rig.sendAll('r', Array(600).fill('x'), { ttl_seconds: 1 })
    await rig.sendAll('late', ['late'], { ttl_seconds: 2 })
    await rig.pass(1)
    const first = await rig.engine.requeue(PROJECT, {})
    await rig.pass(1)
    let { next } = first
    const requeued = [...first.requeued]
    while (next !== undefined) {
      const part: Requeued = await rig.engine.requeue(PROJECT, {}, next)
      requeued.push(...part.requeued)
      next = part.next
    }
    expect(requeued).toHaveLength(600)
    expect(await rig.dead({ client_id: 'late' })).toEqual(['late expired'])
  })
}

/** Whether the message with this number went to `r1`. */
function isFor1(i: number): boolean {
  return i % 3 !== 0 && i % 10 === 1
}

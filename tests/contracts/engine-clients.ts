import { expect, test } from 'bun:test'
import type { ClientsPage } from '../../src/engine/values.ts'
import { type MakeEngine, PROJECT, Rig } from './rig.ts'

const OF = ['addresses', 'sessions', 'readers'] as const

/** All pages of clients, one after the other. @param between runs after each page that is not the last */
async function pagesOf(
  rig: Rig,
  page: Pick<ClientsPage, 'of' | 'by' | 'limit'>,
  between: (page: number) => Promise<unknown> | undefined = () => undefined,
): Promise<string[][]> {
  const pages: string[][] = []
  for (let after: string | undefined; ; ) {
    const { items, next } = await rig.engine.clients(PROJECT, { ...page, after })
    pages.push(items.map(({ client_id }) => client_id))
    if (next === undefined) return pages
    if (pages.length > 1000) throw new Error('the pages do not end')
    after = next
    await between(pages.length)
  }
}

/** Names a client of each kind: with mail alone, whose session has ended, a mere sender, a reader. */
async function populate(rig: Rig, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await rig.sendAll(`mail-${i}`, ['a'], { ttl_seconds: 100_000 })
    await rig.checkedIn(`ended-${i}`)
    await rig.end(`ended-${i}`)
    await rig.checkedIn(`sender-${i}`, { join: 'sender' })
    await rig.checkedIn(`reader-${i}`)
  }
}

/** Which of them a page has, in order of their ids. */
function expected(of: ClientsPage['of'], count: number): string[] {
  const kinds = { addresses: ['mail', 'ended', 'sender', 'reader'], sessions: ['sender', 'reader'] }
  const named = of === 'readers' ? ['reader'] : kinds[of]
  return named.flatMap((kind) => Array.from({ length: count }, (_, i) => `${kind}-${i}`)).sort()
}

/** How clients are found, alone and in lists. */
export function clientContract(make: MakeEngine): void {
  test('one is found by its address and by its session, in its own project alone', async () => {
    await using rig = await Rig.start(make)
    const { session } = await rig.checkedIn('r', { key_id: 'k' })
    const { session_id } = session
    const state = await rig.engine.client(PROJECT, { client_id: 'r' })
    expect(state).toMatchObject({ client_id: 'r', status: 'active', session, owner: 'k' })
    expect(await rig.engine.client(PROJECT, { session_id })).toEqual(state!)
    for (const by of [{ client_id: 'r' }, { session_id }])
      expect(await rig.engine.client('q', by)).toBeUndefined()
    expect(await rig.engine.session(rig.at('r'))).toEqual(session)
    for (const address of [rig.at(session_id), rig.at(''), { project: 'q', client_id: 'r' }])
      expect(await rig.engine.session(address)).toBeUndefined()
    for (const by of [{ client_id: session_id }, { session_id: 'r' }, { client_id: '' }, { session_id: '' }])
      expect(await rig.engine.client(PROJECT, by)).toBeUndefined()
    await rig.end('r')
    expect(await rig.engine.client(PROJECT, { session_id })).toBeUndefined()
    expect(await rig.engine.session(rig.at('r'))).toBeUndefined()
    expect(await rig.client('r')).toMatchObject({ status: 'disconnected', session: undefined, owner: 'k' })
  })

  test.each(OF)('%s come in order of their ids, in pages of any size, with their total', async (of) => {
    await using rig = await Rig.start(make)
    await populate(rig, 3)
    const all = expected(of, 3)
    for (const limit of [1, 2, all.length, 1000]) {
      const pages = await pagesOf(rig, { of, by: 'client_id', limit })
      expect(pages.flat()).toEqual(all)
      for (const page of pages) expect(page.length).toBeLessThanOrEqual(limit)
      const { total } = await rig.engine.clients(PROJECT, { of, by: 'client_id', limit })
      if (total !== undefined) expect(total).toBe(all.length)
    }
    expect(await rig.engine.clients('q', { of, by: 'client_id', limit: 9 })).toMatchObject({
      items: [],
      next: undefined,
    })
  })

  test.each([
    ['addresses', 1],
    ['sessions', 2],
    ['readers', 1],
  ] as const)(
    '%s that were there all along come once while others come and go, %d a page',
    async (of, limit) => {
      await using rig = await Rig.start(make)
      await populate(rig, 6)
      const stays = expected(of, 6)
      for (const n of [0, 2, 4]) await rig.checkedIn(`reader-${n}-goes`)
      const pages = await pagesOf(rig, { of, by: 'client_id', limit }, async (page) => {
        if (page > 10) return
        // Before, among and after those that were listed.
        for (const name of ['a', 'mail-2', 'reader-3', 'z']) await rig.checkedIn(`${name}-new-${page}`)
        if (page % 2 === 1) await rig.end(`a-new-${page}`)
        // The one that the next page follows on, among others.
        for (const n of [0, 2, 4])
          if ((await rig.client(`reader-${n}-goes`))?.session) {
            await rig.end(`reader-${n}-goes`)
            break
          }
      })
      const listed = pages.flat()
      expect(listed.filter((id) => stays.includes(id))).toEqual(stays)
      expect(listed).toEqual([...new Set(listed)].sort())
      expect(listed.filter((id) => id.startsWith('a-new'))).toEqual([])
    },
  )

  test('a page goes on where the one before ended, though that client be forgotten', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('b', ['x'], { ttl_seconds: 1 })
    for (const client_id of ['a', 'c', 'd']) await rig.sendAll(client_id, ['x'], { ttl_seconds: 1000 })
    const page = { of: 'addresses', by: 'client_id', limit: 2 } as const
    const pages = await pagesOf(rig, page, () => rig.pass(1))
    expect(pages).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
  })

  test.each(['sessions', 'readers'] as const)('%s by their last sign of life, in pages', async (of) => {
    await using rig = await Rig.start(make)
    const order = ['reader-2', 'sender-0', 'reader-0', 'sender-2', 'reader-1', 'sender-1']
    await populate(rig, 3)
    for (const client_id of order.toReversed()) {
      rig.now += 1000
      await rig.heard(client_id)
    }
    const all = order.filter((id) => of === 'sessions' || id.startsWith('reader'))
    for (const limit of [1, 2, 1000]) {
      expect((await pagesOf(rig, { of, by: 'last_heard', limit })).flat()).toEqual(all)
      const { total } = await rig.engine.clients(PROJECT, { of, by: 'last_heard', limit })
      if (total !== undefined) expect(total).toBe(all.length)
    }
  })

  test('one that is not heard meanwhile comes once in pages by the last sign of life', async () => {
    await using rig = await Rig.start(make)
    const ids = Array.from({ length: 12 }, (_, i) => `c${String(i).padStart(2, '0')}`)
    for (const client_id of ids) {
      rig.now += 1000
      await rig.checkedIn(client_id)
    }
    const [moves, ends, ...stays] = ids
    const pages = await pagesOf(rig, { of: 'sessions', by: 'last_heard', limit: 3 }, async (page) => {
      rig.now += 1000
      await rig.checkedIn(`new-${page}`)
      if (page === 1) await rig.heard(moves!)
      if (page === 2) await rig.end(ends!)
    })
    expect(pages.flat().filter((id) => stays.includes(id))).toEqual(stays.toReversed())
  })
}

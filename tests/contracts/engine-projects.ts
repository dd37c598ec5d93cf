import { expect, test } from 'bun:test'
import { type MakeEngine, PROJECT, Rig } from './rig.ts'

const PAYLOAD = 'x'.repeat(700)

/** What a project has of its own: limits, totals, and room. */
export function projectContract(make: MakeEngine): void {
  test('the totals of one count what is in it, and those of all count everything', async () => {
    await using rig = await Rig.start(make, { attempts_max: 1 })
    await rig.sendAll('a', ['1', '2', '3'])
    await rig.take('a', { limit: 1 })
    await rig.lease('a', { limit: 1 })
    await rig.sendAll('b', ['4'])
    await rig.lease('b')
    await rig.settle('b', { failed_delay_ms: 0 })
    await rig.send('a', {}, undefined, 'q')
    const mine = await rig.engine.stats(PROJECT)
    const theirs = await rig.engine.stats('q')
    expect(mine).toMatchObject({ clients: 2, pending: 1, leased: 1, history: 1, dead_letters: 1 })
    expect(theirs).toMatchObject({ clients: 1, pending: 1, leased: 0, history: 0, dead_letters: 0 })
    const names = ['clients', 'pending', 'leased', 'history', 'dead_letters', 'stored_bytes'] as const
    const sum = Object.fromEntries(names.map((name) => [name, mine[name] + theirs[name]]))
    expect(await rig.engine.stats()).toMatchObject(sum)
    expect(await rig.engine.stats('none')).toEqual({
      clients: 0,
      pending: 0,
      leased: 0,
      history: 0,
      dead_letters: 0,
      stored_bytes: 0,
    })
  })

  test('idempotency keys count for the project of their sender', async () => {
    await using rig = await Rig.start(make)
    await rig.send('r', { ttl_seconds: 1 }, 'k')
    const { bytes } = rig.broadcast()
    expect((await rig.engine.stats(PROJECT)).stored_bytes).toBeGreaterThan(bytes)
    expect((await rig.engine.stats('q')).stored_bytes).toBe(0)
  })

  test('each has its own limits', async () => {
    await using rig = await Rig.start(make, {}, { [PROJECT]: SMALL, q: LARGE })
    const outcomes = async (project: string) => {
      const sent = []
      for (let i = 0; i < 3; i++)
        sent.push((await rig.send('r', {}, undefined, project)).deliveries[0]!.outcome)
      sent.push((await rig.send('another', {}, undefined, project)).deliveries[0]!.outcome)
      return sent
    }
    expect(await outcomes(PROJECT)).toEqual(['stored', 'full', 'full', 'too_many_clients'])
    expect(await outcomes('q')).toEqual(['stored', 'stored', 'stored', 'stored'])
    const take = { limit: 9, bytes_max: 1e6, ack: 'manual' } as const
    for (const project of [PROJECT, 'q']) await rig.engine.read(rig.at('r', project), undefined, take)
    await rig.pass(10)
    expect(await rig.engine.stats(PROJECT)).toMatchObject({ leased: 0, dead_letters: 1 })
    expect(await rig.engine.stats('q')).toMatchObject({ leased: 3, dead_letters: 0 })
    await rig.pass(10)
    expect(await rig.engine.stats('q')).toMatchObject({ leased: 0, pending: 4 })
  })

  test('sessions fall silent and addresses are forgotten by the limits of their project', async () => {
    await using rig = await Rig.start(make, {}, { [PROJECT]: SMALL, q: LARGE })
    await rig.checkedIn('mine')
    await rig.checkedIn('theirs', { project: 'q' })
    await rig.pass(10)
    await rig.hears(() => rig.sessions, ['mine active', 'theirs active', 'mine stale'])
    await rig.pass(10)
    await rig.hears(() => rig.sessions.slice(3).sort(), ['mine disconnected', 'theirs stale'])
    await rig.pass(80)
    expect(await rig.clientIds()).toEqual([])
    expect(await rig.clientIds({}, 'q')).toEqual(['theirs'])
  })

  test("room is made from the recipient's history, then its project's, then another's", async () => {
    await using rig = await Rig.start(make)
    const { bytes } = rig.broadcast({ payload: PAYLOAD })
    await using full = await Rig.start(make, { stored_bytes_max: 5 * bytes })
    const inHistory = async (client_id: string, project: string) => {
      const { deliveries } = await full.engine.history(full.at(client_id, project), {}, 99, 1e6)
      return deliveries.length
    }
    const histories = () =>
      Promise.all([inHistory('r', PROJECT), inHistory('mate', PROJECT), inHistory('other', 'q')])
    const read = { limit: 99, bytes_max: 1e6, ack: 'auto' } as const
    const fill = async (client_id: string, project: string, count: number) => {
      for (let i = 0; i < count; i++) await full.send(client_id, { payload: PAYLOAD }, undefined, project)
      await full.engine.read(full.at(client_id, project), undefined, read)
    }
    await fill('other', 'q', 2)
    await fill('mate', PROJECT, 2)
    await fill('r', PROJECT, 1)
    expect(await histories()).toEqual([1, 2, 2])
    // What is unread counts as deliveries of its mailbox as well, and stays.
    const stored: number[][] = []
    for (let i = 0; i < 5; i++) {
      await full.sendAll('r', [PAYLOAD])
      stored.push(await histories())
    }
    expect(stored).toEqual([
      [1, 2, 2],
      [2, 1, 2],
      [3, 0, 2],
      [4, 0, 1],
      [5, 0, 0],
    ])
    expect((await full.send('r', { payload: PAYLOAD })).deliveries[0]!.outcome).toBe('storage_full')
  })
}

const SMALL = {
  mailbox_messages_max: 1,
  clients_max: 1,
  lease_seconds: 10,
  attempts_max: 1,
  stale_seconds: 10,
  disconnected_seconds: 20,
  forget_seconds: 100,
}
const LARGE = { lease_seconds: 20, stale_seconds: 20, disconnected_seconds: 40, forget_seconds: 1000 }

import { expect, test } from 'bun:test'
import { ACKED, DELAYED, LEASED, PENDING } from '../../src/core/mailbox/entry.ts'
import { type MakeEngine, payloads, Rig } from './rig.ts'

export function readingContract(make: MakeEngine): void {
  test('gives higher priority first, then in the order sent', async () => {
    await using rig = await Rig.start(make)
    for (const [payload, priority] of [
      ['l1', 'low'],
      ['n1', 'normal'],
      ['u1', 'urgent'],
      ['l2', 'low'],
      ['h1', 'high'],
      ['u2', 'urgent'],
      ['n2', 'normal'],
    ] as const)
      await rig.send('r', { payload, priority })
    expect(await rig.take('r', { limit: 3 })).toEqual(['u1', 'u2', 'h1'])
    expect(await rig.take('r')).toEqual(['n1', 'n2', 'l1', 'l2'])
  })

  test('auto acknowledges: told once, and not given again', async () => {
    await using rig = await Rig.start(make)
    const ids = await rig.sendAll('r', ['a', 'b'])
    const { due, pending } = await rig.taken('r', { limit: 1 })
    expect(pending).toBe(1)
    expect(due[0]).toMatchObject({ attempt: 1, acknowledged: true })
    expect(await rig.take('r')).toEqual(['b'])
    expect(await rig.take('r')).toEqual([])
    await rig.hears(
      () => rig.acknowledged,
      ids.map((message_id) => ({ client_id: 'r', message_id })),
    )
    expect(await rig.engine.stats()).toMatchObject({ pending: 0, leased: 0, history: 2 })
  })

  test('manual leases until acknowledged', async () => {
    await using rig = await Rig.start(make)
    const ids = await rig.sendAll('r', ['a', 'b', 'c'])
    expect(await rig.lease('r', { limit: 2 })).toEqual(ids.slice(0, 2).map((id) => ({ id, attempt: 1 })))
    expect(rig.acknowledged).toEqual([])
    expect(await rig.settle('r', { message_ids: [ids[0]!, 'no-such'] })).toEqual({
      settled: 1,
      unknown: ['no-such'],
    })
    expect(await rig.settle('r', {})).toEqual({ settled: 1, unknown: [] })
    await rig.hears(() => rig.acknowledged.map(({ message_id }) => message_id), ids.slice(0, 2))
    expect(await rig.take('r')).toEqual(['c'])
  })

  test('acknowledging twice, or what is still pending, does no harm', async () => {
    await using rig = await Rig.start(make)
    const [id] = await rig.sendAll('r', ['a'])
    expect((await rig.settle('r', { message_ids: [id!] })).settled).toBe(1)
    expect(await rig.settle('r', { message_ids: [id!] })).toEqual({ settled: 0, unknown: [] })
    expect(await rig.take('r')).toEqual([])
    await rig.hears(() => rig.acknowledged.length, 1)
  })

  test('none only looks', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b'])
    expect(await rig.take('r', { ack: 'none' })).toEqual(['a', 'b'])
    expect(await rig.take('r', { ack: 'none' })).toEqual(['a', 'b'])
    expect(await rig.lease('r')).toMatchObject([{ attempt: 1 }, { attempt: 1 }])
  })

  test('a lease that runs out is a failure: again with a higher attempt, and announced as such', async () => {
    await using rig = await Rig.start(make)
    const [id] = await rig.sendAll('r', ['a'])
    await rig.lease('r')
    await rig.pass(59.999)
    expect(await rig.lease('r')).toEqual([])
    await rig.pass(0.001)
    await rig.hears(
      () => rig.announced.map(({ offset, changes, redelivery }) => ({ offset, changes, redelivery })),
      [
        { offset: 1, changes: 1, redelivery: false },
        { offset: 1, changes: 2, redelivery: true },
      ],
    )
    expect(await rig.lease('r')).toEqual([{ id: id!, attempt: 2 }])
  })

  test('a message given back comes at once, or after its delay and not before', async () => {
    await using rig = await Rig.start(make)
    const [a, b] = await rig.sendAll('r', ['a', 'b'])
    await rig.lease('r')
    expect((await rig.settle('r', { message_ids: [a!], failed_delay_ms: 0 })).settled).toBe(1)
    expect((await rig.settle('r', { message_ids: [b!], failed_delay_ms: 10_000 })).settled).toBe(1)
    expect(await rig.lease('r')).toEqual([{ id: a!, attempt: 2 }])
    expect((await rig.found(b!))[0]!.state).toBe(DELAYED)
    await rig.pass(9.999)
    expect(await rig.lease('r')).toEqual([])
    await rig.pass(0.001)
    expect(await rig.lease('r')).toEqual([{ id: b!, attempt: 2 }])
    await rig.hears(() => rig.announced.map(({ redelivery }) => redelivery), [false, false, true, true])
  })

  test('only what is leased can be given back', async () => {
    await using rig = await Rig.start(make)
    const [a, b] = await rig.sendAll('r', ['a', 'b'])
    await rig.take('r', { limit: 1 })
    const nack = { message_ids: [a!, b!, 'no-such'], failed_delay_ms: 0 }
    const { settled, unknown } = await rig.settle('r', nack)
    expect(settled).toBe(0)
    expect([...unknown].sort()).toEqual([a!, b!, 'no-such'].sort())
  })

  test('an id said twice is settled once, though the first time be its death', async () => {
    await using rig = await Rig.start(make, { attempts_max: 2 })
    const [a] = await rig.sendAll('r', ['a'])
    const twice = { message_ids: [a!, a!], failed_delay_ms: 0 }
    for (const attempt of [1, 2]) {
      expect(await rig.lease('r')).toEqual([{ id: a!, attempt }])
      expect(await rig.settle('r', twice)).toEqual({ settled: 1, unknown: [] })
    }
    expect(await rig.settle('r', twice)).toEqual({ settled: 0, unknown: [a!] })
    expect(await rig.dead()).toEqual(['a attempts_exhausted'])
  })

  test('after the last attempt it dies, with a reason', async () => {
    await using rig = await Rig.start(make, { attempts_max: 3 })
    const [id] = await rig.sendAll('r', ['a'])
    for (const attempt of [1, 2, 3]) {
      expect(await rig.lease('r')).toEqual([{ id: id!, attempt }])
      if (attempt === 2) await rig.pass(60)
      else await rig.settle('r', { failed_delay_ms: 0 })
    }
    expect(await rig.lease('r')).toEqual([])
    await rig.hears(
      () => rig.died.map(({ reason, attempts, recipient_id }) => ({ reason, attempts, recipient_id })),
      [{ reason: 'attempts_exhausted', attempts: 3, recipient_id: 'r' }],
    )
    expect(await rig.dead()).toEqual(['a attempts_exhausted'])
  })

  test('nothing expired is given, swept or not, and it dies with a reason', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a'], { ttl_seconds: 10 })
    await rig.sendAll('r', ['leased'], { ttl_seconds: 10, priority: 'urgent' })
    await rig.sendAll('r', ['b'], { ttl_seconds: 11 })
    await rig.lease('r', { limit: 1 })
    rig.now += 10_000
    expect(await rig.take('r')).toEqual(['b'])
    await rig.hears(() => rig.died.map(({ reason }) => reason), ['expired', 'expired'])
    expect((await rig.dead()).sort()).toEqual(['a expired', 'leased expired'])
  })

  test('an answer is bounded in count and bytes, but its first message always comes', async () => {
    await using rig = await Rig.start(make)
    const payload = 'x'.repeat(400)
    await rig.sendAll('r', [payload, payload, payload, payload])
    expect((await rig.take('r', { bytes_max: 1 })).length).toBe(1)
    expect((await rig.take('r', { bytes_max: 1300, ack: 'none' })).length).toBe(2)
    expect((await rig.take('r', { limit: 1 })).length).toBe(1)
    expect((await rig.take('r')).length).toBe(2)
  })

  test('reading more at once than the history keeps loses nothing', async () => {
    await using rig = await Rig.start(make, { history_messages_max: 2 })
    await rig.sendAll('r', ['a', 'b', 'c', 'd', 'e'])
    expect(await rig.take('r')).toEqual(['a', 'b', 'c', 'd', 'e'])
    rig.now += 1000
    expect(await rig.take('r')).toEqual([])
    expect((await rig.engine.stats()).history).toBe(2)
    expect(rig.acknowledged.every(({ message_id }) => message_id !== '')).toBeTrue()
  })

  test('the cursor of an answer is one to subscribe after', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b', 'c'])
    const { epoch, offset } = await rig.taken('r', { limit: 2 })
    const opened = await rig.open('r', { epoch, offset }, 'auto')
    expect(opened).toMatchObject({ recovered: true, pending: 1 })
    expect(payloads(await rig.read('r', opened))).toEqual(['c'])
  })

  test('an address without mail answers nothing', async () => {
    await using rig = await Rig.start(make)
    const address = rig.at('nobody')
    expect(await rig.take('nobody')).toEqual([])
    expect(await rig.client('nobody')).toBeUndefined()
    expect(await rig.settle('nobody', { message_ids: ['x'] })).toEqual({ settled: 0, unknown: ['x'] })
    expect((await rig.engine.history(address, {}, 10, 1e6)).deliveries).toEqual([])
  })

  test('a mailbox says where it stands', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b', 'c', 'd'])
    await rig.take('r', { limit: 1 })
    await rig.lease('r', { limit: 1 })
    const state = await rig.client('r')
    expect(state).toMatchObject({ offset: 1, last: 4, pending: 2, leased: 1 })
    expect(state!.epoch).toMatch(/^[a-z0-9]{1,32}$/)
    expect(await rig.engine.stats()).toMatchObject({ clients: 1, pending: 2, leased: 1, history: 1 })
  })

  test('a message is found wherever it is, in the state it has there', async () => {
    await using rig = await Rig.start(make, { attempts_max: 1 })
    const { message_id } = await rig.send(['acked', 'dead', 'leased', 'pending'])
    await rig.take('acked')
    await rig.lease('dead')
    await rig.settle('dead', { failed_delay_ms: 0 })
    await rig.lease('leased')
    const found = await rig.found(message_id)
    const states = found.map(({ recipient_id, state, attempts }) => [recipient_id, state, attempts])
    expect(states.sort()).toEqual([
      ['acked', ACKED, 1],
      ['dead', 'attempts_exhausted', 1],
      ['leased', LEASED, 1],
      ['pending', PENDING, 0],
    ])
    expect(await rig.found('no-such')).toEqual([])
  })

  test('history gives what is retained in the order it came, changing nothing', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b'])
    await rig.sendAll('r', ['urgent'], { priority: 'urgent' })
    await rig.take('r', { limit: 2 })
    const address = rig.at('r')
    const whole = await rig.engine.history(address, {}, 10, 1e6)
    expect(payloads(whole.deliveries)).toEqual(['a', 'b', 'urgent'])
    expect(whole).toMatchObject({ recovered: true, offset: 3, more: false })
    expect(await rig.engine.stats()).toMatchObject({ pending: 1, history: 2 })
    const page = await rig.engine.history(address, {}, 2, 1e6)
    expect([payloads(page.deliveries), page.offset, page.more]).toEqual([['a', 'b'], 2, true])
    const rest = await rig.engine.history(address, { after: page }, 2, 1e6)
    expect([payloads(rest.deliveries), rest.recovered, rest.more]).toEqual([['urgent'], true, false])
    expect((await rig.engine.history(address, {}, 10, 1)).deliveries.length).toBe(1)
    await rig.sendAll('r', ['short'], { ttl_seconds: 1 })
    rig.now += 1000
    expect(await rig.engine.history(address, {}, 10, 1e6)).toMatchObject({ offset: 4, more: false })
  })

  test('history since a time, and nothing that has expired', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['old'])
    await rig.sendAll('r', ['short'], { ttl_seconds: 50 })
    rig.now += 60_000
    const since_ms = rig.now
    await rig.sendAll('r', ['new'])
    const address = rig.at('r')
    expect(payloads((await rig.engine.history(address, {}, 10, 1e6)).deliveries)).toEqual(['old', 'new'])
    expect(payloads((await rig.engine.history(address, { since_ms }, 10, 1e6)).deliveries)).toEqual(['new'])
  })

  test('history after a cursor whose rest is not whole says so', async () => {
    await using rig = await Rig.start(make, { history_messages_max: 2 })
    await rig.sendAll('r', ['a', 'b', 'c', 'd'])
    await rig.take('r')
    rig.now += 1000
    const { epoch } = (await rig.client('r'))!
    const after = async (offset: number, of = epoch) => {
      const page = await rig.engine.history(rig.at('r'), { after: { epoch: of, offset } }, 10, 1e6)
      return [page.recovered, ...payloads(page.deliveries)]
    }
    expect(await after(1)).toEqual([false, 'c', 'd'])
    expect(await after(2)).toEqual([true, 'c', 'd'])
    expect(await after(4)).toEqual([true])
    expect(await after(5)).toEqual([false, 'c', 'd'])
    expect(await after(3, 'elsewhere')).toEqual([false, 'c', 'd'])
  })
}

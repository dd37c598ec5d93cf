import { expect, test } from 'bun:test'
import { ACKED, LEASED } from '../../src/core/mailbox/entry.ts'
import { type MakeEngine, payloads, Rig } from './rig.ts'

export function subscribingContract(make: MakeEngine): void {
  test('without a cursor begins at what is not acknowledged, higher priority first', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['read', 'a', 'b'])
    await rig.take('r', { limit: 1 })
    await rig.sendAll('r', ['urgent'], { priority: 'urgent' })
    const opened = await rig.open('r', undefined, 'auto')
    expect(opened).toMatchObject({ recovered: true, pending: 3 })
    const due = await rig.read('r', opened)
    expect(payloads(due)).toEqual(['urgent', 'a', 'b'])
    expect(due.map(({ safe_offset }) => safe_offset)).toEqual([1, 2, 3])
    expect(await rig.read('r', opened)).toEqual([])
    expect(await rig.engine.stats()).toMatchObject({ pending: 0, history: 4 })
    await rig.hears(() => rig.acknowledged.length, 4)
  })

  test('after a cursor gives everything since, acknowledged or not, as a further attempt', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b', 'c', 'd'])
    await rig.take('r', { limit: 2 })
    await rig.lease('r', { limit: 1 })
    const { epoch } = (await rig.client('r'))!
    const opened = await rig.open('r', { epoch, offset: 1 }, 'manual')
    expect(opened.recovered).toBeTrue()
    const due = await rig.read('r', opened, { ack: 'manual' })
    expect(payloads(due)).toEqual(['b', 'c', 'd'])
    expect(due.map(({ attempt }) => attempt)).toEqual([2, 2, 1])
    const again = await rig.open('r', { epoch, offset: 1 }, 'auto')
    expect((await rig.read('r', again)).map(({ attempt }) => attempt)).toEqual([3, 3, 2])
    await rig.hears(() => rig.acknowledged.length, 2)
  })

  test.each([
    ['of another history', 'elsewhere', 2],
    ['from the future', undefined, 99],
    ['whose rest was overwritten', undefined, 1],
  ])('a cursor %s is said not to be recovered, and all that is left comes', async (_, epoch, offset) => {
    await using rig = await Rig.start(make, { history_messages_max: 2 })
    await rig.sendAll('r', ['a', 'b', 'c', 'd'])
    await rig.take('r')
    rig.now += 1000
    await rig.sendAll('r', ['e'])
    const own = (await rig.client('r'))!.epoch
    const opened = await rig.open('r', { epoch: epoch ?? own, offset }, 'auto')
    expect(opened.recovered).toBeFalse()
    const from = { epoch: opened.position.epoch, offset: Math.min(...opened.position.sent) }
    expect((await rig.open('r', from, 'none')).recovered).toBeTrue()
    expect(payloads(await rig.read('r', opened))).toEqual(['c', 'd', 'e'])
  })

  test('what is pending behind a cursor comes all the same', async () => {
    await using rig = await Rig.start(make)
    const [a] = await rig.sendAll('r', ['a', 'b'])
    await rig.lease('r')
    await rig.settle('r', { message_ids: [a!], failed_delay_ms: 0 })
    const { epoch } = (await rig.client('r'))!
    const opened = await rig.open('r', { epoch, offset: 2 }, 'manual')
    const due = await rig.read('r', opened, { ack: 'manual' })
    expect(due.map(({ message, attempt }) => [message.message_id, attempt])).toEqual([[a!, 2]])
  })

  test('to a reader who only looks, a cursor means that it has looked', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b', 'c'])
    const first = await rig.open('r', undefined, 'none')
    const due = await rig.read('r', first, { ack: 'none', limit: 2 })
    expect(payloads(due)).toEqual(['a', 'b'])
    const after = { epoch: first.position.epoch, offset: due[1]!.safe_offset }
    const resumed = await rig.open('r', after, 'none')
    expect(payloads(await rig.read('r', resumed, { ack: 'none' }))).toEqual(['c'])
    const lost = await rig.open('r', { epoch: 'elsewhere', offset: 2 }, 'none')
    expect(payloads(await rig.read('r', lost, { ack: 'none' }))).toEqual(['a', 'b', 'c'])
    const fresh = await rig.open('r', undefined, 'none')
    expect(payloads(await rig.read('r', fresh, { ack: 'none' }))).toEqual(['a', 'b', 'c'])
    expect((await rig.engine.stats()).pending).toBe(3)
  })

  test('to a reader who only looks and lost its place, what is pending among the overwritten comes too', async () => {
    await using rig = await Rig.start(make, { history_messages_max: 0 })
    await rig.sendAll('r', ['slow'], { priority: 'low' })
    await rig.sendAll('r', ['x', 'y'])
    await rig.take('r', { limit: 2 })
    rig.now += 1000
    const { epoch } = (await rig.client('r'))!
    const opened = await rig.open('r', { epoch, offset: 0 }, 'none')
    expect(opened.recovered).toBeFalse()
    expect(payloads(await rig.read('r', opened, { ack: 'none' }))).toEqual(['slow'])
  })

  test('with manual, a cursor acknowledges nothing', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b'])
    const first = await rig.open('r', undefined, 'manual')
    await rig.read('r', first, { ack: 'manual' })
    await rig.open('r', { epoch: first.position.epoch, offset: 2 }, 'manual')
    expect((await rig.engine.stats()).leased).toBe(2)
  })

  test('with auto, the cursor acknowledges what was leased in its turn before it', async () => {
    await using rig = await Rig.start(make)
    const ids = await rig.sendAll('r', ['a', 'b', 'c'])
    const first = await rig.open('r', undefined, 'auto')
    // A subscriber with auto whose connection confirms arrival leases messages until then.
    const due = await rig.read('r', first, { ack: 'manual' })
    const after = { epoch: first.position.epoch, offset: due[1]!.safe_offset }
    const resumed = await rig.open('r', after, 'auto')
    await rig.hears(() => rig.acknowledged.map(({ message_id }) => message_id), ids.slice(0, 2))
    expect(payloads(await rig.read('r', resumed, { ack: 'manual' }))).toEqual(['c'])
  })

  test('with auto, a cursor from before a redelivery does not acknowledge it', async () => {
    await using rig = await Rig.start(make)
    const [a] = await rig.sendAll('r', ['a', 'b'])
    const first = await rig.open('r', undefined, 'auto')
    await rig.read('r', first, { ack: 'manual' })
    const cursor = { epoch: first.position.epoch, offset: 2 }
    await rig.settle('r', { message_ids: [a!], failed_delay_ms: 0 })
    // The redelivery is lost with its connection: the client still has its cursor from before.
    expect((await rig.read('r', first, { ack: 'manual' })).map(({ offset }) => offset)).toEqual([1])
    // Another reader, which peeks at it in its turn, does not change that.
    const other = await rig.open('r', { epoch: cursor.epoch, offset: 0 }, 'none')
    expect(payloads(await rig.read('r', other, { ack: 'none' }))).toEqual(['a', 'b'])
    await rig.open('r', cursor, 'auto')
    expect((await rig.found(a!))[0]!.state).toBe(LEASED)
    await rig.pass(60)
    expect((await rig.lease('r')).map(({ id }) => id)).toEqual([a!])
  })

  test('with auto, a cursor does not acknowledge what was leased aside from it', async () => {
    await using rig = await Rig.start(make)
    const [a] = await rig.sendAll('r', ['a'])
    await rig.lease('r')
    const { epoch } = (await rig.client('r'))!
    await rig.open('r', { epoch, offset: 1 }, 'auto')
    expect((await rig.found(a!))[0]!.state).toBe(LEASED)
  })

  test('what is read as it comes is leased or acknowledged at its first attempt, and settled by its offset', async () => {
    await using rig = await Rig.start(make)
    const opened = await rig.open('r', undefined, 'manual')
    const [a, b] = await rig.sendAll('r', ['a', 'b', 'c'])
    await rig.read('r', opened, { limit: 1, ack: 'auto' })
    await rig.read('r', opened, { limit: 1, ack: 'manual' })
    await rig.read('r', opened, { limit: 1, ack: 'none' })
    expect((await rig.found(a!))[0]).toMatchObject({ state: ACKED, attempts: 1 })
    expect((await rig.found(b!))[0]).toMatchObject({ state: LEASED, attempts: 1 })
    await rig.hears(() => rig.acknowledged.map(({ message_id }) => message_id), [a!])
    const { epoch } = opened.position
    const of = [1, 2, 99].map((offset) => ({ offset, attempt: 1 }))
    expect(await rig.settle('r', { leases: { epoch, of } })).toEqual({ settled: 1, unknown: [] })
    expect(await rig.take('r')).toEqual(['c'])
  })

  test('each of several readers is given every message, a lease once', async () => {
    await using rig = await Rig.start(make)
    const one = await rig.open('r', undefined, 'manual')
    const two = await rig.open('r', undefined, 'manual')
    await rig.sendAll('r', ['a', 'b'])
    expect(payloads(await rig.read('r', one, { ack: 'manual' }))).toEqual(['a', 'b'])
    const second = await rig.read('r', two, { ack: 'manual' })
    expect(payloads(second)).toEqual(['a', 'b'])
    expect(second.map(({ attempt }) => attempt)).toEqual([1, 1])
    expect((await rig.engine.stats()).leased).toBe(2)
  })

  test('what one acknowledges the moment it came, another can still read, however short the history', async () => {
    await using rig = await Rig.start(make, { history_messages_max: 0 })
    const opened = await rig.open('r', undefined, 'none')
    await rig.sendAll('r', ['a', 'b', 'c'])
    await rig.take('r')
    expect(payloads(await rig.read('r', opened, { ack: 'none' }))).toEqual(['a', 'b', 'c'])
    rig.now += 1000
    const late = await rig.open('r', { epoch: opened.position.epoch, offset: 0 }, 'none')
    expect(late.recovered).toBeFalse()
    expect(await rig.read('r', late, { ack: 'none' })).toEqual([])
  })

  test('a released message that a reader has yet to come to is given once, in its turn', async () => {
    await using rig = await Rig.start(make)
    const opened = await rig.open('r', undefined, 'manual')
    await rig.sendAll('r', ['a', 'b', 'c'])
    await rig.lease('r')
    await rig.settle('r', { failed_delay_ms: 0 })
    expect(payloads(await rig.read('r', opened, { ack: 'manual' }))).toEqual(['a', 'b', 'c'])
    expect(await rig.read('r', opened, { ack: 'manual' })).toEqual([])
  })

  test('reads come in parts that follow on each other', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b', 'c', 'd', 'e'])
    const opened = await rig.open('r', undefined, 'auto')
    const parts: unknown[][] = []
    for (let part = await rig.read('r', opened, { limit: 2 }); part.length > 0; ) {
      parts.push(payloads(part))
      part = await rig.read('r', opened, { limit: 2 })
    }
    expect(parts).toEqual([['a', 'b'], ['c', 'd'], ['e']])
    await rig.sendAll('r', ['f', 'g'])
    expect(payloads(await rig.read('r', opened, { bytes_max: 1 }))).toEqual(['f'])
    expect(payloads(await rig.read('r', opened))).toEqual(['g'])
  })

  test('nothing expired is given to a reader', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['short'], { ttl_seconds: 1 })
    await rig.sendAll('r', ['long'])
    const opened = await rig.open('r', undefined, 'auto')
    rig.now += 1000
    expect(payloads(await rig.read('r', opened))).toEqual(['long'])
  })

  test('every cursor that a subscriber or a check-in was given can be resumed from', async () => {
    await using rig = await Rig.start(make, { history_messages_max: 1 })
    await rig.checkedIn('r')
    const [slow] = await rig.sendAll('r', ['slow'], { priority: 'low' })
    await rig.sendAll('r', ['x', 'y', 'z'])
    await rig.take('r', { limit: 3 })
    const { mailbox, session } = await rig.checkedIn('r', { join: 'reader' })
    expect(session.client_id).toBe('r')
    const opened = await rig.open('r', mailbox, 'auto')
    expect(opened.recovered).toBeTrue()
    expect((await rig.read('r', opened)).map(({ message }) => message.message_id)).toContain(slow!)
  })
}

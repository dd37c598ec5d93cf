import { expect, test } from 'bun:test'
import { EVERYTHING, type MakeEngine, payloads, Rig } from './rig.ts'

const PEEK = { ack: 'none' } as const
const MANUAL = { ack: 'manual' } as const

/** A position is a value: the engine keeps nothing for a reader. */
export function positionContract(make: MakeEngine): void {
  test('two reads from one position are the same as far as nothing changed', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a', 'b', 'c'])
    const { position } = await rig.open('r', undefined, 'none')
    const first = await rig.readOn('r', position, { ...PEEK, limit: 2 })
    expect(await rig.readOn('r', position, { ...PEEK, limit: 2 })).toEqual(first)
    expect(payloads(first.due)).toEqual(['a', 'b'])
    const rest = await rig.readOn('r', first.position!, PEEK)
    expect(payloads(rest.due)).toEqual(['c'])
    expect(await rig.readOn('r', first.position!, PEEK)).toEqual(rest)
    expect((await rig.readOn('r', rest.position!, PEEK)).due).toEqual([])
  })

  test('an old copy of one works on, and so does one that was written down', async () => {
    await using rig = await Rig.start(make)
    const { position } = await rig.open('r', undefined, 'manual')
    const copy = JSON.stringify(position)
    await rig.sendAll('r', ['a', 'b'])
    const { position: after } = await rig.readOn('r', position, MANUAL)
    await rig.sendAll('r', ['c'])
    expect(payloads((await rig.readOn('r', after!, MANUAL)).due)).toEqual(['c'])
    const again = await rig.readOn('r', JSON.parse(copy), MANUAL)
    expect(payloads(again.due)).toEqual(['a', 'b', 'c'])
    // Others have leased them, so this is no delivery.
    expect(again.due.map(({ attempt }) => attempt)).toEqual([1, 1, 1])
    expect(JSON.stringify(position)).toBe(copy)
  })

  test('a redelivery comes once, to the reader that comes first, by offset', async () => {
    await using rig = await Rig.start(make)
    const one = await rig.open('r', undefined, 'manual')
    const two = await rig.open('r', undefined, 'manual')
    const ids = await rig.sendAll('r', ['a', 'b', 'c', 'd'])
    for (const reader of [one, two]) expect(await rig.read('r', reader, MANUAL)).toHaveLength(4)
    // Given back in another order than that of their offsets.
    for (const at of [3, 0, 2]) await rig.settle('r', { message_ids: [ids[at]!], failed_delay_ms: 0 })
    const again = await rig.read('r', two, { ...MANUAL, limit: 2 })
    expect(again.map(({ offset, attempt }) => [offset, attempt])).toEqual([
      [1, 2],
      [3, 2],
    ])
    expect((await rig.read('r', one, MANUAL)).map(({ offset }) => offset)).toEqual([4])
    for (const reader of [one, two]) expect(await rig.read('r', reader, MANUAL)).toEqual([])
  })

  test('a redelivery does not hold back what is new, nor the other way round', async () => {
    await using rig = await Rig.start(make)
    const reader = await rig.open('r', undefined, 'manual')
    await rig.sendAll('r', ['a'])
    await rig.read('r', reader, MANUAL)
    await rig.settle('r', { failed_delay_ms: 0 })
    await rig.sendAll('r', ['b'])
    await rig.sendAll('r', ['urgent'], { priority: 'urgent' })
    expect(payloads(await rig.read('r', reader, MANUAL))).toEqual(['urgent', 'a', 'b'])
    expect(await rig.read('r', reader, MANUAL)).toEqual([])
  })

  test('one that is told of a redelivery by no announcement finds it with its next read', async () => {
    await using rig = await Rig.start(make)
    const reader = await rig.open('r', undefined, 'auto')
    await rig.sendAll('r', ['a'])
    await rig.read('r', reader, MANUAL)
    await rig.checkedIn('r')
    await rig.checkedIn('r')
    expect((await rig.read('r', reader)).map(({ attempt }) => attempt)).toEqual([2])
  })

  test('a reader that peeks is given nothing twice, whatever becomes pending again', async () => {
    await using rig = await Rig.start(make)
    const peek = await rig.open('r', undefined, 'none')
    await rig.sendAll('r', ['a', 'b'])
    expect(payloads(await rig.read('r', peek, PEEK))).toEqual(['a', 'b'])
    await rig.lease('r')
    await rig.settle('r', { failed_delay_ms: 0 })
    expect(await rig.read('r', peek, PEEK)).toEqual([])
    await rig.lease('r')
    await rig.pass(60)
    await rig.sendAll('r', ['c'])
    expect(payloads(await rig.read('r', peek, PEEK))).toEqual(['c'])
    expect(await rig.read('r', peek, PEEK)).toEqual([])
  })

  test('a reader whose next messages were overwritten is told that it was lapped', async () => {
    await using rig = await Rig.start(make, { history_messages_max: 1 })
    const slow = await rig.open('r', undefined, 'none')
    await rig.sendAll('r', ['a', 'b'])
    const quick = await rig.open('r', undefined, 'auto')
    expect((await rig.readOn('r', slow.position, { ...PEEK, limit: 1 })).lapped).toBeFalse()
    await rig.read('r', quick)
    rig.now += 1000
    await rig.sendAll('r', ['c', 'd'])
    await rig.read('r', quick)
    rig.now += 1000
    await rig.sendAll('r', ['e'])
    await rig.read('r', quick)
    const lapped = await rig.readOn('r', slow.position, PEEK)
    expect(lapped).toMatchObject({ lapped: true, due: [] })
    expect(lapped.position).toEqual(slow.position)
    expect((await rig.readOn('r', quick.position, PEEK)).lapped).toBeFalse()
    const resumed = await rig.open('r', { epoch: slow.position.epoch, offset: 0 }, 'none')
    expect(resumed.recovered).toBeFalse()
    expect(payloads(await rig.read('r', resumed, PEEK)).at(-1)).toBe('e')
  })

  test('a reader is lapped by another history, and where there is none any more', async () => {
    await using rig = await Rig.start(make)
    const { position } = await rig.open('r', undefined, 'auto')
    await rig.sendAll('r', ['a'])
    expect(await rig.readOn('r', { ...position, epoch: 'elsewhere' })).toMatchObject({
      lapped: true,
      due: [],
    })
    expect(await rig.readOn('nobody', position)).toMatchObject({ lapped: true, due: [] })
    expect(await rig.take('r', { ack: 'none' })).toEqual(['a'])
    const nothing = await rig.engine.read(rig.at('nobody'), undefined, EVERYTHING)
    expect(nothing).toMatchObject({ lapped: false, due: [], position: undefined })
  })
}

import { expect, test } from 'bun:test'
import type { Session } from '../../src/core/session.ts'
import { EVERYTHING, type MakeEngine, Rig } from './rig.ts'

const MANUAL = { ...EVERYTHING, ack: 'manual' } as const

/** Each way in which a session stops holding its address, and what calls that name it are answered. */
const ENDS = [
  ['replaced', (rig: Rig) => rig.checkedIn('r')],
  ['closed', (rig: Rig) => rig.end('r')],
  ['closed', (rig: Rig) => rig.end('r', 'replaced')],
] as const

/** What calls do that name a session. */
export function holderContract(make: MakeEngine): void {
  test('they work for the session that holds the address', async () => {
    await using rig = await Rig.start(make)
    const { session_id } = (await rig.checkedIn('r')).session
    await rig.sendAll('r', ['a', 'b', 'c'])
    const address = rig.at('r')
    const opened = await rig.engine.open(address, undefined, 'manual', session_id)
    if (typeof opened === 'string') throw new Error(opened)
    const { position } = opened
    expect(await rig.engine.read(address, position, { ...MANUAL, session_id, limit: 1 })).toMatchObject({
      due: [{ offset: 1 }],
    })
    expect(await rig.engine.read(address, undefined, { ...MANUAL, session_id })).toMatchObject({
      due: [{ offset: 2 }, { offset: 3 }],
    })
    expect(await rig.engine.settle(address, { session_id })).toEqual({ settled: 3, unknown: [] })
  })

  test('those that name none work for anybody, whoever holds the address', async () => {
    await using rig = await Rig.start(make)
    await rig.checkedIn('r', { key_id: 'mine' })
    await rig.sendAll('r', ['a'])
    const reader = await rig.open('r', undefined, 'manual')
    expect(await rig.read('r', reader, MANUAL)).toHaveLength(1)
    expect((await rig.settle('r', {})).settled).toBe(1)
  })

  test.each(ENDS)('they answer %s and do nothing once it was (%#)', async (ended, end) => {
    await using rig = await Rig.start(make)
    const ids = await rig.sendAll('r', ['leased before', 'pending'])
    const { session_id } = (await rig.checkedIn('r')).session
    const first = await rig.open('r', undefined, 'auto')
    await rig.read('r', first, { ...MANUAL, limit: 1 })
    await end(rig)
    // Whoever holds the address by then has a lease of its own.
    const { due, epoch } = await rig.taken('r', { ack: 'manual', limit: 1 })
    const leases = { epoch, of: due.map(({ offset, attempt }) => ({ offset, attempt })) }
    const before = [await rig.client('r'), await rig.found(ids[0]!), await rig.found(ids[1]!)]
    const address = rig.at('r')
    for (const ack of ['auto', 'manual', 'none'] as const)
      for (const position of [undefined, first.position])
        expect(await rig.engine.read(address, position, { ...EVERYTHING, ack, session_id })).toBe(ended)
    for (const which of [{}, { leases }, { message_ids: ids }])
      for (const failed_delay_ms of [undefined, 0])
        expect(await rig.engine.settle(address, { ...which, failed_delay_ms, session_id })).toBe(ended)
    const cursor = { epoch, offset: 1 }
    expect(await rig.engine.open(address, cursor, 'auto', session_id)).toBe(ended)
    expect([await rig.client('r'), await rig.found(ids[0]!), await rig.found(ids[1]!)]).toEqual(before)
    expect(rig.acknowledged).toEqual([])
    expect((await rig.settle('r', { leases })).settled).toBe(1)
  })

  test('a session that was taken over by its own name, or by a stateless caller, goes on', async () => {
    await using rig = await Rig.start(make)
    const { session_id } = (await rig.checkedIn('r')).session
    await rig.sendAll('r', ['a', 'b'])
    await rig.checkedIn('r', { resume: session_id })
    await rig.checkedIn('r', { join: 'reader' })
    expect(await rig.taken('r', { session_id, limit: 1 })).toMatchObject({ due: [{ offset: 1 }] })
  })

  test('at an address that is not there they answer closed, and make none', async () => {
    await using rig = await Rig.start(make)
    const address = rig.at('nobody')
    const session_id = 'no-such-session'
    expect(await rig.engine.read(address, undefined, { ...EVERYTHING, session_id })).toBe('closed')
    expect(await rig.engine.settle(address, { session_id })).toBe('closed')
    expect(await rig.engine.open(address, undefined, 'auto', session_id)).toBe('closed')
    expect(await rig.clientIds()).toEqual([])
  })

  test('the session of another address holds none but its own', async () => {
    await using rig = await Rig.start(make)
    const other: Session = (await rig.checkedIn('other')).session
    await rig.checkedIn('r')
    const { session_id } = other
    expect(await rig.engine.read(rig.at('r'), undefined, { ...EVERYTHING, session_id })).toBe('replaced')
    expect(await rig.engine.read(rig.at('other', 'q'), undefined, { ...EVERYTHING, session_id })).toBe(
      'closed',
    )
    // To end a session that does not hold the address ends nobody's.
    await rig.engine.end(rig.at('r'), session_id, 'closed')
    expect(await rig.client('r')).toMatchObject({ status: 'active' })
  })

  test('an address that was only opened is forgotten like one that only ever had mail', async () => {
    await using rig = await Rig.start(make)
    await rig.open('r', undefined, 'auto')
    expect(await rig.clientIds()).toEqual(['r'])
    await rig.pass(1)
    await rig.pass(1_000_000)
    expect(await rig.clientIds()).toEqual([])
  })
}

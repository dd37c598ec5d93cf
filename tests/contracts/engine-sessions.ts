import { expect, test } from 'bun:test'
import type { ClientsPage } from '../../src/engine/values.ts'
import { type MakeEngine, PROJECT, Rig } from './rig.ts'

export function sessionContract(make: MakeEngine): void {
  test('a check-in begins one, told once, found by id and by address', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a'])
    const capabilities = { features: ['review'], protocols: { chat: '^1.0.0' } }
    const checked = await rig.checkedIn('r', { name: 'Reviewer', capabilities })
    expect(checked).toMatchObject({ resumed: false, mailbox: { offset: 0, last: 1, pending: 1, leased: 0 } })
    const { session } = checked
    expect(session).toMatchObject({
      client_id: 'r',
      project: PROJECT,
      name: 'Reviewer',
      capabilities,
      created_ms: rig.now,
      last_seen_ms: rig.now,
      sender_only: false,
    })
    const { session_id } = session
    const client = await rig.client('r')
    expect(client).toMatchObject({ client_id: 'r', status: 'active', session, pending: 1, last: 1 })
    expect(await rig.engine.client(PROJECT, { session_id })).toEqual(client!)
    expect(await rig.sessionsOf()).toEqual([session])
    expect(await rig.engine.client('q', { session_id })).toBeUndefined()
    expect(await rig.clientIds()).toEqual(['r'])
    await rig.hears(() => rig.sessions, ['r active'])
  })

  test('is resumed by its id, keeping what the new check-in does not say', async () => {
    await using rig = await Rig.start(make)
    const capabilities = { features: ['x'] }
    const { session } = await rig.checkedIn('r', { name: 'one', capabilities })
    rig.now += 1000
    const again = await rig.checkedIn('r', { resume: session.session_id, name: 'two' })
    expect(again.resumed).toBeTrue()
    expect(again.session).toMatchObject({
      session_id: session.session_id,
      name: 'two',
      capabilities,
      last_seen_ms: rig.now,
    })
    await rig.hears(() => rig.sessions, ['r active'])
  })

  test('is joined by a stateless caller, or begun for it', async () => {
    await using rig = await Rig.start(make)
    const begun = await rig.checkedIn('r', { join: 'reader' })
    const joined = await rig.checkedIn('r', { join: 'reader' })
    expect([begun.resumed, joined.resumed]).toEqual([false, true])
    expect(joined.session.session_id).toBe(begun.session.session_id)
  })

  test('is replaced by a check-in which does not name it, and what it leased is free again', async () => {
    await using rig = await Rig.start(make)
    const { session } = await rig.checkedIn('r')
    const [id] = await rig.sendAll('r', ['a'])
    await rig.lease('r')
    const newer = await rig.checkedIn('r', { resume: 'no-such-session' })
    expect(newer).toMatchObject({ resumed: false, mailbox: { pending: 1, leased: 0 } })
    expect(newer.session.session_id).not.toBe(session.session_id)
    const { session_id } = session
    expect(await rig.engine.client(PROJECT, { session_id })).toBeUndefined()
    expect((await rig.client('r'))!.session).toEqual(newer.session)
    await rig.hears(() => rig.sessions, ['r active', 'r replaced', 'r active'])
    expect(await rig.lease('r')).toEqual([{ id: id!, attempt: 2 }])
  })

  test('is ended once; its mailbox stays', async () => {
    await using rig = await Rig.start(make)
    const { session } = await rig.checkedIn('r')
    await rig.sendAll('r', ['a'])
    await rig.lease('r')
    const { session_id } = session
    for (let times = 0; times < 2; times++) await rig.engine.end(rig.at('r'), session_id, 'closed')
    await rig.hears(() => rig.sessions, ['r active', 'r closed'])
    expect(await rig.sessionsOf()).toEqual([])
    expect(await rig.client('r')).toMatchObject({ session: undefined, status: 'disconnected' })
    expect(await rig.client('r')).toMatchObject({ pending: 1, leased: 0 })
    rig.engine.heard([{ ...rig.at('r'), session_id, at_ms: rig.now }])
    expect(await rig.sessionsOf()).toEqual([])
    expect((await rig.checkedIn('r', { resume: session.session_id })).resumed).toBeFalse()
  })

  test('falls silent by degrees, each told once, and comes back with a sign of life', async () => {
    await using rig = await Rig.start(make)
    await rig.checkedIn('r')
    await rig.pass(29.999)
    expect(rig.sessions).toEqual(['r active'])
    await rig.pass(0.001)
    await rig.pass(1)
    await rig.hears(() => rig.sessions, ['r active', 'r stale'])
    await rig.heard('r')
    await rig.hears(() => rig.sessions, ['r active', 'r stale', 'r active'])
    await rig.pass(60)
    await rig.pass(60)
    await rig.hears(() => rig.sessions.slice(3), ['r disconnected'])
    await rig.heard('r')
    await rig.hears(() => rig.sessions.slice(4), ['r active'])
  })

  test('any sign of life puts the silence off', async () => {
    await using rig = await Rig.start(make)
    await rig.checkedIn('r')
    for (let i = 0; i < 10; i++) {
      await rig.pass(20)
      await rig.heard('r')
    }
    await rig.pass(29.999)
    expect(rig.sessions).toEqual(['r active'])
    await rig.pass(0.001)
    await rig.hears(() => rig.sessions, ['r active', 'r stale'])
  })

  test('those heard last come first, as many as are asked for', async () => {
    await using rig = await Rig.start(make)
    for (const client_id of ['a', 'b', 'c', 'd']) {
      await rig.checkedIn(client_id)
      rig.now += 10
    }
    const latest = (limit: number) => rig.clientIds({ of: 'sessions', by: 'last_heard', limit })
    expect(await latest(9)).toEqual(['d', 'c', 'b', 'a'])
    // Soon after one another, and long after.
    for (const [client_id, expected] of [
      ['b', ['b', 'd', 'c', 'a']],
      ['a', ['a', 'b', 'd', 'c']],
      ['b', ['b', 'a', 'd', 'c']],
    ] as const) {
      rig.now += 20
      await rig.heard(client_id)
      expect(await latest(9)).toEqual([...expected])
      expect(await latest(1)).toEqual([client_id])
    }
    rig.now += 5000
    await rig.heard('c')
    expect(await latest(2)).toEqual(['c', 'b'])
    await rig.end('b')
    expect(await totalOf(rig, 'sessions')).toBe(3)
    expect(await latest(9)).toEqual(['c', 'a', 'd'])
  })

  test('one that was only ever named as a sender is told apart, until it reads or checks in', async () => {
    await using rig = await Rig.start(make, { clients_max: 3 })
    const names = async (senders: boolean) =>
      (await rig.sessionsOf(PROJECT, senders)).map(({ client_id }) => client_id).sort()
    for (const client_id of ['cli', 'me']) await rig.checkedIn(client_id, { join: 'sender' })
    await rig.checkedIn('reader', { join: 'reader' })
    expect(await names(false)).toEqual(['reader'])
    expect(await names(true)).toEqual(['cli', 'me', 'reader'])
    expect(await totalOf(rig, 'readers')).toBe(1)
    await rig.checkedIn('cli', { join: 'reader' })
    await rig.checkedIn('cli', { join: 'sender' })
    expect(await names(false)).toEqual(['cli', 'reader'])
    // When there is no place for another address, a mere sender goes first.
    await rig.checkedIn('new')
    expect(await names(true)).toEqual(['cli', 'new', 'reader'])
    expect(await totalOf(rig, 'readers')).toBe(3)
  })

  test('an address belongs to the key that first checked in', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a'])
    expect(await rig.client('r')).toMatchObject({ status: 'unknown', owner: undefined })
    const { session } = await rig.checkedIn('r', { key_id: 'mine' })
    expect(await rig.client('r')).toMatchObject({ status: 'active', owner: 'mine' })
    expect(await rig.checkin('r', { key_id: 'other' })).toEqual({ outcome: 'not_owner' })
    expect(await rig.checkin('r', { key_id: 'other', join: 'reader' })).toEqual({ outcome: 'not_owner' })
    const theft = { key_id: 'other', resume: session.session_id }
    expect(await rig.checkin('r', theft)).toEqual({ outcome: 'not_owner' })
    expect((await rig.client('r'))!.session).toEqual(session)
    expect((await rig.checkedIn('r', { key_id: 'mine' })).resumed).toBeFalse()
  })

  test('of one address in two projects are two', async () => {
    await using rig = await Rig.start(make)
    const { session } = await rig.checkedIn('r')
    const other = await rig.checkedIn('r', { project: 'q', key_id: 'k' })
    expect(other.session.session_id).not.toBe(session.session_id)
    expect(await rig.sessionsOf()).toEqual([session])
  })
}

/** How many clients there are of one kind; an engine that does not know without a walk leaves it out. */
async function totalOf(rig: Rig, of: ClientsPage['of']): Promise<number> {
  const { items, total } = await rig.engine.clients(PROJECT, { of, by: 'last_heard', limit: 1000 })
  if (total !== undefined) expect(total).toBe(items.length)
  return items.length
}

import { expect, test } from 'bun:test'
import type { Session } from '../../src/core/session.ts'
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
      ended: undefined,
    })
    expect(await rig.engine.session(PROJECT, session.session_id)).toEqual(session)
    expect(await rig.engine.sessionOf(rig.at('r'))).toEqual(session)
    expect(await rig.sessionsOf()).toEqual([session])
    expect(await rig.engine.session('q', session.session_id)).toBeUndefined()
    expect([...(await rig.engine.clientIds(PROJECT))]).toEqual(['r'])
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
    expect(await rig.engine.session(PROJECT, session.session_id)).toBeUndefined()
    expect((await rig.engine.sessionOf(rig.at('r')))?.session_id).toBe(newer.session.session_id)
    await rig.hears(() => rig.sessions, ['r active', 'r replaced', 'r active'])
    expect(await rig.lease('r')).toEqual([{ id: id!, attempt: 2 }])
  })

  test('is ended once; its mailbox stays', async () => {
    await using rig = await Rig.start(make)
    const { session } = await rig.checkedIn('r')
    await rig.sendAll('r', ['a'])
    await rig.lease('r')
    await rig.engine.endSession(session, 'closed')
    await rig.engine.endSession(session, 'closed')
    await rig.hears(() => rig.sessions, ['r active', 'r closed'])
    expect(await rig.sessionsOf()).toEqual([])
    expect(await rig.engine.sessionOf(rig.at('r'))).toBeUndefined()
    expect(await rig.engine.mailbox(rig.at('r'))).toMatchObject({ pending: 1, leased: 0 })
    rig.engine.touch(session)
    expect(await rig.sessionsOf()).toEqual([])
    expect((await rig.checkedIn('r', { resume: session.session_id })).resumed).toBeFalse()
  })

  test('falls silent by degrees, each told once, and comes back with a sign of life', async () => {
    await using rig = await Rig.start(make)
    const { session } = await rig.checkedIn('r')
    await rig.pass(29.999)
    expect(rig.sessions).toEqual(['r active'])
    await rig.pass(0.001)
    await rig.pass(1)
    await rig.hears(() => rig.sessions, ['r active', 'r stale'])
    rig.engine.touch((await rig.engine.sessionOf(rig.at('r'))) ?? session)
    await rig.hears(() => rig.sessions, ['r active', 'r stale', 'r active'])
    await rig.pass(60)
    await rig.pass(60)
    await rig.hears(() => rig.sessions.slice(3), ['r disconnected'])
    rig.engine.touch((await rig.engine.sessionOf(rig.at('r'))) ?? session)
    await rig.hears(() => rig.sessions.slice(4), ['r active'])
  })

  test('any sign of life puts the silence off', async () => {
    await using rig = await Rig.start(make)
    const { session } = await rig.checkedIn('r')
    for (let i = 0; i < 10; i++) {
      await rig.pass(20)
      rig.engine.touch((await rig.engine.sessionOf(rig.at('r'))) ?? session)
    }
    await rig.pass(29.999)
    expect(rig.sessions).toEqual(['r active'])
    await rig.pass(0.001)
    await rig.hears(() => rig.sessions, ['r active', 'r stale'])
  })

  test('those heard last come first, as many as are asked for', async () => {
    await using rig = await Rig.start(make)
    const sessions = new Map<string, Session>()
    for (const client_id of ['a', 'b', 'c', 'd']) {
      sessions.set(client_id, (await rig.checkedIn(client_id)).session)
      rig.now += 10
    }
    const latest = async (limit: number) =>
      (await rig.engine.listSessions(PROJECT, { limit, senders: true })).sessions.map(
        ({ client_id }) => client_id,
      )
    expect(await latest(9)).toEqual(['d', 'c', 'b', 'a'])
    // Soon after one another, and long after.
    for (const [client_id, expected] of [
      ['b', ['b', 'd', 'c', 'a']],
      ['a', ['a', 'b', 'd', 'c']],
      ['b', ['b', 'a', 'd', 'c']],
    ] as const) {
      rig.now += 20
      rig.engine.touch(sessions.get(client_id)!)
      expect(await latest(9)).toEqual([...expected])
      expect(await latest(1)).toEqual([client_id])
    }
    rig.now += 5000
    rig.engine.touch(sessions.get('c')!)
    expect(await latest(2)).toEqual(['c', 'b'])
    await rig.engine.endSession(sessions.get('b')!, 'closed')
    expect(await rig.engine.listSessions(PROJECT, { limit: 1, senders: true })).toMatchObject({ total: 3 })
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
    expect(await rig.engine.listSessions(PROJECT, { limit: 9, senders: false })).toMatchObject({ total: 1 })
    await rig.checkedIn('cli', { join: 'reader' })
    await rig.checkedIn('cli', { join: 'sender' })
    expect(await names(false)).toEqual(['cli', 'reader'])
    // When there is no place for another address, a mere sender goes first.
    await rig.checkedIn('new')
    expect(await names(true)).toEqual(['cli', 'new', 'reader'])
    expect(await rig.engine.listSessions(PROJECT, { limit: 9, senders: false })).toMatchObject({ total: 3 })
  })

  test('an address belongs to the key that first checked in', async () => {
    await using rig = await Rig.start(make)
    const address = rig.at('r')
    await rig.sendAll('r', ['a'])
    expect(await rig.engine.ownedBy(address, 'other')).toBeTrue()
    const { session } = await rig.checkedIn('r', { key_id: 'mine' })
    expect(await rig.engine.ownedBy(address, 'mine')).toBeTrue()
    expect(await rig.engine.ownedBy(address, 'other')).toBeFalse()
    expect(await rig.engine.ownedBy(address, undefined)).toBeFalse()
    expect(await rig.checkin('r', { key_id: 'other' })).toEqual({ outcome: 'not_owner' })
    expect(await rig.checkin('r', { key_id: 'other', join: 'reader' })).toEqual({ outcome: 'not_owner' })
    const theft = { key_id: 'other', resume: session.session_id }
    expect(await rig.checkin('r', theft)).toEqual({ outcome: 'not_owner' })
    expect(await rig.engine.sessionOf(address)).toEqual(session)
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

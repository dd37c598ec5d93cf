import { expect, test } from 'bun:test'
import type { StoredMessage } from '../../src/core/message.ts'
import { type MakeEngine, PROJECT, Rig } from './rig.ts'

export function timeContract(make: MakeEngine): void {
  test('forgets who is gone for long and has no mail, and begins another history', async () => {
    await using rig = await Rig.start(make, { forget_seconds: 1000 })
    const { mailbox, session } = await rig.checkedIn('r')
    await rig.pass(60)
    await rig.pass(939)
    expect(await rig.clientIds()).toEqual(['r'])
    await rig.pass(1)
    expect(await rig.clientIds()).toEqual([])
    expect(await rig.engine.client(PROJECT, { session_id: session.session_id })).toBeUndefined()
    expect(await rig.sessionsOf()).toEqual([])
    await rig.hears(() => rig.sessions, ['r active', 'r disconnected', 'r closed'])
    const again = await rig.checkedIn('r', { key_id: 'another' })
    expect(again.mailbox.epoch).not.toBe(mailbox.epoch)
    expect((await rig.open('r', mailbox, 'auto')).recovered).toBeFalse()
  })

  test('forgets nobody who has mail, and a mere recipient with its last message', async () => {
    await using rig = await Rig.start(make, { forget_seconds: 100 })
    await rig.checkedIn('r')
    await rig.end('r')
    await rig.sendAll('r', ['a'], { ttl_seconds: 500 })
    await rig.sendAll('nobody', ['b'], { ttl_seconds: 50 })
    await rig.pass(49)
    expect(await rig.clientIds()).toEqual(['nobody', 'r'])
    await rig.pass(1)
    expect(await rig.clientIds()).toEqual(['r'])
    await rig.pass(449)
    expect(await rig.clientIds()).toEqual(['r'])
    await rig.pass(1)
    await rig.pass(100)
    expect(await rig.clientIds()).toEqual([])
    expect(await rig.engine.stats()).toMatchObject({ clients: 0, pending: 0, history: 0, dead_letters: 2 })
  })

  test('counts the time from when the session ended', async () => {
    await using rig = await Rig.start(make, { forget_seconds: 100 })
    await rig.checkedIn('r')
    rig.now += 50_000
    await rig.end('r')
    await rig.pass(99)
    expect(await rig.clientIds()).toEqual(['r'])
    await rig.pass(1)
    expect(await rig.clientIds()).toEqual([])
  })

  test('history expires too, and silently', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a'])
    await rig.take('r')
    expect((await rig.engine.stats()).stored_bytes).toBeGreaterThan(0)
    await rig.pass(300)
    expect(await rig.engine.stats()).toMatchObject({ history: 0, stored_bytes: 0, dead_letters: 0 })
    expect(rig.died).toEqual([])
  })

  test('a sweep looks at what is due, however much is stored', async () => {
    await using rig = await Rig.start(make, { stored_bytes_max: 1e9 })
    let looks = 0
    // Counts each read of a message: an engine with an index of deadlines of its own makes none.
    const watched = (message: StoredMessage): StoredMessage => {
      const seen = {}
      for (const [name, value] of Object.entries(message))
        Object.defineProperty(seen, name, {
          enumerable: true,
          get: () => {
            looks++
            return value
          },
        })
      return seen as StoredMessage
    }
    for (let i = 0; i < 100_000; i += 1000)
      await Promise.all(
        Array.from({ length: 1000 }, (_, j) => {
          const message = watched(rig.broadcast({ ttl_seconds: i + j === 77_777 ? 5 : 3000 }))
          return rig.engine.append(PROJECT, message, `r${j}`, undefined)
        }),
      )
    looks = 0
    await rig.pass(4)
    expect(looks).toBe(0)
    await rig.pass(1)
    expect(looks).toBeLessThan(100)
    await rig.hears(() => rig.died.map(({ recipient_id }) => recipient_id), ['r777'])
    expect((await rig.engine.stats()).pending).toBe(99_999)
  }, 60_000)

  test('a sweep looks at the sessions that are due, however many there are', async () => {
    await using rig = await Rig.start(make)
    for (let i = 0; i < 2000; i++) await rig.checkedIn(`quiet${i}`)
    await rig.pass(60)
    await rig.checkedIn('late')
    await rig.hears(() => rig.sessions.filter((told) => told.endsWith('disconnected')).length, 2000)
    await rig.hears(() => rig.sessions.at(-1), 'late active')
    rig.sessions.length = 0
    await rig.pass(30)
    await rig.hears(() => rig.sessions, ['late stale'])
  })

  test('is healthy, and leaves no trace of having looked', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a'])
    const totals = async () => {
      // How often Redis was asked is no trace.
      const { redis: _, ...totals } = await rig.engine.stats()
      return totals
    }
    const before = await totals()
    expect(await rig.engine.health()).toEqual({ ok: true })
    expect(await rig.engine.health()).toEqual({ ok: true })
    expect(await totals()).toEqual(before)
    expect(rig.announced.length).toBe(1)
    expect(['memory', 'disk', 'redis']).toContain(rig.engine.stored)
  })

  test('is not healthy when nothing more can be stored, and says why', async () => {
    await using rig = await Rig.start(make, { stored_bytes_max: 1000 })
    const { bytes } = rig.broadcast({ payload: '' })
    await rig.sendAll('r', ['x'.repeat(1000 - bytes)])
    const { ok, detail } = await rig.engine.health()
    expect(ok).toBeFalse()
    expect(detail).toContain('stored_bytes_max')
    await rig.take('r')
    await rig.pass(300)
    expect((await rig.engine.health()).ok).toBeTrue()
  })
}

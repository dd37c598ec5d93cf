import { expect, test } from 'bun:test'
import { EVERYTHING, type MakeEngine, PROJECT, Rig } from './rig.ts'

/** What a mailbox says of how often something became pending, and what signs of life do. */
export function changeContract(make: MakeEngine): void {
  test('appends and returns to pending are counted, and all answers tell the same number', async () => {
    await using rig = await Rig.start(make)
    const told = async (changes: number) => {
      await rig.hears(() => rig.announced.at(-1)?.changes ?? 0, changes)
      const opened = await rig.open('r', undefined, 'none')
      expect(opened.changes).toBe(changes)
      const peek = { ...EVERYTHING, ack: 'none', limit: 1 } as const
      expect(await rig.engine.read(rig.at('r'), undefined, peek)).toMatchObject({ changes })
      expect(await rig.engine.read(rig.at('r'), opened.position, peek)).toMatchObject({ changes })
      const client = await rig.client('r')
      expect(client).toMatchObject({ changes })
      // Only an engine whose events may get lost says so.
      const latest = await rig.engine.latest?.([rig.at('nobody'), rig.at('r')])
      if (latest)
        expect(latest).toEqual([
          { epoch: '0', changes: 0, session_id: undefined },
          { epoch: client!.epoch, changes, session_id: client!.session?.session_id },
        ])
      const { items } = await rig.engine.clients(PROJECT, { of: 'addresses', by: 'client_id', limit: 9 })
      expect(items.find(({ client_id }) => client_id === 'r')).toMatchObject({ changes })
    }
    await rig.checkedIn('r')
    await told(0)
    const [a] = await rig.sendAll('r', ['a', 'b'])
    await told(2)
    expect((await rig.checkedIn('r', { join: 'reader' })).mailbox.changes).toBe(2)
    await rig.lease('r')
    await told(2)
    await rig.settle('r', { message_ids: [a!], failed_delay_ms: 0 })
    await told(3)
    await rig.pass(60)
    await told(4)
    await rig.lease('r')
    await rig.settle('r', { failed_delay_ms: 5000 })
    await told(4)
    await rig.pass(5)
    await told(6)
    await rig.lease('r', { limit: 1 })
    await rig.checkedIn('r')
    await told(7)
    await rig.take('r')
    await told(7)
    await rig.sendAll('r', ['c'], { ttl_seconds: 1 })
    await told(8)
    await rig.pass(1)
    await told(8)
    await rig.requeue()
    await told(9)
  })

  test('a refused message changes nothing', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 1 })
    await rig.sendAll('r', ['a'])
    await rig.send('r')
    expect(await rig.client('r')).toMatchObject({ changes: 1, last: 1, pending: 1 })
  })

  test('the mailboxes of others do not count', async () => {
    await using rig = await Rig.start(make)
    await rig.sendAll('r', ['a'])
    await rig.sendAll('other', ['b', 'c'])
    await rig.send('r', {}, undefined, 'q')
    expect(await rig.client('r')).toMatchObject({ changes: 1 })
  })

  test('a sign of life that is older than the latest changes nothing', async () => {
    await using rig = await Rig.start(make)
    const { session_id } = (await rig.checkedIn('r')).session
    const heard = (at_ms: number) => rig.engine.heard([{ ...rig.at('r'), session_id, at_ms }])
    rig.now += 20_000
    heard(rig.now)
    await rig.checkedIn('later')
    const before = await rig.client('r')
    expect(before!.session!.last_seen_ms).toBe(rig.now)
    heard(rig.now - 10_000)
    heard(0)
    expect(await rig.client('r')).toEqual(before!)
    // Heard in the same millisecond, either may come first.
    expect((await rig.clientIds({ of: 'sessions', by: 'last_heard' })).toSorted()).toEqual(['later', 'r'])
    await rig.pass(29.999)
    expect(rig.sessions).toEqual(['r active', 'later active'])
    await rig.pass(0.001)
    await rig.hears(() => rig.sessions.slice(2).sort(), ['later stale', 'r stale'])
  })

  test('a sign of life of a session that has ended, or of another, changes nothing', async () => {
    await using rig = await Rig.start(make)
    const { session } = await rig.checkedIn('r')
    await rig.checkedIn('r')
    const now = { at_ms: rig.now + 40_000 }
    const before = await rig.client('r')
    rig.engine.heard([
      { ...rig.at('r'), session_id: session.session_id, ...now },
      { ...rig.at('r'), session_id: 'no-such-session', ...now },
      { ...rig.at('nobody'), session_id: before!.session!.session_id, ...now },
      { ...rig.at('r', 'q'), session_id: before!.session!.session_id, ...now },
    ])
    expect(await rig.client('r')).toEqual(before!)
    expect(await rig.clientIds()).toEqual(['r'])
    expect(await rig.clientIds({}, 'q')).toEqual([])
  })

  test('signs of life come for many at once', async () => {
    await using rig = await Rig.start(make)
    const sessions = [await rig.checkedIn('a'), await rig.checkedIn('b'), await rig.checkedIn('c')]
    rig.now += 29_000
    rig.engine.heard(
      sessions.slice(0, 2).map(({ session: { client_id, session_id } }) => ({
        ...rig.at(client_id),
        session_id,
        at_ms: rig.now,
      })),
    )
    rig.engine.heard([])
    await rig.pass(1)
    await rig.hears(() => rig.sessions.slice(3), ['c stale'])
  })

  test('an address may be followed, whether it is there or not, which changes nothing', async () => {
    await using rig = await Rig.start(make)
    rig.engine.follow(rig.at('nobody'), true)
    rig.engine.follow(rig.at('nobody'), false)
    expect(await rig.clientIds()).toEqual([])
    await rig.checkedIn('r')
    const before = await rig.client('r')
    for (const on of [true, true, false, false, true]) rig.engine.follow(rig.at('r'), on)
    expect(await rig.client('r')).toEqual(before!)
    const [a] = await rig.sendAll('r', ['a'])
    await rig.hears(() => rig.announced.map(({ message_id }) => message_id), [a!])
  })
}

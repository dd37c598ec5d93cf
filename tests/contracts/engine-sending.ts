import { expect, test } from 'bun:test'
import { ACKED, LEASED, PENDING } from '../../src/core/mailbox/entry.ts'
import { type MakeEngine, PROJECT, payloadOf, Rig } from './rig.ts'

export function sendingContract(make: MakeEngine): void {
  test('stores for each recipient and says how it stands', async () => {
    await using rig = await Rig.start(make)
    await rig.checkedIn('here')
    await rig.checkedIn('gone')
    await rig.end('gone')
    const { deliveries, repeated, expires_ms } = await rig.send(['here', 'nobody', 'gone'])
    expect(deliveries).toEqual([
      { outcome: 'stored', recipient_status: 'active' },
      { outcome: 'stored', recipient_status: 'unknown' },
      { outcome: 'stored', recipient_status: 'disconnected' },
    ])
    expect(repeated).toBeFalse()
    expect(expires_ms).toBe(rig.now + 300_000)
    rig.now += 30_000
    expect((await rig.send('here')).deliveries).toEqual([{ outcome: 'stored', recipient_status: 'stale' }])
    rig.now += 30_000
    expect((await rig.send('here')).deliveries).toEqual([
      { outcome: 'stored', recipient_status: 'disconnected' },
    ])
  })

  test('announces each message once, in order, one offset after the other', async () => {
    await using rig = await Rig.start(make)
    const ids = await rig.sendAll('r', ['a', 'b', 'c'])
    await rig.hears(() => rig.announced.map(({ message_id }) => message_id), ids)
    expect(rig.announced.map(({ offset }) => offset)).toEqual([1, 2, 3])
    expect(new Set(rig.announced.map(({ epoch }) => epoch)).size).toBe(1)
    for (const { project, client_id, redelivery, sender_id, rank } of rig.announced)
      expect({ project, client_id, redelivery, sender_id, rank }).toEqual({
        project: PROJECT,
        client_id: 'r',
        redelivery: false,
        sender_id: 'sender',
        rank: 1,
      })
    expect(rig.announced.map(({ changes }) => changes)).toEqual([1, 2, 3])
  })

  test('takes sends of one turn in order, each with its own outcome', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 2 })
    const sends = ['a', 'b', 'c', 'd'].map((payload, i) => rig.send(i === 3 ? 'other' : 'r', { payload }))
    const outcomes = await Promise.all(sends)
    expect(outcomes.map(({ deliveries }) => deliveries[0]!.outcome)).toEqual([
      'stored',
      'stored',
      'full',
      'stored',
    ])
    expect(await rig.take('r')).toEqual(['a', 'b'])
    expect(await rig.take('other')).toEqual(['d'])
  })

  test('keeps projects apart', async () => {
    await using rig = await Rig.start(make)
    const mine = await rig.send('r', { payload: 'mine' }, 'key')
    const theirs = await rig.send('r', { payload: 'theirs' }, 'key', 'q')
    expect(theirs.repeated).toBeFalse()
    expect(await rig.take('r')).toEqual(['mine'])
    expect((await rig.engine.find('q', mine.message_id, { limit: 9 })).items).toEqual([])
    const { deliveries } = await rig.engine.history(rig.at('r', 'q'), {}, 9, 9999)
    expect(deliveries.map(({ message }) => payloadOf(message))).toEqual(['theirs'])
  })

  test('a full mailbox refuses, says when to try again, and goes on when it is read', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 3 })
    await rig.sendAll('r', ['a', 'b', 'c'])
    const [refused] = (await rig.send('r')).deliveries
    if (refused?.outcome !== 'full') throw new Error(`expected full, not ${refused?.outcome}`)
    expect(refused.retry_after_ms).toBeGreaterThanOrEqual(1)
    expect(refused.retry_after_ms).toBeLessThanOrEqual(60_000)
    expect(rig.announced.length).toBeLessThanOrEqual(3)
    expect(await rig.take('r', { limit: 1 })).toEqual(['a'])
    expect((await rig.send('r', { payload: 'd' })).deliveries[0]!.outcome).toBe('stored')
    expect(await rig.take('r')).toEqual(['b', 'c', 'd'])
  })

  test('what is leased counts as stored, what has expired does not', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 2 })
    await rig.sendAll('r', ['a'])
    await rig.sendAll('r', ['b'], { ttl_seconds: 5 })
    expect((await rig.lease('r')).length).toBe(2)
    expect((await rig.send('r')).deliveries[0]!.outcome).toBe('full')
    rig.now += 5_000
    expect((await rig.send('r')).deliveries[0]!.outcome).toBe('stored')
  })

  test('a mailbox is bounded in bytes, history given up first', async () => {
    const payload = 'x'.repeat(500)
    await using other = await Rig.start(make)
    const { bytes } = other.broadcast({ payload })
    await using rig = await Rig.start(make, { mailbox_bytes_max: 4 * bytes })
    await rig.sendAll('r', [payload, payload])
    await rig.take('r')
    await rig.sendAll('r', [payload, payload, payload, payload])
    expect((await rig.send('r', { payload })).deliveries[0]!.outcome).toBe('full')
    expect((await rig.engine.stats()).stored_bytes).toBe(4 * bytes)
    expect((await rig.engine.stats()).history).toBe(0)
    expect((await rig.send('r', { payload: payload.repeat(20) })).deliveries).toEqual([
      { outcome: 'too_large' },
    ])
  })

  test('drop_oldest makes room, and the dropped die with a reason', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 2, mailbox_overflow: 'drop_oldest' })
    await rig.sendAll('r', ['a', 'b', 'c', 'd'])
    await rig.hears(
      () => rig.died.map(({ message, reason }) => [payloadOf(message), reason]),
      [
        ['a', 'overflowed'],
        ['b', 'overflowed'],
      ],
    )
    expect(await rig.take('r')).toEqual(['c', 'd'])
    expect(await rig.dead()).toEqual(['b overflowed', 'a overflowed'])
  })

  test('a full store refuses, gives up read messages for new ones, and is not healthy', async () => {
    await using rig = await Rig.start(make, { stored_bytes_max: 2000 })
    const payload = 'x'.repeat(700)
    await rig.sendAll('r', [payload, payload])
    const [refused] = (await rig.send('r', { payload })).deliveries
    expect(refused?.outcome).toBe('storage_full')
    expect(refused).toHaveProperty('retry_after_ms')
    expect((await rig.send('stranger', { payload })).deliveries[0]!.outcome).toBe('storage_full')
    expect(await rig.clientIds()).not.toContain('stranger')
    await rig.take('r')
    expect((await rig.send('r', { payload })).deliveries[0]!.outcome).toBe('stored')
    expect((await rig.engine.stats()).stored_bytes).toBeLessThanOrEqual(2000)
    // The history of other mailboxes gives way too; their unread messages do not.
    expect((await rig.send('stranger', { payload })).deliveries[0]!.outcome).toBe('stored')
    expect(await rig.engine.stats()).toMatchObject({ pending: 2, history: 0 })
    expect((await rig.send('another', { payload })).deliveries[0]!.outcome).toBe('storage_full')
  })

  test('the number of addresses is bounded', async () => {
    await using rig = await Rig.start(make, { clients_max: 2 })
    const { deliveries, recipients } = await rig.send(['a', 'b', 'c'])
    const outcomes = deliveries.map(({ outcome }) => outcome)
    // Which of them come too late is not said.
    expect(outcomes.toSorted()).toEqual(['stored', 'stored', 'too_many_clients'])
    const [stored, refused] = (['stored', 'too_many_clients'] as const).map(
      (outcome) => recipients[outcomes.indexOf(outcome)]!,
    )
    expect((await rig.checkin(refused!)).outcome).toBe('too_many_clients')
    expect((await rig.checkin(stored!)).outcome).toBe('ok')
  })

  test('when there is no place for another address, one goes that nobody holds and nothing is stored for', async () => {
    await using rig = await Rig.start(make, { clients_max: 3 })
    await rig.checkedIn('gone')
    await rig.checkedIn('mail')
    await rig.sendAll('mail', ['kept'], { ttl_seconds: 1000 })
    await rig.pass(60)
    await rig.checkedIn('here')
    await rig.checkedIn('new')
    expect(await rig.clientIds()).toEqual(['here', 'mail', 'new'])
    expect((await rig.checkin('another')).outcome).toBe('too_many_clients')
    expect(await rig.take('mail')).toEqual(['kept'])
  })

  test('a broadcast is one message, acknowledged by each for itself', async () => {
    await using rig = await Rig.start(make)
    const { message_id } = await rig.send(['a', 'b', 'c'], { payload: 'all' })
    await rig.hears(
      () => rig.announced.map(({ client_id, message_id }) => `${client_id} ${message_id}`).toSorted(),
      ['a', 'b', 'c'].map((client_id) => `${client_id} ${message_id}`),
    )
    const [first] = (await rig.taken('a')).due
    expect(JSON.parse(first!.message.json)).toMatchObject({ broadcast: true, payload: 'all' })
    await rig.lease('b')
    expect((await rig.found(message_id)).map(({ recipient_id, state }) => [recipient_id, state])).toEqual([
      ['a', ACKED],
      ['b', LEASED],
      ['c', PENDING],
    ])
    expect(await rig.take('c')).toEqual(['all'])
  })

  test('to nobody stores nothing', async () => {
    await using rig = await Rig.start(make)
    expect((await rig.send([])).deliveries).toEqual([])
    expect((await rig.engine.stats()).pending).toBe(0)
  })

  test('an idempotency key used again answers the first receipt and its digest, and stores nothing', async () => {
    await using rig = await Rig.start(make, { idempotency_seconds: 100 })
    const first = await rig.send('r', { payload: 'once' }, 'k')
    const again = await rig.send('r', { payload: 'twice' }, 'k')
    expect(again).toEqual({ ...first, repeated: true, digest: '"once"' })
    expect((await rig.send('r', { payload: 'other sender', sender_id: 'other' }, 'k')).repeated).toBeFalse()
    expect((await rig.send('r', { payload: 'other key' }, 'k2')).repeated).toBeFalse()
    // The key alone keeps the sender's address: its mailbox is empty by then.
    await rig.sendAll('sender', ['back'], { ttl_seconds: 1 })
    await rig.pass(99.999)
    expect((await rig.send('r', { payload: 'within' }, 'k')).repeated).toBeTrue()
    rig.now += 1
    expect((await rig.send('r', { payload: 'after' }, 'k')).repeated).toBeFalse()
    expect(await rig.take('r')).toEqual(['once', 'other sender', 'other key', 'after'])
  })

  test('a key counts from the first of one turn', async () => {
    await using rig = await Rig.start(make)
    const [first, second] = await Promise.all(['a', 'b'].map((payload) => rig.send('r', { payload }, 'k')))
    expect(second).toEqual({ ...first!, repeated: true, digest: '"a"' })
    expect(await rig.take('r')).toEqual(['a'])
  })

  test('a send that was refused is not remembered', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 1 })
    await rig.sendAll('r', ['a'])
    expect((await rig.send('r', {}, 'k')).deliveries[0]!.outcome).toBe('full')
    await rig.take('r')
    const sent = await rig.send('r', { payload: 'b' }, 'k')
    expect([sent.repeated, sent.deliveries[0]!.outcome]).toEqual([false, 'stored'])
  })

  test('keys are bounded for each sender, the oldest forgotten first', async () => {
    await using rig = await Rig.start(make, { idempotency_keys_max: 2, idempotency_seconds: 100 })
    await rig.send('r', {}, 'k1')
    await rig.send('r', {}, 'k2')
    await rig.send('r', {}, 'k3')
    expect((await rig.send('r', {}, 'k2')).repeated).toBeTrue()
    expect((await rig.send('r', {}, 'k3')).repeated).toBeTrue()
    expect((await rig.send('r', {}, 'k1')).repeated).toBeFalse()
  })

  test('a key used again after its window is as new as any', async () => {
    await using rig = await Rig.start(make, { idempotency_keys_max: 2, idempotency_seconds: 100 })
    await rig.send('r', {}, 'k1')
    rig.now += 1_000
    await rig.send('r', {}, 'k2')
    rig.now += 99_000
    expect((await rig.send('r', {}, 'k1')).repeated).toBeFalse()
    await rig.send('r', {}, 'k3')
    expect((await rig.send('r', {}, 'k1')).repeated).toBeTrue()
  })
}

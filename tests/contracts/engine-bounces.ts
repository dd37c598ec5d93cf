import { expect, test } from 'bun:test'
import { bounceOf } from '../../src/core/bounce.ts'
import { BROKER_CLIENT_ID, type Message } from '../../src/core/message.ts'
import { type MakeEngine, PROJECT, Rig } from './rig.ts'

const BOUNCES = { bounces: true } as const
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function sha256(text: string): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('hex')
}

/** Takes the mail of a client. */
async function mailOf(rig: Rig, client_id: string): Promise<Message[]> {
  const { due } = await rig.taken(client_id)
  return due.map(({ message }) => JSON.parse(message.json) as Message)
}

/** A bounce in the sender's mailbox for each death. */
export function bounceContract(make: MakeEngine): void {
  test('each death sends one to the sender, which says what became of which message', async () => {
    await using rig = await Rig.start(make, { attempts_max: 1, mailbox_messages_max: 2 })
    const [expired] = await rig.sendAll('expired', ['a'], { ...BOUNCES, ttl_seconds: 1 })
    await rig.pass(1)
    const [exhausted] = await rig.sendAll('exhausted', ['b'], BOUNCES)
    await rig.lease('exhausted')
    await rig.settle('exhausted', { failed_delay_ms: 0 })
    await rig.hears(() => rig.bounced, { stored: [expired!, exhausted!], none: [] })
    const bounces = await mailOf(rig, 'sender')
    const said = (message_id: string, recipient_id: string, reason: string, attempts: number) => ({
      sender_id: BROKER_CLIENT_ID,
      recipient_id: 'sender',
      in_reply_to: message_id,
      headers: { bounce: reason },
      payload: { bounce: reason, message_id, recipient_id, attempts },
    })
    expect(bounces).toMatchObject([
      said(expired!, 'expired', 'expired', 0),
      said(exhausted!, 'exhausted', 'attempts_exhausted', 1),
    ])
    await rig.pass(1)
    expect(await mailOf(rig, 'sender')).toEqual([])
  })

  test('what was dropped for want of room bounces, too', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 1, mailbox_overflow: 'drop_oldest' })
    const [a] = await rig.sendAll('r', ['a', 'b'], BOUNCES)
    expect(await mailOf(rig, 'sender')).toMatchObject([
      { in_reply_to: a!, headers: { bounce: 'overflowed' } },
    ])
  })

  test('its id follows from the letter, in the form of a UUIDv7 of when the message was sent', async () => {
    await using rig = await Rig.start(make)
    const sent_ms = rig.now
    await rig.sendAll('r', ['a', 'b'], { ...BOUNCES, ttl_seconds: 1 })
    await rig.pass(1)
    const letters = (await rig.engine.dead(PROJECT, {}, { limit: 9 })).items.toReversed()
    const ids = (await mailOf(rig, 'sender')).map(({ message_id }) => message_id)
    expect(ids).toEqual(letters.map((letter) => bounceOf(letter, sha256)!.message_id))
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) {
      expect(id).toMatch(UUID_V7)
      expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(sent_ms)
    }
  })

  test('is announced as any message', async () => {
    await using rig = await Rig.start(make)
    const [a] = await rig.sendAll('r', ['a'], { ...BOUNCES, ttl_seconds: 1 })
    await rig.pass(1)
    await rig.hears(() => rig.announced.length, 2)
    expect(rig.announced[1]).toMatchObject({
      client_id: 'sender',
      sender_id: BROKER_CLIENT_ID,
      in_reply_to: a!,
    })
  })

  test('a message that was requeued and dies again has another', async () => {
    await using rig = await Rig.start(make)
    const [a] = await rig.sendAll('r', ['a'], { ...BOUNCES, ttl_seconds: 1 })
    await rig.pass(1)
    expect((await rig.requeue()).requeued).toEqual([a!])
    await rig.pass(1)
    const bounces = await mailOf(rig, 'sender')
    expect(bounces.map(({ in_reply_to }) => in_reply_to)).toEqual([a!, a!])
    expect(new Set(bounces.map(({ message_id }) => message_id)).size).toBe(2)
    await rig.hears(() => rig.bounced.stored, [a!, a!])
  })

  test('a broadcast has none, and neither has a bounce', async () => {
    await using rig = await Rig.start(make)
    const { message_id } = await rig.send(['r'], { ttl_seconds: 1 })
    const [bounce] = await rig.sendAll('r', ['bounce'], {
      ...BOUNCES,
      sender_id: BROKER_CLIENT_ID,
      ttl_seconds: 1,
    })
    await rig.pass(1)
    await rig.hears(() => [...rig.bounced.none].sort(), [message_id, bounce!].sort())
    expect(rig.bounced.stored).toEqual([])
    expect(await rig.clientIds()).not.toContain('sender')
    expect(await rig.clientIds()).not.toContain(BROKER_CLIENT_ID)
  })

  test.each(['reject', 'drop_oldest'] as const)(
    'a full mailbox of the sender takes none and loses nothing for it: %s',
    async (mailbox_overflow) => {
      await using rig = await Rig.start(make, { mailbox_messages_max: 1, mailbox_overflow })
      await rig.sendAll('sender', ['in the way'])
      const [a] = await rig.sendAll('r', ['a'], { ...BOUNCES, ttl_seconds: 1 })
      await rig.pass(1)
      await rig.hears(() => rig.bounced, { stored: [], none: [a!] })
      expect(await rig.dead()).toEqual(['a expired'])
      expect(await rig.take('sender')).toEqual(['in the way'])
    },
  )

  test('stay within their project', async () => {
    await using rig = await Rig.start(make)
    await rig.engine.append('q', rig.message({ ttl_seconds: 1 }), 'r')
    await rig.pass(1)
    expect(await rig.clientIds()).toEqual([])
    expect(await rig.clientIds({}, 'q')).toEqual(['sender'])
  })

  test('a mailbox with bounces and requeued messages finds all of them by id', async () => {
    await using rig = await Rig.start(make)
    const before = await rig.sendAll('r', ['a', 'b', 'dies'])
    const dead = (await rig.sendAll('r', ['again'], { ttl_seconds: 1 }))[0]!
    await rig.sendAll('s', ['x', 'y', 'z'], { ...BOUNCES, sender_id: 'r', ttl_seconds: 1 })
    const after = await rig.sendAll('r', ['c', 'd'])
    await rig.pass(1)
    await rig.requeue({ client_id: 'r' })
    const last = await rig.sendAll('r', ['e'])
    const { deliveries } = await rig.engine.history(rig.at('r'), {}, 100, 1e6)
    const all = deliveries.map(({ message }) => message.message_id)
    expect(all).toHaveLength(10)
    const sent = [...before, dead, ...after, ...last]
    expect(all.filter((id) => sent.includes(id)).sort()).toEqual(sent.toSorted())
    const find = async (id: string) =>
      (await rig.found(id)).map(({ recipient_id, message }) => [recipient_id, message.message_id])
    for (const id of all) expect(await find(id)).toEqual([['r', id]])
    for (const [at, id] of all.entries()) {
      expect(await rig.settle('r', { message_ids: [id] })).toEqual({ settled: 1, unknown: [] })
      expect(await rig.settle('r', { message_ids: [id] })).toEqual({ settled: 0, unknown: [] })
      // All of them are found still, those that were acknowledged and those that were not.
      if (at % 3 === 0) for (const other of all) expect(await find(other)).toEqual([['r', other]])
    }
    expect(await rig.settle('r', { message_ids: all })).toEqual({ settled: 0, unknown: [] })
  })

  test('a chain of deaths over many full mailboxes comes to its end', async () => {
    await using rig = await Rig.start(make, {
      mailbox_messages_max: 1,
      clients_max: 50_000,
      dead_letters_max: 50_000,
      stored_bytes_max: 1e9,
      dead_letters_bytes_max: 1e9,
    })
    // So many calls in each other are too many. An engine that always answers later makes none.
    const length = rig.engine.stored === 'redis' ? 2000 : 20_000
    // The one message of each mailbox is from the client after it, whose mailbox is as full.
    const sending: unknown[] = []
    for (let at = 0; at < length; at++) {
      const ttl_seconds = 1
      const message = rig.message({ ttl_seconds, sender_id: `c${at + 1}` }, `c${at}`)
      sending.push(rig.engine.append(PROJECT, message, `c${at}`))
    }
    await Promise.all(sending)
    rig.now += 1000
    expect(await rig.take('c0')).toEqual([])
    await rig.hears(() => rig.bounced.stored.length, length)
    expect(rig.bounced.none).toEqual([])
    expect((await rig.engine.stats()).dead_letters).toBe(length)
    expect((await mailOf(rig, `c${length}`))[0]).toMatchObject({ headers: { bounce: 'expired' } })
  }, 20_000)
}

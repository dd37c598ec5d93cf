import { expect, test } from 'bun:test'
import { createMessage, type StoredMessage } from '../../src/core/message.ts'
import { messageIdFor } from '../../src/core/message-id.ts'
import { type MakeEngine, PROJECT, payloadOf, Rig } from './rig.ts'

const KEY = { key: 'k', digest: 'asked for' }

/** One message in several forms, under one id. */
function forms(rig: Rig, payloads: readonly string[]): StoredMessage[] {
  const id = messageIdFor(Bun.randomUUIDv7(), undefined)
  return payloads.map((payload) => createMessage({ payload }, 'sender', undefined, id, rig.now, 300))
}

/** Sends to many in several forms, and what is known of a send by its key. */
export function variantContract(make: MakeEngine): void {
  test('each recipient gets its own form of the message, under one id', async () => {
    await using rig = await Rig.start(make)
    const [old, young] = forms(rig, ['old', 'young'])
    const sent = await rig.engine.appendToMany(PROJECT, [
      { message: old!, recipients: ['a', 'c'] },
      { message: young!, recipients: ['b'] },
    ])
    const { message_id, expires_ms } = old!
    expect(sent).toEqual({
      outcome: 'sent',
      broadcast: true,
      message_id,
      expires_ms,
      recipients: ['a', 'c', 'b'],
      deliveries: Array(3).fill({ outcome: 'stored', recipient_status: 'unknown' }),
    })
    const found = await rig.found(message_id)
    expect(found.map(({ recipient_id, message }) => [recipient_id, payloadOf(message)]).sort()).toEqual([
      ['a', 'old'],
      ['b', 'young'],
      ['c', 'old'],
    ])
    expect([await rig.take('a'), await rig.take('b'), await rig.take('c')]).toEqual([
      ['old'],
      ['young'],
      ['old'],
    ])
  })

  test('one key stands for all forms, and says what came of the send', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 1 })
    await rig.sendAll('full', ['in the way'])
    const send = async (names: readonly string[]) => {
      const [one, two] = forms(rig, names)
      const variants = [
        { message: one!, recipients: ['a'] },
        { message: two!, recipients: ['full', 'b'] },
      ]
      return rig.engine.appendToMany(PROJECT, variants, KEY)
    }
    const first = await send(['one', 'two'])
    if (first.outcome !== 'sent') throw new Error(first.outcome)
    expect(first.deliveries.map(({ outcome }) => outcome)).toEqual(['stored', 'full', 'stored'])
    expect(await send(['another', 'time'])).toEqual({ outcome: 'repeated', first, digest: KEY.digest })
    expect(await rig.engine.append(PROJECT, rig.message(), 'a', KEY)).toEqual({
      outcome: 'repeated',
      first,
      digest: KEY.digest,
    })
    expect([await rig.take('a'), await rig.take('b'), await rig.take('full')]).toEqual([
      ['one'],
      ['two'],
      ['in the way'],
    ])
  })

  test('a key that no recipient stored anything for is as good as new', async () => {
    await using rig = await Rig.start(make, { mailbox_messages_max: 1 })
    await rig.sendAll('full', ['in the way'])
    const send = () =>
      rig.engine.appendToMany(PROJECT, [{ message: rig.broadcast(), recipients: ['full'] }], KEY)
    expect(await send()).toMatchObject({ outcome: 'sent', deliveries: [{ outcome: 'full' }] })
    expect(await rig.engine.repeated(PROJECT, 'sender', KEY.key)).toBeUndefined()
    await rig.take('full')
    expect(await send()).toMatchObject({ outcome: 'sent', deliveries: [{ outcome: 'stored' }] })
  })

  test('a send is known by its key while that lasts, to its sender and project alone', async () => {
    await using rig = await Rig.start(make, { idempotency_seconds: 100 })
    const message = rig.message()
    const known = (sender_id = 'sender', key = KEY.key, project = PROJECT) =>
      rig.engine.repeated(project, sender_id, key)
    expect(await known()).toBeUndefined()
    await rig.engine.append(PROJECT, message, 'r', KEY)
    const { message_id, expires_ms } = message
    expect(await known()).toEqual({
      outcome: 'repeated',
      digest: KEY.digest,
      first: {
        outcome: 'sent',
        broadcast: false,
        message_id,
        expires_ms,
        recipients: ['r'],
        deliveries: [{ outcome: 'stored', recipient_status: 'unknown' }],
      },
    })
    expect(await known('other')).toBeUndefined()
    expect(await known('sender', 'other')).toBeUndefined()
    expect(await known('sender', KEY.key, 'q')).toBeUndefined()
    // To ask is not to use it: it lasts no longer.
    rig.now += 99_999
    expect(await known()).toBeDefined()
    rig.now += 1
    expect(await known()).toBeUndefined()
  })
}

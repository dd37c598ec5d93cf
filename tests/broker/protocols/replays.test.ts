import { expect, test } from 'bun:test'
import { here, startBroker } from '../../harness.ts'
import { slowEngine } from '../../slow-engine.ts'
import { checkIn, LETTERS, MAIL, messagesOf, refusalOf, register, run } from './rig.ts'

const KEYED = {
  sender_id: 'alice',
  recipient_id: 'bob',
  protocol_name: 'mail',
  payload: LETTERS['1.0.0'],
  idempotency_key: 'k',
}
const AGAIN = ['This idempotency_key was used before: nothing was sent anew.']

test.each([
  ['here', here],
  ['elsewhere', (engine: Parameters<typeof here>[0]) => slowEngine(engine, { turns: () => 1 })],
])(
  'a repeated send is answered with the first, whatever was refused since, by an engine %s',
  async (_, around) => {
    await using app = await startBroker({}, around)
    await register(app, ...MAIL)
    await checkIn(app, 'alice', { mail: '1.x' })
    await checkIn(app, 'bob', { mail: '3.x' })
    const first = await run(app, 'send_message', KEYED)
    await run(app, 'deprecate_protocol', { name: 'mail', version: '1.0.0' })
    await checkIn(app, 'alice', { mail: '9.x' })
    await checkIn(app, 'bob', { mail: '7.x' })
    const { idempotency_key: _key, ...unkeyed } = KEYED
    expect(await refusalOf(run(app, 'send_message', unkeyed))).toMatchObject({ code: 'no_common_version' })
    expect(await run(app, 'send_message', KEYED)).toMatchObject({
      message_id: first.message_id,
      warnings: AGAIN,
    })
    expect(await messagesOf(app, 'bob')).toHaveLength(1)
  },
)

test('a repeated broadcast and a repeated question are, too', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  await checkIn(app, 'alice', { mail: '1.x' })
  await checkIn(app, 'bob', { mail: '3.x' })
  const { recipient_id: _, ...all } = KEYED
  const first = await run(app, 'broadcast_message', all)
  const question = { ...KEYED, idempotency_key: 'q', timeout: 0 }
  const asked = await run(app, 'send_message_and_wait', question)
  await checkIn(app, 'alice', { mail: '9.x' })
  await checkIn(app, 'bob', { mail: '7.x' })
  const { message_id } = first
  expect(await run(app, 'broadcast_message', all)).toMatchObject({
    message_id,
    warnings: AGAIN,
    recipients: 1,
  })
  expect(await run(app, 'send_message_and_wait', question)).toMatchObject({ message_id: asked.message_id })
  expect(await messagesOf(app, 'bob')).toHaveLength(2)
})

test('a key used for another payload is a conflict, also where that payload does not fit', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  await run(app, 'send_message', { ...KEYED, protocol_version: '1.0.0' })
  const other = { ...KEYED, protocol_version: '1.0.0', payload: 7 }
  expect(await refusalOf(run(app, 'send_message', other))).toMatchObject({ code: 'idempotency_conflict' })
})

test('a refused send uses up no key', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  const keyed = { ...KEYED, protocol_version: '1.0.0' }
  expect(await refusalOf(run(app, 'send_message', { ...keyed, payload: 7 }))).toMatchObject({
    code: 'payload_invalid',
  })
  await run(app, 'send_message', keyed)
  expect(await messagesOf(app, 'bob')).toHaveLength(1)
})

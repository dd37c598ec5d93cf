import { expect, test } from 'bun:test'
import { here, startBroker } from '../../harness.ts'
import { slowEngine } from '../../slow-engine.ts'
import { messagesOf, register, run, texts } from './rig.ts'

const TO_BOB = { sender_id: 'alice', recipient_id: 'bob' }
const NOTE = { name: 'note', version: '1.0.0', schema: texts('text') }

/** One failed delivery is too many. */
const SETTINGS = { attempts_max: 1 }

/** Sends these, and makes them dead letters. */
async function die(app: Parameters<typeof run>[0], ...inputs: readonly Record<string, unknown>[]) {
  const ids: string[] = []
  for (const input of inputs)
    ids.push((await run<{ message_id: string }>(app, 'send_message', { ...TO_BOB, ...input })).message_id)
  await run(app, 'get_messages', { client_id: 'bob', ack: 'manual', limit: 1000 })
  await run(app, 'nack_messages', { client_id: 'bob' })
  expect(await run(app, 'list_dead_letters', { client_id: 'bob' })).toMatchObject({ total: inputs.length })
  return ids
}

test.each([
  ['here', here],
  ['elsewhere', (engine: Parameters<typeof here>[0]) => slowEngine(engine, { turns: () => 1 })],
])('a letter that does not fit its protocol stays dead, with an engine %s', async (_, around) => {
  await using app = await startBroker(SETTINGS, around)
  const typed = { protocol_name: 'note', protocol_version: '1.0.0' }
  const [misfit, fit, untyped, other] = await die(
    app,
    { ...typed, payload: { text: 7 } },
    { ...typed, payload: { text: 'fits' } },
    { message: 'says "protocol_name" itself' },
    { protocol_name: 'unheard_of', payload: 1 },
  )
  // Registered only now, so that nothing was held to it before.
  await register(app, NOTE)
  const ids = [fit, untyped, other]
  expect(await run(app, 'requeue_dead_letters', { message_ids: [misfit, ...ids] })).toEqual({
    requeued: 3,
    message_ids: expect.arrayContaining(ids),
    refused: [misfit],
    warnings: [
      `${misfit}: The payload does not fit note 1.0.0: /text must be of type string; it is a number.`,
    ],
  })
  expect(await messagesOf(app, 'bob')).toMatchObject([
    { payload: { text: 'fits' } },
    { payload: 'says "protocol_name" itself' },
    { protocol_name: 'unheard_of' },
  ])
  expect(await run(app, 'list_dead_letters')).toMatchObject({ total: 1 })
})

test('letters are looked at in pages, and all of them are checked', async () => {
  await using app = await startBroker(SETTINGS)
  const typed = { protocol_name: 'note', protocol_version: '1.0.0' }
  const inputs = Array.from({ length: 230 }, (_, n) => ({ ...typed, payload: { text: n % 2 ? n : `${n}` } }))
  await die(app, ...inputs)
  await register(app, NOTE)
  const done = await run<{ refused: string[] }>(app, 'requeue_dead_letters', {
    reason: 'attempts_exhausted',
  })
  expect(done).toMatchObject({ requeued: 115 })
  expect(done.refused).toHaveLength(115)
  expect(await run(app, 'requeue_dead_letters')).toMatchObject({ requeued: 0 })
  expect(await messagesOf(app, 'bob')).toHaveLength(115)
})

test('many letters take few turns of the event loop', async () => {
  await using app = await startBroker(SETTINGS, here)
  await register(app, NOTE)
  const typed = { protocol_name: 'note', protocol_version: '1.0.0', payload: { text: 'fits' } }
  await die(app, ...Array.from({ length: 500 }, () => typed))
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  expect(await run(app, 'requeue_dead_letters')).toMatchObject({ requeued: 500 })
  clearInterval(counting)
  expect(turns).toBeLessThan(250)
})

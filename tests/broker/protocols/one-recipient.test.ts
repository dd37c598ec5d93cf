import { expect, test } from 'bun:test'
import type { Engine } from '../../../src/engine/engine.ts'
import { here, startBroker } from '../../harness.ts'
import { slowEngine } from '../../slow-engine.ts'
import { call } from '../../transports/http/client.ts'
import { WsClient } from '../../ws-client.ts'

const OLD = {
  type: 'object',
  required: ['body'],
  additionalProperties: false,
  properties: { body: { type: 'string' } },
}
const NEW = {
  type: 'object',
  required: ['text'],
  additionalProperties: false,
  properties: { text: { type: 'string' } },
}
const ADAPTERS = [
  {
    from: '1.0.0',
    up: [{ op: 'rename', path: '/body', to: 'text' }],
    down: [{ op: 'rename', path: '/text', to: 'body' }],
  },
]
const TREE = { type: 'object', properties: { parts: { type: 'array', items: { $ref: '#' } } } }

const elsewhere = (engine: Engine) => slowEngine(here(engine), { turns: () => 1 })

/** A broker with `note` in two versions, and clients that take one of them, both, or do not say. */
async function started(around: (engine: Engine) => Engine) {
  const app = await startBroker({}, around)
  const post = async (path: string, body: object) => (await call(app.url, 'POST', `/v1/${path}`, body)).body
  const examples = (payload: object) => ({ examples: [{ name: 'one', payload }] })
  await post('protocols', { name: 'note', version: '1.0.0', schema: OLD, metadata: examples({ body: 'a' }) })
  await post('protocols', {
    name: 'note',
    version: '2.0.0',
    schema: NEW,
    metadata: examples({ text: 'a' }),
    adapters: ADAPTERS,
  })
  await post('protocols', { name: 'tree', version: '1.0.0', schema: TREE })
  const ranges = { old: '^1.0.0', new: '^2.0.0', any: '*', later: '^3.0.0' }
  for (const [client_id, note] of Object.entries(ranges))
    await post('sessions', { client_id, capabilities: { protocols: { note } } })
  await post('sessions', { client_id: 'silent' })
  return { app, post }
}

test.each([
  ['here', here],
  ['elsewhere', elsewhere],
])('with an engine that is %s, a recipient is given the version that it takes', async (_, around) => {
  const { app, post } = await started(around)
  await using _app = app
  const send = (recipient_id: string, payload: object, protocol_version?: string) =>
    post('messages', { sender_id: 'any', recipient_id, payload, protocol_name: 'note', protocol_version })
  const read = async (client_id: string) =>
    (await call(app.url, 'GET', `/v1/mailboxes/${client_id}/messages`)).body.messages

  for (let times = 0; times < 2; times++) {
    expect(await send('old', { body: 'x' }, '1.0.0')).toMatchObject({
      protocol_version: '1.0.0',
      warnings: [],
    })
    const adapted_from = { version: '1.0.0', steps: ['1.0.0→2.0.0'] }
    expect(await send('new', { body: 'x' }, '1.0.0')).toMatchObject({
      protocol_version: '2.0.0',
      adapted_from,
    })
    expect(await read('new')).toMatchObject([
      { payload: { text: 'x' }, protocol_version: '2.0.0', adapted_from },
    ])
    expect(await send('old', { text: 'x' }, '2.0.0')).toMatchObject({ protocol_version: '1.0.0' })
    // By name alone: the newest that both take.
    expect(await send('any', { text: 'x' })).toMatchObject({ protocol_version: '2.0.0' })
    expect(await send('old', { body: 'x' })).toMatchObject({ protocol_version: '1.0.0' })
    expect(await send('silent', { text: 'x' }, '2.0.0')).toMatchObject({
      protocol_version: '2.0.0',
      warnings: ['"silent" does not say which versions it takes.'],
    })
    expect(await send('new', { text: 7 }, '2.0.0')).toMatchObject({
      code: 'payload_invalid',
      errors_total: 1,
    })
    expect(await send('later', { text: 'x' }, '2.0.0')).toMatchObject({ code: 'no_common_version' })
    expect(await send('new', { text: 'x' }, '3.0.0')).toMatchObject({
      warnings: [expect.stringContaining('The payload was not checked.')],
    })
    await read('new')
  }
})

test('a range that changes decides from then on', async () => {
  const { app, post } = await started(here)
  await using _app = app
  const send = () =>
    post('messages', {
      sender_id: 'any',
      recipient_id: 'old',
      payload: { body: 'x' },
      protocol_name: 'note',
      protocol_version: '1.0.0',
    })
  expect(await send()).toMatchObject({ protocol_version: '1.0.0' })
  await post('sessions', { client_id: 'old', capabilities: { protocols: { note: '^2.0.0' } } })
  expect(await send()).toMatchObject({ protocol_version: '2.0.0' })
})

test('a key that was used answers as it did then, though the payload would be refused by now', async () => {
  const { app, post } = await started(here)
  await using _app = app
  const send = (idempotency_key: string) =>
    post('messages', {
      sender_id: 'any',
      recipient_id: 'old',
      payload: { body: 'x' },
      protocol_name: 'note',
      protocol_version: '1.0.0',
      idempotency_key,
    })
  const first = await send('k')
  await post('sessions', { client_id: 'old', capabilities: { protocols: { note: '^3.0.0' } } })
  expect(await send('k')).toMatchObject({ message_id: first.message_id })
  expect(await send('other')).toMatchObject({ code: 'no_common_version' })
})

test('what is sent behind a message that the worker checks does not overtake it', async () => {
  const { app } = await started(here)
  await using _app = app
  const client = await WsClient.checkedIn(app.url, 'w')
  const to = { recipient_id: 'silent' }
  const sends = [
    { ...to, payload: { parts: [{}] }, protocol_name: 'tree', protocol_version: '1.0.0' },
    { ...to, payload: { text: 'x' }, protocol_name: 'note', protocol_version: '2.0.0' },
    { ...to, message: 'untyped' },
  ]
  await Promise.all(sends.map((params) => client.call('send_message', params)))
  const { messages } = (await call(app.url, 'GET', '/v1/mailboxes/silent/messages')).body
  expect(messages).toMatchObject([
    { protocol_name: 'tree' },
    { protocol_name: 'note' },
    { payload: 'untyped' },
  ])
})

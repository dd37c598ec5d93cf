import { expect, test } from 'bun:test'
import { LETTERS, MAIL, STEPS } from '../../broker/protocols/rig.ts'
import { TREE } from '../../broker/validation/schemas.ts'
import { startBroker } from '../../harness.ts'
import { WsClient } from '../../ws-client.ts'
import { call } from '../http/client.ts'
import { openStream, type StreamReader } from './reader.ts'

/** The next message of a stream. */
async function messageOf(stream: StreamReader): Promise<object> {
  return (await stream.next('message')).json.message as object
}

/** Opens the stream of a mailbox, up to its first message. */
async function opened(url: string, client_id: string): Promise<StreamReader> {
  const stream = await openStream(url, client_id)
  await stream.next('recovery')
  return stream
}

test('each stream gets the version that its client takes, with where it came from', async () => {
  await using app = await startBroker()
  const { url } = app
  for (const definition of MAIL) await call(url, 'POST', '/v1/protocols', definition)
  for (const [client_id, mail] of [
    ['old', '1.x'],
    ['recent', '3.x'],
  ] as const)
    await call(url, 'POST', '/v1/sessions', { client_id, capabilities: { protocols: { mail } } })
  await using old = await opened(url, 'old')
  await using recent = await opened(url, 'recent')
  const mail = { sender_id: 'alice', protocol_name: 'mail' }
  for (const version of ['1.0.0', '3.0.0'] as const)
    for (const recipient_id of ['old', 'recent'])
      await call(url, 'POST', '/v1/messages', {
        ...mail,
        recipient_id,
        protocol_version: version,
        payload: LETTERS[version],
      })
  await call(url, 'POST', '/v1/broadcasts', {
    ...mail,
    protocol_version: '2.0.0',
    payload: LETTERS['2.0.0'],
  })
  const up = { payload: LETTERS['3.0.0'], protocol_name: 'mail', protocol_version: '3.0.0' }
  const down = { payload: LETTERS['1.0.0'], protocol_name: 'mail', protocol_version: '1.0.0' }
  for (const [stream, expected] of [
    [
      old,
      [
        down,
        { ...down, adapted_from: { version: '3.0.0', steps: STEPS.down } },
        { ...down, adapted_from: { version: '2.0.0', steps: STEPS.down.slice(1) }, broadcast: true },
      ],
    ],
    [
      recent,
      [
        { ...up, adapted_from: { version: '1.0.0', steps: STEPS.up } },
        up,
        { ...up, adapted_from: { version: '2.0.0', steps: STEPS.up.slice(1) }, broadcast: true },
      ],
    ],
  ] as const)
    for (const message of expected) {
      const told = await messageOf(stream)
      expect(told).toMatchObject(message)
      expect('adapted_from' in told).toBe('adapted_from' in message)
    }
})

test('a message that was migrated arrives in its new version', async () => {
  await using app = await startBroker()
  const { url } = app
  for (const definition of MAIL) await call(url, 'POST', '/v1/protocols', definition)
  const mail = { sender_id: 'alice', recipient_id: 'bob', protocol_name: 'mail', protocol_version: '1.0.0' }
  await call(url, 'POST', '/v1/messages', { ...mail, payload: LETTERS['1.0.0'] })
  await call(url, 'POST', '/v1/protocols/mail/migration', { to_version: '3.0.0', dry_run: false })
  await using stream = await opened(url, 'bob')
  expect(await messageOf(stream)).toMatchObject({
    payload: LETTERS['3.0.0'],
    adapted_from: { version: '1.0.0', steps: STEPS.up },
  })
})

test('messages that the worker checks arrive in the order in which a sender sent them', async () => {
  await using app = await startBroker()
  await call(app.url, 'POST', '/v1/protocols', { name: 'tree', version: '1.0.0', schema: TREE })
  await using stream = await opened(app.url, 'bob')
  const alice = await WsClient.checkedIn(app.url, 'alice')
  for (let n = 0; n < 20; n++) {
    const typed = n % 3 === 0 ? { protocol_name: 'tree', payload: { title: `${n}` } } : { message: `${n}` }
    alice.send({ jsonrpc: '2.0', method: 'send_message', params: { recipient_id: 'bob', ...typed } })
  }
  for (let n = 0; n < 20; n++) {
    const { payload } = (await messageOf(stream)) as { payload: string | { title: string } }
    expect(typeof payload === 'string' ? payload : payload.title).toBe(`${n}`)
  }
  alice.close()
})

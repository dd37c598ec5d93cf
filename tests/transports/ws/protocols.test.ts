import { describe, expect, test } from 'bun:test'
import { READY_PROTOCOLS } from '../../../src/core/protocol/ready/index.ts'
import { LETTERS, MAIL, NOTE, STEPS, texts } from '../../broker/protocols/rig.ts'
import { nested, RUNAWAY, TREE } from '../../broker/validation/schemas.ts'
import { startBroker } from '../../harness.ts'
import { RpcError, WsClient } from '../../ws-client.ts'

type Protocols = Record<string, string>

async function checkedIn(url: string, client_id: string, protocols?: Protocols): Promise<WsClient> {
  const client = await WsClient.connect(url)
  await client.call('checkin_client', { client_id, ...(protocols ? { capabilities: { protocols } } : {}) })
  return client
}

async function register(client: WsClient, ...definitions: readonly object[]): Promise<void> {
  for (const definition of definitions) await client.call('register_protocol', definition)
}

/** The error object that a call is answered with. */
async function refused(call: Promise<unknown>): Promise<{ code: number } & Record<'data', unknown>> {
  try {
    await call
  } catch (error) {
    if (error instanceof RpcError) return error.error
    throw error
  }
  throw new Error('the call was not refused')
}

test('a sender of 1.x and a recipient of 3.x, and the reverse, talk to each other', async () => {
  await using app = await startBroker()
  const old = await checkedIn(app.url, 'old', { mail: '1.x' })
  const recent = await checkedIn(app.url, 'recent', { mail: '3.x' })
  await register(old, ...MAIL)
  await old.call('subscribe')
  await recent.call('subscribe')
  const mail = (recipient_id: string, version: keyof typeof LETTERS) => ({
    recipient_id,
    protocol_name: 'mail',
    payload: LETTERS[version],
  })
  expect(await old.call('send_message', mail('recent', '1.0.0'))).toMatchObject({
    protocol_version: '3.0.0',
    adapted_from: { version: '1.0.0', steps: STEPS.up },
  })
  await recent.call('send_message', mail('old', '3.0.0'))
  expect(await recent.received(1)).toMatchObject([
    {
      message: {
        payload: LETTERS['3.0.0'],
        protocol_name: 'mail',
        protocol_version: '3.0.0',
        adapted_from: { version: '1.0.0', steps: STEPS.up },
      },
    },
  ])
  expect(await old.received(1)).toMatchObject([
    { message: { payload: LETTERS['1.0.0'], adapted_from: { version: '3.0.0', steps: STEPS.down } } },
  ])
  old.close()
  recent.close()
})

test('a broadcast is delivered to each in its version', async () => {
  await using app = await startBroker()
  const old = await checkedIn(app.url, 'old', { mail: '1.x' })
  const recent = await checkedIn(app.url, 'recent', { mail: '3.x' })
  const lost = await checkedIn(app.url, 'lost', { mail: '7.x' })
  const sender = await checkedIn(app.url, 'sender')
  await register(sender, ...MAIL)
  for (const client of [old, recent, lost]) await client.call('subscribe')
  const all = { protocol_name: 'mail', protocol_version: '2.0.0', payload: LETTERS['2.0.0'] }
  expect(await sender.call('broadcast_message', all)).toMatchObject({
    recipients: 2,
    protocol_version: '2.0.0',
    refused: [{ recipient_id: 'lost', reason: 'no_common_version' }],
  })
  expect(await old.received(1)).toMatchObject([{ message: { payload: LETTERS['1.0.0'], broadcast: true } }])
  expect(await recent.received(1)).toMatchObject([{ message: { payload: LETTERS['3.0.0'] } }])
  expect(lost.messages).toEqual([])
  for (const client of [old, recent, lost, sender]) client.close()
})

describe('an error', () => {
  test('has the field, the fix and a payload that is accepted as it stands', async () => {
    await using app = await startBroker()
    const alice = await checkedIn(app.url, 'alice')
    for (const { name } of READY_PROTOCOLS) {
      const to = { recipient_id: 'bob', protocol_name: name }
      const { code, data } = await refused(alice.call('send_message', { ...to, payload: { kind: 7 } }))
      expect(code).toBe(1469)
      expect(data).toMatchObject({
        code: 'payload_invalid',
        field: expect.stringMatching(/^\/payload/),
        next: 'Correct what errors lists; example is a payload that fits.',
        errors: expect.arrayContaining([expect.objectContaining({ rule: expect.any(String) })]),
      })
      const { example } = data as { example: unknown }
      expect(await alice.call('send_message', { ...to, payload: example })).toMatchObject({
        protocol_version: '1.0.0',
      })
    }
    alice.close()
  })

  test('of an adapter names its operation and the path', async () => {
    await using app = await startBroker()
    const alice = await checkedIn(app.url, 'alice')
    const bob = await checkedIn(app.url, 'bob', { note: '2.x' })
    await register(alice, ...NOTE)
    const note = { recipient_id: 'bob', protocol_name: 'note', protocol_version: '1.0.0', payload: {} }
    expect(await refused(alice.call('send_message', note))).toMatchObject({
      code: 1472,
      data: { code: 'adapter_failed', op: 1, op_name: 'move', path: '/subject', step: '1.0.0→2.0.0' },
    })
    alice.close()
    bob.close()
  })

  test('of a schema names the place and the rule', async () => {
    await using app = await startBroker()
    const alice = await checkedIn(app.url, 'alice')
    for (const [schema, code, field] of [
      [{ properties: { a: { type: 'strng' } } }, 'schema_invalid', '/schema/properties/a/type'],
      [{ pattern: '^(a+)\\1$' }, 'pattern_refused', '/schema/pattern'],
      [{ $ref: '#/$defs/gone' }, 'schema_invalid', '/schema/$ref'],
      [{ enum: Array.from({ length: 1001 }, (_, i) => i) }, 'schema_too_large', '/schema/enum'],
      ['{}', 'schema_invalid', '/schema'],
    ] as const)
      expect(
        await refused(alice.call('register_protocol', { name: 'note', version: '1.0.0', schema })),
      ).toMatchObject({ data: { code, field, rule: expect.any(String), next: expect.any(String) } })
    alice.close()
  })
})

test('a question and its reply go through the protocol', async () => {
  await using app = await startBroker()
  const old = await checkedIn(app.url, 'old', { mail: '1.x' })
  const recent = await checkedIn(app.url, 'recent', { mail: '3.x' })
  await register(old, ...MAIL, {
    name: 'one_way',
    version: '1.0.0',
    schema: {},
    capabilities: ['point_to_point'],
  })
  await recent.call('subscribe')
  const one_way = { recipient_id: 'recent', protocol_name: 'one_way', payload: 1 }
  expect(await refused(old.call('send_message_and_wait', one_way))).toMatchObject({
    data: { code: 'missing_capability', missing: 'request_response' },
  })
  const question = { recipient_id: 'recent', protocol_name: 'mail', payload: LETTERS['1.0.0'], timeout: 10 }
  const asked = old.call('send_message_and_wait', question)
  const { message } = (await recent.received(1))[0]!
  await recent.call('send_message', {
    recipient_id: 'old',
    in_reply_to: message.message_id,
    protocol_name: 'mail',
    payload: LETTERS['3.0.0'],
  })
  expect(await asked).toMatchObject({ timed_out: false, reply: { payload: LETTERS['1.0.0'] } })
  old.close()
  recent.close()
})

test('what is checked in the worker is answered by its id, and holds up no other call', async () => {
  await using app = await startBroker()
  const alice = await checkedIn(app.url, 'alice')
  await register(
    alice,
    { name: 'tree', version: '1.0.0', schema: TREE },
    { name: 'endless', version: '1.0.0', schema: RUNAWAY },
  )
  const tree = (title: unknown) => ({ recipient_id: 'bob', protocol_name: 'tree', payload: { title } })
  const endless = { recipient_id: 'bob', protocol_name: 'endless', payload: JSON.parse(nested(40)) }
  const late = refused(alice.call('send_message', endless))
  const wrong = refused(alice.call('send_message', tree(7)))
  const right = alice.call('send_message', tree('x'))
  expect(await alice.call('list_sessions')).toMatchObject({ total: 1 })
  expect(await late).toMatchObject({ data: { code: 'validation_timeout', retryable: false } })
  expect(await wrong).toMatchObject({ data: { code: 'payload_invalid', field: '/payload/title' } })
  expect(await right).toMatchObject({ protocol_version: '1.0.0' })
  alice.close()
})

test('a sender that leaves while its message is checked has sent it all the same', async () => {
  await using app = await startBroker()
  const alice = await checkedIn(app.url, 'alice')
  const bob = await checkedIn(app.url, 'bob', { tree: '*' })
  await register(alice, { name: 'tree', version: '1.0.0', schema: TREE })
  await bob.call('subscribe')
  alice.send({
    jsonrpc: '2.0',
    method: 'send_message',
    params: { recipient_id: 'bob', protocol_name: 'tree', payload: { title: 'x' } },
  })
  alice.close()
  expect(await bob.received(1)).toMatchObject([{ message: { payload: { title: 'x' } } }])
  bob.close()
})

test('negotiations, discoveries, trials and deprecations go over a WebSocket', async () => {
  await using app = await startBroker()
  const old = await checkedIn(app.url, 'old', { mail: '1.x' })
  const recent = await checkedIn(app.url, 'recent', { mail: '3.x' })
  await register(old, ...MAIL, { name: 'note', version: '1.0.0', schema: texts('text') })
  expect(await old.call('negotiate_capabilities', { target_id: 'recent' })).toMatchObject({
    compatible: true,
    details: { mail: { via: 'adapters', steps: 2 } },
  })
  const both = { session_ids: ['old', 'recent'] }
  expect(await old.call('negotiate_capabilities', both)).toMatchObject({
    matrix: { pairs: [{ a: 'old', b: 'recent', compatible: true }] },
  })
  expect(await old.call('discover_protocols', { name: 'mail' })).toMatchObject({
    protocols: [{ version: '3.0.0' }, { version: '2.0.0' }, { version: '1.0.0' }],
  })
  const turn = { name: 'mail', from_version: '3.0.0', to_version: '1.0.0', payload: LETTERS['3.0.0'] }
  expect(await old.call('transform_message', turn)).toMatchObject({ payload: LETTERS['1.0.0'] })
  expect(await old.call('deprecate_protocol', { name: 'note', version: '1.0.0' })).toEqual({
    name: 'note',
    version: '1.0.0',
    deprecated: true,
  })
  expect(await old.call('migrate_messages', { name: 'mail', to_version: '3.0.0' })).toMatchObject({
    dry_run: true,
    rewritten: 0,
  })
  old.close()
  recent.close()
})

test('a shutdown answers what is being checked', async () => {
  const app = await startBroker()
  try {
    const alice = await checkedIn(app.url, 'alice')
    await register(alice, { name: 'endless', version: '1.0.0', schema: RUNAWAY })
    const endless = { recipient_id: 'bob', protocol_name: 'endless', payload: JSON.parse(nested(40)) }
    const asked = Array.from({ length: 2 }, () => refused(alice.call('send_message', endless)))
    // Answered in order: by now the others are under way.
    await alice.call('list_sessions')
    await app.stop()
    for (const answer of await Promise.all(asked))
      expect(['validation_timeout', 'shutting_down']).toContain((answer.data as { code: string }).code)
    expect(app.broker.protocols.validation.worker.threads).toBeLessThanOrEqual(1)
  } finally {
    await app.stop()
  }
})

import { describe, expect, test } from 'bun:test'
import { Value } from '@sinclair/typebox/value'
import { COMMANDS_BY_NAME } from '../../../src/broker/commands/index.ts'
import { READY_PROTOCOLS } from '../../../src/core/protocol/ready/index.ts'
import { LETTERS, MAIL, NOTE, STEPS, texts } from '../../broker/protocols/rig.ts'
import { nested, RUNAWAY, TREE } from '../../broker/validation/schemas.ts'
import { startBroker } from '../../harness.ts'
import { type Answer, call } from './client.ts'

function expectOutput(command: string, { body }: Answer): void {
  expect([...Value.Errors(COMMANDS_BY_NAME.get(command)!.output, body)]).toEqual([])
}

async function register(url: string, ...definitions: readonly object[]): Promise<void> {
  for (const definition of definitions)
    expect((await call(url, 'POST', '/v1/protocols', definition)).status).toBe(201)
}

function checkIn(url: string, client_id: string, protocols: Record<string, string>): Promise<Answer> {
  return call(url, 'POST', '/v1/sessions', { client_id, capabilities: { protocols } })
}

const send = (url: string, input: object) => call(url, 'POST', '/v1/messages', input)

test('a protocol is registered, found, tried, deprecated and migrated by plain HTTP', async () => {
  await using app = await startBroker()
  const { url } = app
  const first = await call(url, 'POST', '/v1/protocols', MAIL[0])
  expect(first.status).toBe(201)
  expectOutput('register_protocol', first)
  await register(url, MAIL[1], MAIL[2])
  const found = await call(
    url,
    'GET',
    '/v1/protocols?name=mail&version_range=%3E%3D2&include=schema&include=adapters&limit=1',
  )
  expectOutput('discover_protocols', found)
  expect(found.body).toMatchObject({
    protocols: [{ version: '3.0.0', schema: MAIL[2].schema, adapters: MAIL[2].adapters }],
    next: '3.0.0',
  })
  const tagged = await call(url, 'GET', '/v1/protocols?tags=ready')
  expect(tagged.body.protocols).toHaveLength(3)
  const turned = await call(url, 'POST', '/v1/protocols/mail/transformation', {
    payload: LETTERS['1.0.0'],
    from_version: '1.0.0',
    to_version: '3.0.0',
  })
  expect(turned.status).toBe(200)
  expectOutput('transform_message', turned)
  expect(turned.body).toMatchObject({ payload: LETTERS['3.0.0'], steps: STEPS.up, valid: true })
  const old = { sender_id: 'alice', recipient_id: 'bob', protocol_name: 'mail', protocol_version: '1.0.0' }
  await send(url, { ...old, payload: LETTERS['1.0.0'] })
  const migration = { to_version: '3.0.0', from_range: '1.x', dry_run: false }
  const migrated = await call(url, 'POST', '/v1/protocols/mail/migration', migration)
  expectOutput('migrate_messages', migrated)
  expect(migrated.body).toMatchObject({ rewritten: 1 })
  const read = await call(url, 'GET', '/v1/mailboxes/bob/messages')
  expectOutput('get_messages', read)
  expect(read.body.messages).toMatchObject([
    { payload: LETTERS['3.0.0'], adapted_from: { version: '1.0.0', steps: STEPS.up } },
  ])
  const over = await call(url, 'POST', '/v1/protocols/mail/1.0.0/deprecation', { successor: '3.0.0' })
  expect(over.body).toEqual({ name: 'mail', version: '1.0.0', deprecated: true })
  const warned = await send(url, { ...old, payload: LETTERS['1.0.0'] })
  expect(warned.body.warnings).toContain('mail 1.0.0 is deprecated. Use 3.0.0 instead.')
})

test('a sender of 1.x and a recipient of 3.x, and the reverse, talk to each other', async () => {
  await using app = await startBroker()
  const { url } = app
  await register(url, ...MAIL)
  await checkIn(url, 'old', { mail: '1.x' })
  await checkIn(url, 'recent', { mail: '3.x' })
  const mail = (sender_id: string, recipient_id: string, version: keyof typeof LETTERS) =>
    send(url, { sender_id, recipient_id, protocol_name: 'mail', payload: LETTERS[version] })
  const up = await mail('old', 'recent', '1.0.0')
  expectOutput('send_message', up)
  expect(up.body).toMatchObject({ protocol_version: '3.0.0', adapted_from: { version: '1.0.0' } })
  await mail('recent', 'old', '3.0.0')
  expect((await call(url, 'GET', '/v1/mailboxes/recent/messages')).body.messages).toMatchObject([
    { payload: LETTERS['3.0.0'] },
  ])
  expect((await call(url, 'GET', '/v1/mailboxes/old/messages')).body.messages).toMatchObject([
    { payload: LETTERS['1.0.0'], adapted_from: { version: '3.0.0', steps: STEPS.down } },
  ])
})

test('negotiations of two and of many', async () => {
  await using app = await startBroker()
  const { url } = app
  await checkIn(url, 'a', { chat: '^1.0.0' })
  await checkIn(url, 'b', { chat: '*', task: '^2.0.0' })
  const two = await call(url, 'POST', '/v1/negotiations', {
    session_id: 'a',
    target_id: 'b',
    required_protocols: ['chat'],
  })
  expect(two.status).toBe(200)
  expectOutput('negotiate_capabilities', two)
  expect(two.body).toMatchObject({ compatible: true, supported_protocols: { chat: '1.0.0' } })
  const many = await call(url, 'POST', '/v1/negotiations', { session_ids: ['a', 'b'] })
  expectOutput('negotiate_capabilities', many)
  expect(many.body).toMatchObject({ matrix: { protocols: { task: { everyone: null } } } })
})

test('a broadcast says who was given none, and why', async () => {
  await using app = await startBroker()
  const { url } = app
  await register(url, ...NOTE)
  for (const [client_id, note] of [
    ['old', '1.x'],
    ['recent', '2.x'],
    ['lost', '7.x'],
  ] as const)
    await checkIn(url, client_id, { note })
  const all = { sender_id: 'alice', protocol_name: 'note', protocol_version: '1.0.0', payload: {} }
  const sent = await call(url, 'POST', '/v1/broadcasts', all)
  expectOutput('broadcast_message', sent)
  expect(sent.body).toMatchObject({
    recipients: 1,
    refused: [
      { recipient_id: 'lost', reason: 'no_common_version', detail: expect.any(String) },
      { recipient_id: 'recent', reason: 'adapter_failed', detail: expect.stringContaining('(move)') },
    ],
  })
})

describe('a problem', () => {
  test('has the field, the fix and a payload that is accepted as it stands', async () => {
    await using app = await startBroker()
    for (const { name } of READY_PROTOCOLS) {
      const to = { sender_id: 'alice', recipient_id: 'bob', protocol_name: name }
      const { status, headers, body } = await send(app.url, { ...to, payload: {} })
      expect(status).toBe(422)
      expect(headers.get('content-type')).toBe('application/problem+json')
      expect(body).toMatchObject({
        type: 'urn:mcp-broker:error:payload_invalid',
        field: expect.stringMatching(/^\/payload/),
        next: 'Correct what errors lists; example is a payload that fits.',
        errors_total: expect.any(Number),
      })
      expect((await send(app.url, { ...to, payload: body.example })).status).toBe(201)
    }
  })

  test('of each kind has its status, field and fix', async () => {
    await using app = await startBroker({ protocol_mode: 'registered', protocols_max: 6 })
    const { url } = app
    const note = { name: 'note', version: '1.0.0', schema: texts('text') }
    expect(await call(url, 'POST', '/v1/protocols', { ...note, schema: 7 })).toMatchObject({
      status: 400,
      body: { code: 'schema_invalid', field: '/schema' },
    })
    await register(url, note, ...MAIL, { ...note, name: 'endless', schema: RUNAWAY })
    await register(url, { ...note, name: 'tree', schema: TREE, capabilities: ['broadcast'] })
    await checkIn(url, 'recent', { note: '^2.0.0', mail: '3.x' })
    const to = { sender_id: 'alice', recipient_id: 'recent' }
    const typed = { ...to, protocol_name: 'note', protocol_version: '1.0.0' }
    const post = (path: string, body: object) => call(url, 'POST', path, body)
    for (const [asked, status, code, field] of [
      [post('/v1/protocols', { ...note, version: 'x' }), 400, 'invalid_params', '/version'],
      [post('/v1/protocols', { ...note, name: 'N' }), 400, 'invalid_params', '/name'],
      [post('/v1/protocols', { ...note, schema: {} }), 409, 'protocol_taken', '/version'],
      [post('/v1/protocols', { ...note, version: '2.0.0' }), 409, 'protocol_limit', undefined],
      [post('/v1/protocols', { ...note, adapters: 'x' }), 400, 'invalid_params', '/adapters'],
      [send(url, { ...to, protocol_name: 'nope', payload: 1 }), 404, 'unknown_protocol', '/protocol_name'],
      [send(url, { ...typed, payload: { text: 'x' } }), 409, 'no_common_version', '/protocol_version'],
      [
        send(url, { ...typed, protocol_name: 'mail', payload: { author: 7 } }),
        422,
        'payload_invalid',
        '/payload/author',
      ],
      [
        send(url, { ...typed, protocol_name: 'endless', payload: JSON.parse(nested(40)) }),
        422,
        'validation_timeout',
        '/payload',
      ],
      [
        send(url, { ...typed, protocol_name: 'tree', payload: {} }),
        422,
        'missing_capability',
        '/protocol_name',
      ],
      [post('/v1/protocols/nope/migration', { to_version: '1.0.0' }), 404, 'unknown_protocol', '/name'],
      [post('/v1/protocols/mail/9.9.9/deprecation', {}), 404, 'unknown_protocol', '/version'],
      [call(url, 'GET', '/v1/protocols?version_range=latest'), 400, 'invalid_params', '/version_range'],
      [
        post('/v1/negotiations', { session_id: 'recent', target_id: 'nobody' }),
        404,
        'unknown_client',
        '/target_id',
      ],
    ] as const) {
      const { status: answered, body } = await asked
      const { code: told, field: of, next } = body
      expect({ status: answered, code: told, field: of }).toEqual({ status, code, field })
      expect(next).toBeString()
    }
  })

  test('of a project that takes typed messages alone says so', async () => {
    await using app = await startBroker({ protocol_mode: 'required' })
    const untyped = { sender_id: 'alice', recipient_id: 'bob', message: 'x' }
    expect(await send(app.url, untyped)).toMatchObject({
      status: 422,
      body: {
        code: 'protocol_required',
        field: '/protocol_name',
        next: expect.stringContaining('discover_protocols'),
      },
    })
  })
})

test('what became of typed messages is in the metrics', async () => {
  await using app = await startBroker()
  const { url } = app
  await register(url, ...MAIL, { name: 'tree', version: '1.0.0', schema: TREE })
  await checkIn(url, 'recent', { mail: '3.x', tree: '*' })
  const to = { sender_id: 'alice', recipient_id: 'recent' }
  const mail = { ...to, protocol_name: 'mail', protocol_version: '1.0.0' }
  for (const payload of [LETTERS['1.0.0'], { author: 7 }, {}, {}]) await send(url, { ...mail, payload })
  await send(url, { ...to, protocol_name: 'tree', payload: { title: 'x' } })
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toContain('mcp_broker_payloads_refused_total{rule="type"} 1\n')
  expect(metrics).toContain('mcp_broker_payloads_refused_total{rule="required"} 2\n')
  expect(metrics).toContain('mcp_broker_adapter_steps_total 2\n')
  expect(Number(/_seconds_count\{where="worker"\} (\d+)/.exec(metrics)?.[1])).toBeGreaterThanOrEqual(1)
  expect(Number(/_seconds_count\{where="inline"\} (\d+)/.exec(metrics)?.[1])).toBeGreaterThanOrEqual(5)
})

test('at a stop, sends whose check has not ended are refused, and their callers hear of it', async () => {
  await using app = await startBroker()
  const { url } = app
  const names = Array.from({ length: 8 }, (_, i) => `runaway${i}`)
  for (const name of names)
    await register(url, { name, version: '1.0.0', schema: { ...(RUNAWAY as object), title: name } })
  const payload = JSON.parse(nested(40))
  const answers = names.map((protocol_name) => {
    const sender_id = protocol_name
    return send(url, { sender_id, recipient_id: 'bob', protocol_name, protocol_version: '1.0.0', payload })
  })
  await answers[0]
  await app.stop()
  const codes = (await Promise.all(answers)).map(({ body }) => body.code)
  expect(new Set(codes)).toEqual(new Set(['validation_timeout', 'shutting_down']))
})

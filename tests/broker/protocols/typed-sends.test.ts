import { describe, expect, test } from 'bun:test'
import { READY_PROTOCOLS } from '../../../src/core/protocol/ready/index.ts'
import { startBroker } from '../../harness.ts'
import { nested, RUNAWAY, TREE } from '../validation/schemas.ts'
import { checkIn, LETTERS, MAIL, messagesOf, NOTE, refusalOf, register, run, STEPS, texts } from './rig.ts'

const TO_BOB = { sender_id: 'alice', recipient_id: 'bob' }
const NAMES = { name: 'names', version: '1.0.0', schema: texts('given', 'family') }

describe('what a project lets through', () => {
  const UNKNOWN = { ...TO_BOB, protocol_name: 'chatt', payload: 1 }
  const NO_SUCH = { ...TO_BOB, protocol_name: 'chat', protocol_version: '9.0.0', payload: 1 }
  const UNTYPED = { ...TO_BOB, payload: 1 }

  test('open: an unknown protocol and an unknown version, with a warning', async () => {
    await using app = await startBroker({ protocol_mode: 'open' })
    await checkIn(app, 'bob', { chat: '^1.0.0' })
    const { warnings, protocol_version } = await run(app, 'send_message', UNKNOWN)
    expect(protocol_version).toBeUndefined()
    expect(warnings).toEqual([
      'The payload was not checked. No protocol "chatt" is registered. Did you mean chat?',
    ])
    expect((await run(app, 'send_message', NO_SUCH)).warnings).toEqual([
      'The payload was not checked. chat has no version "9.0.0"; there is 1.0.0.',
    ])
    const { recipient_id: _, ...all } = UNKNOWN
    expect((await run(app, 'broadcast_message', all)).warnings).toEqual([
      'The payload was not checked. No protocol "chatt" is registered. Did you mean chat?',
    ])
    await run(app, 'send_message', UNTYPED)
    expect(await messagesOf(app, 'bob')).toMatchObject([
      { protocol_name: 'chatt' },
      { protocol_name: 'chat', protocol_version: '9.0.0' },
      { protocol_name: 'chatt', broadcast: true },
      { payload: 1 },
    ])
  })

  test('registered: what is named must be there; what names nothing passes', async () => {
    await using app = await startBroker({ protocol_mode: 'registered' })
    await checkIn(app, 'bob')
    expect(await refusalOf(run(app, 'send_message', UNKNOWN))).toMatchObject({
      code: 'unknown_protocol',
      field: '/protocol_name',
      near_names: ['chat'],
    })
    expect(await refusalOf(run(app, 'send_message', NO_SUCH))).toMatchObject({
      code: 'unknown_protocol',
      field: '/protocol_version',
      versions: ['1.0.0'],
      next: 'Send one of these versions, or leave protocol_version out and have the broker choose.',
    })
    const { recipient_id: _, ...all } = UNKNOWN
    expect(await refusalOf(run(app, 'broadcast_message', all))).toMatchObject({ code: 'unknown_protocol' })
    await run(app, 'send_message', UNTYPED)
    expect(await messagesOf(app, 'bob')).toHaveLength(1)
  })

  test('required: every message names one', async () => {
    await using app = await startBroker({ protocol_mode: 'required' })
    await checkIn(app, 'bob')
    const { recipient_id: _, ...all } = UNTYPED
    for (const [name, input] of [
      ['send_message', UNTYPED],
      ['broadcast_message', all],
      ['send_message_and_wait', UNTYPED],
    ] as const)
      expect(await refusalOf(run(app, name, input))).toMatchObject({
        code: 'protocol_required',
        field: '/protocol_name',
      })
    expect(await refusalOf(run(app, 'send_message', UNKNOWN))).toMatchObject({ code: 'unknown_protocol' })
    await run(app, 'send_message', { ...TO_BOB, protocol_name: 'chat', payload: { text: 'a' } })
    expect(await messagesOf(app, 'bob')).toHaveLength(1)
  })
})

describe('two versions apart', () => {
  test('a sender of 1.x and a recipient of 3.x, and the reverse, are adapted to each other', async () => {
    await using app = await startBroker()
    await register(app, ...MAIL)
    await checkIn(app, 'old', { mail: '1.x' })
    await checkIn(app, 'new', { mail: '3.x' })
    const send = (sender_id: string, recipient_id: string, version: keyof typeof LETTERS) =>
      run(app, 'send_message', {
        sender_id,
        recipient_id,
        protocol_name: 'mail',
        protocol_version: version,
        payload: LETTERS[version],
      })
    const up = { version: '1.0.0', steps: STEPS.up }
    const down = { version: '3.0.0', steps: STEPS.down }
    expect(await send('old', 'new', '1.0.0')).toMatchObject({
      protocol_version: '3.0.0',
      adapted_from: up,
      warnings: [],
    })
    await send('new', 'old', '3.0.0')
    expect(await messagesOf(app, 'new')).toMatchObject([
      { payload: LETTERS['3.0.0'], protocol_version: '3.0.0', adapted_from: up },
    ])
    expect(await messagesOf(app, 'old')).toMatchObject([
      { payload: LETTERS['1.0.0'], protocol_version: '1.0.0', adapted_from: down },
    ])
  })

  test('by name alone, the version that the sender states is sent and adapted', async () => {
    await using app = await startBroker()
    await register(app, ...MAIL)
    await checkIn(app, 'alice', { mail: '1.x' })
    await checkIn(app, 'bob', { mail: '3.x' })
    const named = { ...TO_BOB, protocol_name: 'mail', payload: LETTERS['1.0.0'] }
    expect(await run(app, 'send_message', named)).toMatchObject({
      protocol_version: '3.0.0',
      adapted_from: { version: '1.0.0' },
    })
    await checkIn(app, 'bob', { mail: '>=1 <3' })
    expect(await run(app, 'send_message', named)).toMatchObject({ protocol_version: '1.0.0' })
    await checkIn(app, 'bob')
    expect(await run(app, 'send_message', named)).toMatchObject({ protocol_version: '1.0.0' })
    const carol = { ...named, sender_id: 'carol', payload: LETTERS['3.0.0'] }
    expect(await run(app, 'send_message', carol)).toMatchObject({ protocol_version: '3.0.0', warnings: [] })
  })

  test('a failing adapter names its operation and the path, and stores nothing', async () => {
    await using app = await startBroker()
    await register(app, ...NOTE)
    await checkIn(app, 'bob', { note: '2.x' })
    const note = { ...TO_BOB, protocol_name: 'note', protocol_version: '1.0.0', payload: { text: 'b' } }
    const refusal = await refusalOf(run(app, 'send_message', note))
    expect(refusal).toMatchObject({
      code: 'adapter_failed',
      field: '/payload/subject',
      step: '1.0.0→2.0.0',
      op: 1,
      op_name: 'move',
      path: '/subject',
    })
    expect(refusal.detail).toStartWith(
      'The adapter note 1.0.0→2.0.0 failed at operation 1 (move), at "/subject"',
    )
    expect(await messagesOf(app, 'bob')).toEqual([])
  })

  test('what was adapted must fit, too', async () => {
    await using app = await startBroker()
    const strict = { type: 'object', required: ['title'], properties: { title: { minLength: 3 } } }
    const examples = [{ name: 'note', payload: { title: 'abc', text: 'b' } }]
    const rename = [{ op: 'rename', path: '/subject', to: 'title' }]
    await register(app, {
      name: 'strict',
      version: '1.0.0',
      schema: texts('subject'),
      metadata: { examples: [{ name: 'note', payload: { subject: 'abc' } }] },
    })
    await register(app, {
      name: 'strict',
      version: '2.0.0',
      schema: strict,
      metadata: { examples },
      adapters: [{ from: '1.x', up: rename, down: [{ op: 'rename', path: '/title', to: 'subject' }] }],
    })
    await checkIn(app, 'bob', { strict: '2.x' })
    const short = { ...TO_BOB, protocol_name: 'strict', protocol_version: '1.0.0', payload: { subject: 'a' } }
    expect(await refusalOf(run(app, 'send_message', short))).toMatchObject({
      code: 'adapter_failed',
      path: '/title',
      step: '1.0.0→2.0.0',
      errors: [{ path: '/title', rule: 'minLength' }],
    })
  })

  test('without adapters, the refusal says what each states and what would work', async () => {
    await using app = await startBroker()
    await register(app, NAMES, { ...NAMES, version: '2.0.0', schema: texts('name') })
    await checkIn(app, 'alice', { names: '^1.0.0' })
    await checkIn(app, 'bob', { names: '^2.0.0' })
    const named = { ...TO_BOB, protocol_name: 'names', payload: { given: 'a', family: 'b' } }
    expect(await refusalOf(run(app, 'send_message', named))).toMatchObject({
      code: 'no_common_version',
      ranges: { alice: '^1.0.0', bob: '^2.0.0' },
      would_work: ['2.0.0'],
      who: 'alice',
      next: 'alice would have to send names 2.0.0.',
    })
    const versioned = { ...named, protocol_version: '1.0.0' }
    expect(await refusalOf(run(app, 'send_message', versioned))).toMatchObject({
      code: 'no_common_version',
      would_work: ['2.0.0'],
    })
  })
})

describe('a wrong first try', () => {
  for (const { name, metadata } of READY_PROTOCOLS)
    test(`of ${name} is answered with a payload that is accepted as it stands`, async () => {
      await using app = await startBroker()
      for (const payload of ['Hello', {}, { kind: 'nonsense' }, ...(metadata.examples_invalid ?? [])]) {
        const refusal = await refusalOf(run(app, 'send_message', { ...TO_BOB, protocol_name: name, payload }))
        expect(refusal).toMatchObject({ code: 'payload_invalid' })
        await run(app, 'send_message', { ...TO_BOB, protocol_name: name, payload: refusal.example })
      }
    })

  test('shows the example of the kind that was meant', async () => {
    await using app = await startBroker()
    const wrong = { ...TO_BOB, protocol_name: 'task', payload: { kind: 'reject', task_id: 't' } }
    expect(await refusalOf(run(app, 'send_message', wrong))).toMatchObject({
      field: '/payload/reason',
      errors_total: 1,
      errors: [{ path: '/reason', rule: 'required' }],
      example: { kind: 'reject' },
    })
  })

  test('is answered with one that the broker made, where the author gave none', async () => {
    await using app = await startBroker()
    await register(app, NAMES)
    const named = { ...TO_BOB, protocol_name: 'names' }
    const { example } = await refusalOf(run(app, 'send_message', { ...named, payload: null }))
    await run(app, 'send_message', { ...named, payload: example })
  })

  test('says that there is no example, where none was found', async () => {
    await using app = await startBroker()
    const schema = { type: 'string', pattern: '^[a-z]+$', not: { pattern: '^[a-y]+$' }, minLength: 9000 }
    const { warnings } = await run<{ warnings: string[] }>(app, 'register_protocol', { ...NAMES, schema })
    expect(warnings).toContain(
      'No example was given or could be made, so an error about a payload will show none.',
    )
    const refusal = await refusalOf(
      run(app, 'send_message', { ...TO_BOB, protocol_name: 'names', payload: 1 }),
    )
    expect(refusal).toMatchObject({
      code: 'payload_invalid',
      next: 'Correct what errors lists; names 1.0.0 has no example of a payload.',
    })
    expect(refusal.example).toBeUndefined()
  })

  test('repeats no value, and names the place of a text given as message', async () => {
    await using app = await startBroker()
    const secret = 'hunter2-hunter2'
    const wrong = { ...TO_BOB, protocol_name: 'chat', payload: { text: 'a', format: secret, [secret]: 1 } }
    const refusal = await refusalOf(run(app, 'send_message', wrong))
    expect(refusal.errors_total).toBe(2)
    expect(JSON.stringify((refusal.errors as { got: string }[]).map(({ got }) => got))).not.toContain(secret)
    const text = { ...TO_BOB, protocol_name: 'chat', message: 'Hello' }
    expect(await refusalOf(run(app, 'send_message', text))).toMatchObject({ field: '/message' })
  })
})

test('a protocol that is not made for a way of sending is refused there', async () => {
  await using app = await startBroker()
  await register(app, { ...NAMES, capabilities: ['point_to_point'] })
  await register(app, { ...NAMES, name: 'news', capabilities: ['broadcast'] })
  await checkIn(app, 'bob')
  const { recipient_id: _, ...all } = TO_BOB
  const payload = { given: 'a', family: 'b' }
  for (const [command, input, missing] of [
    ['broadcast_message', { ...all, protocol_name: 'names', payload }, 'broadcast'],
    ['send_message_and_wait', { ...TO_BOB, protocol_name: 'names', payload }, 'request_response'],
    ['send_message', { ...TO_BOB, protocol_name: 'news', payload }, 'point_to_point'],
  ] as const)
    expect(await refusalOf(run(app, command, input))).toMatchObject({
      code: 'missing_capability',
      field: '/protocol_name',
      missing,
    })
})

test('a deprecated version is sent with a warning, and chosen only where nothing else is left', async () => {
  await using app = await startBroker()
  await register(app, NAMES, { ...NAMES, version: '1.1.0' })
  const gone = { name: 'names', version: '1.1.0', message: 'too long', successor: '1.0.0' }
  await run(app, 'deprecate_protocol', gone)
  await checkIn(app, 'bob', { names: '^1.0.0' })
  const named = { ...TO_BOB, protocol_name: 'names', payload: { given: 'a', family: 'b' } }
  expect(await run(app, 'send_message', named)).toMatchObject({ protocol_version: '1.0.0', warnings: [] })
  await checkIn(app, 'bob', { names: '^1.1.0' })
  const warnings = ['names 1.1.0 is deprecated: too long. Use 1.0.0 instead.']
  expect(await run(app, 'send_message', named)).toMatchObject({ protocol_version: '1.1.0', warnings })
  expect(await refusalOf(run(app, 'deprecate_protocol', { name: 'chat', version: '1.0.0' }))).toMatchObject({
    code: 'unknown_protocol',
  })
})

test('a version whose range nobody stated is sent, with a warning', async () => {
  await using app = await startBroker()
  await checkIn(app, 'bob', { task: '*' })
  const named = { ...TO_BOB, protocol_name: 'chat', protocol_version: '1.0.0', payload: { text: 'a' } }
  expect((await run(app, 'send_message', named)).warnings).toEqual([
    '"bob" does not say which versions it takes.',
  ])
})

test('a question is held to its protocol, and so is the reply that names one', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  await checkIn(app, 'old', { mail: '1.x' })
  await checkIn(app, 'new', { mail: '3.x' })
  const question = { sender_id: 'old', recipient_id: 'new', protocol_name: 'mail', timeout: 5 }
  const wrong = { ...question, payload: {} }
  expect(await refusalOf(run(app, 'send_message_and_wait', wrong))).toMatchObject({ code: 'payload_invalid' })
  const asked = run(app, 'send_message_and_wait', { ...question, payload: LETTERS['1.0.0'] })
  const [read] = (
    await run<{ messages: { message_id: string }[] }>(app, 'get_messages', {
      client_id: 'new',
      wait_seconds: 5,
    })
  ).messages
  expect(read).toMatchObject({ payload: LETTERS['3.0.0'] })
  await run(app, 'send_message', {
    sender_id: 'new',
    recipient_id: 'old',
    in_reply_to: read!.message_id,
    protocol_name: 'mail',
    payload: LETTERS['3.0.0'],
  })
  expect(await asked).toMatchObject({
    protocol_version: '3.0.0',
    timed_out: false,
    reply: { payload: LETTERS['1.0.0'], adapted_from: { version: '3.0.0' } },
  })
})

describe('checked by the worker', () => {
  const tree = { name: 'tree', version: '1.0.0', schema: TREE }

  test('a recursive schema is held to', async () => {
    await using app = await startBroker()
    await register(app, tree)
    const to = { ...TO_BOB, protocol_name: 'tree' }
    await run(app, 'send_message', { ...to, payload: { title: 'a', children: [{ title: 'b' }] } })
    const wrong = { ...to, payload: { title: 'a', children: [{ title: 7 }] } }
    expect(await refusalOf(run(app, 'send_message', wrong))).toMatchObject({
      code: 'payload_invalid',
      field: '/payload/children/0/title',
      example: { title: expect.any(String) },
    })
    expect(app.broker.protocols.tally.validations.worker.count).toBeGreaterThanOrEqual(2)
  })

  test('a check that does not end is refused', async () => {
    await using app = await startBroker()
    await register(app, { ...tree, schema: RUNAWAY })
    const endless = { ...TO_BOB, protocol_name: 'tree', payload: JSON.parse(nested(40)) }
    expect(await refusalOf(run(app, 'send_message', endless))).toMatchObject({
      code: 'validation_timeout',
      retryable: false,
    })
  })

  test('a payload of too many parts is refused before', async () => {
    await using app = await startBroker()
    await register(app, tree)
    const parts = { ...TO_BOB, protocol_name: 'tree', payload: new Array(25_000).fill(0) }
    expect(await refusalOf(run(app, 'send_message', parts))).toMatchObject({
      code: 'payload_too_complex',
      field: '/payload',
    })
  })
})

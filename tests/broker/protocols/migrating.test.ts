import { expect, test } from 'bun:test'
import { DEFAULT_PROJECT } from '../../../src/auth/identity.ts'
import type { Broker } from '../../../src/broker/broker.ts'
import { here, startBroker } from '../../harness.ts'
import { slowEngine } from '../../slow-engine.ts'
import { LETTERS, MAIL, messagesOf, NOTE, refusalOf, register, run, STEPS, texts } from './rig.ts'

const TO_BOB = { sender_id: 'alice', recipient_id: 'bob' }
const OLD = {
  ...TO_BOB,
  protocol_name: 'mail',
  protocol_version: '1.0.0',
  payload: LETTERS['1.0.0'],
}

/** What a migration must leave of each message. */
async function kept({ engine }: Broker, client_id: string) {
  const address = { project: DEFAULT_PROJECT, client_id }
  const { deliveries } = await engine.history(address, {}, 100, 1_000_000)
  return deliveries.map(({ offset, message: { json: _, bytes: __, ...rest } }) => ({ offset, ...rest }))
}

test.each([
  ['here', here],
  ['elsewhere', (engine: Parameters<typeof here>[0]) => slowEngine(engine, { turns: () => 1 })],
])('pending messages move on in place, with an engine %s', async (_, around) => {
  await using app = await startBroker({}, around)
  await register(app, ...MAIL)
  for (const [n, extra] of [{}, { priority: 'urgent' }, { ttl_seconds: 60, headers: { n: '2' } }].entries())
    await run(app, 'send_message', { ...OLD, ...extra, idempotency_key: `k${n}` })
  await run(app, 'send_message', { ...TO_BOB, message: 'untyped' })
  await run(app, 'send_message', { ...OLD, protocol_version: '3.0.0', payload: LETTERS['3.0.0'] })
  const before = await kept(app.broker, 'bob')
  const migration = { name: 'mail', to_version: '3.0.0' }
  const left = { leased_or_delivered: 0, acknowledged: 0, failed: 0, no_room: 0 }
  expect(await run(app, 'migrate_messages', migration)).toEqual({
    dry_run: true,
    rewritten: 3,
    left,
    failures: [],
  })
  const apply = { ...migration, dry_run: false }
  expect(await run(app, 'migrate_messages', apply)).toMatchObject({ dry_run: false, rewritten: 3, left })
  expect(await run(app, 'migrate_messages', apply)).toMatchObject({ rewritten: 0, left })
  expect(await kept(app.broker, 'bob')).toEqual(before)
  const moved = {
    payload: LETTERS['3.0.0'],
    protocol_version: '3.0.0',
    adapted_from: { version: '1.0.0', steps: STEPS.up },
  }
  expect(await messagesOf(app, 'bob')).toMatchObject([
    { ...moved, priority: 'urgent' },
    moved,
    { ...moved, headers: { n: '2' } },
    { payload: 'untyped' },
    { payload: LETTERS['3.0.0'], protocol_version: '3.0.0' },
  ])
  // The key of a message that has moved on is still that of the same send.
  expect((await run(app, 'send_message', { ...OLD, idempotency_key: 'k0' })).warnings).toContain(
    'This idempotency_key was used before: nothing was sent anew.',
  )
  expect(await messagesOf(app, 'bob')).toEqual([])
})

test('what was read, and what adapters cannot turn, is counted and left', async () => {
  await using app = await startBroker()
  await register(app, ...NOTE)
  const note = { ...TO_BOB, protocol_name: 'note', protocol_version: '1.0.0' }
  for (const subject of ['read', 'leased'])
    await run(app, 'send_message', { ...note, payload: { subject }, recipient_id: subject })
  await messagesOf(app, 'read')
  await run(app, 'get_messages', { client_id: 'leased', ack: 'manual' })
  const failing = await run(app, 'send_message', { ...note, payload: { text: 'no subject' } })
  await run(app, 'send_message', { ...note, payload: { subject: 'fits' } })
  const migration = { name: 'note', to_version: '2.0.0', from_range: '^1.0.0', dry_run: false }
  expect(await run(app, 'migrate_messages', migration)).toEqual({
    dry_run: false,
    rewritten: 1,
    left: { leased_or_delivered: 1, acknowledged: 1, failed: 1, no_room: 0 },
    failures: [{ message_id: failing.message_id, reason: expect.stringContaining('operation 1 (move)') }],
  })
  expect(await messagesOf(app, 'bob')).toMatchObject([
    { payload: { text: 'no subject' }, protocol_version: '1.0.0' },
    { payload: { title: 'fits', text: '' }, protocol_version: '2.0.0' },
  ])
})

test('what adapters made and the version does not take is left, in a dry run too', async () => {
  await using app = await startBroker()
  const title = { type: 'object', required: ['title'], properties: { title: { minLength: 3 } } }
  await register(
    app,
    {
      name: 'strict',
      version: '1.0.0',
      schema: texts('subject'),
      metadata: { examples: [{ name: 'a', payload: { subject: 'abc' } }] },
    },
    {
      name: 'strict',
      version: '2.0.0',
      schema: title,
      metadata: { examples: [{ name: 'a', payload: { title: 'abc' } }] },
      adapters: [{ from: '1.x', up: [{ op: 'rename', path: '/subject', to: 'title' }] }],
    },
  )
  const old = { ...TO_BOB, protocol_name: 'strict', protocol_version: '1.0.0' }
  for (const subject of ['long enough', 'no'])
    await run(app, 'send_message', { ...old, payload: { subject } })
  for (const dry_run of [true, false])
    expect(
      await run(app, 'migrate_messages', { name: 'strict', to_version: '2.0.0', dry_run }),
    ).toMatchObject({
      rewritten: 1,
      left: { failed: 1 },
      failures: [{ reason: expect.stringContaining('does not fit strict 2.0.0: /title') }],
    })
  expect(await messagesOf(app, 'bob')).toMatchObject([
    { payload: { title: 'long enough' } },
    { payload: { subject: 'no' } },
  ])
})

test('a message that moves on twice keeps the version of its sender and all steps', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  await run(app, 'send_message', OLD)
  for (const to_version of ['2.0.0', '3.0.0'])
    expect(await run(app, 'migrate_messages', { name: 'mail', to_version, dry_run: false })).toMatchObject({
      rewritten: 1,
    })
  expect(await messagesOf(app, 'bob')).toMatchObject([
    { payload: LETTERS['3.0.0'], adapted_from: { version: '1.0.0', steps: STEPS.up } },
  ])
})

test('a migration to nowhere is refused', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL, { name: 'mail', version: '4.0.0', schema: {} })
  const refused = (input: Record<string, unknown>) => refusalOf(run(app, 'migrate_messages', input))
  expect(await refused({ name: 'mial', to_version: '1.0.0' })).toMatchObject({
    code: 'unknown_protocol',
    field: '/name',
    near_names: ['mail'],
  })
  expect(await refused({ name: 'mail', to_version: '9.0.0' })).toMatchObject({
    code: 'unknown_protocol',
    field: '/to_version',
  })
  expect(await refused({ name: 'mail', to_version: '4.0.0' })).toMatchObject({
    code: 'no_common_version',
    field: '/to_version',
    next: 'Register a higher version with adapters: up from 3.0.0, and down to 4.0.0.',
  })
  expect(await refused({ name: 'chat', to_version: '1.0.0' })).toMatchObject({
    code: 'no_common_version',
    field: '/to_version',
    detail: 'chat has no version other than 1.0.0.',
  })
  expect(await refused({ name: 'mail', to_version: '1.0.0', from_range: '^7.0.0' })).toMatchObject({
    code: 'no_common_version',
    field: '/from_range',
    detail: 'No version of mail other than 1.0.0 is in the range ^7.0.0.',
  })
  expect(await refused({ name: 'mail', to_version: '3.0.0', from_range: 'latest' })).toMatchObject({
    code: 'invalid_params',
    field: '/from_range',
  })
})

test('a payload is turned into another version without being sent', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL, { name: 'mail', version: '4.0.0', schema: {} })
  const turn = { name: 'mail', from_version: '1.0.0', to_version: '3.0.0', payload: LETTERS['1.0.0'] }
  expect(await run(app, 'transform_message', turn)).toEqual({
    payload: LETTERS['3.0.0'],
    steps: STEPS.up,
    valid: true,
    errors: [],
  })
  const same = { ...turn, to_version: '1.0.0' }
  expect(await run(app, 'transform_message', same)).toMatchObject({ steps: [], valid: true })
  const misfit = { ...turn, payload: { author: 7 } }
  expect(await run(app, 'transform_message', { ...misfit, to_version: '2.0.0' })).toMatchObject({
    payload: { author: 7 },
    valid: false,
    errors: [{ path: '/author', rule: 'type' }],
  })
  expect(await refusalOf(run(app, 'transform_message', misfit))).toMatchObject({
    code: 'adapter_failed',
    op: 0,
    op_name: 'split',
    path: '/author',
    step: '2.0.0→3.0.0',
  })
  expect(await refusalOf(run(app, 'transform_message', { ...turn, to_version: '4.0.0' }))).toMatchObject({
    code: 'no_common_version',
    would_work: ['3.0.0', '2.0.0'],
  })
  expect(await refusalOf(run(app, 'transform_message', { ...turn, from_version: '1.0' }))).toMatchObject({
    code: 'unknown_protocol',
    field: '/from_version',
    next: 'Name one of these versions, or register this one.',
  })
  const deep = JSON.parse('['.repeat(70) + ']'.repeat(70))
  expect(await refusalOf(run(app, 'transform_message', { ...turn, payload: deep }))).toMatchObject({
    code: 'nesting_too_deep',
  })
})

test('many transformations at once let other calls go on', async () => {
  await using app = await startBroker({}, here)
  const copies = Array.from({ length: 40 }, () => ({ op: 'copy', from: '/a', path: '/b' }))
  const examples = { metadata: { examples: [{ name: 'some', payload: { a: [1] } }] } }
  const adapters = [{ from: '1.x', up: copies }]
  await register(app, { name: 'list', version: '1.0.0', schema: {}, ...examples })
  await register(app, { name: 'list', version: '2.0.0', schema: {}, ...examples, adapters })
  const turn = { name: 'list', from_version: '1.0.0', to_version: '2.0.0' }
  const payload = { a: Array.from({ length: 400 }, (_, i) => i) }
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  const all = Array.from({ length: 100 }, () => run(app, 'transform_message', { ...turn, payload }))
  await Promise.all(all)
  clearInterval(counting)
  expect(turns).toBeGreaterThan(3)
})

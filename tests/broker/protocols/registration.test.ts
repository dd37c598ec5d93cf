import { describe, expect, test } from 'bun:test'
import { startBroker } from '../../harness.ts'
import { checkIn, MAIL, messagesOf, refusalOf, register, run, texts } from './rig.ts'

const V1 = { name: 'note', version: '1.0.0', schema: texts('text') }

test('the same definition again changes nothing, whatever the order of its members', async () => {
  await using app = await startBroker()
  expect(await run(app, 'register_protocol', V1)).toMatchObject({ created: true, updated: false })
  const { type, ...rest } = texts('text') as { type: string }
  expect(await run(app, 'register_protocol', { ...V1, schema: { ...rest, type } })).toEqual({
    name: 'note',
    version: '1.0.0',
    created: false,
    updated: false,
    reasons: [],
    warnings: [],
  })
})

test('another definition under the same version is refused, and says what differs', async () => {
  await using app = await startBroker()
  await register(app, V1)
  const other = { ...V1, schema: texts('title'), capabilities: ['broadcast'] }
  expect(await refusalOf(run(app, 'register_protocol', other))).toMatchObject({
    code: 'protocol_taken',
    field: '/version',
    detail: 'note 1.0.0 is registered with another schema and list of capabilities.',
    different: ['schema', 'list of capabilities'],
  })
  const built = await refusalOf(
    run(app, 'register_protocol', { ...V1, version: '1.0.0+2', schema: texts('x') }),
  )
  expect(built).toMatchObject({ code: 'protocol_taken' })
})

test('a version that is no semver is refused with what to write', async () => {
  await using app = await startBroker()
  for (const [version, next] of [
    ['v1.0.0', 'Write 1.0.0.'],
    ['1.0', 'Write 1.0.0.'],
    ['latest', 'Write three numbers and perhaps a prerelease, such as 1.0.0 or 2.0.0-rc.1.'],
  ] as const)
    expect(await refusalOf(run(app, 'register_protocol', { ...V1, version }))).toMatchObject({
      code: 'invalid_params',
      field: '/version',
      next,
    })
})

describe('metadata of a version that is there', () => {
  test('may change, and only that is said to be new', async () => {
    await using app = await startBroker()
    await register(app, V1)
    const metadata = { description: 'Notes.', examples: [{ name: 'a', payload: { text: 'a' } }] }
    expect(await run(app, 'register_protocol', { ...V1, metadata, dry_run: true })).toMatchObject({
      updated: true,
    })
    expect(await run(app, 'register_protocol', { ...V1, metadata })).toMatchObject({
      created: false,
      updated: true,
    })
    expect(await run(app, 'register_protocol', { ...V1, metadata })).toMatchObject({ updated: false })
    const { protocols } = await run(app, 'discover_protocols', { name: 'note' })
    expect(protocols).toMatchObject([{ summary: 'Notes.', example: { text: 'a' } }])
  })

  test('keeps to the schema, and to the adapters', async () => {
    await using app = await startBroker()
    await register(app, V1, ...MAIL)
    const wrong = { ...V1, metadata: { examples: [{ name: 'a', payload: { text: 7 } }] } }
    expect(await refusalOf(run(app, 'register_protocol', wrong))).toMatchObject({
      code: 'invalid_params',
      field: '/metadata/examples/0/payload/text',
    })
    expect(
      await refusalOf(run(app, 'register_protocol', { ...MAIL[1], metadata: { description: 'x' } })),
    ).toMatchObject({ code: 'invalid_params', field: '/metadata/examples' })
  })

  test('takes room', async () => {
    await using app = await startBroker({ protocols_bytes_max: 2000 })
    await register(app, V1)
    const metadata = { agent_notes: 'x'.repeat(3000) }
    expect(await refusalOf(run(app, 'register_protocol', { ...V1, metadata }))).toMatchObject({
      code: 'protocol_limit',
    })
    const large = { ...V1, metadata: { examples_invalid: ['x'.repeat(33_000)] } }
    expect(await refusalOf(run(app, 'register_protocol', large))).toMatchObject({
      code: 'invalid_params',
      field: '/metadata',
    })
  })
})

test('a dry run makes all checks, says the relation, and keeps nothing', async () => {
  await using app = await startBroker()
  await register(app, V1)
  const next = { ...V1, version: '1.1.0', dry_run: true }
  expect(await run(app, 'register_protocol', { ...next, schema: { type: 'object' } })).toMatchObject({
    created: true,
    relation: 'backward',
    reasons: [{ direction: 'forward', path: '/text' }],
  })
  expect(
    await refusalOf(run(app, 'register_protocol', { ...next, schema: texts('text', 'b') })),
  ).toMatchObject({ code: 'protocol_breaking' })
  const { protocols } = await run<{ protocols: unknown[] }>(app, 'discover_protocols', { name: 'note' })
  expect(protocols).toHaveLength(1)
})

test('a minor version that breaks old messages is refused with such a message', async () => {
  await using app = await startBroker()
  await register(app, V1)
  const breaking = { ...V1, version: '1.1.0', schema: texts('text', 'title') }
  const refusal = await refusalOf(run(app, 'register_protocol', breaking))
  // Copied: a match with a matcher in it changes what it is matched with.
  const [{ witness }] = structuredClone(refusal.reasons) as [{ witness: unknown }]
  expect(refusal).toMatchObject({
    code: 'protocol_breaking',
    field: '/version',
    relation: 'forward',
    reasons: [{ direction: 'backward', path: '/title', witness: { text: expect.any(String) } }],
  })
  expect(await run(app, 'register_protocol', { ...breaking, version: '2.0.0' })).toMatchObject({
    created: true,
    relation: 'forward',
  })
  await checkIn(app, 'bob')
  const to = { sender_id: 'alice', recipient_id: 'bob', protocol_name: 'note', payload: witness }
  await run(app, 'send_message', { ...to, protocol_version: '1.0.0' })
  expect(await refusalOf(run(app, 'send_message', { ...to, protocol_version: '2.0.0' }))).toMatchObject({
    code: 'payload_invalid',
  })
  expect(await run(app, 'register_protocol', { ...breaking, allow_breaking: true })).toMatchObject({
    created: true,
  })
})

test('a version between two others is held to both', async () => {
  await using app = await startBroker()
  await register(app, V1, { ...V1, version: '1.3.0', schema: { type: 'object' } })
  const between = { ...V1, version: '1.2.0', schema: true }
  expect(await refusalOf(run(app, 'register_protocol', between))).toMatchObject({
    code: 'protocol_breaking',
    detail: expect.stringContaining('1.3.0 is a minor after 1.2.0'),
  })
})

describe('two registrations at once', () => {
  test('of the same definition: one creates it, the other finds it', async () => {
    await using app = await startBroker()
    const answers = await Promise.all([V1, V1, V1].map((one) => run(app, 'register_protocol', one)))
    expect(answers.map(({ created }) => created).sort()).toEqual([false, false, true])
  })

  test('of different ones: one wins', async () => {
    await using app = await startBroker()
    const schemas = ['a', 'b', 'c'].map((name) => texts(name))
    const done = await Promise.allSettled(
      schemas.map((schema) => run(app, 'register_protocol', { ...V1, schema })),
    )
    const refused = done.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(refused).toMatchObject([{ code: 'protocol_taken' }, { code: 'protocol_taken' }])
    const { protocols } = await run(app, 'discover_protocols', { name: 'note' })
    expect(protocols).toMatchObject([
      { schema: schemas[done.findIndex((one) => one.status === 'fulfilled')] },
    ])
  })

  test('of two versions: the later one is held to the earlier', async () => {
    await using app = await startBroker()
    await register(app, V1)
    const done = await Promise.allSettled([
      run(app, 'register_protocol', { ...V1, version: '1.1.0', schema: { type: 'object' } }),
      run(app, 'register_protocol', { ...V1, version: '1.2.0' }),
    ])
    expect(done).toMatchObject([{ status: 'fulfilled' }, { reason: { code: 'protocol_breaking' } }])
  })

  test('are not too many', async () => {
    await using app = await startBroker()
    const versions = Array.from({ length: 36 }, (_, i) => ({ ...V1, version: `${i + 1}.0.0` }))
    const done = await Promise.allSettled(versions.map((one) => run(app, 'register_protocol', one)))
    const refused = done.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(refused).toHaveLength(3)
    expect(refused[0]).toMatchObject({
      code: 'validation_busy',
      message: '32 registrations of this protocol wait for an earlier one to be checked.',
    })
  })

  test('do not get round the limits', async () => {
    await using app = await startBroker({ protocols_max: 3 })
    const done = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => run(app, 'register_protocol', { ...V1, name: `note${i}` })),
    )
    expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
  })
})

test('a project holds so many versions, and so many bytes of them', async () => {
  await using app = await startBroker({ protocols_max: 2, protocols_bytes_max: 1500 })
  await register(app, V1)
  const large = { name: 'large', version: '1.0.0', schema: { description: 'x'.repeat(1500) } }
  expect(await refusalOf(run(app, 'register_protocol', large))).toMatchObject({
    code: 'protocol_limit',
    next: expect.stringContaining('protocols_bytes_max'),
  })
  await register(app, { ...V1, version: '2.0.0' })
  const third = { ...V1, version: '3.0.0' }
  expect(await refusalOf(run(app, 'register_protocol', third))).toMatchObject({
    code: 'protocol_limit',
    detail: 'The project holds 2 protocol versions.',
    next: expect.stringContaining('protocols_max'),
  })
  // What is there already takes no more room.
  expect(await run(app, 'register_protocol', V1)).toMatchObject({ created: false })
})

test('a ready protocol is replaced by one of the same name, and the answer says so', async () => {
  await using app = await startBroker()
  const answer = await run<{ warnings: string[] }>(app, 'register_protocol', { ...V1, name: 'chat' })
  expect(answer.warnings).toContain('chat replaces the ready protocol of that name in this project.')
  await checkIn(app, 'bob')
  const to = { sender_id: 'alice', recipient_id: 'bob', protocol_name: 'chat', payload: { text: '' } }
  await run(app, 'send_message', to)
  expect(await messagesOf(app, 'bob')).toMatchObject([{ payload: { text: '' }, protocol_version: '1.0.0' }])
})

test('an operator may leave the ready protocols out', async () => {
  await using app = await startBroker({ protocols_builtin: false })
  expect(await run(app, 'discover_protocols')).toEqual({ protocols: [] })
})

test('a schema within raised bounds is registered and held to', async () => {
  await using app = await startBroker({ schema_enum_max: 5000 })
  const words = Array.from({ length: 2000 }, (_, i) => `word${i}`)
  await register(app, { name: 'word', version: '1.0.0', schema: { enum: words } })
  const to = { sender_id: 'alice', recipient_id: 'bob', protocol_name: 'word', payload: 'word1999' }
  await run(app, 'send_message', to)
  expect(await refusalOf(run(app, 'send_message', { ...to, payload: 'x' }))).toMatchObject({
    code: 'payload_invalid',
  })
})

test.each([
  ['examples', [{ name: 'deep', payload: deep(65) }], '/metadata/examples/0/payload'],
  ['examples_invalid', [1, deep(65)], '/metadata/examples_invalid/1'],
  ['examples', [{ name: 'deepest', payload: deep(200_000) }], '/metadata/examples/0/payload'],
])('%s that no message could carry are refused', async (name, payloads, field) => {
  await using app = await startBroker()
  const definition = { ...V1, metadata: { [name]: payloads } }
  const refused = await refusalOf(run(app, 'register_protocol', definition))
  expect(refused).toMatchObject({ code: 'nesting_too_deep', field })
})

test('an example may be nested as deeply as a payload', async () => {
  await using app = await startBroker()
  const metadata = { examples: [{ name: 'deep', payload: deep(64) }] }
  await register(app, { name: 'nest', version: '1.0.0', schema: true, metadata })
})

/** An array in an array, and so on. */
function deep(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

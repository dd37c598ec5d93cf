import { expect, test } from 'bun:test'
import { here, startBroker } from '../../harness.ts'
import { checkIn, LETTERS, MAIL, refusalOf, register, run, texts } from './rig.ts'

type App = Parameters<typeof run>[0]

const note = (version: string) => ({ name: 'note', version, schema: texts('text') })

const negotiate = (app: App, input: Record<string, unknown>) => run(app, 'negotiate_capabilities', input)

test('two clients are told what they share, what not, and who would have to move', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL, note('1.0.0'), note('2.1.0'))
  await run(app, 'checkin_client', {
    client_id: 'frontend',
    capabilities: {
      protocols: { chat: '^1.0.0', mail: '1.x', note: '^1.0.0' },
      features: ['review', 'images'],
    },
  })
  await run(app, 'checkin_client', {
    client_id: 'backend',
    capabilities: {
      protocols: { chat: '>=1 <3', mail: '3.x', note: '^2.0.0', task: '*' },
      features: ['shell', 'review'],
    },
  })
  const found = await negotiate(app, { session_id: 'frontend', target_id: 'backend' })
  expect(found).toMatchObject({
    compatible: true,
    supported_protocols: { chat: '1.0.0', mail: '1.0.0' },
    unsupported_protocols: ['note', 'task'],
    feature_intersections: ['review'],
    feature_differences: { frontend: ['images'], backend: ['shell'] },
    details: {
      chat: { version: '1.0.0', via: 'common', ranges: { frontend: '^1.0.0', backend: '>=1 <3' } },
      mail: {
        version: null,
        via: 'adapters',
        send_as: { frontend: '1.0.0', backend: '3.0.0' },
        steps: 2,
      },
      note: { reason: 'no_common_version', ranges: { frontend: '^1.0.0', backend: '^2.0.0' } },
      task: { reason: 'not_offered' },
    },
    required: { met: [], missing: [] },
  })
  expect(found.suggestions).toContainEqual({
    protocol: 'note',
    who: 'frontend',
    action: 'upgrade',
    to: '2.1.0',
    sentence: 'frontend would have to accept note 2.1.0 (now ^1.0.0).',
  })
  // What it says can be sent is taken as it says.
  const letter = { sender_id: 'frontend', recipient_id: 'backend', payload: LETTERS['1.0.0'] }
  expect(await run(app, 'send_message', { ...letter, protocol_name: 'mail' })).toMatchObject({
    protocol_version: '3.0.0',
    adapted_from: { version: '1.0.0' },
  })
})

test('what is required decides, in each way to say it', async () => {
  await using app = await startBroker()
  await register(app, { ...note('1.0.0'), capabilities: ['point_to_point'] })
  for (const client_id of ['a', 'b']) await checkIn(app, client_id, { note: '1.x', chat: '1.x' })
  const pair = { session_id: 'a', target_id: 'b' }
  for (const required_protocols of ['note', ['note'], { note: '^1.0.0' }, [{ name: 'note', version: '1.x' }]])
    expect(await negotiate(app, { ...pair, required_protocols })).toMatchObject({
      compatible: true,
      required: { met: ['note'], missing: [] },
    })
  const able = [{ name: 'note', capabilities: ['broadcast'] }, 'chat']
  expect(await negotiate(app, { ...pair, required_protocols: able })).toMatchObject({
    compatible: false,
    details: { note: { reason: 'missing_capability' } },
    required: { met: ['chat'], missing: ['note'] },
  })
  expect(await negotiate(app, { ...pair, required_protocols: { note: '^2.0.0', mail: '*' } })).toMatchObject({
    compatible: false,
    required: { missing: expect.arrayContaining(['note', 'mail']) },
  })
  for (const [required_protocols, field] of [
    [{ note: 'latest' }, '/required_protocols/note'],
    [[{ nam: 'note' }], '/required_protocols/0'],
    [7, '/required_protocols'],
  ] as const)
    expect(await refusalOf(negotiate(app, { ...pair, required_protocols }))).toMatchObject({
      code: 'invalid_params',
      field: expect.stringContaining(field),
    })
})

test('a client that states nothing speaks untyped messages only', async () => {
  await using app = await startBroker()
  await checkIn(app, 'typed', { chat: '*' })
  await checkIn(app, 'untyped')
  await checkIn(app, 'plain')
  expect(await negotiate(app, { session_id: 'typed', target_id: 'untyped' })).toMatchObject({
    compatible: false,
    details: { chat: { reason: 'not_offered' } },
  })
  expect(await negotiate(app, { session_id: 'plain', target_id: 'untyped' })).toMatchObject({
    compatible: true,
    supported_protocols: {},
  })
})

test('parties are named by address or session; who is missing is named', async () => {
  await using app = await startBroker()
  const { session_id } = await run<{ session_id: string }>(app, 'checkin_client', { client_id: 'a' })
  await checkIn(app, 'b')
  const found = await negotiate(app, { session_id, target_id: 'b' })
  expect(Object.keys(found.feature_differences as object)).toEqual(['a', 'b'])
  for (const [input, refusal] of [
    [
      { session_id, target_id: 'nobody' },
      { code: 'unknown_client', field: '/target_id' },
    ],
    [
      { session_id: 'nobody', target_id: 'b' },
      { code: 'unknown_client', field: '/session_id' },
    ],
    [{ session_ids: ['a', 'nobody'] }, { code: 'unknown_client', field: '/session_ids/1' }],
    [{ session_id }, { code: 'invalid_params', field: '/target_id' }],
    [{ target_id: 'b' }, { code: 'not_checked_in', field: '/session_id' }],
    [
      { session_ids: ['a'], target_id: 'b' },
      { code: 'invalid_params', field: '/target_id' },
    ],
    [{ session_ids: ['a'], required_protocols: ['chat'] }, { field: '/required_protocols' }],
    [{ session_ids: new Array(51).fill('a') }, { code: 'invalid_params', field: '/session_ids' }],
  ] as const)
    expect(await refusalOf(negotiate(app, input as Record<string, unknown>))).toMatchObject(refusal)
})

test('many clients are told of each pair, and what everyone takes', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  await checkIn(app, 'one', { chat: '*', mail: '1.x' })
  await checkIn(app, 'three', { chat: '1.x', mail: '3.x' })
  await checkIn(app, 'none')
  expect(await negotiate(app, { session_ids: ['one', 'three', 'none'] })).toEqual({
    compatible: false,
    matrix: {
      pairs: [
        { a: 'one', b: 'three', compatible: true, protocols: { chat: '1.0.0', mail: '1.0.0' } },
        { a: 'one', b: 'none', compatible: false, protocols: {} },
        { a: 'three', b: 'none', compatible: false, protocols: {} },
      ],
      protocols: {
        chat: { everyone: null, lacks: ['none'] },
        mail: { everyone: null, lacks: ['none'] },
      },
    },
  })
})

const MS_MAX = 20
/** The fastest of so many calls counts: others use the machine, too. */
const CALLS = 15

test('fifty sessions over twenty protocols are compared within 20 ms', async () => {
  await using app = await startBroker({ protocols_builtin: false })
  const names = Array.from({ length: 20 }, (_, i) => `protocol_${i}`)
  const versions = ['1.0.0', '1.1.0', '2.0.0', '2.3.0', '3.0.0']
  for (const name of names)
    for (const version of versions) await register(app, { name, version, schema: texts('text') })
  const session_ids = Array.from({ length: 50 }, (_, i) => `client${i}`)
  for (const [i, client_id] of session_ids.entries()) {
    const ranges = names.map((name, n) => [name, `>=${1 + ((i + n) % 3)}.0.0 <${2 + ((i * n) % 3)}.${i}.0`])
    await checkIn(app, client_id, Object.fromEntries(ranges) as Record<string, string>)
  }
  let best_ms = Number.POSITIVE_INFINITY
  for (let call = 0; call < CALLS; call++) {
    const began_ms = performance.now()
    const { matrix } = await negotiate(app, { session_ids })
    best_ms = Math.min(best_ms, performance.now() - began_ms)
    expect((matrix as { pairs: unknown[] }).pairs).toHaveLength(1225)
  }
  expect(best_ms).toBeLessThanOrEqual(MS_MAX)
})

test('many negotiations at once let other calls go on', async () => {
  await using app = await startBroker({}, here)
  const ranges = (range: string) => Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`p${n}`, range]))
  await checkIn(app, 'alice', ranges('^1.2.0 || ^3.0.0'))
  await checkIn(app, 'bob', ranges('>=2.0.0 <3.0.0'))
  const pair = { session_id: 'alice', target_id: 'bob' }
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  await Promise.all(Array.from({ length: 200 }, () => run(app, 'negotiate_capabilities', pair)))
  clearInterval(counting)
  expect(turns).toBeGreaterThan(0)
})

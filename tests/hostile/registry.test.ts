import { describe, expect, test } from 'bun:test'
import { type RpcError, WsClient } from '../ws-client.ts'
import { laughs, members, times } from './build.ts'
import { Target } from './rig.ts'
import { ANSWER_MS_MAX, callInBatch, withstands } from './watched.ts'

const SCHEMA = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'number' } } }
const EXAMPLES = { examples: [{ name: 'a', payload: { a: 'b' } }] }
/** Registrations in one frame: so many may wait for the validation worker. */
const BATCH = 20
const WAIT_MS = 60_000

async function begin(env?: Record<string, string>): Promise<[Target, WsClient]> {
  const target = await Target.start(env)
  return [target, await WsClient.checkedIn(target.url, 'tester')]
}

/** Registers many definitions. @returns how often each code was answered */
async function registerAll(
  client: WsClient,
  definitions: readonly object[],
): Promise<Record<string, number>> {
  const codes: Record<string, number> = {}
  for (let at = 0; at < definitions.length; at += BATCH)
    for (const [code, count] of Object.entries(
      await callInBatch(client, 'register_protocol', definitions.slice(at, at + BATCH)),
    ))
      codes[code] = (codes[code] ?? 0) + count
  return codes
}

/** The code of a call, and how long it took. */
async function codeOf(call: Promise<unknown>): Promise<{ code: string; ms: number }> {
  const began_ms = performance.now()
  const code = await call.then(
    () => 'ok',
    (error) => (error as RpcError).code,
  )
  return { code, ms: performance.now() - began_ms }
}

/** A range of about as many characters as are taken, unlike all others. */
const range = (n: number, chars = 128) =>
  times(9, (m) => `>=${n + m}.${m}.${n} <${n + m}.9`)
    .join(' || ')
    .slice(0, chars)
    .replace(/[|\s<>=.]+$/, '')

test('a flood of versions ends at the limit, and those are found, chosen from and broadcast by', async () => {
  const [target, client] = await begin()
  await using _ = target
  const definitions = times(1020, (n) => ({ name: 'flood', version: `${1 + n}.0.0`, schema: SCHEMA }))
  expect(await withstands(target, () => registerAll(client, definitions))).toMatchObject({
    protocol_limit: 20,
  })

  const list = (params: object) => client.call<{ protocols: unknown[] }>('discover_protocols', params)
  const all = await withstands(target, () => list({ name: 'flood', limit: 100 }))
  expect(all.protocols).toHaveLength(100)
  await withstands(target, () => list({ name: 'fl*', version_range: range(1) }))

  const clients = times(400, (n) => `c${n}`)
  /** Checks in all clients, each with a range that was not heard of before. */
  const checkIn = (tries: number) =>
    Promise.all(
      clients.map(async (client_id, n) => {
        const capabilities = { protocols: { flood: range(20 + n + tries * 500) } }
        expect((await target.post('/v1/sessions', { client_id, capabilities })).status).toBe(201)
      }),
    )
  const broadcast = { payload: { a: 'x' }, protocol_name: 'flood', protocol_version: '1.0.0' }
  const sent = await withstands(target, async (tries) => {
    await checkIn(tries)
    return client.call<{ recipients: number; refused: unknown[] }>('broadcast_message', broadcast)
  })
  expect(sent.recipients + sent.refused.length).toBeGreaterThanOrEqual(clients.length)
  await withstands(target, async (tries) => {
    await checkIn(tries + 10)
    const sends = clients.map((recipient_id) => ({ recipient_id, payload: {}, protocol_name: 'flood' }))
    return callInBatch(client, 'send_message', sends)
  })
}, 60_000)

test(
  'fifty clients with sixty ranges each are compared, over protocols with many adapters',
  async () => {
    const [target, client] = await begin()
    await using _ = target
    const adapters = times(20, (n) => ({
      from: `<99.0.0-${n}`,
      up: [{ op: 'default', path: '/b', value: n }],
    }))
    const definitions = times(10, (version) =>
      times(60, (n) => ({
        name: `p${n}x`,
        version: `${version + 1}.0.0`,
        schema: SCHEMA,
        metadata: EXAMPLES,
        ...(version === 0 ? {} : { adapters }),
      })),
    ).flat()
    expect(await registerAll(client, definitions)).toEqual({ ok: definitions.length })
    const clients = times(50, (n) => ({
      client_id: `c${n}`,
      capabilities: {
        protocols: members(
          60,
          (m) => range(n * 60 + m, 44),
          (m) => `p${m}x`,
        ),
      },
    }))
    await withstands(target, () =>
      Promise.all(
        clients.map(async (one) => expect((await target.post('/v1/sessions', one)).status).toBe(201)),
      ),
    )
    const session_ids = clients.map(({ client_id }) => client_id)
    const matrix = await withstands(target, () =>
      client.call<{ matrix: { pairs: unknown[] } }>('negotiate_capabilities', { session_ids }),
    )
    expect(matrix.matrix.pairs).toHaveLength(1225)
    const required_protocols = members(
      60,
      (m) => range(9000 + m, 44),
      (m) => `p${m}x`,
    )
    await withstands(target, () =>
      client.call('negotiate_capabilities', { session_id: 'c0', target_id: 'c1', required_protocols }),
    )
  },
  WAIT_MS,
)

describe('adapters', () => {
  test('that copy, rename and map without end are stopped, also for many messages', async () => {
    const [target, client] = await begin()
    await using _ = target
    await client.call('checkin_client', { client_id: 'tester', capabilities: { protocols: { bomb: '2.x' } } })
    const bombs = {
      copy: times(60, () => ({ op: 'copy', from: '/a', path: '/a/-' })),
      rename: times(60, (n) => ({ op: 'rename', path: `/a/*/p${n}`, to: `p${n + 1}` })),
      map: times(60, () => ({ op: 'map', path: '/a/*', values: { x: 'x' } })),
    }
    for (const [name, up] of Object.entries(bombs)) {
      await client.call('register_protocol', { name: `${name}_bomb`, version: '1.0.0', schema: {} })
      const metadata = { examples: [{ name: 'empty', payload: { a: [] } }] }
      const second = { name: `${name}_bomb`, version: '2.0.0', schema: {}, metadata }
      await client.call('register_protocol', { ...second, adapters: [{ from: '1.x', up }] })
      const capabilities = { protocols: { [`${name}_bomb`]: '2.x' } }
      await target.post('/v1/sessions', { client_id: name, capabilities })
      const payload = { a: times(2000, () => (name === 'rename' ? { p0: 1 } : 'x')) }
      const to = { from_version: '1.0.0', to_version: '2.0.0' }
      const transform = { name: `${name}_bomb`, payload, ...to }
      const { code } = await withstands(target, () => codeOf(client.call('transform_message', transform)))
      expect(code).toBe('adapter_failed')
      const message = { recipient_id: name, protocol_name: `${name}_bomb`, protocol_version: '1.0.0' }
      const small = { a: payload.a.slice(0, 300) }
      await withstands(target, () =>
        callInBatch(
          client,
          'send_message',
          times(100, () => ({ ...message, payload: small })),
        ),
      )
    }
  }, 30_000)

  test('turn many pending messages while the broker goes on', async () => {
    const [target, client] = await begin()
    await using _ = target
    const first = { name: 'moves', version: '1.0.0', schema: SCHEMA, metadata: EXAMPLES }
    const up = [
      ...times(30, () => ({ op: 'default', path: '/b', value: 1 })),
      { op: 'rename', path: '/a', to: 'c' },
    ]
    await client.call('register_protocol', first)
    await client.call('register_protocol', { ...first, version: '2.0.0', adapters: [{ from: '1.x', up }] })
    await target.post('/v1/sessions', { client_id: 'sink' })
    const message = {
      recipient_id: 'sink',
      protocol_name: 'moves',
      protocol_version: '1.0.0',
      payload: { a: 'x' },
    }
    await callInBatch(
      client,
      'send_message',
      times(900, () => message),
    )
    const migrate = { name: 'moves', to_version: '2.0.0' }
    for (const dry_run of [true, false])
      expect(
        await withstands(target, () => client.call('migrate_messages', { ...migrate, dry_run })),
      ).toMatchObject({ rewritten: 900 })
  }, 30_000)
})

test('many invalid and costly messages in one frame do not hold up the broker', async () => {
  const [target, client] = await begin()
  await using _ = target
  const properties = members(
    60,
    () => ({ type: 'string', maxLength: 5 }),
    (n) => `name_${n}`,
  )
  const schema = { additionalProperties: false, properties }
  await client.call('register_protocol', { name: 'closed', version: '1.0.0', schema })
  const message = { recipient_id: 'tester', protocol_name: 'closed', protocol_version: '1.0.0' }
  const payload = members(
    40,
    () => 'too long',
    (n) => `nam_${n}`,
  )
  const codes = await withstands(target, () =>
    callInBatch(
      client,
      'send_message',
      times(900, () => ({ ...message, payload })),
    ),
  )
  // On a busy machine the schema may not be compiled yet when all of them are there.
  const { payload_invalid = 0, validation_busy = 0, ...others } = codes
  expect(others).toEqual({})
  expect(payload_invalid).toBeGreaterThan(0)
  expect(payload_invalid + validation_busy).toBe(900)
}, 30_000)

test(
  'versions that are hard to compare are registered, or refused, in time',
  async () => {
    const [target, client] = await begin()
    await using _ = target
    const kinds: Readonly<Record<string, (n: number) => unknown>> = {
      all: (n) => laughs('allOf', 14, { type: 'string', maxLength: 10 + n }),
      any: (n) => laughs('anyOf', 14, { type: 'string', maxLength: 10 + n }),
      enums: (n) => ({ enum: times(1000, (k) => ({ k: k + n })) }),
      union: (n) => ({ anyOf: times(200, (k) => ({ properties: { [`p${k}`]: { maxLength: n + k } } })) }),
    }
    for (const [kind, make] of Object.entries(kinds))
      for (const [n, version] of ['1.0.0', '1.1.0', '2.0.0'].entries()) {
        const definition = { name: `cmp_${kind}`, version, schema: make(n) }
        const { code, ms } = await withstands(target, () =>
          codeOf(client.call('register_protocol', definition)),
        )
        expect(version === '1.1.0' ? ['ok', 'protocol_breaking'] : ['ok']).toContain(code)
        expect(ms).toBeLessThan(ANSWER_MS_MAX)
      }
  },
  WAIT_MS,
)

test('ten large definitions at once', async () => {
  const [target, client] = await begin()
  await using _ = target
  const large = (m: number) => ({ type: 'string', maxLength: m, description: 'x'.repeat(50) })
  const schema = { additionalProperties: false, properties: members(500, large) }
  const codes = await withstands(target, (tries) =>
    callInBatch(
      client,
      'register_protocol',
      times(10, (n) => ({ name: `large_${n}t${tries}x`, version: '1.0.0', schema })),
    ),
  )
  expect(codes).toEqual({ ok: 10 })
}, 30_000)

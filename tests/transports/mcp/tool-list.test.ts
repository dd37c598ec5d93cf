import { describe, expect, test } from 'bun:test'
import { Ajv2020 } from 'ajv/dist/2020'
import { startBroker, until } from '../../harness.ts'
import { agent, ERAS, outputOf } from './client.ts'

interface Told {
  readonly message_id: string
  readonly payload: unknown
}

const TOOL_BYTES_MAX = 2000
/** Those with which agents talk, and those about protocols. */
const TALK_BYTES_MAX = 20_000
const PROTOCOL_BYTES_MAX = 7000
const PROTOCOL_TOOLS: readonly string[] = [
  'register_protocol',
  'discover_protocols',
  'negotiate_capabilities',
  'deprecate_protocol',
  'transform_message',
]

test('the tools cost a model little of its window', async () => {
  await using app = await startBroker()
  await using alice = await agent('2025', app, 'alice')
  const { tools } = await alice.client.listTools()
  const sizes = tools.map((tool) => ({ name: tool.name, bytes: Buffer.byteLength(JSON.stringify(tool)) }))
  expect(sizes.filter(({ bytes }) => bytes > TOOL_BYTES_MAX)).toEqual([])
  const sum = (of: typeof sizes) => of.reduce((total, { bytes }) => total + bytes, 0)
  const about = Object.groupBy(sizes, ({ name }) => (PROTOCOL_TOOLS.includes(name) ? 'protocols' : 'talk'))
  expect(about.protocols).toHaveLength(PROTOCOL_TOOLS.length)
  expect(sum(about.protocols!)).toBeLessThanOrEqual(PROTOCOL_BYTES_MAX)
  expect(sum(about.talk!)).toBeLessThanOrEqual(TALK_BYTES_MAX)
  for (const { title } of tools) expect(title).toMatch(/^[A-Z]/)
})

test('what is set is quoted as it is set, in the tools and in the OpenAPI document', async () => {
  await using app = await startBroker({ lease_seconds: 7, attempts_max: 1, ttl_seconds: 9 })
  await using alice = await agent('2025', app, 'alice')
  const { tools } = await alice.client.listTools()
  const openapi = await (await fetch(`${app.url}/openapi`)).text()
  for (const text of [JSON.stringify(tools), openapi]) {
    expect(text).toContain('leased for 7 s')
    expect(text).toContain('After 1 failed attempt a message is dead-lettered')
    expect(text).not.toMatch(/leased for 60|five|\(300\)/)
  }
})

for (const era of ERAS)
  describe(`for a client of the ${era} era`, () => {
    test('every output holds to the schema that its tool publishes, to the members it does not tell too', async () => {
      await using app = await startBroker({ attempts_max: 1 })
      await using alice = await agent(era, app, 'alice')
      await using bob = await agent(era, app, 'bob')
      const ajv = new Ajv2020({ strict: true })
      const { tools } = await alice.client.listTools()
      const checks = new Map(
        tools.map(({ name, outputSchema }) => [name, ajv.compile(outputSchema as object)]),
      )
      const seen = new Set<string>()
      const call = async (who: typeof alice, name: string, input: Record<string, unknown> = {}) => {
        const result = await who.call(name, input)
        const check = checks.get(name)!
        expect({ name, errors: check(outputOf(result)) ? [] : check.errors }).toEqual({ name, errors: [] })
        seen.add(name)
        return result
      }
      const capabilities = { protocols: { chat: '^1.0.0', any: '^2.0.0' }, features: ['review'] }
      const { session_id } = outputOf(
        await call(alice, 'checkin_client', { client_id: 'alice', name: 'Alice', capabilities }),
      )
      await call(alice, 'heartbeat', { session_id })
      await call(alice, 'register_protocol', { name: 'any', version: '1.0.0', schema: { type: 'object' } })
      await call(alice, 'register_protocol', {
        name: 'any',
        version: '2.0.0',
        schema: { type: 'object', required: ['all'] },
        metadata: { description: 'Anything.', tags: ['a'], examples: [{ name: 'all', payload: { all: 1 } }] },
        adapters: [{ from: '1.x', up: [{ op: 'rename', path: '/any', to: 'all' }], down: [] }],
      })
      await call(alice, 'discover_protocols', { include: ['schema', 'examples', 'adapters'] })
      await call(alice, 'transform_message', {
        name: 'any',
        payload: { none: 1 },
        from_version: '1.0.0',
        to_version: '2.0.0',
      })
      const full = {
        payload: { any: [null, 1.5, 'text', { deep: true }] },
        headers: { trace: '1' },
        priority: 'urgent',
        ttl_seconds: 60,
        in_reply_to: 'none',
        protocol_name: 'any',
        protocol_version: '1.0.0',
      }
      await call(bob, 'send_message', { recipient_id: 'alice', ...full })
      await call(bob, 'negotiate_capabilities', { session_id: 'bob', target_id: 'alice' })
      await call(bob, 'negotiate_capabilities', { session_ids: ['alice', 'bob'] })
      await call(bob, 'deprecate_protocol', { name: 'any', version: '1.0.0', successor: '2.0.0' })
      await call(bob, 'send_message', { recipient_id: 'nobody', payload: null })
      await call(bob, 'broadcast_message', full)
      const asked = call(bob, 'send_message_and_wait', {
        recipient_id: 'alice',
        message: 'and?',
        timeout: 10,
      })
      const read = outputOf(await call(alice, 'get_messages', { wait_seconds: 5, ack: 'manual' }))
      const messages = read.messages as Told[]
      await call(alice, 'list_sessions')
      await call(alice, 'get_my_identity', { client_id: 'alice' })
      await call(alice, 'get_message_status', { message_id: messages[0]!.message_id })
      const question = await until('the question', async () => {
        const all = outputOf(await call(alice, 'replay_messages')).messages as Told[]
        return all.find(({ payload }) => payload === 'and?')
      })
      await call(alice, 'send_message', {
        recipient_id: 'bob',
        in_reply_to: question.message_id,
        message: 'yes',
      })
      expect(outputOf(await asked)).toMatchObject({ reply: { payload: 'yes' } })
      await call(alice, 'nack_messages', { message_ids: [messages[0]!.message_id] })
      await call(alice, 'ack_messages')
      await call(alice, 'list_dead_letters')
      await call(alice, 'requeue_dead_letters')
      await call(alice, 'disconnect_session', { session_id })
      expect([...seen].sort()).toEqual(tools.map(({ name }) => name).sort())
    })
  })

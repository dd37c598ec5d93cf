import { expect, test } from 'bun:test'
import type { Engine } from '../../../src/engine/engine.ts'
import type { Variant } from '../../../src/engine/values.ts'
import { startBroker } from '../../harness.ts'
import { slowEngine } from '../../slow-engine.ts'
import { checkIn, LETTERS, MAIL, messagesOf, NOTE, refusalOf, register, run, STEPS } from './rig.ts'

/** Notes what is stored for many recipients. */
function noting(variants: Variant[]): (engine: Engine) => Engine {
  return (engine) =>
    new Proxy(engine, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        if (name !== 'appendToMany') return member.bind(target)
        return (...args: Parameters<Engine['appendToMany']>) => {
          variants.push(...args[1])
          return target.appendToMany(...args)
        }
      },
    })
}

test('a broadcast gives each recipient its own version, encoded once for each', async () => {
  const variants: Variant[] = []
  await using app = await startBroker({}, noting(variants))
  await register(app, ...MAIL)
  for (const i of [1, 2, 3]) for (const n of [0, 1, 2]) await checkIn(app, `v${i}-${n}`, { mail: `${i}.x` })
  await checkIn(app, 'says-nothing')
  await checkIn(app, 'takes-none', { mail: '7.x' })
  const input = { sender_id: 'alice', protocol_name: 'mail', protocol_version: '3.0.0' }
  const receipt = await run(app, 'broadcast_message', { ...input, payload: LETTERS['3.0.0'] })
  expect(receipt).toMatchObject({
    recipients: 10,
    protocol_version: '3.0.0',
    refused: [
      {
        recipient_id: 'takes-none',
        reason: 'no_common_version',
        detail: 'takes-none takes mail 7.x, and nothing leads there from 3.0.0.',
      },
    ],
  })
  expect(variants.map(({ recipients }) => recipients.length).sort()).toEqual([3, 3, 4])
  expect(new Set(variants.map(({ message }) => message.message_id)).size).toBe(1)
  for (const i of [1, 2, 3] as const)
    for (const n of [0, 1, 2]) {
      const [message] = await messagesOf(app, `v${i}-${n}`)
      const version = `${i}.0.0` as const
      expect(message).toMatchObject({ payload: LETTERS[version], protocol_version: version, broadcast: true })
      const from = { version: '3.0.0', steps: STEPS.down.slice(0, 3 - i) }
      expect(message!.adapted_from).toEqual(i === 3 ? undefined : from)
    }
  expect(await messagesOf(app, 'says-nothing')).toMatchObject([{ protocol_version: '3.0.0' }])
  expect(await messagesOf(app, 'takes-none')).toEqual([])
})

test('recipients whose adapter fails are refused, and no others', async () => {
  await using app = await startBroker({}, (engine) => slowEngine(engine, { turns: () => 1 }))
  await register(app, ...NOTE)
  await checkIn(app, 'old', { note: '1.x' })
  await checkIn(app, 'new', { note: '2.x' })
  const all = { sender_id: 'alice', protocol_name: 'note', protocol_version: '1.0.0' }
  const receipt = await run(app, 'broadcast_message', { ...all, payload: { text: 'b' } })
  expect(receipt).toMatchObject({
    recipients: 1,
    refused: [{ recipient_id: 'new', reason: 'adapter_failed', detail: expect.stringContaining('(move)') }],
  })
  expect(await messagesOf(app, 'old')).toHaveLength(1)
})

test('a broadcast whose payload does not fit the version that it names reaches nobody', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  await checkIn(app, 'old', { mail: '1.x' })
  const all = { sender_id: 'alice', protocol_name: 'mail', payload: LETTERS['1.0.0'] }
  expect(await refusalOf(run(app, 'broadcast_message', { ...all, protocol_version: '3.0.0' }))).toMatchObject(
    {
      code: 'payload_invalid',
    },
  )
  await checkIn(app, 'alice', { mail: '1.x' })
  expect(await run(app, 'broadcast_message', all)).toMatchObject({ protocol_version: '1.0.0', recipients: 1 })
  await checkIn(app, 'alice', { mail: '9.x' })
  expect(await refusalOf(run(app, 'broadcast_message', all))).toMatchObject({
    code: 'no_common_version',
    who: 'alice',
  })
  expect(await messagesOf(app, 'old')).toHaveLength(1)
})

test('a filter takes clients whose range meets the one that is asked for', async () => {
  await using app = await startBroker()
  await checkIn(app, 'one', { chat: '^1.2.0' })
  await checkIn(app, 'two', { chat: '>=1.4 <3' })
  await checkIn(app, 'three', { chat: '^3.0.0', mail: '*' })
  const found = async (protocols: unknown) => {
    const { sessions } = await run<{ sessions: { client_id: string }[] }>(app, 'list_sessions', {
      capability_filter: { protocols },
    })
    return sessions.map(({ client_id }) => client_id).sort()
  }
  expect(await found({ chat: '1.3.x' })).toEqual(['one'])
  expect(await found({ chat: '>=2' })).toEqual(['three', 'two'])
  expect(await found({ chat: '*', mail: '^1.0.0' })).toEqual(['three'])
  expect(await found(['mail'])).toEqual(['three'])
  expect(await found({ chat: '^9.0.0' })).toEqual([])
  const all = { sender_id: 'alice', message: 'x', capability_filter: { protocols: { chat: '^1.0.0' } } }
  expect(await run(app, 'broadcast_message', all)).toMatchObject({ recipients: 2 })
  const filter = { capability_filter: { protocols: { chat: 'latest' } } }
  expect(await refusalOf(run(app, 'list_sessions', filter))).toMatchObject({
    code: 'invalid_params',
    field: '/capability_filter/protocols/chat',
  })
})

test('a check-in refuses a range that is none, and says what to write', async () => {
  await using app = await startBroker()
  const alternatives = new Array(17).fill('1.x').join('||')
  for (const [range, next] of [
    ['latest', 'Write "*" for any version that is not a prerelease.'],
    ['one', 'Write a range of node-semver, such as "^1.2.0" or ">=1.4 <3".'],
    [alternatives, 'Write a shorter range, such as "^1.2.0 || ^2.0.0".'],
  ] as const)
    expect(await refusalOf(checkIn(app, 'alice', { chat: range }))).toMatchObject({
      code: 'invalid_params',
      field: '/capabilities/protocols/chat',
      next,
    })
})

test('a broadcast that nobody can be given says why of each, and one without anybody that nobody is here', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  const all = { sender_id: 'alice', protocol_name: 'mail', protocol_version: '1.0.0' }
  const input = { ...all, payload: LETTERS['1.0.0'], idempotency_key: 'first' }
  expect(await run(app, 'broadcast_message', input)).toMatchObject({
    recipients: 0,
    refused: [],
    warnings: ['Nobody else is here to receive it.'],
  })
  await checkIn(app, 'takes-none', { mail: '7.x' })
  expect(await run(app, 'broadcast_message', input)).toMatchObject({
    recipients: 0,
    refused: [{ recipient_id: 'takes-none', reason: 'no_common_version' }],
    protocol_version: '1.0.0',
    warnings: [],
  })
})

import { expect, test } from 'bun:test'
import type { FullCard } from '../../../src/broker/protocols/discovery.ts'
import { startBroker } from '../../harness.ts'
import { MAIL, refusalOf, register, run, texts } from './rig.ts'

type App = Parameters<typeof run>[0]
interface Found {
  protocols: FullCard[]
  next?: string
}

const discover = (app: App, input: Record<string, unknown> = {}) =>
  run<Found>(app, 'discover_protocols', input)

const BYTES_MAX = 12 * 1024

test.each([
  ['ordinary', 'Reports of what was built, tested and released. Then more words.', 'word'],
  ['long', 'x'.repeat(4000), 'y'.repeat(60)],
  ['in letters of three bytes', '報'.repeat(4000), '告'.repeat(60)],
])(
  'twenty protocols with %s texts are found in one answer of at most 12 KB',
  async (_, description, word) => {
    await using app = await startBroker({ protocols_builtin: false })
    for (let i = 0; i < 20; i++) {
      const name = `${'p'.repeat(60)}${i}`
      const members = Array.from({ length: 12 }, (_, n) => `${word}${n}`)
      const example = Object.fromEntries(members.map((member) => [member, word]))
      await register(app, {
        name: name.slice(-62),
        version: '1.0.0-alpha.beta.gamma.delta.epsilon.zeta.eta.theta.iota',
        schema: texts(...members),
        metadata: { description, tags: [word, `${word}2`], examples: [{ name: 'e', payload: example }] },
      })
      await run(app, 'deprecate_protocol', {
        name: name.slice(-62),
        version: '1.0.0-alpha.beta.gamma.delta.epsilon.zeta.eta.theta.iota',
        message: word.repeat(15),
        successor: word,
      })
    }
    const found = await discover(app)
    expect(found.protocols).toHaveLength(20)
    expect(Buffer.byteLength(JSON.stringify(found))).toBeLessThanOrEqual(BYTES_MAX)
  },
)

test('a card has what a first message needs', async () => {
  await using app = await startBroker()
  const { protocols } = await discover(app, { name: 'ch*' })
  expect(protocols).toEqual([
    {
      name: 'chat',
      version: '1.0.0',
      versions: 1,
      summary: 'Text between people, agents and programs.',
      capabilities: ['point_to_point', 'broadcast', 'request_response'],
      required: ['text'],
      example: { text: 'The build of main is green again.' },
      tags: ['ready', 'conversation'],
    },
  ])
})

test('protocols come in pages, by name; versions newest first', async () => {
  await using app = await startBroker({ protocols_builtin: false })
  for (let i = 0; i < 25; i++)
    await register(app, { name: `p${i + 10}`, version: '1.0.0', schema: texts('a') })
  for (let i = 2; i < 6; i++) await register(app, { name: 'p10', version: `${i}.0.0`, schema: texts('a') })
  const first = await discover(app)
  expect(first.protocols).toHaveLength(20)
  expect(first.protocols[0]).toMatchObject({ name: 'p10', version: '5.0.0', versions: 5 })
  const second = await discover(app, { after: first.next })
  expect(second.next).toBeUndefined()
  expect(second.protocols.map(({ name }) => name)).toEqual(['p30', 'p31', 'p32', 'p33', 'p34'])
  const versions = await discover(app, { name: 'p10', limit: 3 })
  expect(versions).toMatchObject({
    protocols: [{ version: '5.0.0' }, { version: '4.0.0' }, { version: '3.0.0' }],
    next: '3.0.0',
  })
  const rest = await discover(app, { name: 'p10', after: versions.next })
  expect(rest.protocols.map(({ version }) => version)).toEqual(['2.0.0', '1.0.0'])
  expect(await refusalOf(discover(app, { name: 'p10', after: '7.0.0' }))).toMatchObject({
    code: 'invalid_params',
    field: '/after',
  })
})

test('protocols are found by prefix, range and tags', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  const names = async (input: Record<string, unknown>) =>
    (await discover(app, input)).protocols.map(({ name, version }) => `${name} ${version}`)
  expect(await names({ name: 'ma*' })).toEqual(['mail 3.0.0'])
  expect(await names({ name: '*', version_range: '<3' })).toContain('mail 2.0.0')
  expect(await names({ name: 'mail', version_range: '1.x || 2.x' })).toEqual(['mail 2.0.0', 'mail 1.0.0'])
  expect(await names({ tags: ['ready', 'conversation'] })).toEqual(['chat 1.0.0'])
  expect(await names({ name: 'nothing' })).toEqual([])
  expect(await refusalOf(discover(app, { version_range: 'latest' }))).toMatchObject({
    code: 'invalid_params',
    field: '/version_range',
  })
})

test('one version alone is given in full, and what finds no room is named', async () => {
  await using app = await startBroker()
  await register(app, ...MAIL)
  const one = await discover(app, { name: 'mail', version_range: '3.0.0' })
  expect(one.protocols[0]).toMatchObject({
    schema: MAIL[2].schema,
    examples: MAIL[2].metadata.examples,
    adapters: MAIL[2].adapters,
    fields: expect.arrayContaining([expect.stringContaining('given_name')]),
    relation: 'breaking',
    registered_at: expect.any(String),
  })
  const narrow = await discover(app, { name: 'mail', include: ['schema', 'adapters'], bytes_max: 100 })
  expect(narrow.protocols.map(({ left_out }) => left_out)).toEqual([
    ['schema', 'adapters'],
    ['schema', 'adapters'],
    ['schema'],
  ])
})

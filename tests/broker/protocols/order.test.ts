import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { here, startBroker, until } from '../../harness.ts'
import { slowEngine } from '../../slow-engine.ts'
import { WsClient } from '../../ws-client.ts'
import { nested, RUNAWAY, TREE } from '../validation/schemas.ts'
import { checkIn, LETTERS, MAIL, register, run } from './rig.ts'

/** Ways to send the message `n`, some of which take longer than others to be checked. */
const WAYS = {
  untyped: (n: number) => ['send_message', { message: 'x', headers: { n: String(n) } }],
  cheap: (n: number) => [
    'send_message',
    { protocol_name: 'chat', payload: { text: 'x' }, headers: { n: String(n) } },
  ],
  adapted: (n: number) => [
    'send_message',
    {
      protocol_name: 'mail',
      protocol_version: '1.0.0',
      payload: LETTERS['1.0.0'],
      headers: { n: String(n) },
    },
  ],
  by_worker: (n: number) => [
    'send_message',
    { protocol_name: 'tree', payload: { title: 'x' }, headers: { n: String(n) } },
  ],
  refused: (n: number) => [
    'send_message',
    { protocol_name: 'tree', payload: { title: 7 }, headers: { n: String(n) } },
  ],
  to_all: (n: number) => [
    'broadcast_message',
    { protocol_name: 'tree', payload: { title: 'x' }, headers: { n: String(n) } },
  ],
  to_all_untyped: (n: number) => ['broadcast_message', { message: 'x', headers: { n: String(n) } }],
  asked: (n: number) => [
    'send_message_and_wait',
    { protocol_name: 'tree', payload: { title: 'x' }, timeout: 0, headers: { n: String(n) } },
  ],
  asked_untyped: (n: number) => [
    'send_message_and_wait',
    { message: 'x', timeout: 0, headers: { n: String(n) } },
  ],
} as const

type Way = keyof typeof WAYS
type Ask = [name: string, input: Record<string, unknown>]

/** The numbers of the messages that are to arrive. */
function arriving(ways: readonly Way[]): string[] {
  return ways.flatMap((way, n) => (way === 'refused' ? [] : [String(n)]))
}

async function started(around = here) {
  const app = await startBroker({}, around)
  await register(app, { name: 'tree', version: '1.0.0', schema: TREE }, ...MAIL)
  await checkIn(app, 'bob', { mail: '3.x', tree: '*', chat: '*' })
  return app
}

const ways = fc.array(fc.constantFrom(...(Object.keys(WAYS) as Way[])), { minLength: 2, maxLength: 20 })

for (const [where, around] of [
  ['here', here],
  ['elsewhere', (engine: Parameters<typeof here>[0]) => slowEngine(engine, { turns: () => 1 })],
] as const)
  describe(`with an engine ${where}, no message overtakes another of its sender`, () => {
    test('over one WebSocket, in frames of their own and in a batch', async () => {
      await using app = await started(around)
      const alice = await WsClient.checkedIn(app.url, 'alice')
      const bob = await WsClient.checkedIn(app.url, 'bob')
      await bob.call('checkin_client', {
        client_id: 'bob',
        capabilities: { protocols: { mail: '3.x', tree: '*' } },
      })
      await bob.call('subscribe')
      let id = 0
      await fc.assert(
        fc.asyncProperty(ways, fc.boolean(), async (ways, batched) => {
          const before = bob.messages.length
          const frames = ways.map((way, n) => {
            const [method, input] = WAYS[way](n) as Ask
            const to = method === 'broadcast_message' ? {} : { recipient_id: 'bob' }
            return { jsonrpc: '2.0', id: `m${id++}`, method, params: { ...to, ...input } }
          })
          if (batched) alice.send(frames)
          else for (const frame of frames) alice.send(frame)
          const expected = arriving(ways)
          await bob.received(before + expected.length)
          const numbers = bob.messages.slice(before).map(({ message }) => message.headers!.n!)
          expect(numbers).toEqual(expected)
        }),
        { numRuns: 60 },
      )
      alice.close()
      bob.close()
    })
  })

test('a sender whose check takes long holds up nobody else', async () => {
  await using app = await started()
  await register(app, { name: 'endless', version: '1.0.0', schema: RUNAWAY })
  const done: string[] = []
  const send = async (sender_id: string, input: Record<string, unknown>) => {
    await run(app, 'send_message', { sender_id, recipient_id: 'bob', ...input }).catch(() => undefined)
    done.push(sender_id)
  }
  await Promise.all([
    send('slow', { protocol_name: 'endless', payload: JSON.parse(nested(40)) }),
    send('other', { message: 'x' }),
    send('typed', { protocol_name: 'chat', payload: { text: 'x' } }),
    send('slow', { message: 'after' }),
  ])
  expect(done).toEqual(['other', 'typed', 'slow', 'slow'])
  await until('the order to be forgotten', () => (app.broker.protocols.order.busy ? undefined : true))
})

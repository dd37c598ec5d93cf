import { describe, expect, test } from 'bun:test'
import { REFUSED_META_KEY } from '../../../src/transports/mcp/listen.ts'
import { SUBSCRIPTIONS_MAX } from '../../../src/transports/mcp/updates.ts'
import { here, startBroker, until } from '../../harness.ts'
import { gatedEngine } from '../../slow-engine.ts'
import { call } from '../http/client.ts'
import { type Agent, agent, ERAS, payloadsOf } from './client.ts'
import { answerOf, MODERN_META, postModern, rawSession, SseReader } from './raw.ts'

async function inboxText(reader: Agent, uri: string): Promise<string> {
  const { contents } = await reader.client.readResource({ uri })
  return (contents[0] as { text: string }).text
}

for (const era of ERAS)
  describe(`inboxes for a client of the ${era} era`, () => {
    test('reading one shows what waits and acknowledges nothing', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      await using bob = await agent(era, app, 'bob')
      await bob.call('send_message', { recipient_id: 'alice', payload: { a: [1] }, priority: 'high' })
      for (let i = 0; i < 2; i++) {
        const inbox = JSON.parse(await inboxText(alice, 'inbox://alice'))
        expect(inbox).toMatchObject({
          messages: [{ sender_id: 'bob', payload: { a: [1] }, priority: 'high' }],
          remaining: 1,
        })
        expect(inbox.cursor).toMatch(/^[a-z0-9]+:0$/)
      }
      expect(payloadsOf(await alice.call('get_messages'))).toEqual([{ a: [1] }])
      expect(JSON.parse(await inboxText(alice, 'inbox://alice')).messages).toEqual([])
    })

    test('new mail is hinted at while watched, and not after', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      await using bob = await agent(era, app, 'bob')
      const watched = await alice.watch('inbox://alice')
      await bob.call('send_message', { recipient_id: 'carol', message: 'not hers' })
      await bob.call('send_message', { recipient_id: 'alice', message: 'hers' })
      await until('the hint', () => watched.hints[0])
      expect(watched.hints).toEqual(['inbox://alice'])
      await watched.stop()
      await bob.call('send_message', { recipient_id: 'alice', message: 'unwatched' })
      await alice.call('get_messages')
      expect(watched.hints).toHaveLength(1)
    })

    test('what is no inbox is not found, with its URI', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      for (const uri of [
        'inbox://nobody',
        'inbox://',
        'inbox://%zz',
        'file:///etc/passwd',
        'inbox://alice/x',
      ])
        await expect(alice.client.readResource({ uri })).rejects.toMatchObject({
          code: -32602,
          data: { uri },
        })
    })

    test('there is a template for all of them, and one for protocols', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      const { resourceTemplates } = await alice.client.listResourceTemplates()
      expect(resourceTemplates).toMatchObject([
        { uriTemplate: 'inbox://{client_id}' },
        { uriTemplate: 'protocol://{name}/{version}' },
      ])
    })
  })

test('a caller that has checked in is shown its own inbox and the protocols, another all that its key owns, a page at a time', async () => {
  await using app = await startBroker()
  await using alice = await agent('2025', app, 'alice')
  await using bob = await agent('2026', app, 'bob')
  for (let i = 0; i < 250; i++)
    app.broker.checkin(
      { project: 'default', key_id: undefined, scopes: new Set(), session: undefined },
      `c${String(i).padStart(3, '0')}`,
      { resume: undefined, join: undefined, name: undefined, capabilities: undefined },
    )
  expect((await alice.client.listResources()).resources).toMatchObject([
    { uri: 'inbox://alice', mimeType: 'application/json' },
    { uri: 'protocol://chat/1.0.0', mimeType: 'application/json' },
    { uri: 'protocol://file_lease/1.0.0' },
    { uri: 'protocol://task/1.0.0' },
  ])
  const page = async (params: object) =>
    (await answerOf(await postModern(app, 'resources/list', { ...params }))).result as {
      resources: { name: string }[]
      nextCursor?: string
    }
  const first = await page({})
  expect(first.resources).toHaveLength(200)
  const second = await page({ cursor: first.nextCursor })
  expect(second.nextCursor).toBeUndefined()
  const names = [...first.resources, ...second.resources].map(({ name }) => name)
  expect(names).toEqual([
    'alice',
    'bob',
    ...Array.from({ length: 250 }, (_, i) => `c${String(i).padStart(3, '0')}`),
    'chat 1.0.0',
    'file_lease 1.0.0',
    'task 1.0.0',
  ])
  expect(bob.client_id).toBe('bob')
})

test('a session may watch and read no inbox but its own', async () => {
  await using app = await startBroker()
  await using alice = await agent('2025', app, 'alice')
  await using _bob = await agent('2025', app, 'bob')
  const refused = { code: 1411, message: expect.stringContaining('client_mismatch') }
  await expect(alice.client.readResource({ uri: 'inbox://bob' })).rejects.toMatchObject(refused)
  await expect(alice.watch('inbox://bob')).rejects.toMatchObject(refused)
})

test('listening honours what there is, leaves out the rest, and says why', async () => {
  await using app = await startBroker()
  await using alice = await agent('2026', app, 'alice')
  const listen = async (uris: string[]) =>
    new SseReader(
      await postModern(app, 'subscriptions/listen', { notifications: { resourceSubscriptions: uris } }),
    )
  const some = await listen(['inbox://nobody', 'inbox://alice', 'file:///etc/passwd'])
  expect(await some.message()).toMatchObject({
    method: 'notifications/subscriptions/acknowledged',
    params: {
      notifications: { resourceSubscriptions: ['inbox://alice'] },
      _meta: {
        'io.modelcontextprotocol/subscriptionId': 1,
        [REFUSED_META_KEY]: [
          { uri: 'inbox://nobody', reason: expect.stringContaining('No client has checked in') },
          { uri: 'file:///etc/passwd', reason: expect.stringContaining('not the URI of an inbox') },
        ],
      },
    },
  })
  await alice.call('send_message', { recipient_id: 'alice', message: 'x' })
  expect(await some.message()).toMatchObject({ params: { uri: 'inbox://alice' } })
  await some.cancel()
})

test('listening to nothing that can be listened to is an error with the reason, which the client shows', async () => {
  await using app = await startBroker({ connections_max: 1 })
  await using alice = await agent('2026', app, 'alice')
  if (!('listen' in alice.client)) throw new Error('not a client of the 2026 era')
  await expect(alice.client.listen({ resourceSubscriptions: ['inbox://nobody'] })).rejects.toMatchObject({
    code: -32602,
    message: expect.stringMatching(/^inbox:\/\/nobody: No client has checked in/),
  })
  // The place that it took among the connections is free again.
  const subscription = await alice.client.listen({ resourceSubscriptions: ['inbox://alice'] })
  await subscription.close()
})

test('many messages in one turn are one hint, and streams of other inboxes sleep on', async () => {
  // An engine that takes all of them in one turn.
  await using app = await startBroker({}, here)
  await using alice = await agent('2026', app, 'alice')
  await using bob = await agent('2026', app, 'bob')
  const forAlice = await alice.watch('inbox://alice')
  const forBob = await bob.watch('inbox://bob')
  const identity = { project: 'default', key_id: undefined, scopes: new Set<never>(), session: undefined }
  for (let i = 0; i < 100; i++) {
    const message = app.broker.createMessage({ payload: i }, 'bob', 'alice')
    app.broker.append(identity.project, message, 'alice', undefined)
  }
  await until('the hint', () => forAlice.hints[0])
  await bob.call('send_message', { recipient_id: 'bob', message: 'x' })
  await until('the other hint', () => forBob.hints[0])
  expect(forAlice.hints).toEqual(['inbox://alice'])
  expect(forBob.hints).toEqual(['inbox://bob'])
})

test('a stream watches a bounded number of inboxes', async () => {
  await using app = await startBroker()
  await using _alice = await agent('2026', app, 'alice')
  const response = await postModern(app, 'subscriptions/listen', {
    notifications: { resourceSubscriptions: Array(SUBSCRIPTIONS_MAX + 50).fill('inbox://alice') },
    _meta: MODERN_META,
  })
  const reader = new SseReader(response)
  const { params } = (await reader.message()) as {
    params: { notifications: { resourceSubscriptions: string[] } }
  }
  expect(params.notifications.resourceSubscriptions.length).toBeLessThanOrEqual(SUBSCRIPTIONS_MAX)
  await reader.cancel()
})

test('an inbox is watched once, however its URI is spelled', async () => {
  await using app = await startBroker()
  await using alice = await agent('2025', app, 'alice')
  const first = await alice.watch('inbox://alice')
  const other = await alice.watch('inbox://%61lice')
  await alice.call('send_message', { recipient_id: 'alice', message: 'x' })
  await until('the hint', () => other.hints[0])
  expect([...first.hints, ...other.hints]).toEqual(['inbox://alice'])
  await other.stop()
  await alice.call('send_message', { recipient_id: 'alice', message: 'y' })
  await alice.call('get_my_identity')
  expect(other.hints).toHaveLength(1)
})

test('listening streams count against the connections of the broker', async () => {
  await using app = await startBroker({ connections_max: 1 })
  await using _alice = await agent('2026', app, 'alice')
  const listen = () =>
    postModern(app, 'subscriptions/listen', { notifications: { resourceSubscriptions: ['inbox://alice'] } })
  const first = new SseReader(await listen())
  await first.message()
  const second = await listen()
  expect(second.status).toBe(503)
  expect(await second.json()).toMatchObject({ error: { data: { code: 'too_many_connections' } } })
  const session = await rawSession(app)
  expect((await session.get()).status).toBe(503)
  await first.cancel()
  const third = await until('the place to be free', async () => {
    const response = await listen()
    return response.status === 200 ? response : undefined
  })
  await third.body?.cancel()
})

test('a broker that shuts down says goodbye to listeners', async () => {
  const app = await startBroker()
  const alice = await agent('2026', app, 'alice')
  if (!('listen' in alice.client)) throw new Error('not a client of the 2026 era')
  const subscription = await alice.client.listen({ resourceSubscriptions: ['inbox://alice'] })
  await app.stop()
  expect(await subscription.closed).toBe('graceful')
  await alice.client.close()
})

test('a session that is deleted while it subscribes watches nothing afterwards', async () => {
  const gate = Promise.withResolvers<void>()
  let asked = 0
  await using app = await startBroker({}, (engine) =>
    gatedEngine(engine, 'client', gate.promise, () => asked++),
  )
  await call(app.url, 'POST', '/v1/sessions', { client_id: 'alice' })
  const session = await rawSession(app)
  const params = { uri: 'inbox://alice' }
  const subscribed = session.post({ jsonrpc: '2.0', id: 7, method: 'resources/subscribe', params })
  await until('the engine to be asked', () => asked || undefined)
  await fetch(`${app.url}/mcp`, { method: 'DELETE', headers: session.headers })
  gate.resolve()
  await subscribed.catch(() => undefined)
  for (let n = 0; n < 5; n++) await fetch(`${app.url}/health/live`)
  expect(app.broker.hub.watcher_count).toBe(0)
})

import { expect, test } from 'bun:test'
import { Keys, type Scope } from '../../src/auth/identity.ts'
import { runCommand } from '../../src/broker/command.ts'
import { checkinClient, listSessions } from '../../src/broker/commands/presence.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { startBroker, until } from '../harness.ts'
import { gatedEngine } from '../slow-engine.ts'
import { call } from '../transports/http/client.ts'
import { agent } from '../transports/mcp/client.ts'
import { openStream } from '../transports/sse/reader.ts'
import { refusal, WsClient } from '../ws-client.ts'

interface Listed {
  sessions: { client_id: string; session_id: string; status: string }[]
}

const quick = { stale_seconds: 0.3, disconnected_seconds: 0.6, ping_seconds: 60 }

test('a session without a connection grows stale, then disconnected, and any call brings it back', async () => {
  await using broker = await startBroker(quick)
  const watcher = await WsClient.connect(broker.url)
  const { body } = await call(broker.url, 'POST', '/v1/sessions', { client_id: 'silent' })
  const status = async (wanted: string) =>
    until(wanted, async () => {
      const { sessions } = await watcher.call<Listed>('list_sessions', { status_filter: wanted })
      return sessions.find(({ client_id }) => client_id === 'silent')
    })
  await status('active')
  await status('stale')
  await status('disconnected')
  await watcher.call('send_message', { sender_id: 'other', recipient_id: 'silent', message: 'still kept' })
  const beat = await call(broker.url, 'POST', `/v1/sessions/${body.session_id}/heartbeat`, {})
  expect(beat.body).toMatchObject({ status: 'active', unread: 1 })
})

test('an open connection counts as heard now, however silent', async () => {
  await using broker = await startBroker(quick)
  await WsClient.checkedIn(broker.url, 'connected')
  await using reading = await openStream(broker.url, 'reading')
  await reading.next('recovery')
  await using _streaming = await agent('2025', broker, 'streaming')
  const watcher = await WsClient.connect(broker.url)
  await call(broker.url, 'POST', '/v1/sessions', { client_id: 'gone' })
  await until('the one without a connection to be disconnected', async () => {
    const { sessions } = await watcher.call<Listed>('list_sessions', { status_filter: 'disconnected' })
    return sessions.some(({ client_id }) => client_id === 'gone') || undefined
  })
  const { sessions } = await watcher.call<Listed>('list_sessions')
  expect(sessions.map(({ client_id, status }) => `${client_id} ${status}`).sort()).toEqual([
    'connected active',
    'gone disconnected',
    'reading active',
    'streaming active',
  ])
  expect(sessions.at(-1)?.client_id).toBe('gone')
})

test('sessions are listed by when they were last heard, the latest first', async () => {
  await using broker = await startBroker()
  const names = ['a', 'b', 'c']
  const ids = new Map<string, unknown>()
  for (const client_id of names)
    ids.set(client_id, (await call(broker.url, 'POST', '/v1/sessions', { client_id })).body.session_id)
  const order = async (query = '') => {
    const { sessions } = (await call(broker.url, 'GET', `/v1/sessions${query}`)).body as unknown as Listed
    return sessions.map(({ client_id }) => client_id)
  }
  expect(await order()).toEqual(['c', 'b', 'a'])
  await Bun.sleep(2)
  await call(broker.url, 'POST', `/v1/sessions/${ids.get('a')}/heartbeat`, {})
  expect(await order()).toEqual(['a', 'c', 'b'])
  expect(await order('?limit=1')).toEqual(['a'])
})

test('who was only ever named as a sender is not listed, and gets no broadcast, until it reads or checks in', async () => {
  await using broker = await startBroker()
  const watcher = await WsClient.checkedIn(broker.url, 'watcher')
  const listed = async (params = {}) =>
    (await watcher.call<Listed>('list_sessions', params)).sessions.map(({ client_id }) => client_id).sort()
  for (const sender_id of ['me', 'cli', 'reads'])
    await call(broker.url, 'POST', '/v1/messages', { sender_id, recipient_id: 'x', message: 'x' })
  expect(await listed()).toEqual(['watcher'])
  expect(await watcher.call('list_sessions')).toMatchObject({ total: 1, more: false })
  expect(await listed({ include_senders: true })).toEqual(['cli', 'me', 'reads', 'watcher'])
  expect(await listed({ status_filter: 'active' })).toEqual(['watcher'])
  expect(await watcher.call('broadcast_message', { message: 'all' })).toMatchObject({ recipients: 0 })

  await call(broker.url, 'GET', '/v1/mailboxes/reads/messages')
  await call(broker.url, 'POST', '/v1/sessions', { client_id: 'cli' })
  await call(broker.url, 'POST', '/v1/messages', { sender_id: 'cli', recipient_id: 'x', message: 'x' })
  expect(await listed()).toEqual(['cli', 'reads', 'watcher'])
  expect(await watcher.call('broadcast_message', { message: 'all' })).toMatchObject({ recipients: 2 })
})

test('a session is ended, and kept alive, by its own caller alone; one without a session may name any', async () => {
  await using broker = await startBroker()
  const a = await WsClient.checkedIn(broker.url, 'a')
  const b = await WsClient.connect(broker.url)
  const { session_id } = await b.call<{ session_id: string }>('checkin_client', { client_id: 'b' })
  for (const method of ['disconnect_session', 'heartbeat'])
    expect(await refusal(a.call(method, { session_id }))).toBe('session_mismatch')
  expect(await b.call('heartbeat', { session_id })).toMatchObject({ client_id: 'b' })

  await using reading = await openStream(broker.url, 'b')
  await reading.next('recovery')
  expect((await call(broker.url, 'DELETE', `/v1/sessions/${session_id}`)).status).toBe(200)
  expect(await b.close_code()).toBe(3505)
  expect((await reading.next('close')).json).toMatchObject({ code: 'session_ended' })

  await using kept = await agent('2025', broker, 'c')
  const { sessions } = await a.call<Listed>('list_sessions')
  const of_c = sessions.find(({ client_id }) => client_id === 'c')!
  await call(broker.url, 'DELETE', `/v1/sessions/${of_c.session_id}`)
  expect((await kept.call('get_messages')).content).toMatchObject([
    { text: expect.stringContaining('session_ended: ') },
  ])
})

test('whoever ends its own session stays connected, and its other connections are told', async () => {
  await using broker = await startBroker()
  const one = await WsClient.connect(broker.url)
  const { session_id } = await one.call<{ session_id: string }>('checkin_client', { client_id: 'a' })
  const two = await WsClient.connect(broker.url)
  await two.call('checkin_client', { client_id: 'a', session_id })
  await one.call('disconnect_session')
  expect(await two.close_code()).toBe(3505)
  expect(await one.call('checkin_client', { client_id: 'a' })).toMatchObject({ resumed: false })
})

test('a call that waits is a sign of life for as long as it lasts', async () => {
  await using broker = await startBroker(quick)
  const seen = new Set<string>()
  const waiting = fetch(`${broker.url}/v1/mailboxes/waiting/messages?wait_seconds=1.2`).then((answer) =>
    answer.json(),
  )
  const watcher = await WsClient.connect(broker.url)
  let over = false
  waiting.then(() => {
    over = true
  })
  await until('the wait to end', async () => {
    const { sessions } = await watcher.call<Listed>('list_sessions')
    for (const { client_id, status } of sessions) if (client_id === 'waiting') seen.add(status)
    return over ? true : undefined
  })
  expect([...seen]).toEqual(['active'])
})

test('a check-in is not bound to a connection that closed before it was answered', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  await using app = await startBroker({}, (engine) => gatedEngine(engine, 'checkin', gate, () => {}))
  const closed: string[] = []
  const checkin = (name: string) => {
    const connection = {
      open: true,
      message: () => {},
      notify: () => {},
      flush: () => true,
      close: () => void closed.push(name),
    }
    const identity = new Keys(undefined).identify({ key: undefined, project: undefined })
    const answer = runCommand(app.broker, checkinClient, identity, { client_id: name }, { connection })
    return { connection, answer }
  }
  const [gone, there] = [checkin('gone'), checkin('there')]
  gone.connection.open = false
  open()
  await Promise.all([gone.answer, there.answer])
  // Both addresses are taken over, which closes whoever is bound to them.
  await Promise.all([checkin('gone').answer, checkin('there').answer])
  expect(closed).toEqual(['there'])
})

test('subscribing needs the scope to read, as reading does', async () => {
  await using app = await startBroker()
  const identity = {
    ...new Keys(undefined).identify({ key: undefined, project: undefined }),
    scopes: new Set<Scope>(['write']),
  }
  const connection = {
    open: true,
    message: () => {},
    notify: () => {},
    flush: () => true,
    close: () => {},
  }
  const options = { ack: 'auto', receipts: false, sessions: false } as const
  const subscribing = () => app.broker.subscribe(identity, connection, 'a', undefined, options)
  expect(subscribing).toThrow('subscribe needs a key with the scope "read".')
  expect(app.broker.hub.subscription_count).toBe(0)
})

test('a connection is not kept for a session that had ended before it was to be ended', async () => {
  const gate = Promise.withResolvers<void>()
  let asked = 0
  await using app = await startBroker({}, (engine) =>
    gatedEngine(engine, 'client', gate.promise, () => asked++),
  )
  const { body } = await call(app.url, 'POST', '/v1/sessions', { client_id: 'a' })
  const other = await WsClient.connect(app.url)
  const ending = other.call('disconnect_session', { session_id: body.session_id })
  await until('the session to be looked up', () => asked || undefined)
  await call(app.url, 'POST', '/v1/sessions', { client_id: 'a' })
  gate.resolve()
  await ending
  expect(app.broker.hub.parting_count).toBe(0)
})

test('a list of many sessions leaves out none that is heard while it is made', async () => {
  const gate = Promise.withResolvers<void>()
  let pages = 0
  await using app = await startBroker({}, (engine) =>
    gatedEngine(engine, 'clients', gate.promise, () => pages++),
  )
  const { broker } = app
  const identity = new Keys(undefined).identify({ key: undefined, project: undefined })
  const how = { resume: undefined, join: undefined, name: undefined, capabilities: undefined }
  const first = broker.sessions.handle((await broker.checkin(identity, 'c0', how)).session)
  for (let n = 1; n < 600; n++) await broker.checkin(identity, `c${n}`, how)
  broker.sessions.tell()
  first.told_ms = broker.now()
  const filter = { status_filter: 'active', limit: 1000 }
  const listed = runCommand(broker, listSessions, identity, filter) as Promise<Listed>
  await until('the first page', () => pages || undefined)
  broker.heard(first)
  gate.resolve()
  expect((await listed).sessions.length).toBe(600)
})

test('a heartbeat of a session that was replaced says so, though word of its end has not come', async () => {
  const untold = (engine: Engine) => {
    const start = engine.start.bind(engine)
    engine.start = (events) =>
      start({
        get wants_each() {
          return events.wants_each
        },
        announced: (announcement) => events.announced(announcement),
        acknowledged: (...told) => events.acknowledged(...told),
        died: (...told) => events.died(...told),
        session: () => undefined,
        record: (...told) => events.record(...told),
        missed: () => events.missed(),
      })
    return engine
  }
  await using broker = await startBroker({}, untold)
  const old = await WsClient.checkedIn(broker.url, 'a')
  expect(await old.call('heartbeat')).toMatchObject({ client_id: 'a', status: 'active' })
  await WsClient.checkedIn(broker.url, 'a')
  expect(await refusal(old.call('heartbeat'))).toBe('session_replaced')
})

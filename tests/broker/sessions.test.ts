import { expect, test } from 'bun:test'
import { Keys, type Scope } from '../../src/auth/identity.ts'
import { runCommand } from '../../src/broker/command.ts'
import { checkinClient } from '../../src/broker/commands/sessions.ts'
import { startBroker, until } from '../harness.ts'
import { gatedEngine } from '../simulation/slow-engine.ts'
import { WsClient } from '../ws-client.ts'

interface Listed {
  sessions: { client_id: string; status: string }[]
}

const quick = { stale_seconds: 0.3, disconnected_seconds: 0.6, ping_seconds: 60 }

test('a silent session grows stale, then disconnected, and any call brings it back', async () => {
  await using broker = await startBroker(quick)
  const watcher = await WsClient.connect(broker.url)
  const silent = await WsClient.checkedIn(broker.url, 'silent')
  const status = async (wanted: string) =>
    until(wanted, async () => {
      const { sessions } = await watcher.call<Listed>('list_sessions', { status_filter: wanted })
      return sessions.find(({ client_id }) => client_id === 'silent')
    })
  await status('active')
  await status('stale')
  await status('disconnected')
  await watcher.call('send_message', { sender_id: 'other', recipient_id: 'silent', message: 'still kept' })
  expect(await silent.call('heartbeat')).toMatchObject({ status: 'active', unread: 1 })
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

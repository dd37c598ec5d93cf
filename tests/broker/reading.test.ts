import { expect, test } from 'bun:test'
import { DEFAULT_PROJECT, Keys } from '../../src/auth/identity.ts'
import { runCommand } from '../../src/broker/command.ts'
import { getMessages } from '../../src/broker/commands/reading.ts'
import { sendMessage } from '../../src/broker/commands/sending.ts'
import { startBroker, until } from '../harness.ts'
import { gatedEngine } from '../slow-engine.ts'

test('a poll whose caller has gone while the engine answered takes no message', async () => {
  const gate = Promise.withResolvers<void>()
  let reads = 0
  await using app = await startBroker({}, (engine) =>
    gatedEngine(engine, 'read', gate.promise, () => reads++),
  )
  const { broker } = app
  const identity = new Keys(undefined).identify({ key: undefined, project: undefined })
  const caller = new AbortController()
  const poll = { client_id: 'reader', wait_seconds: 30 }
  const answer = runCommand(broker, getMessages, identity, poll, { signal: caller.signal })
  await until('the first look', () => reads || undefined)
  caller.abort()
  const mail = { sender_id: 'sender', recipient_id: 'reader', message: 'hello' }
  await runCommand(broker, sendMessage, identity, mail)
  gate.resolve()
  await answer
  const client = await broker.engine.client(DEFAULT_PROJECT, { client_id: 'reader' })
  expect(client?.pending).toBe(1)
})

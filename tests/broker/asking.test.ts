import { describe, expect, test } from 'bun:test'
import { Keys } from '../../src/auth/identity.ts'
import type { Broker } from '../../src/broker/broker.ts'
import { runCommand } from '../../src/broker/command.ts'
import { COMMANDS_BY_NAME } from '../../src/broker/commands/index.ts'
import { startBroker, until } from '../harness.ts'
import { turns } from '../integration/disk.ts'
import { gatedEngine } from '../slow-engine.ts'

interface Sent {
  message_id: string
}

interface Read {
  messages: { message_id: string; payload: unknown }[]
}

interface Answered {
  timed_out: boolean
  reply?: { payload: unknown }
}

/** Runs a command for a stateless caller. */
async function run<T>(broker: Broker, name: string, input: object): Promise<T> {
  const identity = new Keys(undefined).identify({ key: undefined, project: undefined })
  return runCommand(broker, COMMANDS_BY_NAME.get(name)!, identity, input) as T
}

describe('a caller that waits for a reply', () => {
  test('gets the one that comes while it looks at another message, which somebody else has read', async () => {
    const gate = Promise.withResolvers<void>()
    let looked = 0
    await using app = await startBroker({}, (engine) =>
      gatedEngine(engine, 'find', gate.promise, () => looked++),
    )
    const { broker } = app
    const from = { sender_id: 'helper', recipient_id: 'asker' }
    const asked = run<Answered>(broker, 'send_message_and_wait', {
      sender_id: 'asker',
      recipient_id: 'helper',
      payload: 'question',
      timeout: 1,
    })
    const question = (await run<Read>(broker, 'get_messages', { client_id: 'helper', wait_seconds: 5 }))
      .messages[0]!
    await run<Sent>(broker, 'send_message', { ...from, payload: 'by the way' })
    await until('the look', () => looked || undefined)
    const { messages } = await run<Read>(broker, 'get_messages', { client_id: 'asker' })
    expect(messages.map(({ payload }) => payload)).toEqual(['by the way'])
    await run<Sent>(broker, 'send_message', {
      ...from,
      payload: 'answer',
      in_reply_to: question.message_id,
    })
    gate.resolve()
    const { timed_out, reply } = await asked
    expect([timed_out, reply?.payload]).toEqual([false, 'answer'])
  })

  test('leaves what comes after its reply to others that wait', async () => {
    const gate = Promise.withResolvers<void>()
    let settled = 0
    await using app = await startBroker({}, (engine) =>
      gatedEngine(engine, 'settle', gate.promise, () => settled++),
    )
    const { broker } = app
    const from = { sender_id: 'helper', recipient_id: 'asker' }
    const asked = run<Answered>(broker, 'send_message_and_wait', {
      sender_id: 'asker',
      recipient_id: 'helper',
      payload: 'question',
      timeout: 60,
    })
    await run<Read>(broker, 'get_messages', { client_id: 'helper', wait_seconds: 5 })
    await run<Sent>(broker, 'send_message', { ...from, payload: 'answer' })
    await until('the reply to be taken', () => settled || undefined)
    const began_ms = performance.now()
    const read = run<Read>(broker, 'get_messages', { client_id: 'asker', wait_seconds: 3 })
    await until('the poll to wait', () => (broker.waiters.count === 2 ? true : undefined))
    await run<Sent>(broker, 'send_message', { ...from, payload: 'more' })
    gate.resolve()
    expect((await asked).reply?.payload).toBe('answer')
    expect((await read).messages.map(({ payload }) => payload)).toEqual(['more'])
    expect(performance.now() - began_ms).toBeLessThan(2500)
    expect(broker.waiters.count).toBe(0)
  })

  test('gets a reply that is given back, however much has been overwritten since it came', async () => {
    await using app = await startBroker({ history_messages_max: 1 })
    const { broker } = app
    const from = { sender_id: 'helper', recipient_id: 'asker' }
    const question = {
      sender_id: 'asker',
      recipient_id: 'helper',
      payload: 'question',
      idempotency_key: 'once',
    }
    const { message_id } = await run<Sent>(broker, 'send_message', question)
    await run<Sent>(broker, 'send_message', { ...from, payload: 'answer', in_reply_to: message_id })
    await run<Read>(broker, 'get_messages', { client_id: 'asker', ack: 'manual' })
    for (const payload of ['a', 'b', 'c']) {
      await run<Sent>(broker, 'send_message', { ...from, payload })
      await run<Read>(broker, 'get_messages', { client_id: 'asker' })
      // History is kept for a moment beyond its bound.
      await Bun.sleep(50)
    }
    const asked = run<Answered>(broker, 'send_message_and_wait', { ...question, timeout: 1 })
    await until('the call to wait', () => broker.waiters.count || undefined)
    await turns(app)
    await run(broker, 'nack_messages', { client_id: 'asker' })
    const { timed_out, reply } = await asked
    expect([timed_out, reply?.payload]).toEqual([false, 'answer'])
  })
})

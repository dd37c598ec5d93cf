import { describe, expect, test } from 'bun:test'
import { startBroker, until } from '../../harness.ts'
import { agent, ERAS, outputOf, payloadsOf } from './client.ts'
import { answerOf, postModern, rawSession, SseReader } from './raw.ts'

const waiters = (count: number, app: { broker: { waiters: { count: number } } }) =>
  until(`${count} waiting`, () => (app.broker.waiters.count === count ? true : undefined))

for (const era of ERAS)
  describe(`a call that waits, of the ${era} era`, () => {
    test('tells that it goes on, to a client that asked for it', async () => {
      await using app = await startBroker({ stream_comment_seconds: 0.1 })
      await using alice = await agent(era, app, 'alice')
      await using bob = await agent(era, app, 'bob')
      const told: { progress: number; total?: number | undefined }[] = []
      const waiting = alice.call('get_messages', { wait_seconds: 20 }, { onprogress: (p) => told.push(p) })
      await until('two notes of progress', () => told[1])
      await bob.call('send_message', { recipient_id: 'alice', message: 'at last' })
      expect(payloadsOf(await waiting)).toEqual(['at last'])
      expect(told[1]!.progress).toBeGreaterThan(told[0]!.progress)
      expect(told[0]!.total).toBe(20)
    })

    test('ends when it is cancelled, and takes no mail after', async () => {
      await using app = await startBroker()
      await using alice = await agent(era, app, 'alice')
      const giveUp = new AbortController()
      const waiting = alice.call('get_messages', { wait_seconds: 30 }, { signal: giveUp.signal })
      waiting.catch(() => undefined)
      await waiters(1, app)
      giveUp.abort()
      await expect(waiting).rejects.toThrow()
      await waiters(0, app)
      await alice.call('send_message', { recipient_id: 'alice', message: 'kept' })
      expect(payloadsOf(await alice.call('get_messages'))).toEqual(['kept'])
    })

    test('is answered when the broker shuts down', async () => {
      const app = await startBroker()
      const alice = await agent(era, app, 'alice')
      const waiting = alice.call('get_messages', { wait_seconds: 30 })
      await waiters(1, app)
      const began = performance.now()
      await app.stop()
      expect(outputOf(await waiting)).toMatchObject({ messages: [] })
      expect(performance.now() - began).toBeLessThan(2000)
      await alice.client.close()
    })
  })

describe('with nothing else on the wire, comments keep the stream of a waiting call alive', () => {
  test('in the 2026 era', async () => {
    await using app = await startBroker({ stream_comment_seconds: 0.2 })
    await postModern(app, 'tools/call', { name: 'checkin_client', arguments: { client_id: 'alice' } })
    const reader = new SseReader(
      await postModern(app, 'tools/call', {
        name: 'get_messages',
        arguments: { client_id: 'alice', wait_seconds: 2 },
      }),
    )
    await reader.commentsTo(3)
    expect(await reader.message()).toMatchObject({ id: 1, result: { structuredContent: { messages: [] } } })
  })

  test('in the 2025 era', async () => {
    await using app = await startBroker({ stream_comment_seconds: 0.2 })
    const session = await rawSession(app)
    await answerOf(await session.call(1, 'checkin_client', { client_id: 'alice' }))
    const reader = new SseReader(await session.call(2, 'get_messages', { wait_seconds: 2 }))
    await reader.commentsTo(3)
    expect(await reader.message()).toMatchObject({ id: 2, result: { structuredContent: { messages: [] } } })
  })
})

test('waiting is a sign of life', async () => {
  await using app = await startBroker({
    stream_comment_seconds: 0.2,
    stale_seconds: 0.8,
    disconnected_seconds: 1.2,
  })
  await using alice = await agent('2025', app, 'alice')
  await using bob = await agent('2026', app, 'bob')
  const waiting = alice.call('get_messages', { wait_seconds: 20 })
  await Bun.sleep(1500)
  const sent = await bob.call('send_message', { recipient_id: 'alice', message: 'still there?' })
  expect(outputOf(sent)).toMatchObject({ recipient_status: 'active' })
  expect(payloadsOf(await waiting)).toEqual(['still there?'])
})

test('a client that dies while it waits loses no mail', async () => {
  await using app = await startBroker()
  await using bob = await agent('2026', app, 'bob')
  await postModern(app, 'tools/call', { name: 'checkin_client', arguments: { client_id: 'alice' } })
  const dying = new AbortController()
  const poll = { name: 'get_messages', arguments: { client_id: 'alice', wait_seconds: 30 } }
  await postModern(app, 'tools/call', poll, {}, dying.signal)
  await waiters(1, app)
  dying.abort()
  await waiters(0, app)
  await bob.call('send_message', { recipient_id: 'alice', message: 'kept' })
  const answer = await answerOf(
    await postModern(app, 'tools/call', { name: 'get_messages', arguments: { client_id: 'alice' } }),
  )
  expect(answer.result).toMatchObject({ structuredContent: { messages: [{ payload: 'kept' }] } })
})

test('cancelled calls of a session leave nothing open', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  await answerOf(await session.call(1, 'checkin_client', { client_id: 'alice' }))
  const reader = new SseReader(await session.call(2, 'get_messages', { wait_seconds: 30 }))
  await waiters(1, app)
  await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } })
  await waiters(0, app)
  expect(await reader.message()).toBeUndefined()
})

const OLDEST = '2025-03-26'

function poll(id: number, client_id: string): object {
  const params = { name: 'get_messages', arguments: { client_id, wait_seconds: 30 } }
  return { jsonrpc: '2.0', id, method: 'tools/call', params }
}

test('a call of a batch that is cancelled takes no answer from the others', async () => {
  await using app = await startBroker()
  await using bob = await agent('2026', app, 'bob')
  const session = await rawSession(app, {}, OLDEST)
  const reader = new SseReader(await session.post([poll(1, 'alice'), poll(2, 'carol')]))
  await waiters(2, app)
  await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } })
  await waiters(1, app)
  await bob.call('send_message', { recipient_id: 'alice', message: 'hello' })
  const answers = [await reader.message(), await reader.message()]
  expect(answers).toContainEqual(expect.objectContaining({ id: 2, error: expect.anything() }))
  expect(JSON.stringify(answers)).toContain('hello')
  expect(await reader.message()).toBeUndefined()
})

test('who is cut off because it does not read takes no mail after', async () => {
  await using app = await startBroker({ slow_reader_seconds: 0.5 })
  await using bob = await agent('2026', app, 'bob')
  await bob.call('send_message', { recipient_id: 'big', message: '\n'.repeat(400_000) })
  const session = await rawSession(app, {}, OLDEST)
  const look = { client_id: 'big', bytes_max: 1024 * 1024, ack: 'none' }
  const looks = Array.from({ length: 14 }, (_, id) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'get_messages', arguments: look },
  }))
  const unread = await session.post([...looks, poll(20, 'alice')])
  await waiters(1, app)
  await waiters(0, app)
  const { message_id } = outputOf(await bob.call('send_message', { recipient_id: 'alice', message: 'kept' }))
  expect(outputOf(await bob.call('get_message_status', { message_id }))).toMatchObject({ status: 'queued' })
  await unread.body?.cancel()
})

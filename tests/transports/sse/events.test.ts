import { expect, test } from 'bun:test'
import { startBroker } from '../../harness.ts'
import { openStream } from './reader.ts'

test('the first event says what was recovered, and messages follow with their cursors', async () => {
  await using broker = await startBroker()
  await using stream = await openStream(broker.url, 'backend')
  const recovery = await stream.next('recovery')
  expect(recovery.json).toEqual({
    recovered: true,
    cursor: recovery.id,
    unread: 0,
    session_id: expect.any(String),
  })
  const sent = await fetch(`${broker.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sender_id: 'frontend', recipient_id: 'backend', payload: { q: 1 } }),
  })
  expect(sent.status).toBe(201)
  const message = await stream.next('message')
  expect(message.json).toMatchObject({
    cursor: message.id,
    message: { sender_id: 'frontend', recipient_id: 'backend', payload: { q: 1 } },
  })
})

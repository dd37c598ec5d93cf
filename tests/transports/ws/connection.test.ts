import { expect, test } from 'bun:test'
import { WsConnection } from '../../../src/transports/ws/connection.ts'

const events = { drained() {}, queued() {} }

test('calls of a peer that goes are aborted, also one that comes to wait only then', () => {
  const waiting = new WsConnection(undefined, events, 1024, () => 1)
  const { signal } = waiting.call
  expect(signal?.aborted).toBe(false)
  waiting.closed()
  expect(signal?.aborted).toBe(true)

  const late = new WsConnection(undefined, events, 1024, () => 1)
  late.closed()
  expect(late.call.signal?.aborted).toBe(true)
})

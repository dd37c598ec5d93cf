import { expect, test } from 'bun:test'
import { WsConnection } from '../../../src/transports/ws/connection.ts'

const events = { drained() {}, held() {}, unstored() {}, relieved() {} }

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

test('hints are dropped for a peer that does not read, and nothing else is', () => {
  const connection = new WsConnection(undefined, events, 1024 * 1024, () => 1)
  const sent: string[] = []
  let takes = false
  const socket = {
    cork: (write: () => void) => write(),
    sendText(frame: string) {
      sent.push(frame)
      return takes ? frame.length : -1
    },
  }
  connection.opened(socket as never)
  for (let i = 0; i < 10_000; i++) connection.notify('receipt', JSON.stringify({ i, pad: 'x'.repeat(80) }))
  connection.message('e:1', '{}')
  takes = true
  connection.drained()
  expect(sent.join('').length).toBeWithin(64 * 1024, 80 * 1024)
  expect(sent.at(-1)).toContain('"method":"message"')
  for (let i = 0; i < 10_000; i++) connection.notify('receipt', '{}')
  connection.flush()
  expect(sent.join('').split('"params":{}').length - 1).toBe(10_000)
})

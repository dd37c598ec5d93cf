import { expect, test } from 'bun:test'
import { startBroker, until } from '../harness.ts'
import { RawWs } from '../raw-ws.ts'
import { type Arrived, WsClient } from '../ws-client.ts'

/**
 * Reads a mailbox over a socket that answers no pings, so that nothing it gets is confirmed, and cuts it
 * off.
 */
async function readAndBreak(url: string, client_id: string, after?: string): Promise<Arrived> {
  const raw = await RawWs.connect(url)
  raw.send({ jsonrpc: '2.0', id: 1, method: 'checkin_client', params: { client_id } })
  raw.send({ jsonrpc: '2.0', id: 2, method: 'subscribe', params: { after } })
  const frame = await until('a message', () =>
    raw.frames().texts.find((text) => text.includes('"method":"message"')),
  )
  raw.tcp.destroy()
  return JSON.parse(frame).params
}

test('a reader that is cut off and checks in anew, without its session, gets nothing again', async () => {
  await using broker = await startBroker()
  const sender = await WsClient.checkedIn(broker.url, 'a')
  await sender.call('send_message', { recipient_id: 'b', message: 'before the cut' })
  const { cursor } = await readAndBreak(broker.url, 'b')

  const reader = await WsClient.checkedIn(broker.url, 'b')
  expect(await reader.call('subscribe', { after: cursor })).toMatchObject({ recovered: true, unread: 0 })
  await sender.call('send_message', { recipient_id: 'b', message: 'after it' })
  const [message] = await reader.received(1)
  expect(message!.message).toMatchObject({ payload: 'after it' })
  expect(message!.message.attempt).toBeUndefined()
})

test('a connection that flaps kills no message', async () => {
  await using broker = await startBroker()
  const sender = await WsClient.checkedIn(broker.url, 'a')
  const { message_id } = await sender.call('send_message', { recipient_id: 'b', message: 'x' })
  for (let attempt = 1; attempt <= 7; attempt++) {
    const { message } = await readAndBreak(broker.url, 'b')
    expect(message.attempt ?? 1).toBe(attempt)
  }
  expect(await sender.call('get_message_status', { message_id })).toMatchObject({ status: 'delivered' })
  expect(await sender.call('list_dead_letters')).toMatchObject({ total: 0 })
})

import { expect, test } from 'bun:test'
import { startApp } from '../../src/app.ts'
import { createLog } from '../../src/observability/log.ts'
import { testConfig } from '../harness.ts'
import { call } from '../transports/http/client.ts'
import { agent, ERAS } from '../transports/mcp/client.ts'
import { refusal, WsClient } from '../ws-client.ts'

const KEY = 'operator-key-s1234'

async function brokerThatLogs(level: string, config = {}) {
  const text: string[] = []
  const log = createLog(
    { level, format: 'json', terminal: false, colour: false },
    { write: (line) => void text.push(line) },
  )
  const app = await startApp(testConfig(config), log)
  const lines = (msg: string) => text.map((line) => JSON.parse(line)).filter((line) => line.msg === msg)
  return { app, text, lines, [Symbol.asyncDispose]: () => app.stop() }
}

/** A line of the log of calls, whatever its id, time and duration. */
const line = (method: string, command: string, status: number | string) => ({
  level: 'debug',
  time: expect.any(String),
  correlation_id: expect.stringMatching(/^[\w-]{22}$/),
  method,
  command,
  status,
  ms: expect.any(Number),
  msg: 'request',
})

test('each HTTP request is a line at debug; an error has the id of its answer', async () => {
  await using broker = await brokerThatLogs('debug')
  const { url } = broker.app
  await call(url, 'POST', '/v1/messages', { sender_id: 'a', recipient_id: 'b', message: 's1234' })
  await call(url, 'GET', '/v1/mailboxes/b/messages?limit=1')
  const refused = await call(url, 'GET', '/v1/messages/s1234?x=s1234')
  const wrong = await call(url, 'DELETE', '/v1/messages')
  const nowhere = await call(url, 'GET', '/s1234')
  const lines = broker.lines('request')
  expect(lines).toEqual([
    line('POST', 'send_message', 201),
    line('GET', 'get_messages', 200),
    line('GET', 'get_message_status', 400),
    line('DELETE', 'unknown_route', 405),
    line('GET', 'unknown_route', 404),
  ])
  const answers = [refused, wrong, nowhere]
  expect(lines.slice(2).map(({ correlation_id }) => correlation_id)).toEqual(
    answers.map(({ body }) => body.correlation_id),
  )
  expect(new Set(lines.map(({ correlation_id }) => correlation_id)).size).toBe(5)
  expect(broker.text.join('')).not.toContain('s1234')
})

test('each call over a WebSocket is a line at debug, when it is done', async () => {
  await using broker = await brokerThatLogs('debug', { admin_key: KEY })
  const client = await WsClient.connect(broker.app.url)
  await client.call('authenticate', { key: KEY })
  await client.call('checkin_client', { client_id: 'a' })
  const waiting = client.call('get_messages', { wait_seconds: 20 })
  await client.call('send_message', { recipient_id: 'a', message: 's1234' })
  await waiting
  expect(await refusal(client.call('s1234', { s1234: 's1234' }))).toBe('unknown_command')
  const { error } = await client.request({
    jsonrpc: '2.0',
    id: 'x',
    method: 'subscribe',
    params: { ack: 's1234' },
  })
  const lines = broker.lines('request')
  expect(lines).toEqual([
    line('WebSocket', 'authenticate', 'ok'),
    line('WebSocket', 'checkin_client', 'ok'),
    line('WebSocket', 'send_message', 'ok'),
    line('WebSocket', 'get_messages', 'ok'),
    line('WebSocket', 'unknown_command', 'unknown_command'),
    line('WebSocket', 'subscribe', 'invalid_params'),
  ])
  const { correlation_id } = lines.at(-1)!
  expect(error).toMatchObject({ data: { correlation_id } })
  expect(broker.lines('refused').at(-1)).toMatchObject({ correlation_id, code: 'invalid_params' })
  expect(broker.text.join('')).not.toContain('s1234')
})

test.each(ERAS)('each tool call of a client of %s is a line at debug, beside its request', async (era) => {
  await using broker = await brokerThatLogs('debug')
  await using alice = await agent(era, broker.app, 'alice')
  await alice.call('send_message', { recipient_id: 'bob', message: 's1234' })
  const failed = await alice.call('send_message', { recipient_id: 's1234' })
  const lines = broker.lines('request').filter(({ method }) => method === 'tools/call')
  expect(lines.slice(-2)).toEqual([
    line('tools/call', 'send_message', 'ok'),
    line('tools/call', 'send_message', 'invalid_params'),
  ])
  const { correlation_id } = lines.at(-1)
  expect(failed._meta?.['mcp-broker/error']).toMatchObject({ correlation_id })
  expect(broker.lines('request')).toContainEqual(line('POST', 'mcp', 200))
  expect(broker.text.join('')).not.toContain('s1234')
})

test('above debug there is none of it', async () => {
  await using broker = await brokerThatLogs('info')
  await call(broker.app.url, 'GET', '/v1/sessions')
  await WsClient.checkedIn(broker.app.url, 'a')
  expect(broker.lines('request')).toEqual([])
})

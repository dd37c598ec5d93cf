import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { ERRORS, type ErrorCode } from '../../../src/core/errors.ts'
import { memoryBytes, startBroker } from '../../harness.ts'
import { type Answer, answerOf, call, RawSocket } from './client.ts'

let broker: Awaited<ReturnType<typeof startBroker>>
beforeAll(async () => {
  broker = await startBroker({ body_bytes_max: 64 * 1024 })
})
afterAll(() => broker.stop())

/** The answer is the catalogue's entry as a problem, and tells nothing of our insides. */
function expectProblem(answer: Answer, code: ErrorCode): void {
  const { http_status, title, retryable } = ERRORS[code]
  expect(answer.body).toMatchObject({
    type: `urn:mcp-broker:error:${code}`,
    title,
    status: http_status,
    code,
    retryable,
  })
  expect(answer.body.detail).toBeString()
  expect(answer.body.next).toBeString()
  expect(answer.status).toBe(http_status)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('x-correlation-id')).toBe(answer.body.correlation_id as string)
  expect(JSON.stringify(answer.body)).not.toMatch(/\bat .*:\d+:\d+|node_modules|\.ts\b/)
}

function post(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return fetch(`${broker.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  }).then(answerOf)
}

const message = (more: object) => JSON.stringify({ sender_id: 'a', recipient_id: 'b', payload: 1, ...more })
const CHUNKED_JSON = 'host: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n'
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

const BODIES: [string, string | Uint8Array<ArrayBuffer>, ErrorCode, { field?: string; detail?: string }][] = [
  ['broken JSON', '{"sender_id":', 'invalid_json', {}],
  ['two documents', '{} {}', 'invalid_json', {}],
  [
    'not UTF-8',
    new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    'invalid_json',
    { detail: 'UTF-8' },
  ],
  ['an array', '[]', 'invalid_params', { detail: 'an array' }],
  ['a number', '1', 'invalid_params', { detail: 'not 1' }],
  ['null', 'null', 'invalid_params', { detail: 'null' }],
  [
    'no recipient',
    '{"sender_id":"a","payload":1}',
    'invalid_params',
    { field: '/recipient_id', detail: 'required' },
  ],
  ['no content', '{"sender_id":"a","recipient_id":"b"}', 'invalid_params', { field: '/payload' }],
  ['two contents', message({ message: 'x' }), 'invalid_params', { field: '/payload' }],
  ['no sender', '{"recipient_id":"b","payload":1}', 'not_checked_in', { field: '/sender_id' }],
  ['the broker as sender', message({ sender_id: 'mcp-broker' }), 'reserved_client_id', {}],
  ['a number for a name', message({ recipient_id: 7 }), 'invalid_params', { field: '/recipient_id' }],
  [
    'a text for a time',
    message({ ttl_seconds: '60' }),
    'invalid_params',
    { field: '/ttl_seconds', detail: 'ttl_seconds is "60"' },
  ],
  ['a time of nothing', message({ ttl_seconds: 0 }), 'invalid_params', { field: '/ttl_seconds' }],
  ['an endless time', message({ ttl_seconds: 1e15 }), 'invalid_params', { field: '/ttl_seconds' }],
  ['an unknown priority', message({ priority: 'asap' }), 'invalid_params', { field: '/priority' }],
  [
    'a mistyped name',
    message({ prioritty: 'high' }),
    'invalid_params',
    { field: '/prioritty', detail: 'Did you mean priority?' },
  ],
  ['a header that is no text', message({ headers: { a: 1 } }), 'invalid_params', { field: '/headers/a' }],
  [
    'a header without a name',
    message({ headers: { '': 'x' } }),
    'invalid_params',
    { field: '/headers', detail: 'A name in headers has 0 characters; each has 1 to 128.' },
  ],
  [
    '__proto__',
    '{"__proto__":{"sender_id":"a"},"recipient_id":"b","payload":1}',
    'invalid_params',
    { field: '/__proto__' },
  ],
  [
    'a lone surrogate in a name',
    '{"sender_id":"a\\ud800","recipient_id":"b","payload":1}',
    'invalid_params',
    { field: '/sender_id' },
  ],
  ['deep nesting', message({}).replace('1', nested(65)), 'nesting_too_deep', { field: '/payload' }],
  [
    'deep nesting where a word belongs',
    message({ priority: 2 }).replace(':2', `:${nested(30_000)}`),
    'invalid_params',
    { field: '/priority' },
  ],
  ['very deep nesting', message({}).replace('1', nested(30_000)), 'nesting_too_deep', {}],
]

describe('a body that is', () => {
  for (const [what, body, code, { field, detail }] of BODIES)
    test(`${what} is refused: ${code}`, async () => {
      const answer = await post(body)
      expectProblem(answer, code)
      if (field !== undefined) expect(answer.body.field).toBe(field)
      if (detail !== undefined) expect(answer.body.detail).toContain(detail)
    })
})

test('data that looks dangerous is data: it comes out as it went in', async () => {
  const payload =
    '{"__proto__":{"polluted":true},"constructor":{"prototype":{"x":1}},"text":"\\ud800 \\u2028 \\u0000"}'
  const sent = await post(`{"sender_id":"a","recipient_id":"odd","payload":${payload}}`)
  expect(sent.status).toBe(201)
  const response = await fetch(`${broker.url}/v1/mailboxes/odd/messages`)
  const text = await response.text()
  expect(text).toContain('"__proto__":{"polluted":true}')
  expect(text).toContain('\\ud800')
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

describe('a body declared as', () => {
  const declared: [string, Record<string, string>][] = [
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', { 'content-type': 'text/plain' }],
    ['JSON in another charset', { 'content-type': 'application/json; charset=utf-16' }],
    ['compressed', { 'content-encoding': 'gzip' }],
  ]
  for (const [what, headers] of declared)
    test(`${what} is refused`, async () =>
      expectProblem(await post(message({}), headers), 'unsupported_media_type'))

  test('JSON of a kind is taken', async () => {
    expect(
      (await post(message({}), { 'content-type': 'application/vnd.x+json; charset="UTF-8"' })).status,
    ).toBe(201)
  })
})

test('a body too large is refused by its declared length', async () => {
  expectProblem(await post(message({ payload: 'x'.repeat(70_000) })), 'body_too_large')
})

test('a body too large is refused while it is read, when it declares no length', async () => {
  const chunk = new TextEncoder().encode('x'.repeat(10_000))
  let sent = 0
  const body = new ReadableStream({
    pull(controller) {
      if (sent++ < 20) controller.enqueue(chunk)
      else controller.close()
    },
  })
  expectProblem(await post(body), 'body_too_large')
})

test('a chunked body within the limit is taken', async () => {
  const body = new ReadableStream({
    start(controller) {
      for (const part of [message({}).slice(0, 10), message({}).slice(10)])
        controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })
  expect((await post(body)).status).toBe(201)
})

test.each([
  ['POST /v1/messages', 'application/json'],
  ['POST /mcp', 'application/json'],
  ['POST /v1/messages', 'text/plain'],
  ['POST /nowhere', 'application/json'],
  ['GET /v1/ws', 'application/json'],
])('a body that never ends takes no memory, and is cut off: %s, %s', async (target, type) => {
  await using socket = await RawSocket.open(broker.url)
  socket.write(
    `${target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`,
  )
  const before = memoryBytes()
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
  let sent = 0
  for (; sent < 2000 && !socket.closed; sent++) await socket.send(chunk)
  expect(sent).toBeLessThan(1000)
  await socket.until('the end', () => socket.closed)
  expect(memoryBytes() - before).toBeLessThan(24 * 1024 * 1024)
})

test('a body in chunks of one byte is cut off sooner, for it is more work', async () => {
  await using socket = await RawSocket.open(broker.url)
  socket.write(`POST /v1/messages HTTP/1.1\r\n${CHUNKED_JSON}\r\n`)
  let sent = 0
  for (; sent < 200 && !socket.closed; sent++) await socket.send('1\r\nx\r\n'.repeat(10_000))
  expect(sent).toBeLessThan(100)
  await socket.until('the end', () => socket.closed)
})

test.each([
  ['/v1/messages', 20_000_000, 413],
  ['/nowhere', 20_000_000, 404],
  ['/v1/messages', 2000, 400],
])('who is still writing reads why it is refused: %s, %d bytes, %d', async (path, bytes, status) => {
  await using socket = await RawSocket.open(broker.url)
  socket.write(`POST ${path} HTTP/1.1\r\n${CHUNKED_JSON}\r\n`)
  for (let left = bytes; left > 0; left -= 2000) await socket.send(`7d0\r\n${'x'.repeat(2000)}\r\n`)
  await socket.send('0\r\n\r\n')
  await socket.until('the answer', () => socket.received.includes('correlation_id'))
  expect(socket.received).toStartWith(`HTTP/1.1 ${status}`)
  socket.write('GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await socket.until('the next answer', () => socket.received.includes('HTTP/1.1 200'))
})

test('a body that is too large and then stalls is answered all the same', async () => {
  await using socket = await RawSocket.open(broker.url)
  socket.write(`POST /v1/messages HTTP/1.1\r\n${CHUNKED_JSON}\r\n`)
  for (let i = 0; i < 40; i++) await socket.send(`10000\r\n${'x'.repeat(65_536)}\r\n`)
  await socket.until('the refusal', () => socket.received.includes('body_too_large') && socket.closed)
  expect(socket.received).toStartWith('HTTP/1.1 413')
})

const PATHS: [string, string, ErrorCode, { field?: string; detail?: string }][] = [
  ['GET', '/v1/mailboxes/a/messages?limit=lots', 'invalid_params', { field: '/limit', detail: '"lots"' }],
  ['GET', '/v1/mailboxes/a/messages?limit=1.5', 'invalid_params', { field: '/limit' }],
  ['GET', '/v1/mailboxes/a/messages?limit=true', 'invalid_params', { field: '/limit' }],
  ['GET', '/v1/mailboxes/a/messages?limit=1&limit=2', 'invalid_params', { field: '/limit' }],
  [
    'GET',
    '/v1/mailboxes/a/messages?limits=1',
    'invalid_params',
    { field: '/limits', detail: 'Did you mean limit?' },
  ],
  ['GET', '/v1/mailboxes/a/messages?__proto__=1', 'invalid_params', { field: '/__proto__' }],
  [
    'GET',
    '/v1/mailboxes/a/messages?client_id=b',
    'invalid_params',
    { field: '/client_id', detail: 'contradicts' },
  ],
  ['GET', '/v1/mailboxes/a%2Fb/messages', 'invalid_params', { field: '/client_id' }],
  ['GET', '/v1/mailboxes/%ff/messages', 'invalid_params', { field: '/client_id' }],
  [
    'GET',
    '/v1/mailboxes/a/history?after=nonsense',
    'invalid_params',
    { field: '/after', detail: 'not a cursor' },
  ],
  ['GET', '/v1/mailboxes/a/history?since=yesterday', 'invalid_params', { field: '/since' }],
  ['GET', '/v1/mailboxes/a/history?since=2026-02-30T00:00:00Z', 'invalid_params', { field: '/since' }],
  [
    'GET',
    '/v1/sessions?status_filter=actve',
    'invalid_params',
    { field: '/status_filter', detail: 'one of active, stale, disconnected (did you mean active?)' },
  ],
  ['GET', '/v1/messages/none', 'unknown_message', { field: '/message_id' }],
  ['GET', '/v1/identity?project=other', 'forbidden', {}],
  ['POST', '/v1/messages?recipient_id=b', 'invalid_params', { field: '/recipient_id', detail: 'body' }],
  ['DELETE', '/v1/sessions/none', 'unknown_session', { field: '/session_id' }],
  ['GET', '/v1/nothing', 'unknown_route', { detail: '/v1/nothing' }],
  ['GET', '/.env', 'unknown_route', {}],
]

for (const [method, path, code, { field, detail }] of PATHS)
  test(`${method} ${path}: ${code}`, async () => {
    const answer = await call(broker.url, method, path)
    expectProblem(answer, code)
    if (field !== undefined) expect(answer.body.field).toBe(field)
    if (detail !== undefined) expect(answer.body.detail).toContain(detail)
  })

const METHODS: [string, string, string][] = [
  ['PUT', '/v1/messages', 'POST'],
  ['GET', '/v1/messages', 'POST'],
  ['DELETE', '/v1/sessions', 'POST, GET'],
  ['PATCH', '/v1/sessions/x', 'DELETE'],
  ['POST', '/v1/mailboxes/a/events', 'GET'],
  ['POST', '/v1/ws', 'GET'],
  ['POST', '/openapi', 'GET'],
  ['DELETE', '/health/live', 'GET'],
]

for (const [method, path, allow] of METHODS)
  test(`${method} ${path} is answered with what is allowed there`, async () => {
    const answer = await call(broker.url, method, path)
    expectProblem(answer, 'method_not_allowed')
    expect(answer.headers.get('allow')).toBe(allow)
  })

test('a body that contradicts the path is refused, one that repeats it is not', async () => {
  const wrong = await call(broker.url, 'POST', '/v1/mailboxes/a/ack', { client_id: 'b' })
  expectProblem(wrong, 'invalid_params')
  expect(wrong.body.field).toBe('/client_id')
  expect((await call(broker.url, 'POST', '/v1/mailboxes/a/ack', { client_id: 'a' })).status).toBe(200)
})

test('a full mailbox says when to try again, in whole seconds for HTTP', async () => {
  await using small = await startBroker({ mailbox_messages_max: 1 })
  const send = () =>
    call(small.url, 'POST', '/v1/messages', { sender_id: 'a', recipient_id: 'b', payload: 1 })
  expect((await send()).status).toBe(201)
  const full = await send()
  expectProblem(full, 'mailbox_full')
  const wait_ms = full.body.retry_after_ms as number
  expect(full.headers.get('retry-after')).toBe(String(Math.ceil(wait_ms / 1000)))
})

import { expect, test } from 'bun:test'
import { connect } from 'node:net'
import type { App } from '../../../src/app.ts'
import { memoryBytes, startBroker, until } from '../../harness.ts'
import { answerOf, MODERN_META, post, postModern, rawSession } from './raw.ts'

/** The broker goes on answering. */
async function expectAlive(app: App): Promise<void> {
  expect((await postModern(app, 'server/discover')).status).toBe(200)
}

async function errorOf(response: Response): Promise<{ status: number; code: number; message: string }> {
  const { error } = (await response.json()) as { error: { code: number; message: string } }
  return { status: response.status, code: error.code, message: error.message }
}

test('bodies that are no JSON', async () => {
  await using app = await startBroker()
  for (const body of ['', '{', '{"jsonrpc":"2.0",}', 'null null', '\u0000'])
    expect(await errorOf(await post(app, body))).toMatchObject({ status: 400, code: -32700 })
  const bytes = new Uint8Array([0x22, 0xff, 0xfe, 0x22])
  const notUtf8 = await fetch(`${app.url}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: bytes,
  })
  expect(await errorOf(notUtf8)).toMatchObject({ status: 400, code: -32700 })
  await expectAlive(app)
})

test('bodies that are JSON but no request', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  for (const body of ['null', '[]', '[null]', '7', '"x"', '{}', '{"jsonrpc":"1.0","id":1,"method":"ping"}']) {
    expect((await post(app, body)).status).toBe(400)
    const inSession = await session.post(body)
    expect([400, 202]).toContain(inSession.status)
  }
  await expectAlive(app)
})

test('bodies that are not declared as JSON, or answers that are not taken', async () => {
  await using app = await startBroker()
  expect((await post(app, '{}', { 'content-type': 'text/plain' })).status).toBe(415)
  const session = await rawSession(app)
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
  expect((await session.post(ping, { accept: 'application/json' })).status).toBe(406)
  expect((await session.get({ accept: 'application/json' })).status).toBe(406)
  expect((await session.post(ping, { 'mcp-protocol-version': '1999-01-01' })).status).toBe(400)
})

test('bodies larger than the limit, declared or streamed', async () => {
  await using app = await startBroker({ body_bytes_max: 10_000 })
  const message = 'x'.repeat(20_000)
  const call = { name: 'send_message', arguments: { sender_id: 'a', recipient_id: 'b', message } }
  expect((await postModern(app, 'tools/call', call)).status).toBe(413)
  const streamed = await fetch(`${app.url}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(JSON.stringify(message)))
        controller.close()
      },
    }),
  })
  expect(streamed.status).toBe(413)
  await expectAlive(app)
})

test('JSON nested deeper than any payload may be', async () => {
  await using app = await startBroker()
  for (const depth of [200, 100_000])
    expect(await errorOf(await post(app, '['.repeat(depth) + ']'.repeat(depth)))).toMatchObject({
      status: 400,
      code: 1414,
    })
  const payload = JSON.parse('['.repeat(100) + ']'.repeat(100))
  const answer = await answerOf(
    await postModern(app, 'tools/call', {
      name: 'send_message',
      arguments: { sender_id: 'a', recipient_id: 'b', payload },
    }),
  )
  expect(answer.result).toMatchObject({
    isError: true,
    _meta: { 'mcp-broker/error': { code: 'nesting_too_deep', field: '/payload' } },
  })
})

test('keys named __proto__ and lone surrogates pass through a payload unharmed', async () => {
  await using app = await startBroker()
  const text =
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":META,"name":"send_message","arguments":' +
    '{"sender_id":"a","recipient_id":"a","payload":{"__proto__":{"polluted":true},"s":"\\ud800"}}}}'
  const sent = await post(app, text.replace('META', JSON.stringify(MODERN_META)), {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'send_message',
  })
  expect(await answerOf(sent)).toMatchObject({ result: { structuredContent: { status: 'queued' } } })
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  const read = await postModern(app, 'tools/call', { name: 'get_messages', arguments: { client_id: 'a' } })
  const { result } = (await answerOf(read)) as { result: { structuredContent: { messages: unknown[] } } }
  expect(JSON.stringify(result.structuredContent.messages[0])).toContain(
    '"payload":{"__proto__":{"polluted":true},"s":"\\ud800"}',
  )
})

test('headers that contradict the body', async () => {
  await using app = await startBroker()
  const call = { name: 'list_sessions', arguments: {} }
  for (const headers of [
    { 'mcp-method': 'tools/list' },
    { 'mcp-name': 'get_messages' },
    { 'mcp-protocol-version': '2025-11-25' },
  ] as Record<string, string>[])
    expect(await errorOf(await postModern(app, 'tools/call', call, headers))).toMatchObject({
      status: 400,
      code: -32020,
    })
})

test('methods and sessions that there are not', async () => {
  await using app = await startBroker()
  expect(await errorOf(await postModern(app, 'no/such'))).toMatchObject({ status: 404, code: -32601 })
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
  for (const id of ['nonsense', '__proto__', crypto.randomUUID()])
    expect((await post(app, ping, { 'mcp-session-id': id })).status).toBe(404)
})

test('pages of foreign origins and names', async () => {
  await using app = await startBroker({ allowed_origins: ['https://tools.example'] })
  expect((await post(app, '{}', { origin: 'https://evil.example' })).status).toBe(403)
  expect((await post(app, '{}', { host: 'evil.example' })).status).toBe(403)
  const preflight = await fetch(`${app.url}/mcp`, {
    method: 'OPTIONS',
    headers: { origin: 'https://tools.example', 'access-control-request-method': 'POST' },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-headers')).toContain('mcp-session-id')
  const allowed = await postModern(app, 'server/discover', {}, { origin: 'https://tools.example' })
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://tools.example')
})

test('arguments which are not what a tool takes are refused by the command', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  for (const input of [{ client_id: '../etc' }, { client_id: 'x'.repeat(1000) }, { client_id: null }, {}]) {
    const answer = await answerOf(await session.call(1, 'checkin_client', input as Record<string, unknown>))
    expect(answer.result).toMatchObject({
      isError: true,
      _meta: { 'mcp-broker/error': { code: 'invalid_params', field: '/client_id' } },
    })
  }
  const noObject = await session.post({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'checkin_client', arguments: [1] },
  })
  expect(await answerOf(noObject)).toMatchObject({ error: { code: -32602 } })
})

test('parameters of other methods that do not fit are told in our own words, in both eras', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  const cases: [method: string, params: Record<string, unknown> | undefined, field: string][] = [
    ['resources/read', { uri: 1 }, '/uri'],
    ['resources/read', undefined, '/uri'],
    ['prompts/get', { name: 1 }, '/name'],
    ['prompts/get', undefined, '/name'],
    ['prompts/get', { name: 'join', arguments: { client_id: 1 } }, '/arguments/client_id'],
    ['resources/list', { cursor: 1 }, '/cursor'],
    ['tools/list', { cursor: 1 }, '/cursor'],
    ['resources/subscribe', { uri: null }, '/uri'],
    ['resources/unsubscribe', undefined, '/uri'],
  ]
  let id = 100
  for (const [method, params, field] of cases) {
    const legacy = await session.post({ jsonrpc: '2.0', id: ++id, method, ...(params ? { params } : {}) })
    const modern = await postModern(app, method, params)
    const answers = [legacy, ...(method.endsWith('subscribe') ? [] : [modern])]
    for (const answer of answers) {
      const { error } = await answerOf(answer)
      expect(error).toMatchObject({
        code: -32602,
        message: expect.stringMatching(/^invalid_params: (uri|name|arguments\.client_id|cursor) is /),
        data: { code: 'invalid_params', field },
      })
    }
  }
  await expectAlive(app)
})

/** A peer made of a TCP socket, which asks and does not read. */
function deafPeer(app: App) {
  const { hostname, port, host } = new URL(app.url)
  const tcp = connect(Number(port), hostname)
  tcp.pause()
  tcp.on('error', () => {})
  const request = (body: unknown, headers: Record<string, string>) => {
    const text = JSON.stringify(body)
    const lines = Object.entries({
      host,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`)
    return `POST /mcp HTTP/1.1\r\n${lines.join('')}\r\n${text}`
  }
  return { tcp, request }
}

test('ten thousand requests of a peer that reads no answer', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  const { tcp, request } = deafPeer(app)
  const before = memoryBytes()
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  const text = request(body, session.headers)
  for (let i = 0; i < 10_000; i++) tcp.write(text)
  for (let i = 0; i < 20; i++) await expectAlive(app)
  expect(memoryBytes() - before).toBeLessThan(300 * 1024 * 1024)
  tcp.destroy()
  await expectAlive(app)
}, 30_000)

test('a peer that does not read a large answer is cut off', async () => {
  await using app = await startBroker({ slow_reader_seconds: 0.5 })
  const session = await rawSession(app)
  await answerOf(await session.call(1, 'checkin_client', { client_id: 'alice' }))
  for (let i = 0; i < 7; i++)
    await answerOf(
      await session.call(2, 'send_message', { recipient_id: 'alice', message: 'x'.repeat(1_000_000) }),
    )
  const { tcp, request } = deafPeer(app)
  let received = 0
  let ended = false
  tcp.on('data', (data) => {
    received += data.length
  })
  tcp.on('close', () => {
    ended = true
  })
  tcp.on('end', () => {
    ended = true
  })
  tcp.pause()
  const params = { name: 'get_messages', arguments: { bytes_max: 8_000_000, ack: 'none' } }
  tcp.write(
    request(
      { jsonrpc: '2.0', id: 3, method: 'tools/call', params },
      { ...session.headers, connection: 'close' },
    ),
  )
  await Bun.sleep(2000)
  tcp.resume()
  await until('the end', () => (ended ? true : undefined))
  // Twice 7 MB were asked for (text and structured content); what came is what the sockets held.
  expect(received).toBeLessThan(10_000_000)
  await expectAlive(app)
}, 15_000)

test('clients that go away in the middle of a beginning leave nothing behind', async () => {
  await using app = await startBroker({ connections_max: 8, slow_reader_seconds: 0.5 })
  const session = await rawSession(app)
  await answerOf(await session.call(1, 'checkin_client', { client_id: 'alice' }))
  const listen = { notifications: { resourceSubscriptions: ['inbox://alice'] } }
  for (let i = 0; i < 40; i++) {
    const gone = new AbortController()
    const asked = [
      postModern(app, 'subscriptions/listen', listen, {}, gone.signal),
      session.get({}, gone.signal),
      session.call(i, 'get_messages', { wait_seconds: 60 }, gone.signal),
    ]
    if (i % 2) await Bun.sleep(1)
    gone.abort()
    await Promise.allSettled(asked)
  }
  await until('nobody to wait', () => (app.broker.waiters.count === 0 ? true : undefined))
  const all = await until('all places to be free', async () => {
    const open = await Promise.all(
      Array.from({ length: 8 }, () => postModern(app, 'subscriptions/listen', listen)),
    )
    if (open.every(({ status }) => status === 200)) return open
    for (const { body } of open) await body?.cancel()
    return undefined
  })
  for (const { body } of all) await body?.cancel()
}, 20_000)

test('a fault of the broker is answered without telling what it was', async () => {
  await using app = await startBroker()
  app.broker.engine.clients = () => {
    throw new Error('disk on fire')
  }
  const call = await postModern(app, 'tools/call', { name: 'list_sessions', arguments: {} })
  const list = await postModern(app, 'resources/list')
  const answers = [await call.text(), await list.text()]
  expect(answers.join()).not.toContain('disk on fire')
  expect(JSON.parse(answers[0]!).result).toMatchObject({
    isError: true,
    _meta: { 'mcp-broker/error': { code: 'internal', correlation_id: expect.any(String) } },
  })
  expect(JSON.parse(answers[1]!).error).toMatchObject({
    code: 1500,
    data: { code: 'internal', correlation_id: expect.any(String) },
  })
})

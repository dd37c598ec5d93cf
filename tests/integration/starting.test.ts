import { describe, expect, test } from 'bun:test'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type App, openApp, startApp } from '../../src/app.ts'
import type { Config } from '../../src/config/schema.ts'
import { BrokerError, StartRefused } from '../../src/core/errors.ts'
import { type } from '../cli/harness.ts'
import { testConfig, until } from '../harness.ts'
import { HeldEngine } from '../held-engine.ts'
import { call, RawSocket } from '../transports/http/client.ts'
import { agent, ERAS } from '../transports/mcp/client.ts'
import { INITIALIZE, post, postModern } from '../transports/mcp/raw.ts'
import { openStream } from '../transports/sse/reader.ts'
import { WsClient } from '../ws-client.ts'

const SILENT = pino({ level: 'silent' })
const MIB = 1024 * 1024

/** A broker whose engine starts when it is told to. */
function openHeld(settings: Partial<Config> = {}): App & AsyncDisposable & { engine: HeldEngine } {
  const engine = new HeldEngine()
  const app = openApp(testConfig(settings), SILENT, engine.make)
  return { ...app, engine, [Symbol.asyncDispose]: () => app.stop() }
}

/** What is thrown instead of an answer. */
const failure = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: Error) => error,
  )

const refused = (url: string) => failure(fetch(url)).then((error) => (error as { code?: string }).code)

describe('until the engine has started', () => {
  test('the broker is live, and says how far it has come', async () => {
    await using app = openHeld()
    const { engine, url } = app
    expect(await call(url, 'GET', '/health/live')).toMatchObject({ status: 200, body: { status: 'live' } })
    const before = await call(url, 'GET', '/health/ready')
    expect(before.status).toBe(503)
    expect(before.body).toEqual({ status: 'starting', detail: 'The broker is starting.' })
    engine.loaded(3 * MIB, 4 * MIB)
    const half = await call(url, 'GET', '/health/ready')
    expect(half.status).toBe(503)
    expect(half.body).toEqual({
      status: 'starting',
      detail: 'The broker is loading what it has stored: 3.0 of 4.0 MiB (75 %).',
      loaded_bytes: 3 * MIB,
      total_bytes: 4 * MIB,
    })
    const asked = await type(['status', '--url', url])
    expect(asked.code).toBe(1)
    expect(asked.err).toContain('is not ready: The broker is loading what it has stored: 3.0 of 4.0 MiB')
    engine.open()
    await app.started
    expect(await call(url, 'GET', '/health/ready')).toMatchObject({ status: 200, body: { status: 'ready' } })
    expect(await call(url, 'GET', '/health/live')).toMatchObject({ status: 200, body: { status: 'live' } })
    expect(engine.early).toEqual([])
  })

  test.each([
    ['GET', '/'],
    ['GET', '/v1/status'],
    ['GET', '/v1/sessions'],
    ['GET', '/metrics'],
    ['GET', '/openapi'],
    ['GET', '/no/such/path'],
    ['POST', '/health/live'],
    ['POST', '/v1/messages'],
    ['GET', '/v1/mailboxes/a/events'],
    ['GET', '/v1/ws'],
  ])('%s %s is refused, without asking for a key', async (method, path) => {
    await using app = openHeld({ admin_key: 'a-key-of-the-operator' })
    const body = method === 'POST' ? { sender_id: 'a', recipient_id: 'b', payload: 1 } : undefined
    const answer = await call(app.url, method, path, body)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.body).toMatchObject({
      type: 'urn:mcp-broker:error:starting',
      status: 503,
      code: 'starting',
      retryable: true,
      retry_after_ms: 1000,
      correlation_id: answer.headers.get('x-correlation-id'),
    })
    expect(app.engine.early).toEqual([])
  })

  test('pages of foreign origins are refused as ever, and others may read why', async () => {
    await using app = openHeld({ allowed_origins: ['https://tools.example'] })
    const from = (origin: string) => fetch(`${app.url}/v1/sessions`, { headers: { origin } })
    expect((await from('https://evil.example')).status).toBe(403)
    const allowed = await from('https://tools.example')
    expect(allowed.status).toBe(503)
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://tools.example')
  })

  const MCP: Record<string, (app: App) => Promise<Response>> = {
    'a call of 2026': (app) => postModern(app, 'tools/call', { name: 'list_sessions', arguments: {} }),
    'an initialize of 2025': (app) => post(app, INITIALIZE),
    'a stream of 2025': (app) =>
      fetch(`${app.url}/mcp`, { headers: { accept: 'text/event-stream', 'mcp-session-id': 'x' } }),
    'the end of a session of 2025': (app) =>
      fetch(`${app.url}/mcp/`, { method: 'DELETE', headers: { 'mcp-session-id': 'x' } }),
  }
  test.each(Object.keys(MCP))('MCP: %s is refused by a JSON-RPC error', async (name) => {
    await using app = openHeld()
    const response = await MCP[name]!(app)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toMatchObject({
      jsonrpc: '2.0',
      id: null,
      error: { code: 1450, data: { code: 'starting', retryable: true, retry_after_ms: 1000 } },
    })
  })

  test.each(ERAS)('MCP: the client of %s fails to connect, and connects later', async (era) => {
    await using app = openHeld()
    expect((await failure(agent(era, app, 'a'))).message).toMatch(/starting|HTTP 503/)
    app.engine.open()
    await app.started
    await using late = await agent(era, app, 'a')
    expect((await late.call('list_sessions')).isError).toBeFalsy()
  })

  test('a WebSocket upgrade is refused, and taken later', async () => {
    await using app = openHeld()
    await using socket = await RawSocket.open(app.url)
    socket.write(
      'GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await socket.until('the answer', () => socket.received.endsWith('}\n'))
    expect(socket.received).toStartWith('HTTP/1.1 503')
    expect(socket.received).toContain('"code":"starting"')
    app.engine.open()
    await app.started
    const client = await WsClient.connect(app.url)
    expect(await client.call('checkin_client', { client_id: 'a' })).toMatchObject({ client_id: 'a' })
    client.socket.close()
  })

  test('an event stream is refused, and opened later', async () => {
    await using app = openHeld()
    expect((await fetch(`${app.url}/v1/mailboxes/a/events`)).status).toBe(503)
    app.engine.open()
    await app.started
    await using stream = await openStream(app.url, 'a')
    await stream.next('recovery')
  })
})

test('a connection that was open before goes on after, at the same port', async () => {
  await using app = openHeld()
  const { port } = new URL(app.url)
  await using socket = await RawSocket.open(app.url)
  const get = (path: string) => socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost:${port}\r\n\r\n`)
  get('/v1/sessions')
  await socket.until('a refusal', () => socket.received.endsWith('}\n'))
  expect(socket.received).toStartWith('HTTP/1.1 503')
  app.engine.open()
  await app.started
  socket.received = ''
  get('/v1/sessions')
  await socket.until('an answer', () => socket.received.endsWith('}\n'))
  expect(socket.received).toStartWith('HTTP/1.1 200')
  expect((await call(app.url, 'GET', '/v1/sessions')).status).toBe(200)
})

test('bodies are bounded after the start as they were', async () => {
  await using app = openHeld({ body_bytes_max: 100 })
  app.engine.open()
  await app.started
  const answer = await call(app.url, 'POST', '/v1/messages', { payload: 'x'.repeat(200) })
  expect([answer.status, answer.body.code]).toEqual([413, 'body_too_large'])
})

describe('a start that fails', () => {
  test('leaves nothing listening', async () => {
    const { engine, url, started } = openHeld()
    await call(url, 'GET', '/health/live')
    engine.fail(new Error('the directory is held by process 7'))
    expect((await failure(started)).message).toBe('the directory is held by process 7')
    expect(await refused(url)).toBe('ECONNREFUSED')
    expect(engine.stops).toBe(0)
  })

  test('after the engine has started stops that too', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'starting-')), 'wrong.yaml')
    writeFileSync(file, 'name: 1\n')
    const { engine, url, started } = openHeld({ protocols: file })
    engine.open()
    expect((await failure(started)).name).toBe('DefinitionsRefused')
    expect(await refused(url)).toBe('ECONNREFUSED')
    expect(engine.stops).toBe(1)
  })

  test('a port in use is told before the engine is asked to load anything', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const engine = new HeldEngine()
    let asked = false
    void engine.asked.then(() => {
      asked = true
    })
    const error = await failure(startApp(testConfig({ port }), SILENT, engine.make))
    expect((error as NodeJS.ErrnoException).code).toBe('EADDRINUSE')
    expect(asked).toBe(false)
    taken.close()
  })

  test('and so is a directory that cannot be made', async () => {
    const error = await failure(startApp(testConfig({ data_dir: '/no/such/parent/data' }), SILENT))
    expect(error).toBeInstanceOf(StartRefused)
    expect(error).not.toBeInstanceOf(BrokerError)
  })
})

test('a stop while the engine starts ends at once, and the engine is stopped when it has started', async () => {
  const { engine, url, started, stop } = openHeld()
  await engine.asked
  const ended = failure(started)
  await stop()
  expect(await refused(url)).toBe('ECONNREFUSED')
  expect(engine.stops).toBe(0)
  await stop()
  engine.open()
  expect((await ended).message).toBe('The broker was stopped before it had started.')
  await until('the engine to be stopped', () => (engine.stops > 0 ? true : undefined))
  expect(engine.stops).toBe(1)
  expect(engine.early).toEqual([])
  expect(await refused(url)).toBe('ECONNREFUSED')
})

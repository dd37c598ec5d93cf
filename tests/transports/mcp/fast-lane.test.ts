import { expect, test } from 'bun:test'
import type { Engine } from '../../../src/engine/engine.ts'
import { startBroker, until } from '../../harness.ts'
import { answerOf, post, postModern, rawSession } from './raw.ts'

const harness = new URL('../../harness.ts', import.meta.url).pathname
const raw = new URL('./raw.ts', import.meta.url).pathname

/** Modules of the SDK in a process of its own that has been asked these things over MCP. */
async function sdkModulesAfter(asked: string): Promise<number> {
  const script = `
    import { startBroker } from ${JSON.stringify(harness)}
    import { postModern } from ${JSON.stringify(raw)}
    await using app = await startBroker()
    const { status } = await postModern(app, ${asked})
    const modules = Object.keys(require.cache).filter((path) => path.includes('@modelcontextprotocol/server'))
    console.log(JSON.stringify({ status, modules: modules.length }))`
  const child = Bun.spawn([process.execPath, '-'], { stdin: new Blob([script]), stdout: 'pipe' })
  const { status, modules } = JSON.parse(await child.stdout.text())
  expect(status).toBe(200)
  return modules
}

test('a broker that is asked for nothing but plain calls does not load the SDK', async () => {
  expect(await sdkModulesAfter(`'tools/call', { name: 'list_sessions', arguments: {} }`)).toBe(0)
  expect(await sdkModulesAfter(`'tools/list'`)).toBeGreaterThan(0)
})

test('an id in use is refused in a session, and is free again once it is answered', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  await answerOf(await session.call(1, 'checkin_client', { client_id: 'alice' }))
  const waiting = session.call(5, 'get_messages', { wait_seconds: 30 })
  await until('the call to wait', () => (app.broker.waiters.count === 1 ? true : undefined))
  const refused = await session.call(5, 'list_sessions', {})
  expect(refused.status).toBe(400)
  expect(await refused.json()).toMatchObject({ error: { data: { code: 'invalid_request', field: '/id' } } })
  await answerOf(await session.call(6, 'send_message', { recipient_id: 'alice', message: 'x' }))
  expect(await answerOf(await waiting)).toMatchObject({ id: 5 })
  for (let i = 0; i < 3; i++) {
    const again = await session.call(6, 'list_sessions', {})
    expect(again.headers.get('content-type')).toBe('application/json')
    expect(await again.json()).toMatchObject({ id: 6, result: { structuredContent: { total: 1 } } })
  }
})

test('who a session has checked in as holds for its plain calls', async () => {
  await using app = await startBroker()
  const session = await rawSession(app)
  await answerOf(await session.call(1, 'checkin_client', { client_id: 'alice' }))
  const forged = await session.call(2, 'send_message', { sender_id: 'bob', recipient_id: 'c', message: 'x' })
  expect(await answerOf(forged)).toMatchObject({
    result: { isError: true, _meta: { 'mcp-broker/error': { code: 'sender_mismatch' } } },
  })
})

test('a session with plain calls alone is idle after them, and is forgotten', async () => {
  await using app = await startBroker({ mcp_sessions_max: 1, mcp_session_idle_seconds: 0.1 })
  const session = await rawSession(app)
  await answerOf(await session.call(1, 'list_sessions', {}))
  // There is room for a second session only when the first is gone.
  const next = await until('the session to be forgotten', () => rawSession(app).catch(() => undefined))
  expect(await answerOf(await next.call(1, 'list_sessions', {}))).toMatchObject({ id: 1 })
  expect((await session.call(2, 'list_sessions', {})).status).toBe(404)
})

test('an engine that answers later is waited for, and its fault is a tool error', async () => {
  let fault: Error | undefined
  const later = (engine: Engine) => {
    const clients = engine.clients.bind(engine)
    engine.clients = async (project, page) => {
      if (fault) throw fault
      return clients(project, page)
    }
    return engine
  }
  await using app = await startBroker({}, later)
  const session = await rawSession(app)
  const both = async () => [
    await answerOf(await session.call(1, 'list_sessions', {})),
    await answerOf(await postModern(app, 'tools/call', { name: 'list_sessions', arguments: {} })),
  ]
  for (const { result } of await both()) expect(result).toMatchObject({ structuredContent: { total: 0 } })
  fault = new Error('disk on fire')
  for (const answer of await both()) {
    expect(answer.result).toMatchObject({ _meta: { 'mcp-broker/error': { code: 'internal' } } })
    expect(JSON.stringify(answer)).not.toContain('disk on fire')
  }
})

test('reading mail waits only when asked to: otherwise the answer is plain JSON, in the 2026 era', async () => {
  await using app = await startBroker()
  const typeOf = async (name: string, input: Record<string, unknown>) => {
    const response = await postModern(app, 'tools/call', { name, arguments: input })
    await response.text()
    return response.headers.get('content-type')
  }
  const ask = { sender_id: 'a', recipient_id: 'b', message: 'x' }
  expect(await typeOf('get_messages', { client_id: 'a' })).toBe('application/json')
  expect(await typeOf('get_messages', { client_id: 'a', wait_seconds: 0 })).toBe('application/json')
  expect(await typeOf('get_messages', { client_id: 'a', wait_seconds: 0.01 })).toBe('text/event-stream')
  expect(await typeOf('send_message_and_wait', { ...ask, timeout: 0 })).toBe('application/json')
  expect(await typeOf('send_message_and_wait', { ...ask, timeout: 0.01 })).toBe('text/event-stream')
})

test('a plain call gets what the gate gives every answer', async () => {
  await using app = await startBroker({ allowed_origins: ['https://tools.example'] })
  const call = { name: 'list_sessions', arguments: {} }
  const headers = { origin: 'https://tools.example' }
  const answer = await postModern(app, 'tools/call', call, headers)
  expect(answer.headers.get('access-control-allow-origin')).toBe('https://tools.example')
  const own = await postModern(app, 'tools/call', call)
  expect(own.headers.get('access-control-allow-origin')).toBeNull()
  expect((await postModern(app, 'tools/call', call, { origin: 'https://evil.example' })).status).toBe(403)
  expect((await post(app, 'x', { 'mcp-method': 'tools/call' })).status).toBe(400)
})

test('a slash too many in the path changes nothing', async () => {
  await using app = await startBroker()
  for (const path of ['/mcp', '/mcp/']) {
    const answer = await fetch(app.url + path)
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('POST')
  }
})

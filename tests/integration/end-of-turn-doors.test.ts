import { describe, expect, test } from 'bun:test'
import type { App } from '../../src/app.ts'
import { ERROR_META_KEY } from '../../src/transports/mcp/result.ts'
import { until } from '../harness.ts'
import { agent, ERAS, payloadsOf } from '../transports/mcp/client.ts'
import { answerOf, MODERN_META, postModern, rawSession } from '../transports/mcp/raw.ts'
import { openStream } from '../transports/sse/reader.ts'
import { WsClient } from '../ws-client.ts'
import { Disk, onDisk, pong, silent, turns, watched } from './disk.ts'

/** What a door answered: the code of the error, or `ok`. */
interface Outcome {
  readonly code: string
  readonly retry_after_ms?: number
  readonly retryable?: boolean
}

type Call = (name: string, input: Record<string, unknown>) => Promise<Outcome>

async function outcomeOf(response: Promise<Response>): Promise<Outcome> {
  const { result, error } = (await answerOf(await response)) as {
    result?: { isError?: boolean; _meta?: Record<string, Outcome> }
    error?: { data: Outcome }
  }
  return error?.data ?? (result?.isError ? result._meta![ERROR_META_KEY]! : { code: 'ok' })
}

const HTTP_PATHS: Record<string, string> = {
  send_message: '/v1/messages',
  broadcast_message: '/v1/broadcasts',
  requeue_dead_letters: '/v1/dead-letters/requeue',
  send_message_and_wait: '/v1/messages/wait',
  checkin_client: '/v1/sessions',
}

/** Every door that answers each call by itself, opened. */
const DOORS: Record<string, (app: App) => Promise<Call>> = {
  HTTP: async (app) => async (name, input) => {
    const response = await fetch(app.url + HTTP_PATHS[name], {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(input),
    })
    const body = (await response.json()) as Outcome
    if (response.ok) return { code: 'ok' }
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    return body
  },
  'MCP 2026, a plain call': async (app) => (name, input) =>
    outcomeOf(postModern(app, 'tools/call', { name, arguments: input })),
  'MCP 2026, by the SDK': async (app) => (name, input) => {
    const capabilities = { experimental: {} }
    const _meta = { ...MODERN_META, 'io.modelcontextprotocol/clientCapabilities': capabilities }
    return outcomeOf(postModern(app, 'tools/call', { name, arguments: input, _meta }))
  },
  'MCP 2025, a plain call': async (app) => {
    const session = await rawSession(app)
    let id = 1
    return (name, input) => outcomeOf(session.call(id++, name, input))
  },
  'MCP 2025, by the SDK': async (app) => {
    const session = await rawSession(app)
    let id = 1
    return (name, input) => {
      const params = { name, arguments: input, _meta: { progressToken: id } }
      return outcomeOf(session.post({ jsonrpc: '2.0', id: id++, method: 'tools/call', params }))
    }
  },
}

async function received(app: App, client_id: string): Promise<unknown[]> {
  const client = await WsClient.checkedIn(app.url, client_id)
  const { messages } = await client.call<{ messages: { payload: unknown }[] }>('replay_messages')
  client.close()
  return messages.map(({ payload }) => payload)
}

describe.each(Object.entries(DOORS))('%s', (_name, open) => {
  test('answers when what the call did is stored, and not before', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const call = await open(app)
    disk.hold()
    const calls = [
      call('send_message', { sender_id: 's', recipient_id: 'r', payload: 1 }),
      call('broadcast_message', { sender_id: 's', payload: 2 }),
      call('checkin_client', { client_id: 'newcomer' }),
    ].map(watched)
    await until('a commit', () => (disk.waiting.length > 0 ? true : undefined))
    await turns(app)
    expect(calls.map(({ settled }) => settled)).toEqual([false, false, false])
    disk.release()
    const outcomes = await Promise.all(calls.map(({ promise }) => promise))
    expect(outcomes.map(({ code }) => code)).toEqual(['ok', 'ok', 'ok'])
    expect(await received(app, 'r')).toEqual([1])
  })

  test('says that a send was not stored; sent again, it comes once', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const call = await open(app)
    const keyed = { sender_id: 's', recipient_id: 'r', payload: 1, idempotency_key: 'k' }
    const plain = { sender_id: 's', recipient_id: 'r', payload: 2 }
    disk.break()
    const refused = { code: 'storage_unavailable', retryable: true, retry_after_ms: 1000 }
    expect(await call('send_message', keyed)).toMatchObject(refused)
    expect(await call('send_message', plain)).toMatchObject(refused)
    expect(await call('requeue_dead_letters', {})).toMatchObject(refused)
    expect(await call('send_message_and_wait', { ...plain, timeout: 60 })).toMatchObject(refused)
    expect(await call('checkin_client', { client_id: 's' })).toEqual({ code: 'ok' })
    disk.release()
    expect(await received(app, 'r')).toEqual([])
    for (const input of [keyed, plain, keyed])
      expect(await call('send_message', input)).toEqual({ code: 'ok' })
    expect(await received(app, 'r')).toEqual([1, 2])
  })
})

describe('pages over HTTP', () => {
  test.each(['/v1/status', '/metrics'])('%s waits, and health does not', async (path) => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    disk.hold()
    const page = watched(fetch(app.url + path))
    await until('a commit', () => (disk.waiting.length > 0 ? true : undefined))
    await turns(app)
    expect((await fetch(`${app.url}/health/ready`)).status).toBe(200)
    expect(page.settled).toBe(false)
    disk.break()
    expect((await page.promise).status).toBe(200)
  })
})

test('an event stream tells of nothing before it is stored', async () => {
  const disk = new Disk()
  await using app = await onDisk(disk)
  const sender = await WsClient.checkedIn(app.url, 'sender')
  await sender.call('send_message', { recipient_id: 'r', payload: 1 })
  disk.hold()
  const opening = watched(openStream(app.url, 'r'))
  await until('a commit', () => (disk.waiting.length > 0 ? true : undefined))
  await turns(app)
  expect(opening.settled ? (await opening.promise).events : []).toEqual([])
  disk.release()
  await using stream = await opening.promise
  await stream.next('recovery')
  await stream.next('message')
  disk.hold()
  await silent(app, [sender], () => sender.send(request('send_message', { recipient_id: 'r', payload: 2 })))
  expect(stream.events).toHaveLength(2)
  disk.break()
  await until('the refusal', () => sender.notifications.find(({ id }) => id === 'send_message'))
  disk.release()
  await sender.call('send_message', { recipient_id: 'r', payload: 3 })
  expect((await stream.next('message')).json.message).toMatchObject({ payload: 3 })
})

describe.each(ERAS)('hints about new mail, for a client of the %s era', (era) => {
  test('come when it is stored, and never about what was not', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    await using alice = await agent(era, app, 'alice')
    const sender = await WsClient.checkedIn(app.url, 'sender')
    const { hints } = await alice.watch('inbox://alice')
    disk.hold()
    await silent(app, [sender], () =>
      sender.send(request('send_message', { recipient_id: 'alice', payload: 1 })),
    )
    expect(hints).toEqual([])
    disk.break()
    await until('the refusal', () => sender.notifications.find(({ id }) => id === 'send_message'))
    await turns(app)
    expect(hints).toEqual([])
    disk.hold()
    await silent(app, [], () => sender.send(request('send_message', { recipient_id: 'alice', payload: 2 })))
    expect(hints).toEqual([])
    const listed = watched(alice.client.listResources())
    await turns(app)
    expect(listed.settled).toBe(false)
    disk.release()
    await until('the hint', () => hints[0])
    await listed.promise
    expect(payloadsOf(await alice.call('get_messages'))).toEqual([2])
    expect(hints).toHaveLength(1)
  })
})

test('what is held when the broker stops is stored, and answered, before it is gone', async () => {
  const disk = new Disk()
  const app = await onDisk(disk)
  const sender = await WsClient.checkedIn(app.url, 'sender')
  disk.hold()
  const sent = sender.call('send_message', { recipient_id: 'r', payload: 1 })
  await until('its commit', () => (disk.waiting.length === 1 ? true : undefined))
  const stopped = watched(app.stop())
  // Its connection lives on, long after the time in which connections are closed.
  const drained_ms = performance.now() + 200
  while (performance.now() < drained_ms) await pong(sender)
  expect([stopped.settled, sender.closed]).toEqual([false, undefined])
  disk.release()
  expect(await sent).toMatchObject({ status: 'queued' })
  expect(await sender.close_code()).toBe(3001)
  await stopped.promise
})

function request(method: string, params: object) {
  return { jsonrpc: '2.0', id: method, method, params }
}

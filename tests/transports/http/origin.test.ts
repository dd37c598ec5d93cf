import { expect, test } from 'bun:test'
import { startBroker } from '../../harness.ts'
import { answerOf, RawSocket } from './client.ts'

const KEY = 'a-key-of-the-operator'

test('a foreign page is refused before anything is done, and learns nothing', async () => {
  await using broker = await startBroker()
  for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1.evil.example', 'file://']) {
    const response = await fetch(`${broker.url}/v1/messages`, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: JSON.stringify({ sender_id: 'a', recipient_id: 'b', payload: 1 }),
    })
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    const { status, body } = await answerOf(response)
    expect([status, body.code]).toEqual([403, 'forbidden_origin'])
  }
  expect(broker.broker.counters.accepted).toBe(0)
})

test('a name that is not ours in Host is refused: a rebound DNS name reaches nothing', async () => {
  await using broker = await startBroker()
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1@evil.example']) {
    await using socket = await RawSocket.open(broker.url)
    socket.write(`GET /v1/sessions HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
    await socket.until('an answer', () => socket.received.includes('\r\n\r\n') || socket.closed)
    expect(socket.received).toMatch(/^HTTP\/1\.1 40[03]/)
    expect(socket.received).not.toContain('sessions":')
  }
})

test('an allowed page may ask first, send, and read what it needs of the answer', async () => {
  const origin = 'https://tools.example'
  await using broker = await startBroker({ allowed_origins: [origin], admin_key: KEY })
  const preflight = await fetch(`${broker.url}/v1/messages`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-origin')).toBe(origin)
  expect(preflight.headers.get('access-control-allow-methods')).toContain('POST')
  expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization')
  expect(preflight.headers.get('vary')).toContain('origin')

  const sent = await fetch(`${broker.url}/v1/messages`, {
    method: 'POST',
    headers: { origin, authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ sender_id: 'a', recipient_id: 'b', payload: 1 }),
  })
  expect(sent.status).toBe(201)
  expect(sent.headers.get('access-control-allow-origin')).toBe(origin)
  expect(sent.headers.get('access-control-expose-headers')).toContain('x-correlation-id')

  const refused = await fetch(`${broker.url}/v1/identity`, { headers: { origin } })
  expect(refused.status).toBe(401)
  expect(refused.headers.get('access-control-allow-origin')).toBe(origin)
})

test('a preflight of a foreign page is refused', async () => {
  await using broker = await startBroker()
  const preflight = await fetch(`${broker.url}/v1/messages`, {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  })
  expect(preflight.status).toBe(403)
  expect(preflight.headers.get('access-control-allow-methods')).toBeNull()
})

test('a key is taken from either header, and a wrong one is refused', async () => {
  await using broker = await startBroker({ admin_key: KEY })
  const status = async (headers: Record<string, string>) =>
    (await fetch(`${broker.url}/v1/identity`, { headers })).status
  expect(await status({ authorization: `Bearer ${KEY}` })).toBe(200)
  expect(await status({ 'x-api-key': KEY })).toBe(200)
  expect(await status({ 'x-api-key': `${KEY}x` })).toBe(401)
  expect(await status({ authorization: `Basic ${btoa(`x:${KEY}`)}` })).toBe(401)
  expect(await status({ 'x-api-key': KEY, 'x-project-id': 'other' })).toBe(403)
  expect((await fetch(`${broker.url}/v1/identity?key=${KEY}`)).status).toBe(401)
})

import { describe, expect, test } from 'bun:test'
import type { Engine } from '../../../src/engine/engine.ts'
import { here, memoryBytes, startBroker, until } from '../../harness.ts'
import { RawWs } from '../../raw-ws.ts'
import { refusal, WsClient } from '../../ws-client.ts'

/** Sends one raw frame and answers the error that comes back. */
async function errorFor(client: WsClient, frame: string) {
  const before = client.notifications.length
  client.send(frame)
  const answer = await until('the answer', () => client.notifications[before])
  return { id: answer.id, ...answer.error }
}

describe('bad frames', () => {
  test('each gets the catalogue entry, and the connection goes on', async () => {
    await using broker = await startBroker()
    const client = await WsClient.checkedIn(broker.url, 'a')
    const code = async (frame: string) => (await errorFor(client, frame)).data?.code
    expect(await errorFor(client, '{not json')).toMatchObject({
      id: null,
      code: -32700,
      data: { code: 'invalid_json' },
    })
    for (const frame of [
      '123',
      'true',
      'null',
      '"text"',
      '[]',
      '[1]',
      '{}',
      '{"jsonrpc":"2.0"}',
      '{"jsonrpc":"1.0","method":"x","id":1}',
    ])
      expect([frame, await code(frame)]).toEqual([frame, 'invalid_request'])
    expect(await code('{"jsonrpc":"2.0","id":{},"method":"heartbeat"}')).toBe('invalid_request')
    expect(await errorFor(client, '{"jsonrpc":"2.0","id":"x","method":"send_mesage"}')).toMatchObject({
      id: 'x',
      code: -32601,
      message: 'There is no command "send_mesage". Did you mean send_message?',
    })
    expect(await code('{"jsonrpc":"2.0","id":1,"method":"__proto__"}')).toBe('unknown_command')
    expect(await code('{"jsonrpc":"2.0","id":1,"method":"heartbeat","params":[1]}')).toBe('invalid_params')
    expect(await client.call('heartbeat')).toMatchObject({ client_id: 'a' })
    client.send('\n\t {"jsonrpc":"2.0","id":"padded","method":"heartbeat"}\n')
    await until('the answer', () => client.notifications.find(({ id, result }) => id === 'padded' && result))
  })

  test('what is given for a key is never repeated, whatever it is', async () => {
    await using broker = await startBroker({ admin_key: 'an-operator-key-of-some-length' })
    const client = await WsClient.connect(broker.url)
    const error = async (params: unknown) =>
      (await client.request({ jsonrpc: '2.0', id: 1, method: 'authenticate', params })).error
    expect(await error({ key: 1234 })).toMatchObject({
      message: 'key is a secret and not shown: expected string. It is: the API key.',
      data: { code: 'invalid_params', field: '/key' },
    })
    const secrets = [
      1234,
      -1234.5,
      true,
      [1234],
      ['s1234'],
      { s1234: 1 },
      { key: 's1234' },
      's1234'.repeat(200),
    ]
    for (const key of secrets) {
      expect(await error({ key })).toMatchObject({ data: { code: 'invalid_params' } })
      expect(JSON.stringify(await error({ key }))).not.toMatch(/1234|true|"s/)
    }
    for (const params of ['s1234', 1234, ['s1234']])
      expect(JSON.stringify(await error(params))).not.toContain('1234')
  })

  test('parameters: the error names the field, the trouble and the fix', async () => {
    await using broker = await startBroker()
    const client = await WsClient.checkedIn(broker.url, 'a')
    const error = async (method: string, params: unknown) =>
      (await client.request({ jsonrpc: '2.0', id: crypto.randomUUID(), method, params })).error
    expect(await error('send_message', { recipient: 'b', message: 'x' })).toMatchObject({
      code: -32602,
      message: 'There is no parameter recipient. Did you mean recipient_id?',
      data: { field: '/recipient', retryable: false },
    })
    const nobody = await WsClient.connect(broker.url)
    const forged = { sender_id: 'mcp-broker', recipient_id: 'a', message: 'x' }
    expect(
      (await nobody.request({ jsonrpc: '2.0', id: 1, method: 'send_message', params: forged })).error,
    ).toMatchObject({ data: { code: 'reserved_client_id', field: '/sender_id' } })
    expect(await error('send_message', { message: 'x' })).toMatchObject({
      message: 'recipient_id is required.',
    })
    expect(await error('send_message', { recipient_id: 7, message: 'x' })).toMatchObject({
      message: expect.stringMatching(
        /^recipient_id is 7: expected string\. It is: whom it is for: a client_id/,
      ),
    })
    expect(await error('send_message', { recipient_id: 'b', message: 'x', priority: 'hihg' })).toMatchObject({
      message: 'priority is "hihg": it is one of low, normal, high, urgent (did you mean high?).',
    })
    expect(await error('send_message', { recipient_id: 'b c', message: 'x' })).toMatchObject({
      message: expect.stringMatching(
        /^recipient_id is "b c": it does not fit\. It is: whom it is for.*letters, digits/,
      ),
    })
    expect(await error('send_message', { recipient_id: 'mcp-broker', message: 'x' })).toMatchObject({
      data: { code: 'reserved_client_id', field: '/recipient_id' },
    })
    expect(await error('send_message', { recipient_id: crypto.randomUUID(), message: 'x' })).toMatchObject({
      data: { code: 'unknown_session', field: '/recipient_id' },
    })
    for (const since of ['5', 'Jan 1', '2026-01-01'])
      expect(await error('replay_messages', { since })).toMatchObject({ data: { field: '/since' } })
    expect(await error('send_message', { recipient_id: 'b' })).toMatchObject({
      data: { code: 'invalid_params', field: '/payload' },
    })
    expect(await error('send_message', { recipient_id: 'b', message: 'x', payload: 1 })).toMatchObject({
      data: { code: 'invalid_params', field: '/payload' },
    })
    expect(await error('checkin_client', { client_id: 'a b' })).toMatchObject({
      data: { field: '/client_id' },
    })
    expect(await error('checkin_client', { client_id: 'mcp-broker' })).toMatchObject({
      data: { code: 'reserved_client_id' },
    })
    expect(await error('get_messages', { wait_seconds: 1e9 })).toMatchObject({
      data: { field: '/wait_seconds' },
    })
    expect(await error('heartbeat', { session_id: 'nobody' })).toMatchObject({
      data: { code: 'session_mismatch' },
    })
    expect(await error('get_message_status', { message_id: 'none' })).toMatchObject({
      data: { code: 'unknown_message' },
    })
  })

  test('who calls is never believed against the session', async () => {
    await using broker = await startBroker()
    const client = await WsClient.checkedIn(broker.url, 'a')
    await WsClient.checkedIn(broker.url, 'b')
    expect(
      await refusal(client.call('send_message', { recipient_id: 'b', message: 'x', sender_id: 'boss' })),
    ).toBe('sender_mismatch')
    expect(await refusal(client.call('get_messages', { client_id: 'b' }))).toBe('client_mismatch')
    expect(await refusal(client.call('subscribe', { client_id: 'b' }))).toBe('client_mismatch')
    const nobody = await WsClient.connect(broker.url)
    expect(await refusal(nobody.call('send_message', { recipient_id: 'b', message: 'x' }))).toBe(
      'not_checked_in',
    )
  })

  test('awkward payloads arrive as they were sent', async () => {
    await using broker = await startBroker()
    const client = await WsClient.checkedIn(broker.url, 'a')
    const awkward =
      '{"__proto__":{"admin":true},"constructor":{"prototype":1},"lone":"\\ud800","nul":"\\u0000","emoji":"🙂","big":9007199254740991,"huge":1e300}'
    client.send(
      `{"jsonrpc":"2.0","id":1,"method":"send_message","params":{"recipient_id":"a","payload":${awkward}}}`,
    )
    await client.call('subscribe')
    const [arrived] = await client.received(1)
    expect(JSON.stringify(arrived!.message.payload)).toBe(JSON.stringify(JSON.parse(awkward)))
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  test('deep nesting is refused, however deep', async () => {
    await using broker = await startBroker()
    const client = await WsClient.checkedIn(broker.url, 'a')
    for (const depth of [65, 10_000, 400_000]) {
      const payload = '['.repeat(depth) + ']'.repeat(depth)
      const frame = `{"jsonrpc":"2.0","id":1,"method":"send_message","params":{"recipient_id":"b","payload":${payload}}}`
      const { data } = await errorFor(client, frame)
      expect(['nesting_too_deep', 'invalid_json']).toContain(data!.code)
    }
    expect(await client.call('send_message', { recipient_id: 'b', payload: [[['fine']]] })).toMatchObject({
      status: 'queued',
    })
  })

  test('a frame beyond the limit closes the connection with 1009; others notice nothing', async () => {
    await using broker = await startBroker()
    const client = await WsClient.checkedIn(broker.url, 'a')
    const other = await WsClient.checkedIn(broker.url, 'b')
    client.send('x'.repeat(1024 * 1024 + 1))
    // Bun ends the connection without a close frame reaching every client, which then reports 1006.
    expect([1006, 1009]).toContain(await client.close_code())
    expect(await other.call('heartbeat')).toMatchObject({ client_id: 'b' })
  })
})

describe('large answers', () => {
  /** A mailbox of 2 MB, and a connection that may let 256 KiB lie unread. */
  async function withMail(around?: (engine: Engine) => Engine) {
    const broker = await startBroker({ buffer_bytes_max: 256 * 1024 }, around)
    const client = await WsClient.checkedIn(broker.url, 'a')
    for (let n = 0; n < 4; n++)
      await client.call('send_message', { recipient_id: 'a', message: 'x'.repeat(500_000) })
    return { broker, client }
  }

  test('one that is larger than what may lie unread comes to a peer that reads', async () => {
    const { broker, client } = await withMail()
    await using _ = broker
    for (let n = 0; n < 2; n++) {
      const { messages } = await client.call<{ messages: unknown[] }>('replay_messages', {
        bytes_max: 1_048_576,
      })
      expect(messages).toHaveLength(2)
    }
    expect(await client.call('heartbeat')).toMatchObject({ client_id: 'a' })
  })

  test('a batch cannot ask for more than may lie unread: closed with 3008, memory bounded', async () => {
    const { broker } = await withMail()
    await using _ = broker
    const before = memoryBytes()
    const deaf = await RawWs.connect(broker.url)
    deaf.pause()
    const params = { client_id: 'a', bytes_max: 1_048_576 }
    const ask = { jsonrpc: '2.0', method: 'replay_messages', params }
    deaf.send(Array.from({ length: 500 }, (_, id) => ({ ...ask, id })))
    await until('the close to begin', async () => {
      const headers = { accept: 'application/json' }
      const status = await (await fetch(`${broker.url}/v1/status`, { headers })).json()
      return (status as { connections: number }).connections === 1 ? true : undefined
    })
    deaf.resume()
    expect(await until('the close', () => deaf.frames().close_code)).toBe(3008)
    expect(memoryBytes() - before).toBeLessThan(256 * 1024 * 1024)
  })

  test('a batch that asks for more is answered in parts to a peer that reads', async () => {
    // An engine elsewhere may answer all of it at once, which is more than may lie unread.
    const { broker, client } = await withMail(here)
    await using _ = broker
    const ask = { jsonrpc: '2.0', method: 'replay_messages', params: { bytes_max: 1_048_576 } }
    client.send(Array.from({ length: 8 }, (_, n) => ({ ...ask, id: `replay-${n}` })))
    const answers = () =>
      client.frames.flatMap((frame) => JSON.parse(frame)).filter(({ id }) => /^replay/.test(id))
    await until('all answers', () => (answers().length >= 8 ? true : undefined))
    expect(client.closed).toBeUndefined()
  })
})

describe('hostile peers', () => {
  test('ten thousand requests whose answers are never read: closed with 3008, memory bounded, others served', async () => {
    await using broker = await startBroker({ buffer_bytes_max: 256 * 1024 })
    const other = await WsClient.checkedIn(broker.url, 'b')
    const flood = await RawWs.connect(broker.url)
    flood.pause()
    const before = memoryBytes()
    const params = { sender_id: 'flood', recipient_id: 'nobody', message: 'x' }
    const request = { jsonrpc: '2.0', id: 'x'.repeat(200), method: 'send_message', params }
    for (let n = 0; n < 20_000; n++) flood.send(request)
    await until('all of it to be sent', () =>
      flood.tcp.writableLength === 0 || flood.ended ? true : undefined,
    )
    expect(await other.call('heartbeat')).toMatchObject({ client_id: 'b' })
    const { counters } = broker.broker
    let [carried_out, quiet] = [0, 0]
    await until('the broker to have enough of it', () => {
      const before = carried_out
      carried_out = counters.accepted + counters.refused
      quiet = carried_out === before ? quiet + 1 : 0
      return quiet > 10 ? true : undefined
    })
    expect(carried_out).toBeLessThan(20_000)
    flood.resume()
    expect(await until('the close', () => flood.frames().close_code)).toBe(3008)
    expect(flood.frames().texts.length).toBeLessThan(20_000)
    expect(await other.call('heartbeat')).toMatchObject({ client_id: 'b' })
    expect(memoryBytes() - before).toBeLessThan(128 * 1024 * 1024)
  })

  test('a peer that does not answer pings is closed with 3012', async () => {
    await using broker = await startBroker({ ping_seconds: 0.5, pong_seconds: 0.5 })
    const silent = await RawWs.connect(broker.url)
    const { close_code } = await until(
      'the close',
      () => {
        const frames = silent.frames()
        return frames.close_code === undefined ? undefined : frames
      },
      8000,
    )
    expect(close_code).toBe(3012)
  }, 10_000)

  test('a foreign Origin or Host is refused before the upgrade', async () => {
    await using broker = await startBroker()
    const upgrade = (headers: Record<string, string>) =>
      fetch(`${broker.url}/v1/ws`, {
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          ...headers,
        },
      })
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { host: 'evil.example' },
    ]) {
      const response = await upgrade(headers)
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ code: 'forbidden_origin' })
    }
  })

  test('a plain GET is told what this path speaks', async () => {
    await using broker = await startBroker()
    const response = await fetch(`${broker.url}/v1/ws`)
    expect(response.status).toBe(426)
    expect(await response.json()).toMatchObject({ code: 'upgrade_required' })
  })

  test('waiting calls of one connection are bounded, and no others', async () => {
    await using broker = await startBroker()
    const client = await WsClient.checkedIn(broker.url, 'a')
    for (let n = 0; n < 256; n++)
      client.send({ jsonrpc: '2.0', id: `w${n}`, method: 'get_messages', params: { wait_seconds: 60 } })
    expect(await refusal(client.call('get_messages', { wait_seconds: 60 }))).toBe('too_many_waiting')
    expect(await client.call('get_messages')).toMatchObject({ messages: [] })
    client.close()
    await until('the waits to end', () => (broker.broker.waiters.count === 0 ? true : undefined))
  })
})

import { describe, expect, test } from 'bun:test'
import { until } from '../harness.ts'
import { gatedEngine } from '../slow-engine.ts'
import { refusal, WsClient } from '../ws-client.ts'
import { Disk, onDisk, pong, silent, turns } from './disk.ts'

/** The ids of the answers that came, and whether each is a result, in order; arrays are shown as such. */
function answersIn(client: WsClient, from: number): unknown[] {
  const show = (frame: { id?: unknown; method?: string; error?: { data: { code: string } } }) =>
    frame.method ?? `${frame.id} ${frame.error?.data.code ?? 'ok'}`
  return client.frames.slice(from).map((text) => {
    const frame = JSON.parse(text)
    return Array.isArray(frame) ? frame.map(show) : show(frame)
  })
}

function send(id: string, recipient_id: string, payload: unknown, more: object = {}) {
  return { jsonrpc: '2.0', id, method: 'send_message', params: { recipient_id, payload, ...more } }
}

const heartbeat = (id: string) => ({ jsonrpc: '2.0', id, method: 'heartbeat' })

async function payloadsOf(client: WsClient): Promise<unknown[]> {
  const { messages } = await client.call<{ messages: { payload: unknown }[] }>('get_messages')
  return messages.map(({ payload }) => payload)
}

async function historyOf(client: WsClient): Promise<unknown[]> {
  const { messages } = await client.call<{ messages: { payload: unknown }[] }>('replay_messages')
  return messages.map(({ payload }) => payload)
}

describe('over a WebSocket', () => {
  test('a send that is undone while its receipt is still made out has failed', async () => {
    const disk = new Disk()
    const names = Promise.withResolvers<void>()
    let asked = 0
    await using app = await onDisk(disk, {}, (engine) =>
      gatedEngine(engine, 'clients', names.promise, () => asked++),
    )
    const sender = await WsClient.checkedIn(app.url, 'sender')
    disk.hold()
    const refused = refusal(sender.call('send_message', { recipient_id: 'nobody', payload: 1 }))
    await until('the names to be asked for', () => asked || undefined)
    await disk.next('failed')
    disk.release()
    await turns(app)
    names.resolve()
    expect(await refused).toBe('storage_unavailable')
  })

  test('nothing leaves before it is stored; then everything comes, in order and once', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const sender = await WsClient.checkedIn(app.url, 'sender')
    const plain = await WsClient.checkedIn(app.url, 'plain')
    const batched = await WsClient.checkedIn(app.url, 'batched')
    const other = await WsClient.connect(app.url)
    await sender.call('subscribe', { receipts: true, sessions: true })
    await plain.call('subscribe', { ack: 'auto' })
    await batched.call('subscribe', { batch: true, ack: 'auto' })
    const before = sender.frames.length
    const from = batched.frames.length
    disk.hold()
    await silent(app, [sender, plain, batched, other], () => {
      sender.send(send('one', 'plain', 1))
      sender.send([send('two', 'batched', 2), heartbeat('beat'), send('three', 'batched', 3)])
      sender.send({ ...send('told to nobody', 'plain', 4), id: undefined })
      other.send({ jsonrpc: '2.0', id: 'new', method: 'checkin_client', params: { client_id: 'newcomer' } })
    })
    disk.release()
    await until('the receipts', () => (answersIn(sender, before).length >= 7 ? true : undefined))
    const answers = answersIn(sender, before)
    expect(answers.slice(0, 2)).toEqual(['one ok', ['two ok', 'beat ok', 'three ok']])
    expect(answers.slice(2).sort()).toEqual(['receipt', 'receipt', 'receipt', 'receipt', 'session'])
    await plain.received(2)
    await batched.received(2)
    await turns(app)
    expect(plain.messages.map(({ message }) => message.payload)).toEqual([1, 4])
    expect(batched.messages.map(({ message }) => message.payload)).toEqual([2, 3])
    expect(answersIn(batched, from)).toEqual([['message', 'message']])
    await until('the check-in', () => other.notifications.find(({ id }) => id === 'new'))
  })

  test('a delivery waits until its lease is stored', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const sender = await WsClient.checkedIn(app.url, 'sender')
    const reader = await WsClient.checkedIn(app.url, 'reader')
    await reader.call('subscribe', { ack: 'manual' })
    disk.hold()
    const sent = sender.call('send_message', { recipient_id: 'reader', payload: 1 })
    await disk.next('stored')
    await until('the commit of the lease', () => (disk.waiting.length > 0 ? true : undefined))
    await silent(app, [reader, sender], () => undefined)
    await disk.next('stored')
    await reader.received(1)
    await sent
  })

  test('what is not stored is refused, and never seen; all else goes on; sent again, it comes', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const sender = await WsClient.checkedIn(app.url, 'sender')
    const second = await WsClient.checkedIn(app.url, 'second')
    const reader = await WsClient.checkedIn(app.url, 'reader')
    const late = await WsClient.checkedIn(app.url, 'late')
    await sender.call('send_message', { recipient_id: 'late', payload: 'stored before' })
    await sender.call('send_message', { recipient_id: 'second', payload: 'stored before, too' })
    await reader.call('subscribe')
    const before = sender.frames.length
    disk.hold()
    const keyed = { idempotency_key: 'k' }
    await silent(app, [sender, second, reader, late], () => {
      sender.send(send('one', 'reader', 1, keyed))
      sender.send([
        send('two', 'reader', 2),
        heartbeat('beat'),
        send('bad', 'reader', 3, { ttl_seconds: -1 }),
      ])
      sender.send({ jsonrpc: '2.0', id: 'all', method: 'broadcast_message', params: { payload: 4 } })
      second.send(send('his', 'reader', 5))
      second.send({ jsonrpc: '2.0', id: 'mail', method: 'get_messages' })
      late.send({ jsonrpc: '2.0', id: 'live', method: 'subscribe' })
    })
    disk.break()
    await until('the answers', () => (answersIn(sender, before).length === 3 ? true : undefined))
    expect(answersIn(sender, before)).toEqual([
      'one storage_unavailable',
      ['two storage_unavailable', 'beat ok', 'bad invalid_params'],
      'all storage_unavailable',
    ])
    const refused = sender.notifications.find(({ id }) => id === 'one')?.error
    expect(refused?.data).toMatchObject({
      code: 'storage_unavailable',
      retryable: true,
      retry_after_ms: 1000,
    })
    const mail = await until('his mail', () => second.notifications.find(({ id }) => id === 'mail'))
    expect(mail.result).toMatchObject({ messages: [{ payload: 'stored before, too' }] })
    await late.received(1)
    expect(late.messages[0]!.message.payload).toBe('stored before')
    expect(await refusal(sender.call('send_message', { recipient_id: 'reader', payload: 6 }))).toBe(
      'storage_unavailable',
    )
    disk.release()
    const again = () => sender.call('send_message', { recipient_id: 'reader', payload: 1, ...keyed })
    expect(await again()).toMatchObject({ warnings: [] })
    expect(await again()).toMatchObject({ warnings: [expect.stringContaining('used before')] })
    await sender.call('send_message', { recipient_id: 'reader', payload: 2 })
    await reader.received(2)
    await turns(app)
    await pong(reader)
    expect(reader.messages.map(({ message }) => message.payload)).toEqual([1, 2])
    expect(await historyOf(reader)).toEqual([1, 2])
    expect(await historyOf(late)).toEqual(['stored before'])
    expect((await app.broker.engine.stats()).pending).toBe(0)
  })

  test('one turn of two clients shares one flush, and each hears of its failure', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const first = await WsClient.checkedIn(app.url, 'first')
    const second = await WsClient.checkedIn(app.url, 'second')
    disk.hold()
    const before = first.call('send_message', { recipient_id: 'r', payload: 'before' })
    await until('its commit', () => (disk.waiting.length === 1 ? true : undefined))
    // These come while that commit is under way, over two doors: all of it is the next batch.
    const byHttp = fetch(`${app.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sender_id: 'http', recipient_id: 'r', payload: 'lost' }),
    })
    const byWs = refusal(second.call('send_message', { recipient_id: 'r', payload: 'lost' }))
    await turns(app)
    await pong(second)
    await disk.next('stored')
    await before
    await disk.next('failed')
    expect([(await byHttp).status, await byWs]).toEqual([503, 'storage_unavailable'])
    disk.release()
    const reader = await WsClient.checkedIn(app.url, 'r')
    expect(await payloadsOf(reader)).toEqual(['before'])
  })

  test('a question that was not stored is refused, and waits for nothing', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const asker = await WsClient.checkedIn(app.url, 'asker')
    disk.break()
    const asked = asker.call('send_message_and_wait', { recipient_id: 'r', payload: 1, timeout: 60 })
    expect(await refusal(asked)).toBe('storage_unavailable')
    await until('the wait to end', () => (app.broker.waiters.count === 0 ? true : undefined))
  })

  test('dead letters whose requeue was not stored are dead letters still', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk, { attempts_max: 1 })
    const client = await WsClient.checkedIn(app.url, 'a')
    const { message_id } = await client.call('send_message', { recipient_id: 'a', payload: 1 })
    await client.call('get_messages', { ack: 'manual' })
    await client.call('nack_messages')
    disk.break()
    expect(await refusal(client.call('requeue_dead_letters'))).toBe('storage_unavailable')
    disk.release()
    expect(await client.call('list_dead_letters')).toMatchObject({ total: 1 })
    expect(await client.call('requeue_dead_letters')).toMatchObject({ message_ids: [message_id] })
  })

  test.each([
    ['failed', 'stored', 'storage_unavailable', []],
    ['stored', 'failed', 'ok', []],
    ['failed', 'stored', 'storage_unavailable', ['more']],
    ['stored', 'failed', 'ok', ['more']],
  ] as const)(
    'in a batch that takes turns, a send belongs to its own: %s, then %s',
    async (first, last, outcome, more) => {
      const disk = new Disk()
      const gate = Promise.withResolvers<void>()
      await using app = await onDisk(disk, {}, (engine) =>
        gatedEngine(engine, 'open', gate.promise, () => {}),
      )
      const client = await WsClient.checkedIn(app.url, 'a')
      const before = client.frames.length
      disk.hold()
      // The subscription holds up what is behind it.
      client.send([
        send('one', 'r', 1),
        { jsonrpc: '2.0', id: 'sub', method: 'subscribe' },
        ...more.map(heartbeat),
      ])
      await disk.next(first)
      await turns(app)
      expect(client.frames.length).toBe(before)
      gate.resolve()
      await disk.next(last)
      disk.release()
      await until('the answer', () => (client.frames.length > before ? true : undefined))
      expect(answersIn(client, before)[0]).toEqual([
        `one ${outcome}`,
        'sub ok',
        ...more.map((id) => `${id} ok`),
      ])
    },
  )

  test('a connection that is closed while answers are held gets them first, and begins no call', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const old = await WsClient.checkedIn(app.url, 'a')
    const taker = await WsClient.connect(app.url)
    const before = old.frames.length
    disk.hold()
    await silent(app, [old, taker], async () => {
      old.send(send('one', 'r', 1))
      await until('its commit', () => (disk.waiting.length === 1 ? true : undefined))
      taker.send({ jsonrpc: '2.0', id: 't', method: 'checkin_client', params: { client_id: 'a' } })
      await pong(taker)
      old.send(send('too late', 'r', 2))
    })
    expect(old.closed).toBeUndefined()
    disk.release()
    expect(await old.close_code()).toBe(3503)
    expect(answersIn(old, before)).toEqual(['one ok'])
    expect(await payloadsOf(await WsClient.checkedIn(app.url, 'r'))).toEqual([1])
  })

  test('a connection whose held answers never become stored is cut, and holds up no stop', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const old = await WsClient.checkedIn(app.url, 'a')
    const taker = await WsClient.connect(app.url)
    disk.hold()
    old.send(send('one', 'r', 1))
    await until('its commit', () => (disk.waiting.length === 1 ? true : undefined))
    taker.send({ jsonrpc: '2.0', id: 't', method: 'checkin_client', params: { client_id: 'a' } })
    expect(await old.close_code()).toBe(1006)
    await app.stop()
  }, 20_000)

  test('what is held for one connection is bounded: its further calls wait', async () => {
    const disk = new Disk()
    let asked = 0
    const around: Parameters<typeof onDisk>[2] = (engine) => {
      const history = engine.history.bind(engine)
      engine.history = (...args) => {
        asked++
        return history(...args)
      }
      return engine
    }
    await using app = await onDisk(disk, { buffer_bytes_max: 256 * 1024 }, around)
    const client = await WsClient.checkedIn(app.url, 'a')
    await client.call('send_message', { recipient_id: 'a', message: 'x'.repeat(100_000) })
    const before = client.frames.length
    disk.hold()
    const ask = (id: string) => ({ jsonrpc: '2.0', id, method: 'replay_messages' })
    await silent(app, [client], () => {
      for (let n = 0; n < 20; n++) client.send(ask(`single ${n}`))
      client.send(Array.from({ length: 20 }, (_, n) => ask(`batch ${n}`)))
    })
    expect(asked).toBe(3)
    disk.release()
    await until('all answers', () => (answersIn(client, before).flat().length === 40 ? true : undefined))
    expect(answersIn(client, before).flat()).toEqual([
      ...Array.from({ length: 20 }, (_, n) => `single ${n} ok`),
      ...Array.from({ length: 20 }, (_, n) => `batch ${n} ok`),
    ])
  })

  test('so is what large requests keep in memory', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk, { buffer_bytes_max: 1024 * 1024 })
    const client = await WsClient.checkedIn(app.url, 'a')
    const before = app.broker.counters.accepted
    disk.hold()
    // The socket is not read any more, so no pong comes over it.
    for (let n = 0; n < 40; n++) client.send(send(`${n}`, 'r', 'x'.repeat(100_000)))
    await until('the calls', () => (app.broker.counters.accepted - before === 11 ? true : undefined))
    for (let n = 0; n < 4; n++) await turns(app)
    expect(app.broker.counters.accepted - before).toBe(11)
    disk.release()
    await until('the rest', () => (app.broker.counters.accepted - before === 40 ? true : undefined))
  })

  test('hints that are kept for one reader are bounded', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk)
    const reader = await WsClient.checkedIn(app.url, 'a')
    await reader.call('subscribe', { sessions: true })
    const before = reader.frames.length
    disk.hold()
    const notice = JSON.stringify({ pad: 'x'.repeat(1024 * 1024) })
    await silent(app, [reader], () => {
      for (let n = 0; n < 100; n++) app.broker.hub.sessionChanged('default', notice)
    })
    disk.release()
    await reader.call('heartbeat')
    const notices = answersIn(reader, before).filter((name) => name === 'session')
    expect(notices.length).toBeWithin(1, 4)
  })

  test('a bounce whose flush failed comes with a later one', async () => {
    const disk = new Disk()
    await using app = await onDisk(disk, { attempts_max: 1 })
    const sender = await WsClient.checkedIn(app.url, 'sender')
    const reader = await WsClient.checkedIn(app.url, 'reader')
    await sender.call('send_message', { recipient_id: 'reader', payload: 1 })
    await reader.call('get_messages', { ack: 'manual' })
    disk.break()
    await reader.call('nack_messages')
    await turns(app)
    disk.release()
    const { messages } = await sender.call<{ messages: { sender_id: string }[] }>('get_messages', {
      wait_seconds: 5,
    })
    expect(messages).toHaveLength(1)
  })
})

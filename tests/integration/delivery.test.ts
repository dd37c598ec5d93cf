import { describe, expect, test } from 'bun:test'
import { memoryBytes, startBroker, until } from '../harness.ts'
import { RawWs } from '../raw-ws.ts'
import { type Arrived, refusal, WsClient } from '../ws-client.ts'

interface Read {
  messages: { message_id: string; payload: number; attempt?: number; headers?: Record<string, string> }[]
  remaining: number
  cursor: string
}

/** Sends numbers to a mailbox, in batches, waiting while it is full; nothing is sent twice. */
async function sendNumbers(sender: WsClient, recipient_id: string, from: number, to: number): Promise<void> {
  for (let n = from; n < to; ) {
    const count = Math.min(100, to - n)
    const calls = Array.from({ length: count }, (_, i) =>
      sendUntilTaken(sender, { recipient_id, payload: n + i, idempotency_key: `n${n + i}` }),
    )
    await Promise.all(calls)
    n += count
  }
}

/** The order between messages that are refused and sent again is the sender's own affair; the tests sort. */
async function sendUntilTaken(sender: WsClient, params: unknown): Promise<void> {
  for (;;) {
    try {
      await sender.call('send_message', params)
      return
    } catch (error) {
      if ((error as { code?: string }).code !== 'mailbox_full') throw error
      await Bun.sleep(10)
    }
  }
}

const numbers = (messages: Arrived[]) => messages.map(({ message }) => message.payload as number)

describe('mail for a client that is away', () => {
  test('200 messages arrive by priority and in order when it comes back', async () => {
    await using broker = await startBroker()
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const priorities = ['low', 'normal', 'high', 'urgent']
    for (let n = 0; n < 200; n++)
      await sender.call('send_message', { recipient_id: 'b', payload: n, priority: priorities[n % 4] })

    const reader = await WsClient.connect(broker.url)
    expect(await reader.call('checkin_client', { client_id: 'b' })).toMatchObject({ unread: 200 })
    await reader.call('subscribe', { ack: 'manual' })
    await reader.received(200)
    const expected = [3, 2, 1, 0].flatMap((rank) => Array.from({ length: 50 }, (_, i) => i * 4 + rank))
    expect(numbers(reader.messages)).toEqual(expected)
  })

  test('the same by get_messages', async () => {
    await using broker = await startBroker()
    const sender = await WsClient.checkedIn(broker.url, 'a')
    for (let n = 0; n < 200; n++)
      await sender.call('send_message', {
        recipient_id: 'b',
        payload: n,
        ...(n % 2 ? { priority: 'urgent' } : {}),
      })
    const reader = await WsClient.checkedIn(broker.url, 'b')
    const { messages, remaining } = await reader.call<Read>('get_messages', { limit: 200 })
    expect(remaining).toBe(0)
    const odd = Array.from({ length: 100 }, (_, i) => i * 2 + 1)
    const even = Array.from({ length: 100 }, (_, i) => i * 2)
    expect(messages.map(({ payload }) => payload)).toEqual([...odd, ...even])
  })
})

describe('leases', () => {
  test('one that runs out brings the message again, with attempt 2; after five the sender is told', async () => {
    await using broker = await startBroker({ lease_seconds: 0.15 })
    const sender = await WsClient.checkedIn(broker.url, 'a')
    await sender.call('subscribe', { ack: 'manual' })
    const reader = await WsClient.checkedIn(broker.url, 'b')
    await reader.call('subscribe', { ack: 'manual' })
    const { message_id } = await sender.call('send_message', { recipient_id: 'b', message: 'poison' })
    await reader.received(5)
    expect(reader.messages.map(({ message }) => message.attempt)).toEqual([undefined, 2, 3, 4, 5])

    const [bounce] = await sender.received(1)
    expect(bounce!.message).toMatchObject({
      sender_id: 'mcp-broker',
      in_reply_to: message_id,
      headers: { bounce: 'attempts_exhausted' },
      payload: { bounce: 'attempts_exhausted', recipient_id: 'b', attempts: 5 },
    })
    expect(sender.notifications.find(({ method }) => method === 'receipt')?.params).toEqual({
      message_id,
      recipient_id: 'b',
      status: 'dead_lettered',
      reason: 'attempts_exhausted',
    })
    expect(reader.messages.length).toBe(5)
    expect(await sender.call('get_message_status', { message_id })).toMatchObject({
      status: 'dead_lettered',
      recipients: [{ reason: 'attempts_exhausted' }],
    })
    const letters = await sender.call('list_dead_letters', { reason: 'attempts_exhausted' })
    expect(letters).toMatchObject({
      total: 1,
      dead_letters: [{ recipient_id: 'b', attempts: 5, message: { message_id } }],
    })

    expect(await sender.call('requeue_dead_letters', { message_ids: [message_id] })).toMatchObject({
      requeued: 1,
    })
    await reader.received(6)
    expect(reader.messages[5]!.message).toMatchObject({ message_id, payload: 'poison' })
    await reader.call('ack_messages', { message_ids: [message_id] })
    expect(await sender.call('list_dead_letters')).toMatchObject({ total: 0 })
  })

  test('nack brings it back at once, or after a delay', async () => {
    await using broker = await startBroker()
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const reader = await WsClient.checkedIn(broker.url, 'b')
    await sender.call('send_message', { recipient_id: 'b', payload: 1 })
    const first = await reader.call<Read>('get_messages', { ack: 'manual' })
    expect(await reader.call('nack_messages')).toEqual({ returned: 1, unknown: [] })
    const second = await reader.call<Read>('get_messages', { ack: 'manual' })
    expect(second.messages[0]).toMatchObject({ message_id: first.messages[0]!.message_id, attempt: 2 })
    await reader.call('nack_messages', { delay_seconds: 0.2 })
    expect(await reader.call('get_messages')).toMatchObject({ messages: [] })
    expect(await reader.call('get_messages', { wait_seconds: 5 })).toMatchObject({
      messages: [{ attempt: 3 }],
    })
  })

  test('an expired message is never delivered, and its sender is told', async () => {
    await using broker = await startBroker()
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const { message_id } = await sender.call('send_message', {
      recipient_id: 'b',
      message: 'x',
      ttl_seconds: 0.05,
    })
    const { messages } = await sender.call<Read>('get_messages', { wait_seconds: 5 })
    expect(messages).toMatchObject([{ in_reply_to: message_id, headers: { bounce: 'expired' } }])
    const reader = await WsClient.checkedIn(broker.url, 'b')
    expect(await reader.call('get_messages')).toMatchObject({ messages: [] })
  })
})

describe('a cut in the middle of 10,000 messages', () => {
  const total = 10_000

  for (const ack of ['auto', 'manual'] as const)
    test(`${ack}: nothing is lost, and with one priority nothing comes twice`, async () => {
      await using broker = await startBroker()
      const sender = await WsClient.checkedIn(broker.url, 'a')
      const seen: Arrived[] = []
      const subscribe = async (reader: WsClient, after?: string) => {
        const subscribed = await reader.call('subscribe', {
          client_id: 'b',
          ack,
          batch: true,
          ...(after ? { after } : {}),
        })
        expect(subscribed).toMatchObject({ recovered: true })
        return reader
      }
      let reader = await subscribe(await WsClient.connect(broker.url))
      const sending = sendNumbers(sender, 'b', 0, total)
      let acked = 0
      const acknowledge = async () => {
        if (ack === 'auto') return
        const fresh = reader.messages.slice(acked).map(({ message }) => message.message_id)
        acked += fresh.length
        if (fresh.length > 0) await reader.call('ack_messages', { client_id: 'b', message_ids: fresh })
      }
      for (const cut_at of [1000, 4000, 8000]) {
        while (seen.length + reader.messages.length < cut_at) {
          await acknowledge()
          await Bun.sleep(1)
        }
        reader.socket.terminate()
        await until('the cut', () => reader.closed)
        seen.push(...reader.messages)
        acked = 0
        const after = seen.at(-1)!.cursor
        reader = await subscribe(await WsClient.connect(broker.url), after)
      }
      await until(
        'the rest',
        async () => {
          await acknowledge()
          return seen.length + reader.messages.length >= total ? true : undefined
        },
        20_000,
      )
      await sending
      seen.push(...reader.messages)
      expect(seen.length).toBe(total)
      expect(new Set(numbers(seen)).size).toBe(total)
    }, 40_000)

  test('with priorities in play a resume may repeat, and never skips', async () => {
    await using broker = await startBroker()
    const sender = await WsClient.checkedIn(broker.url, 'a')
    for (let n = 0; n < 600; n++)
      await sender.call('send_message', {
        recipient_id: 'b',
        payload: n,
        priority: n % 3 === 0 ? 'urgent' : 'low',
      })
    const first = await WsClient.connect(broker.url)
    await first.call('subscribe', { client_id: 'b', ack: 'auto' })
    await first.received(50)
    first.socket.terminate()
    await until('the cut', () => first.closed)
    const seen = numbers(first.messages)
    const again = await WsClient.connect(broker.url)
    await again.call('subscribe', { client_id: 'b', ack: 'auto', after: first.messages.at(-1)!.cursor })
    await until('all of them', () =>
      new Set([...seen, ...numbers(again.messages)]).size === 600 ? true : undefined,
    )
    const repeated = again.messages.filter(({ message }) => seen.includes(message.payload as number))
    expect(repeated.every(({ message }) => (message.attempt ?? 1) > 1)).toBe(true)
  })
})

describe('history', () => {
  test('a cursor whose history is lost says so, and from where reading goes on', async () => {
    await using broker = await startBroker({ history_messages_max: 10 })
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const reader = await WsClient.checkedIn(broker.url, 'b')
    for (let n = 1; n <= 30; n++) {
      await sender.call('send_message', { recipient_id: 'b', payload: n })
      await reader.call('get_messages')
    }
    const { cursor } = await reader.call<Read>('get_messages')
    const epoch = cursor.split(':')[0]
    expect(cursor).toBe(`${epoch}:30`)
    expect(await reader.call('subscribe', { after: `${epoch}:25` })).toMatchObject({ recovered: true })
    await reader.received(5)
    expect(numbers(reader.messages)).toEqual([26, 27, 28, 29, 30])

    await until('what came before to be overwritten', async () => {
      const { recovered } = await reader.call('replay_messages', { after: `${epoch}:19` })
      return recovered ? undefined : true
    })
    expect(await reader.call('subscribe', { after: `${epoch}:5` })).toMatchObject({
      recovered: false,
      cursor: `${epoch}:20`,
    })
    expect(await reader.call('subscribe', { after: 'another:5' })).toMatchObject({ recovered: false })
    expect(await refusal(reader.call('subscribe', { after: 'nonsense' }))).toBe('invalid_params')

    expect(await reader.call('replay_messages', { after: `${epoch}:28` })).toMatchObject({
      recovered: true,
      cursor: `${epoch}:30`,
      messages: [{ payload: 29 }, { payload: 30 }],
    })
    expect(await reader.call('replay_messages', { after: `${epoch}:1` })).toMatchObject({ recovered: false })
  })
})

describe('a reader that stops reading', () => {
  test('is closed with 3008 and resumes, while 49 others go on; memory stays bounded', async () => {
    await using broker = await startBroker({ slow_reader_seconds: 0.5 })
    const sender = await WsClient.checkedIn(broker.url, 'a')
    const others = await Promise.all(
      Array.from({ length: 49 }, async (_, i) => {
        const reader = await WsClient.connect(broker.url)
        await reader.call('subscribe', { client_id: `reader-${i}` })
        return reader
      }),
    )
    const slow = await RawWs.connect(broker.url)
    slow.send({
      jsonrpc: '2.0',
      id: 1,
      method: 'subscribe',
      params: { client_id: 'slow', ack: 'manual', batch: true },
    })
    await until('the subscription', () =>
      slow.frames().texts.find((text) => text.includes('"recovered":true')),
    )
    slow.pause()

    const before = memoryBytes()
    const payload = 'x'.repeat(7000)
    const latencies: number[] = []
    let refused = 0
    for (let n = 0; n < 1500; n++) {
      try {
        await sender.call('send_message', { recipient_id: 'slow', payload })
      } catch (error) {
        expect((error as { code: string }).code).toBe('mailbox_full')
        refused++
      }
      if (n % 50 === 0) {
        const start = performance.now()
        const count = others[0]!.messages.length + 1
        await sender.call('broadcast_message', { payload: n })
        await Promise.all(others.map((reader) => reader.received(count, 2000)))
        latencies.push(performance.now() - start)
      }
    }
    expect(refused).toBeGreaterThan(0)
    expect(Math.max(...latencies)).toBeLessThan(1000)
    expect(memoryBytes() - before).toBeLessThan(128 * 1024 * 1024)

    await until('the hub to give the reader up', () =>
      broker.broker.hub.subscription_count === 49 ? true : undefined,
    )
    slow.resume()
    const { texts } = await until('the close', () => {
      const frames = slow.frames()
      return frames.close_code === 3008 ? frames : undefined
    })
    const messages = texts
      .flatMap((text) => [JSON.parse(text)].flat())
      .filter(({ method }) => method === 'message')
    const after = messages.at(-1).params.cursor as string
    const again = await WsClient.connect(broker.url)
    expect(await again.call('subscribe', { client_id: 'slow', after, ack: 'manual' })).toMatchObject({
      recovered: true,
    })
    const held = (await broker.broker.engine.client('default', { client_id: 'slow' }))!.last
    await again.received(held - Number(after.split(':')[1]))
    expect(again.messages.at(-1)!.cursor).toBe(`${after.split(':')[0]}:${held}`)
  }, 30_000)
})

describe('a reader that keeps up is never what fills its mailbox', () => {
  const small = 'x'
  const large = 'x'.repeat(200_000)
  test.each([
    ['in number', { mailbox_messages_max: 16 }, small],
    ['in bytes', { mailbox_bytes_max: 2 * 1024 * 1024 }, large],
  ])('however little the mailbox holds %s', async (_, limits, payload) => {
    await using broker = await startBroker(limits)
    const reader = await WsClient.checkedIn(broker.url, 'b')
    await reader.call('subscribe', { batch: true })
    const sender = await WsClient.checkedIn(broker.url, 'a')
    for (let n = 1; n <= 60; n++) {
      await sender.call('send_message', { recipient_id: 'b', payload })
      await reader.received(n)
    }
    expect(new Set(reader.messages.map(({ message }) => message.message_id)).size).toBe(60)
  })
})

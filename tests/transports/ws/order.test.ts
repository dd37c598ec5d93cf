import { describe, expect, test } from 'bun:test'
import type { Engine } from '../../../src/engine/engine.ts'
import { memoryBytes, startBroker, until } from '../../harness.ts'
import { gatedEngine, slowEngine } from '../../slow-engine.ts'
import { refusal, WsClient } from '../../ws-client.ts'

/** A request, with its id as the only thing that differs. */
const request = (id: string, method: string, params: object = {}) => ({ jsonrpc: '2.0', id, method, params })
const sending = (id: string, recipient_id: string, message = id) =>
  request(id, 'send_message', { recipient_id, message })

/** The ids of what has been answered so far, one list for each frame. */
function answeredIds({ frames }: WsClient): string[][] {
  return frames.flatMap((frame) => {
    const answers = [JSON.parse(frame) as { id?: string } | { id?: string }[]].flat()
    const ids = answers.flatMap(({ id }) => (id === undefined ? [] : [id]))
    return ids.length === 0 ? [] : [ids]
  })
}

function answered(client: WsClient, count: number, ms?: number): Promise<string[][]> {
  return until(
    `${count} answers`,
    () => {
      const ids = answeredIds(client)
      return ids.flat().length >= count ? ids : undefined
    },
    ms,
  )
}

/**
 * An engine that is slow to answer one thing until it is told to, how often it was asked that, and what to
 * append.
 */
function gated(method: keyof Engine) {
  let asked = 0
  const { promise, resolve: open } = Promise.withResolvers<void>()
  const appended: string[] = []
  const around = (engine: Engine) => {
    const append = engine.append.bind(engine)
    engine.append = (project, message, recipient_id, key) => {
      appended.push(recipient_id)
      return append(project, message, recipient_id, key)
    }
    return gatedEngine(engine, method, promise, () => asked++)
  }
  const begun = () => until(`${method} to begin`, () => (asked > 0 ? true : undefined))
  return { around, open, appended, begun }
}

/** Each page of clients takes longer than a long call may take of a turn. */
function busyPages(engine: Engine): Engine {
  const clients = engine.clients.bind(engine)
  engine.clients = (project, page) => {
    for (const end = performance.now() + 4; performance.now() < end; );
    return clients(project, page)
  }
  return engine
}

describe('calls begin in the order they came', () => {
  test('a check-in, a send and a subscribe may be sent in one go, whatever the engine takes', async () => {
    await using broker = await startBroker({}, (engine) => slowEngine(engine, { turns: () => 3 }))
    const client = await WsClient.connect(broker.url)
    client.send(request('in', 'checkin_client', { client_id: 'a' }))
    client.send(sending('to-b', 'b'))
    client.send(sending('to-a', 'a'))
    client.send(request('sub', 'subscribe'))
    client.send(request('who', 'get_my_identity'))
    await answered(client, 5)
    expect(client.notifications.filter(({ error }) => error)).toEqual([])
    expect(await client.received(1)).toMatchObject([{ message: { payload: 'to-a', sender_id: 'a' } }])
    const who = client.notifications.find(({ id }) => id === 'who')
    expect(who?.result).toMatchObject({ client_id: 'a' })
  })

  test.each([
    ['checkin', request('first', 'checkin_client', { client_id: 'a' })],
    ['open', request('first', 'subscribe', { client_id: 'a' })],
    ['end', request('first', 'disconnect_session')],
  ] as const)('%s: what came behind it begins when it is answered', async (method, first) => {
    const { around, open, appended } = gated(method)
    await using broker = await startBroker({}, around)
    const client = await WsClient.connect(broker.url)
    if (method !== 'checkin') await client.call('checkin_client', { client_id: 'a' })
    const before = client.frames.length
    client.send(first)
    client.send(sending('second', 'b'))
    client.send([sending('third', 'c'), request('fourth', 'list_sessions')])
    const other = await WsClient.connect(broker.url)
    await other.call('get_my_identity')
    expect([client.frames.length - before, appended]).toEqual([0, []])
    open()
    await until('the answers', () => (client.frames.length - before === 3 ? true : undefined))
    expect(answeredIds(client).slice(-3)).toEqual([['first'], ['second'], ['third', 'fourth']])
    const second = client.notifications.find(({ id }) => id === 'second')
    // Who has left sends no more.
    if (method === 'end') expect(second?.error?.data.code).toBe('not_checked_in')
    else expect(appended).toEqual(['b', 'c'])
  })

  test('sends do not wait for sends: all go to the engine at once, and hold up nothing', async () => {
    const { around, open, appended } = gated('append')
    await using broker = await startBroker({}, around)
    const client = await WsClient.checkedIn(broker.url, 'a')
    const count = 1000
    for (let n = 0; n < count; n++) client.send(sending(`s${n}`, `b${n % 3}`))
    expect(await client.call('heartbeat')).toMatchObject({ client_id: 'a' })
    expect(appended.length).toBe(count)
    // None of them waits: those that do are counted alone.
    const waiting = client.call('get_messages', { wait_seconds: 60 })
    await until('the wait', () => (broker.broker.waiters.count === 1 ? true : undefined))
    open()
    await answered(client, count + 2)
    client.send(sending('mail', 'a', 'at last'))
    expect(await waiting).toMatchObject({ messages: [{ payload: 'at last' }] })
    expect(client.notifications.filter(({ error }) => error)).toEqual([])
  })

  test.each([
    ['that takes long to list them', busyPages],
    ['that answers later', (engine: Engine) => slowEngine(engine, { turns: () => 2 })],
  ])('no send overtakes a broadcast that looks for its recipients, on an engine %s', async (_, around) => {
    await using broker = await startBroker({}, around)
    const { engine } = broker.broker
    const as = { resume: undefined, join: undefined, key_id: undefined, name: undefined }
    for (let n = 0; n < 600; n++)
      await engine.checkin({ project: 'default', client_id: `c${n}`, capabilities: undefined, ...as })
    const reader = await WsClient.checkedIn(broker.url, 'reader')
    await reader.call('subscribe')
    const sender = await WsClient.checkedIn(broker.url, 'sender')
    const broadcast = (id: string) => request(id, 'broadcast_message', { message: id })
    sender.send([broadcast('one'), broadcast('two'), sending('three', 'reader'), broadcast('four')])
    const got = (await reader.received(4)).map(({ message }) => message.payload)
    expect(got).toEqual(['one', 'two', 'three', 'four'])
  })

  test('waits count alone: what the engine is slow to answer is not refused for them', async () => {
    const { around, open } = gated('append')
    await using broker = await startBroker({}, around)
    const client = await WsClient.checkedIn(broker.url, 'a')
    for (let n = 0; n < 300; n++) client.send(sending(`s${n}`, 'b'))
    for (let n = 0; n < 256; n++) client.send(request(`w${n}`, 'get_messages', { wait_seconds: 60 }))
    expect(await refusal(client.call('send_message_and_wait', { recipient_id: 'b', message: 'x' }))).toBe(
      'too_many_waiting',
    )
    expect(broker.broker.waiters.count).toBe(256)
    open()
    await until('the answers to the sends', () =>
      client.notifications.filter(({ id }) => String(id).startsWith('s')).length === 300 ? true : undefined,
    )
  })
})

describe('a batch', () => {
  test('is answered as one array when its last answer is there; a call that waits is answered by itself', async () => {
    let turns = 0
    await using broker = await startBroker({}, (engine) => slowEngine(engine, { turns: () => ++turns % 4 }))
    const client = await WsClient.connect(broker.url)
    client.send([
      request('in', 'checkin_client', { client_id: 'a' }),
      request('wait', 'get_messages', { wait_seconds: 60 }),
      sending('s1', 'b'),
      request('wrong', 'send_message', { recipient_id: 'b' }),
      { jsonrpc: '2.0', method: 'send_message', params: { recipient_id: 'b', message: 'no answer wanted' } },
      request('list', 'list_sessions'),
      sending('s2', 'b'),
    ])
    const [first] = await answered(client, 5)
    expect(first!.toSorted()).toEqual(['in', 'list', 's1', 's2', 'wrong'])
    client.send(sending('s3', 'a'))
    const rest = (await answered(client, 7)).slice(1)
    expect(rest.toSorted()).toEqual([['s3'], ['wait']])
    expect(client.frames.at(-1)).not.toStartWith('[')
    const reader = await WsClient.checkedIn(broker.url, 'b')
    const { messages } = await reader.call<{ messages: { payload: string }[] }>('get_messages')
    expect(messages.map(({ payload }) => payload)).toEqual(['s1', 'no answer wanted', 's2'])
  })

  test('of notifications alone is not answered', async () => {
    await using broker = await startBroker({}, (engine) => slowEngine(engine, { turns: () => 1 }))
    const client = await WsClient.checkedIn(broker.url, 'a')
    const quiet = { jsonrpc: '2.0', method: 'send_message', params: { recipient_id: 'a', message: 'x' } }
    client.send([quiet, quiet])
    await until('the messages', async () => {
      const { messages } = await client.call<{ messages: unknown[] }>('get_messages', { ack: 'none' })
      return messages.length === 2 ? true : undefined
    })
    expect(client.frames.filter((frame) => frame.startsWith('['))).toEqual([])
  })

  test('is answered in several arrays where one would pass buffer_bytes_max', async () => {
    const buffer_bytes_max = 4096
    for (const turns of [0, 2]) {
      await using broker = await startBroker({ buffer_bytes_max }, (engine) =>
        turns === 0 ? engine : slowEngine(engine, { turns: () => turns }),
      )
      const client = await WsClient.checkedIn(broker.url, 'a')
      client.send(Array.from({ length: 40 }, (_, n) => sending(`s${n}`, 'b')))
      await answered(client, 41)
      const arrays = client.frames.filter((frame) => frame.startsWith('['))
      expect(arrays.length).toBeGreaterThan(1)
      for (const array of arrays)
        expect(array.length).toBeWithin(buffer_bytes_max / 2, buffer_bytes_max + 100)
    }
  })
})

describe('calls that take long', () => {
  const calls = Array.from({ length: 500 }, (_, n) => request(`l${n}`, 'list_sessions', { limit: 1 }))
  const ids = calls.map(({ id }) => id)

  test.each([
    ['in one batch', [calls], [ids]],
    ['in frames of their own', calls, ids.map((id) => [id])],
  ])('%s: others are served in between, and their own connection waits', async (_, frames, answers) => {
    const hard = (engine: Engine) => {
      const clients = engine.clients.bind(engine)
      // What going through twenty thousand clients takes.
      engine.clients = (project, page) => {
        for (const end = performance.now() + 1; performance.now() < end; );
        return clients(project, page)
      }
      return engine
    }
    await using broker = await startBroker({}, hard)
    const hog = await WsClient.checkedIn(broker.url, 'hog')
    const honest = await WsClient.checkedIn(broker.url, 'honest')
    for (const frame of frames) hog.send(frame)
    hog.send(sending('behind', 'b'))
    let served = 0
    while (!hog.frames.at(-1)!.includes('"behind"')) {
      await honest.call('heartbeat')
      served++
    }
    // In slices of 5 ms and a call, 500 calls of 1 ms are some 80 turns.
    expect(served).toBeGreaterThan(40)
    expect(answeredIds(hog).slice(1)).toEqual([...answers, ['behind']])
  })
})

describe('what is held up is bounded', () => {
  test('a peer that goes on sending is not read from; all that it sent is carried out in the end', async () => {
    const { around, open, appended } = gated('checkin')
    await using broker = await startBroker({}, around)
    const client = await WsClient.connect(broker.url)
    const before = memoryBytes()
    client.send(request('in', 'checkin_client', { client_id: 'a' }))
    const pad = 'x'.repeat(100_000)
    const count = 320
    // Kept as one text by this side, so that what grows is the broker's.
    for (let n = 0; n < count; n++) client.send(sending(`s${n}`, `b${n}`, pad))
    const unsent = await until('the broker to stop reading', async () => {
      const { bufferedAmount } = client.socket
      await Bun.sleep(50)
      return bufferedAmount === client.socket.bufferedAmount ? bufferedAmount : undefined
    })
    expect(unsent).toBeGreaterThan(1_000_000)
    expect(memoryBytes() - before).toBeLessThan(128 * 1024 * 1024)
    open()
    await answered(client, count + 1, 10_000)
    expect(answeredIds(client).flat()).toEqual(['in', ...Array.from({ length: count }, (_, n) => `s${n}`)])
    expect(appended.length).toBe(count)
  })

  test('what an engine leaves unanswered too: others begin when it has answered some', async () => {
    const { around, open, appended } = gated('append')
    await using broker = await startBroker({}, around)
    const client = await WsClient.checkedIn(broker.url, 'a')
    const pad = 'x'.repeat(900_000)
    const count = 30
    for (let n = 0; n < count; n++) client.send(sending(`s${n}`, `b${n}`, pad))
    await until('what fits to begin', () => (appended.length >= 18 ? true : undefined))
    const other = await WsClient.connect(broker.url)
    for (let n = 0; n < 10; n++) await other.call('get_my_identity')
    expect(appended.length).toBeLessThan(20)
    open()
    await answered(client, count + 1, 10_000)
    expect(client.notifications.filter(({ error }) => error)).toEqual([])
    expect(appended).toEqual(Array.from({ length: count }, (_, n) => `b${n}`))
  })
})

describe('a connection that has gone', () => {
  test('is not subscribed by what the engine answers afterwards, and what it held up is dropped', async () => {
    const { around, open, appended, begun } = gated('open')
    await using broker = await startBroker({}, around)
    const client = await WsClient.checkedIn(broker.url, 'a')
    client.send(request('sub', 'subscribe'))
    client.send(sending('never', 'b'))
    await begun()
    client.close()
    await client.close_code()
    open()
    const other = await WsClient.checkedIn(broker.url, 'other')
    await other.call('subscribe')
    expect(broker.broker.hub.subscription_count).toBe(1)
    expect(appended).toEqual([])
  })
})

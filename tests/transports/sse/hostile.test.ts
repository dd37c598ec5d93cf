import { expect, test } from 'bun:test'
import { memoryBytes, startBroker, until } from '../../harness.ts'
import { answerOf, call, RawSocket } from '../http/client.ts'
import { openStream } from './reader.ts'

const MIB = 1024 * 1024

/** Opens a stream over a bare socket, which then reads nothing more. */
async function stalledReader(url: string, client_id: string): Promise<RawSocket> {
  const socket = await RawSocket.open(url)
  socket.write(`GET /v1/mailboxes/${client_id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  await socket.until('the stream', () => socket.received.includes('event: recovery'))
  socket.stopReading()
  return socket
}

/** Sends messages of 64 KiB until the mailbox takes no more, or `limit` of them. @returns how many were taken */
async function fill(url: string, recipient_id: string, limit: number): Promise<number> {
  const payload = 'x'.repeat(65_536)
  for (let taken = 0; taken < limit; taken++) {
    const { status } = await call(url, 'POST', '/v1/messages', { sender_id: 'x', recipient_id, payload })
    if (status !== 201) return taken
  }
  return limit
}

test('a reader that does not read is cut off, others go on, and it resumes with nothing missing', async () => {
  await using broker = await startBroker({ slow_reader_seconds: 0.5, mailbox_bytes_max: 16 * MIB })
  const { url } = broker
  await using stalled = await stalledReader(url, 'stalled')
  await using healthy = await openStream(url, 'healthy')
  await healthy.next('recovery')

  // So much passes through the process once before, so that what its allocator keeps of it is not counted as growth.
  await fill(url, 'nobody', 200)
  const before = memoryBytes()
  const taken = await fill(url, 'stalled', 200)
  expect(taken).toBe(200)
  for (let payload = 0; payload < 50; payload++)
    await call(url, 'POST', '/v1/messages', { sender_id: 'x', recipient_id: 'healthy', payload })
  for (let payload = 0; payload < 50; payload++)
    expect((await healthy.next('message')).json.message).toMatchObject({ payload })
  const { hub } = broker.broker
  await until('the stalled reader to be given up', () => hub.subscription_count === 1 || undefined)
  expect(memoryBytes() - before).toBeLessThan(64 * MIB)

  // What it had been sent lies in the kernel; the last whole event there is where it goes on.
  stalled.goOnReading()
  await stalled.until('the end', () => stalled.closed)
  const ids = [...stalled.received.matchAll(/^id: (\S+)\nevent: message\ndata: .*\n\n/gm)].map(
    (match) => match[1]!,
  )
  await using resumed = await openStream(url, 'stalled', '', { 'last-event-id': ids.at(-1)! })
  expect((await resumed.next('recovery')).json.recovered).toBe(true)
  const last = Number(ids.at(-1)!.split(':')[1])
  for (let offset = last + 1; offset <= taken; offset++)
    expect((await resumed.next('message')).id).toEndWith(`:${offset}`)
}, 20_000)

test('a reader that is slow, but reads, is told that it was too slow', async () => {
  await using broker = await startBroker({ slow_reader_seconds: 0.3, mailbox_bytes_max: 16 * MIB })
  await using stalled = await stalledReader(broker.url, 'stalled')
  await fill(broker.url, 'stalled', 200)
  const { hub } = broker.broker
  await until('it to be given up', () => hub.subscription_count === 0 || undefined)
  stalled.received = ''
  stalled.goOnReading()
  let tail = ''
  stalled.socket.on('data', (data: Buffer) => {
    tail = (tail + data.toString()).slice(-2000)
  })
  await stalled.until('the end', () => tail.includes('event: close') || stalled.closed)
  expect(tail).toContain('"code":"slow_reader"')
}, 20_000)

test('a reader that never reads again does not keep its connection', async () => {
  await using broker = await startBroker({ slow_reader_seconds: 0.3, mailbox_bytes_max: 16 * MIB })
  await using stalled = await stalledReader(broker.url, 'stalled')
  await fill(broker.url, 'stalled', 200)
  await until('it to be given up', () => broker.broker.hub.subscription_count === 0 || undefined)
  // The peer's own end tells: a connection that was cut refuses what is written to it.
  await until(
    'the connection to be cut',
    async () => {
      await stalled.send('x')
      return stalled.closed || undefined
    },
    12_000,
  )
}, 20_000)

test('a slow reader that takes all in time is not cut off, and gets everything', async () => {
  await using broker = await startBroker({ slow_reader_seconds: 2, mailbox_bytes_max: 16 * MIB })
  await using slow = await stalledReader(broker.url, 'slow')
  let bytes = 0
  let tail = ''
  slow.socket.on('data', (data: Buffer) => {
    bytes += data.length
    tail = data.toString().slice(-200)
  })
  const filling = fill(broker.url, 'slow', 200)
  for (let pause = 0; pause < 20; pause++) {
    slow.goOnReading()
    await Bun.sleep(5)
    slow.stopReading()
    await Bun.sleep(50)
  }
  slow.goOnReading()
  const taken = await filling
  await slow.until('all of it', () => bytes > taken * 65_536)
  expect(taken).toBe(200)
  expect(tail).not.toContain('event: close')
  expect(broker.broker.hub.subscription_count).toBe(1)
}, 20_000)

const REFUSED: [string, string, Record<string, string>, number, string, string][] = [
  ['a malformed cursor', 'after=nonsense', {}, 400, 'invalid_params', '/after'],
  ['a malformed last id', '', { 'last-event-id': 'x:y:z' }, 400, 'invalid_params', '/Last-Event-ID'],
  ['an unknown parameter', 'ak=auto', {}, 400, 'invalid_params', '/ak'],
  ['an unknown way to acknowledge', 'ack=maybe', {}, 400, 'invalid_params', '/ack'],
  ['a yes that is no boolean', 'receipts=yes', {}, 400, 'invalid_params', '/receipts'],
  ['a foreign page', '', { origin: 'https://evil.example' }, 403, 'forbidden_origin', ''],
  ['another project', 'project=other', {}, 403, 'forbidden', ''],
]

for (const [what, query, headers, status, code, field] of REFUSED)
  test(`${what} is refused before any stream begins: ${code}`, async () => {
    await using broker = await startBroker()
    const answer = await answerOf(
      await fetch(`${broker.url}/v1/mailboxes/backend/events?${query}`, { headers }),
    )
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.body.code).toBe(code)
    if (field !== '') expect(answer.body.field).toBe(field)
    expect(broker.broker.hub.subscription_count).toBe(0)
  })

test('a key is needed where there are keys, and HEAD opens nothing', async () => {
  await using broker = await startBroker({ admin_key: 'a-key-of-the-operator' })
  const url = `${broker.url}/v1/mailboxes/backend/events`
  expect((await fetch(url)).status).toBe(401)
  const headers = { 'x-api-key': 'a-key-of-the-operator' }
  const head = await fetch(url, { method: 'HEAD', headers })
  expect([head.status, head.headers.get('allow')]).toEqual([405, 'GET'])
  expect(broker.broker.hub.subscription_count).toBe(0)
  await using stream = await openStream(broker.url, 'backend', '', headers)
  await stream.next('recovery')
})

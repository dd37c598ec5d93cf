import { expect, test } from 'bun:test'
import { pino } from 'pino'
import { type App, startApp } from '../../src/app.ts'
import { StorageFailed } from '../../src/core/errors.ts'
import { JournalEngine, type JournalLevel } from '../../src/engine/journal/journal.ts'
import { Motor } from '../engine/journal/bench.ts'
import { VirtualDisk } from '../engine/journal/virtual-disk.ts'
import { startBroker, testConfig, until } from '../harness.ts'
import { Random } from '../simulation/random.ts'
import { RpcError, refusal, WsClient } from '../ws-client.ts'

const SEGMENT_BYTES = 4 * 1024 * 1024
/** Part of a segment. */
const RESERVE = 3 / 8
const SENT_AT_ONCE = 50
const ACKNOWLEDGED = 10_000
const ROOM_MS_MAX = 5000
const BOUNDLESS = { mailbox_messages_max: 1_000_000, mailbox_bytes_max: 1_000_000_000 }

/** A broker on a virtual disk. It has to be killed: its stop would wait for a disk that is dead by then. */
async function brokerOn(
  disk: VirtualDisk,
  faults: unknown[],
  level: JournalLevel = 'normal',
  segment_bytes = SEGMENT_BYTES,
): Promise<App> {
  const config = testConfig({
    ...BOUNDLESS,
    history_messages_max: 1_000_000,
    attempts_max: 1_000_000,
    lease_seconds: 3600,
    ttl_seconds: 36_000,
  })
  return startApp(
    config,
    pino({ level: 'silent' }),
    (options) =>
      new JournalEngine({
        ...options,
        level,
        open: () => ({ path: '/data', disk, boot_id: 'boot', close() {} }),
        report: (trouble) => void faults.push(trouble),
        note: (sentence) => void faults.push(sentence),
        fatal: (reason) => void faults.push(reason),
        segment_bytes,
        reserve_bytes: segment_bytes * RESERVE,
      }),
  )
}

async function ready({ url }: App): Promise<{ status: number; detail: string | undefined }> {
  const response = await fetch(`${url}/health/ready`)
  const { detail } = (await response.json()) as { detail?: string }
  return { status: response.status, detail }
}

/** Sends until that is refused. @returns the ids of what was accepted */
async function fill(client: WsClient, to: string, filler: string): Promise<string[]> {
  const accepted: string[] = []
  for (let refused = false; !refused; ) {
    const sends = Array.from({ length: SENT_AT_ONCE }, () =>
      client.call<{ message_id: string }>('send_message', { recipient_id: to, payload: { filler } }),
    )
    for (const result of await Promise.allSettled(sends)) {
      if (result.status === 'fulfilled') accepted.push(result.value.message_id)
      else refused = true
    }
  }
  return accepted
}

async function read(client: WsClient, ack: string, limit = 1000): Promise<string[]> {
  const input = { ack, limit, bytes_max: 1_000_000 }
  const { messages } = await client.call<{ messages: { message_id: string }[] }>('get_messages', input)
  return messages.map(({ message_id }) => message_id)
}

test.each(['normal', 'full'] as const)(
  'a broker (%s) whose disk is full goes on acknowledging, and sends again once there is room',
  async (level) => {
    let disk = new VirtualDisk(new Random(1))
    disk.space = 2 * SEGMENT_BYTES + 1000
    const faults: unknown[] = []
    using _ = new Motor(() => disk)
    const first = await brokerOn(disk, faults, level)
    const sender = await WsClient.checkedIn(first.url, 'sender')
    const reader = await WsClient.checkedIn(first.url, 'reader')
    const live = await WsClient.checkedIn(first.url, 'live')
    await live.call('subscribe', { ack: 'auto' })
    await sender.call('send_message', { recipient_id: 'live', payload: 'first' })
    await live.received(1)
    const accepted = await fill(sender, 'reader', 'x'.repeat(250))
    expect(accepted.length).toBeGreaterThan(ACKNOWLEDGED)

    // Senders are told, through any door.
    const refused = await fetch(`${first.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sender_id: 's', recipient_id: 'reader', payload: 1 }),
    })
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await refused.json()).toMatchObject({
      code: 'storage_full',
      retryable: true,
      retry_after_ms: expect.any(Number),
    })
    expect(await refusal(sender.call('send_message', { recipient_id: 'live', payload: 1 }))).toBe(
      'storage_full',
    )
    expect(await ready(first)).toEqual({
      status: 503,
      detail: expect.stringMatching(/^\/data \(\d+ bytes free\): no next segment can be made: ENOSPC$/),
    })

    // Each call acknowledges one message.
    const acknowledged: string[] = []
    while (acknowledged.length < ACKNOWLEDGED) {
      const leased = await read(reader, 'manual')
      const acks = leased.map((id) =>
        reader.call<{ acknowledged: number }>('ack_messages', { message_ids: [id] }),
      )
      for (const { acknowledged: count } of await Promise.all(acks)) expect(count).toBe(1)
      acknowledged.push(...leased)
    }
    acknowledged.push(...(await read(reader, 'auto', 10)))
    expect(live.closed).toBeUndefined()
    expect(await refusal(sender.call('send_message', { recipient_id: 'live', payload: 1 }))).toBe(
      'storage_full',
    )

    disk = disk.kill()
    void first.stop().catch(() => undefined)
    const second = await brokerOn(disk, faults, level)
    const again = await WsClient.checkedIn(second.url, 'reader')
    // A turn that was too big has left a little.
    accepted.push(...(await fill(again, 'reader', '')))
    expect((await ready(second)).status).toBe(503)
    disk.space += SEGMENT_BYTES
    const { client_id } = await until(
      'a send to be stored',
      () =>
        again
          .call<{ message_id: string }>('send_message', { recipient_id: 'reader', payload: 'again' })
          .then(({ message_id }) => ({ client_id: message_id }))
          .catch((error: unknown) => {
            if (!(error instanceof RpcError) || error.code !== 'storage_full') throw error
            return undefined
          }),
      ROOM_MS_MAX,
    )
    expect((await ready(second)).status).toBe(200)

    const left: string[] = []
    for (let some = await read(again, 'auto'); some.length > 0; some = await read(again, 'auto'))
      left.push(...some)
    expect(left.pop()).toBe(client_id)
    // Nothing that was accepted is lost, and nothing that was acknowledged comes again.
    expect([...acknowledged, ...left].sort()).toEqual([...accepted].sort())
    // The first broker goes on for a moment on a disk that it has not got any more.
    expect(faults.map(String).filter((fault) => !fault.endsWith('dead'))).toEqual([
      'no next segment can be made: ENOSPC',
      'no next segment can be made: ENOSPC',
      'a next segment could be made again',
    ])
    await second.stop()
  },
  30_000,
)

test('a broker that can write nothing more refuses in words, and recovers by itself', async () => {
  const disk = new VirtualDisk(new Random(2))
  disk.space = SEGMENT_BYTES / 4 + 1000
  const faults: unknown[] = []
  using _ = new Motor(() => disk)
  const app = await brokerOn(disk, faults, 'normal', SEGMENT_BYTES / 8)
  const sender = await WsClient.checkedIn(app.url, 'sender')
  const reader = await WsClient.checkedIn(app.url, 'reader')
  const live = await WsClient.checkedIn(app.url, 'live')
  await live.call('subscribe', { ack: 'manual' })
  const accepted = await fill(sender, 'reader', 'x'.repeat(3000))
  const [leased] = await read(reader, 'manual', 1)

  // Leases that are given back and taken again use the reserve up, in an order that makes no ranges of them.
  const tried = { recipient_id: 'reader' }
  for (let refused: string | undefined; refused === undefined; ) {
    const ids = await read(reader, 'manual').catch(() => undefined)
    if (ids === undefined || ids.length === 0) break
    const nacks = ids.reverse().map((id) => reader.call('nack_messages', { message_ids: [id] }))
    for (const nack of await Promise.allSettled(nacks))
      if (nack.status === 'rejected') refused = (nack.reason as RpcError).code
    expect(refused ?? 'storage_unavailable').toBe('storage_unavailable')
  }
  for (const [command, input] of [
    ['get_messages', { ack: 'manual' }],
    ['get_messages', { ack: 'auto' }],
    ['ack_messages', { message_ids: [leased] }],
    ['subscribe', { ack: 'auto' }],
  ] as const)
    expect([command, await refusal(reader.call(command, input))]).toEqual([command, 'storage_unavailable'])
  expect(await refusal(sender.call('send_message', { ...tried, payload: 1 }))).toBe('storage_full')
  const other = await WsClient.connect(app.url)
  expect(await refusal(other.call('checkin_client', { client_id: 'other' }))).toBe('storage_unavailable')
  expect(await read(reader, 'none', 10)).toHaveLength(10)
  const { messages } = await reader.call<{ messages: unknown[] }>('replay_messages', { limit: 10 })
  expect(messages).toHaveLength(10)
  expect((await ready(app)).status).toBe(503)

  disk.space += SEGMENT_BYTES
  await until('readiness', async () => ((await ready(app)).status === 200 ? true : undefined), ROOM_MS_MAX)
  await sender.call('send_message', { recipient_id: 'live', payload: 'again' })
  await live.received(1)
  await reader.call('ack_messages', { message_ids: [leased] })
  const left: string[] = []
  for (let some = await read(reader, 'auto'); some.length > 0; some = await read(reader, 'auto'))
    left.push(...some)
  // What was leased when the reserve ran out is leased still, and given back with the session.
  await reader.call('checkin_client', { client_id: 'reader' })
  expect(new Set([leased!, ...left]).size).toBe(left.length + 1)
  for (const id of left) expect(accepted).toContain(id)
  await app.stop()
}, 30_000)

test('a reader whose acknowledgement cannot be written stays, and it is written later', async () => {
  let full = true
  let failed = 0
  await using app = await startBroker(
    {},
    (engine) =>
      new Proxy(engine, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name)
          if (typeof member !== 'function') return member
          return (...args: unknown[]) => {
            if (name === 'settle' && full) {
              failed++
              throw new StorageFailed('full')
            }
            return member.apply(target, args)
          }
        },
      }),
  )
  const reader = await WsClient.checkedIn(app.url, 'reader')
  await reader.call('subscribe', { ack: 'auto' })
  await reader.call('send_message', { recipient_id: 'reader', payload: 1 })
  await reader.received(1)
  await until('an acknowledgement', () => failed > 1 || undefined)
  const { message_id } = reader.messages[0]!.message
  const status = async () =>
    (await reader.call<{ status: string }>('get_message_status', { message_id })).status
  expect(await status()).toBe('delivered')
  full = false
  await until('it to be written', async () => ((await status()) === 'acknowledged' ? true : undefined))
  expect(reader.messages).toHaveLength(1)
})

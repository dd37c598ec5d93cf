import { expect, test } from 'bun:test'
import { pino } from 'pino'
import { type App, startApp } from '../../src/app.ts'
import { JournalEngine, type JournalLevel } from '../../src/engine/journal/journal.ts'
import { Motor } from '../engine/journal/bench.ts'
import { VirtualDisk } from '../engine/journal/virtual-disk.ts'
import { testConfig, until } from '../harness.ts'
import { Random } from '../simulation/random.ts'
import { WsClient } from '../ws-client.ts'
import { turns, watched } from './disk.ts'

/** A broker on a disk whose syncs end when the test has them end. */
async function brokerOn(disk: VirtualDisk, level: JournalLevel): Promise<App & AsyncDisposable> {
  const fault = (trouble: unknown) => {
    throw trouble
  }
  using _ = new Motor(() => disk)
  const app = await startApp(
    testConfig(),
    pino({ level: 'silent' }),
    (options) =>
      new JournalEngine({
        ...options,
        level,
        open: () => ({ path: '/data', disk, boot_id: 'boot', close() {} }),
        report: fault,
        note: fault,
        fatal: fault,
        segment_bytes: 256 * 1024,
      }),
  )
  return {
    ...app,
    async [Symbol.asyncDispose]() {
      using _ = new Motor(() => disk)
      await app.stop()
    },
  }
}

async function read(client: WsClient, ack: string): Promise<string[]> {
  const { messages } = await client.call<{ messages: { message_id: string }[] }>('get_messages', { ack })
  return messages.map(({ message_id }) => message_id)
}

const send = (client: WsClient, recipient_id: string, payload: unknown = 1) =>
  client.call<{ message_id: string }>('send_message', { recipient_id, payload })

test('with normal, nobody waits for a disk that syncs slowly', async () => {
  const disk = new VirtualDisk(new Random(1))
  await using app = await brokerOn(disk, 'normal')
  const sender = await WsClient.checkedIn(app.url, 'sender')
  const reader = await WsClient.checkedIn(app.url, 'reader')
  const live = await WsClient.checkedIn(app.url, 'live')
  await live.call('subscribe', { ack: 'auto' })
  await send(sender, 'live')
  await until('a sync', () => disk.pending > 0 || undefined)
  for (let n = 2; n < 100; n++) {
    await send(sender, 'live')
    const { message_id } = await send(sender, 'reader')
    expect(await read(reader, 'manual')).toEqual([message_id])
    await reader.call('ack_messages', { message_ids: [message_id] })
    await live.received(n)
  }
  expect(disk.pending).toBeGreaterThan(0)
})

test('with full, receipts and deliveries wait for the sync, and what only readers do does not', async () => {
  const disk = new VirtualDisk(new Random(2))
  await using app = await brokerOn(disk, 'full')
  const sender = await WsClient.checkedIn(app.url, 'sender')
  const reader = await WsClient.checkedIn(app.url, 'reader')
  const live = await WsClient.checkedIn(app.url, 'live')
  await live.call('subscribe', { ack: 'auto' })
  {
    using _ = new Motor(() => disk)
    for (let n = 0; n < 50; n++) await send(sender, 'reader', n)
  }

  // Leases and acknowledgements are synced later.
  const ids = await read(reader, 'manual')
  expect(ids).toHaveLength(50)
  for (const id of ids.slice(0, 40)) await reader.call('ack_messages', { message_ids: [id] })
  await until('a sync', () => disk.pending > 0 || undefined)
  await reader.call('nack_messages', { message_ids: ids.slice(40) })
  expect(await read(reader, 'auto')).toHaveLength(10)

  const receipt = watched(send(sender, 'live', 'slow'))
  await turns(app)
  expect([receipt.settled, live.messages.length]).toEqual([false, 0])
  // One sync may have begun before it, and then comes its own.
  using _ = new Motor(() => disk)
  await receipt.promise
  await live.received(1)
})

test('with full, a reader waits for no more than the sync under way and the next, however many send', async () => {
  const disk = new VirtualDisk(new Random(3))
  await using app = await brokerOn(disk, 'full')
  const senders = await Promise.all(['a', 'b', 'c'].map((name) => WsClient.checkedIn(app.url, name)))
  const reader = await WsClient.checkedIn(app.url, 'reader')
  let sending = true
  const working = senders.map(async (sender) => {
    while (sending) await send(sender, 'reader')
  })
  for (let n = 0; n < 20; n++) {
    const reading = watched(read(reader, 'auto'))
    let syncs = 0
    while (!reading.settled) {
      await until('a sync, or the answer', () => disk.pending > 0 || reading.settled || undefined)
      if (reading.settled) break
      // What is preparing ends in between, and is none.
      const before = app.broker.engine as JournalEngine
      const count = synced(before)
      while (disk.pending > 0 && synced(before) === count && !reading.settled) {
        disk.step()
        await turns(app)
      }
      syncs += synced(before) - count
    }
    expect(syncs).toBeLessThanOrEqual(2)
  }
  sending = false
  using _ = new Motor(() => disk)
  await Promise.all(working)
})

function synced(engine: JournalEngine): number {
  return engine.stats().journal!.syncs!.count
}

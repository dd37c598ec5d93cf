import { expect } from 'bun:test'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RealBroker } from '../real-broker.ts'
import { Client } from './client.ts'
import { Mount } from './mounts.ts'

const MEGABYTE = 1024 * 1024
const ACKNOWLEDGED = 10_000
const CHARS = 1000

/** Each gets an empty directory, and throws where something is not as it should be. */
export const SCENARIOS: Readonly<Record<string, (root: string) => Promise<void>>> = {
  async 'a full tmpfs'(root) {
    using disk = Mount.tmpfs(root, '64m')
    await fillAndRecover(disk.path)
  },

  async 'a full ext4'(root) {
    using disk = Mount.ext4(root, 96)
    await fillAndRecover(disk.path)
  },

  async 'a full tmpfs whose reserve is used up'(root) {
    using disk = Mount.tmpfs(root, '64m')
    await useUpAndRecover(disk.path, false)
  },

  async 'a full ext4 whose reserve is used up'(root) {
    using disk = Mount.ext4(root, 96)
    await useUpAndRecover(disk.path, true)
  },

  /** The kernel does not take a mount from those who write there; what it does then is `readOnlyByError`. */
  async 'a mount that is to become read-only while it is written to'(root) {
    using disk = Mount.tmpfs(root, '64m')
    using bound = Mount.bind(root, disk.path)
    await using broker = new RealBroker(join(bound.path, 'data'))
    await broker.start()
    const client = await connected(broker)
    expect(await client.send()).toBeUndefined()
    expect(bound.remount('ro,bind')).toContain('busy')
    expect(await client.send()).toBeUndefined()
    await broker.stop()
    await broker.start()
    await client.connect(broker)
    await client.checkAll()
    await broker.stop()
  },

  async 'a mount that is read-only at the start'(root) {
    using disk = Mount.tmpfs(root, '64m')
    using bound = Mount.bind(root, disk.path)
    await using broker = new RealBroker(join(bound.path, 'data'))
    await broker.start()
    const client = await connected(broker)
    expect(await client.send()).toBeUndefined()
    await broker.stop()
    expect(bound.remount('ro,bind')).toBeUndefined()
    const refused = await broker.start().catch((error: Error) => error.message)
    expect(refused).toContain(
      `${broker.data_dir} is on a file system that is read-only (EROFS): mount it writable`,
    )
    expect(refused).not.toContain('    at ')
    expect(bound.remount('rw,bind')).toBeUndefined()
    await broker.start()
    await client.connect(broker)
    await client.checkAll()
    await broker.stop()
  },

  async 'an ext4 that makes itself read-only after an error'(root) {
    const client = new Client()
    {
      using disk = Mount.ext4(root, 96)
      await using broker = new RealBroker(join(disk.path, 'data'))
      await broker.start()
      await client.connect(broker)
      for (let n = 0; n < 100; n++) expect(await client.send('x'.repeat(CHARS))).toBeUndefined()
      // What `normal` promises of a disk is what a second ago was written.
      await Bun.sleep(2500)
      expect(disk.remount('abort')).toBeUndefined()
      expect(await client.send()).toBe('storage_unavailable')
      const { ok, detail } = await client.ready()
      expect([ok, detail]).toEqual([false, expect.stringContaining(broker.data_dir!)])
      expect(await client.read('none')).toHaveLength(100)
      await Bun.sleep(2500)
      expect(await client.send()).toBe('storage_unavailable')
      expect((await client.ready()).ok).toBe(false)
      await broker.kill()
    }
    // Checked, and mounted again.
    using disk = Mount.again(root)
    await using broker = new RealBroker(join(disk.path, 'data'))
    await broker.start()
    await client.connect(broker)
    expect(await client.send()).toBeUndefined()
    await client.checkAll()
    await broker.stop()
  },
}

async function connected(broker: RealBroker): Promise<Client> {
  const client = new Client()
  await client.connect(broker)
  return client
}

/** Takes space, and leaves so many bytes. @returns the file to remove for more */
function take(disk: string, left: number): string {
  const { bavail, bsize } = statfsSync(disk)
  const file = join(disk, `taken-${left}`)
  try {
    writeFileSync(file, new Uint8Array(Math.max(0, bavail * bsize - left)))
  } catch (error) {
    // The last blocks may be needed to say where the others are.
    if (left > 0 || (error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
  return file
}

async function fillAndRecover(disk: string): Promise<void> {
  // Room for two segments and a half.
  const taken = take(disk, 40 * MEGABYTE)
  await using broker = new RealBroker(join(disk, 'data'))
  await broker.start()
  const client = await connected(broker)
  await client.fill(CHARS)
  take(disk, 0)
  expect(await client.send()).toBe('storage_full')
  expect(client.accepted.size).toBeGreaterThan(2 * ACKNOWLEDGED)
  await notReady(broker, client)
  await client.acknowledge(ACKNOWLEDGED)
  await client.read('auto')
  expect(await client.send()).toBe('storage_full')

  await broker.kill()
  await broker.start(true)
  await broker.stop()
  await broker.start(true)
  await client.connect(broker)
  await client.fill(CHARS)
  await notReady(broker, client)
  await client.acknowledge(1000)
  rmSync(taken)
  await client.untilAccepted()
  await client.fill(CHARS)
  await broker.kill()
  await broker.start(true)
  await client.connect(broker)
  await client.checkAll()
  await broker.stop()
  onlyFull(broker)
}

/** @param killed before there is room */
async function useUpAndRecover(disk: string, killed: boolean): Promise<void> {
  // Room for two segments and a half.
  const taken = take(disk, 40 * MEGABYTE)
  await using broker = new RealBroker(join(disk, 'data'))
  await broker.start()
  const client = await connected(broker)
  await client.fill(CHARS)
  take(disk, 0)
  expect(await client.useUp()).toBe('storage_unavailable')
  for (const [command, input] of [
    ['get_messages', { ack: 'auto' }],
    ['get_messages', { ack: 'manual' }],
    ['ack_messages', { message_ids: ['x'] }],
    ['checkin_client', { client_id: 'other' }],
  ] as const)
    expect([command, (await client.call(command, input)).code]).toEqual([command, 'storage_unavailable'])
  expect(await client.send()).toBe('storage_full')
  expect((await client.read('none')).length).toBeGreaterThan(100)
  expect((await client.call('replay_messages', { limit: 10 })).output.messages).toHaveLength(10)
  await notReady(broker, client)

  if (killed) {
    await broker.kill()
    await broker.start(true)
    rmSync(taken)
    await client.reconnect(broker)
  } else rmSync(taken)
  await client.untilAccepted()
  await broker.kill()
  await broker.start()
  await client.connect(broker)
  await client.checkAll()
  await broker.stop()
  onlyFull(broker)
}

/** It says where, and how much is free. */
async function notReady({ data_dir }: RealBroker, client: Client): Promise<void> {
  const { ok, detail } = await client.ready()
  const { bavail, bsize } = statfsSync(data_dir!)
  expect([ok, detail]).toEqual([
    false,
    `${data_dir} (${bavail * bsize} bytes free): no next segment can be made: ENOSPC`,
  ])
}

/**
 * Nothing went wrong but that. A segment that is begun before it is prepared may meet the end of the disk.
 */
function onlyFull(broker: RealBroker): void {
  const expected =
    /no next segment can be made: ENOSPC|writing fails: ENOSPC|the disk is full|could not be stored|stop could not be noted/
  expect(broker.faults().filter((fault) => !expected.test(fault))).toEqual([])
}

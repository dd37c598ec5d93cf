import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Compile } from 'typebox/schema'
import type { App } from '../../src/app.ts'
import { FILE_LEASE } from '../../src/core/protocol/ready/file-lease.ts'
import { environment } from '../cli/harness.ts'
import { startBroker, until } from '../harness.ts'
import { WsClient } from '../ws-client.ts'

const KEEPER = new URL('../../examples/file-lease-keeper.ts', import.meta.url).pathname
const fits = Compile(FILE_LEASE.schema as object)

interface Holder {
  client_id: string
  paths: string[]
  expires_at: string
  remaining_seconds: number
}

interface Answer {
  kind: string
  lease_id: string
  fence: number
  ttl_seconds: number
  expires_at: string
  reason?: string
  holders?: Holder[]
}

let app: App & AsyncDisposable
let keeper: ReturnType<typeof startKeeper>
let one: WsClient
let two: WsClient
beforeAll(async () => {
  app = await startBroker()
  keeper = startKeeper()
  await isReady(keeper)
  one = await WsClient.checkedIn(app.url, 'one')
  two = await WsClient.checkedIn(app.url, 'two')
})
afterAll(async () => {
  one.close()
  two.close()
  keeper.kill()
  await keeper.exited
  await app.stop()
})

function startKeeper() {
  const env = environment({ MCP_BROKER_URL: app.url })
  return Bun.spawn([process.execPath, KEEPER], { env, stdout: 'pipe', stderr: 'pipe' })
}

async function isReady({ stdout }: ReturnType<typeof startKeeper>): Promise<void> {
  const reader = stdout.getReader()
  const { value } = await reader.read()
  reader.releaseLock()
  expect(new TextDecoder().decode(value)).toBe('The keeper of file leases is ready.\n')
}

/** Sends what fits the protocol, and answers the keeper's reply, which fits it too. */
async function ask(client: WsClient, payload: object): Promise<Answer> {
  expect(fits.Check(payload)).toBe(true)
  const { reply } = await client.call<{
    reply: { payload: Answer; protocol_name: string; sender_id: string }
  }>('send_message_and_wait', {
    recipient_id: 'leases',
    protocol_name: 'file_lease',
    protocol_version: '1.0.0',
    payload,
    timeout: 5,
  })
  expect([...fits.Errors(reply.payload)[1]]).toEqual([])
  expect(reply).toMatchObject({ sender_id: 'leases', protocol_name: 'file_lease', protocol_version: '1.0.0' })
  return reply.payload
}

const acquire = (client: WsClient, lease_id: string, paths: string[], more = {}) =>
  ask(client, { kind: 'acquire', lease_id, paths, ...more })
const release = (client: WsClient, lease_id: string) => ask(client, { kind: 'release', lease_id })

test('who asks first has the paths; others learn who and how long, and have them later', async () => {
  const granted = await acquire(one, 'first', ['src/a.ts', 'src/b.ts'], { ttl_seconds: 60, reason: 'tests' })
  expect(granted).toMatchObject({
    kind: 'granted',
    mode: 'exclusive',
    ttl_seconds: 60,
    paths: ['src/a.ts', 'src/b.ts'],
  })
  expect(Date.parse(granted.expires_at) - Date.now()).toBeWithin(50_000, 60_001)

  const denied = await acquire(two, 'second', ['src/c.ts', 'src/b.ts'])
  expect(denied.kind).toBe('denied')
  expect(denied.holders).toEqual([
    {
      client_id: 'one',
      paths: ['src/a.ts', 'src/b.ts'],
      mode: 'exclusive',
      expires_at: granted.expires_at,
      remaining_seconds: expect.any(Number),
    } as Holder,
  ])
  expect(denied.holders?.[0]?.remaining_seconds).toBeWithin(50, 61)
  // All or none: src/c.ts is free.
  expect((await acquire(one, 'third', ['src/c.ts'])).kind).toBe('granted')
  for (const lease_id of ['first', 'third'])
    expect(await release(one, lease_id)).toEqual({ kind: 'released', lease_id } as Answer)
  const later = await acquire(two, 'second', ['src/c.ts', 'src/b.ts'])
  expect(later).toMatchObject({ kind: 'granted', ttl_seconds: 900 })
  expect(later.fence).toBeGreaterThan(granted.fence)
  await release(two, 'second')
  expect(await release(two, 'second')).toEqual({ kind: 'released', lease_id: 'second' } as Answer)
})

test('a repeated request and a renewal keep the fence; another request is another lease', async () => {
  const first = await acquire(one, 'again', ['x.ts'], { ttl_seconds: 10 })
  const repeated = await acquire(one, 'again', ['x.ts'], { ttl_seconds: 10 })
  expect(repeated.fence).toBe(first.fence)
  const renewed = await ask(one, { kind: 'renew', lease_id: 'again', ttl_seconds: 100 })
  expect(renewed).toMatchObject({ kind: 'granted', paths: ['x.ts'], ttl_seconds: 100, fence: first.fence })
  expect(Date.parse(renewed.expires_at)).toBeGreaterThan(Date.parse(first.expires_at))
  expect((await acquire(one, 'again', ['x.ts', 'y.ts'])).fence).toBeGreaterThan(first.fence)
  expect(await ask(two, { kind: 'renew', lease_id: 'again' })).toMatchObject({ kind: 'denied' })
  await release(one, 'again')
})

test('shared leases go together, and an exclusive one with none', async () => {
  expect((await acquire(one, 'read', ['docs/**'], { mode: 'shared' })).kind).toBe('granted')
  expect((await acquire(two, 'read', ['docs/a.md'], { mode: 'shared' })).kind).toBe('granted')
  expect(await acquire(two, 'write', ['docs/a.md'])).toMatchObject({
    kind: 'denied',
    holders: [{ client_id: 'one' }],
  })
  await release(one, 'read')
  // A client is not in its own way.
  expect((await acquire(two, 'write', ['docs/a.md'])).kind).toBe('granted')
  for (const lease_id of ['read', 'write']) await release(two, lease_id)
})

describe("which paths are in each other's way", () => {
  test.each([
    ['src/a.ts', 'src/a.ts', true],
    ['src/a.ts', './src//a.ts', true],
    ['src/a.ts', 'src/b.ts', false],
    ['src/a.ts', 'src/a.tsx', false],
    ['src', 'src/a.ts', true],
    ['src/', 'src/deep/a.ts', true],
    ['src', 'src/**/*.ts', true],
    ['src', 'source/a.ts', false],
    ['.', 'anything', true],
    ['src/*.ts', 'src/a.ts', true],
    ['src/*.ts', 'src/deep/a.ts', false],
    ['src/**', 'tests/**', false],
    ['src/**', 'src/deep/*.ts', true],
    ['!src/**', 'lib/**', true],
    ['!src/**', 'lib/a.ts', true],
    ['app/[id]/page.tsx', 'app/[id]/page.tsx', true],
    ['../other/a.ts', 'b.ts', undefined],
    ['/etc/passwd', 'b.ts', undefined],
  ])('%s and %s: %p', async (held, wanted, expected) => {
    const first = await acquire(one, 'held', [held])
    if (expected === undefined)
      expect(first).toMatchObject({ kind: 'denied', reason: `${held} does not lie in the repository.` })
    else {
      expect((await acquire(two, 'wanted', [wanted])).kind).toBe(expected ? 'denied' : 'granted')
      await release(one, 'held')
      expect((await acquire(two, 'wanted', [wanted])).kind).toBe('granted')
      expect((await acquire(one, 'held', [held])).kind).toBe(expected ? 'denied' : 'granted')
    }
    await release(one, 'held')
    await release(two, 'wanted')
  })
})

test('a lease that runs out is free for others; a late renewal says who has it', async () => {
  const first = await acquire(one, 'short', ['hot.ts'], { ttl_seconds: 1 })
  const second = await until('the lease to run out', async () => {
    const { kind, fence, holders } = await acquire(two, 'next', ['hot.ts'], { ttl_seconds: 300 })
    if (kind === 'granted') return fence
    expect(holders?.[0]?.remaining_seconds).toBe(1)
    return undefined
  })
  expect(second).toBeGreaterThan(first.fence)
  expect(await ask(one, { kind: 'renew', lease_id: 'short' })).toMatchObject({
    kind: 'conflict',
    paths: ['hot.ts'],
    holders: [{ client_id: 'two', remaining_seconds: 300 }],
  })
  await release(two, 'next')
  const back = await ask(one, { kind: 'renew', lease_id: 'short' })
  expect(back.kind).toBe('granted')
  expect(back.fence).toBeGreaterThan(second)
  await release(one, 'short')
})

test('what is not for a keeper is read and left', async () => {
  await one.call('send_message', { recipient_id: 'leases', message: 'hello' })
  const { message_id } = await one.call<{ message_id: string }>('send_message', {
    recipient_id: 'leases',
    protocol_name: 'file_lease',
    protocol_version: '1.0.0',
    payload: { kind: 'released', lease_id: 'x' },
  })
  await until('the acknowledgement', async () => {
    const { status } = await one.call<{ status: string }>('get_message_status', { message_id })
    return status === 'acknowledged' || undefined
  })
  expect(one.messages).toEqual([])
})

test('of two keepers the later one has the address, and the earlier one ends', async () => {
  const { fence } = await acquire(one, 'before', ['moved.ts'])
  const later = startKeeper()
  await isReady(later)
  expect(await keeper.exited).toBe(1)
  keeper = later
  expect(await ask(one, { kind: 'renew', lease_id: 'before' })).toMatchObject({ kind: 'denied' })
  expect((await acquire(one, 'after', ['moved.ts'])).fence).toBeGreaterThan(fence)
})

import { expect, test } from 'bun:test'
import { Keys } from '../../src/auth/identity.ts'
import { runCommand } from '../../src/broker/command.ts'
import { requeueDeadLetters } from '../../src/broker/commands/dead-letters.ts'
import { Turns } from '../../src/broker/turns.ts'
import { startBroker } from '../harness.ts'
import { WsClient } from '../ws-client.ts'

/** Takes the processor for so long. */
function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('a call that comes while there is time is carried out at once', () => {
  const turns = new Turns()
  expect(turns.run(() => 1)).toBe(1)
  expect(turns.full).toBeFalse()
})

test('long calls share each turn, in the order they came, and others run between the turns', async () => {
  const turns = new Turns()
  const order: string[] = []
  const calls = Array.from({ length: 6 }, (_, n) =>
    turns.run(() => {
      busy(2)
      order.push(`long ${n}`)
    }),
  )
  expect(order).toEqual(['long 0', 'long 1'])
  expect(turns.full).toBeTrue()
  setTimeout(() => order.push('other'), 0)
  await Promise.all(calls)
  expect(order.filter((what) => what !== 'other')).toEqual([0, 1, 2, 3, 4, 5].map((n) => `long ${n}`))
  expect(order.indexOf('other')).toBeLessThan(order.length - 1)
})

test('a failure of a call that waited reaches its caller, and holds up nobody', async () => {
  const turns = new Turns()
  turns.run(() => busy(6))
  const failing = turns.run(() => {
    throw new Error('on fire')
  })
  const next = turns.run(() => 'next')
  await expect(Promise.resolve(failing)).rejects.toThrow('on fire')
  expect(await next).toBe('next')
})

test('a list is gone through page by page to its end, or as far as it is wanted', async () => {
  const turns = new Turns()
  const page = (after = '0') => {
    const from = Number(after)
    busy(1)
    return { items: [from, from + 1], next: from < 98 ? String(from + 2) : undefined }
  }
  for (const read of [page, async (after?: string) => page(after)])
    for (const wanted of [51, 1000]) {
      const visited: number[] = []
      let turns_between = 0
      const counting = setInterval(() => turns_between++, 0)
      await turns.pages(read, ({ items }) => visited.push(...items) < wanted)
      clearInterval(counting)
      expect(visited).toEqual(Array.from({ length: wanted === 51 ? 52 : 100 }, (_, n) => n))
      if (read === page) expect(turns_between).toBeGreaterThan(1)
    }
})

test('ten thousand dead letters are requeued whole, while others are served', async () => {
  await using broker = await startBroker()
  const sender = await WsClient.checkedIn(broker.url, 'a')
  const letters = (n: number) => ({ recipient_id: `b${n % 20}`, payload: n, ttl_seconds: 0.01 })
  const send = (n: number) => sender.call('send_message', letters(n))
  for (let n = 0; n < 10_000; n += 1000)
    await Promise.all(Array.from({ length: 1000 }, (_, i) => send(n + i)))
  const dead = async () => Number((await sender.call('list_dead_letters', { limit: 1 })).total)
  while ((await dead()) < 10_000) await Bun.sleep(10)

  const caller = new Keys(undefined).identify({ key: undefined, project: undefined })
  let turns_between = 0
  const counting = setInterval(() => turns_between++, 0)
  const requeue = runCommand(broker.broker, requeueDeadLetters, caller, {})
  // What is done in one go is answered at once.
  expect(requeue).toBeInstanceOf(Promise)
  expect(await requeue).toMatchObject({ requeued: 10_000, refused: [] })
  clearInterval(counting)
  expect(turns_between).toBeGreaterThan(2)
}, 30_000)

test('filters over many clients are answered whole', async () => {
  await using broker = await startBroker()
  const crowd = await WsClient.connect(broker.url)
  for (let n = 0; n < 300; n++)
    await crowd.call('checkin_client', { client_id: `c${n}`, capabilities: { features: [`f${n % 3}`] } })
  expect(await crowd.call('list_sessions', { capability_filter: 'f1' })).toMatchObject({
    total: 100,
    more: false,
  })
  const some = await crowd.call<{ sessions: unknown[] }>('list_sessions', {
    capability_filter: 'f1',
    limit: 7,
  })
  expect(some).toMatchObject({ more: true })
  expect(some).not.toHaveProperty('total')
  expect(some.sessions.length).toBe(7)
  expect(await crowd.call('list_sessions', { limit: 7 })).toMatchObject({ total: 300, more: true })
})

import { describe, expect, test } from 'bun:test'
import { Following } from '../../src/broker/following.ts'
import { Waiters, type Woken } from '../../src/broker/waiters.ts'
import { BrokerError } from '../../src/core/errors.ts'
import type { Announcement } from '../../src/engine/values.ts'

const FOREVER_MS = 3_600_000
const at = (client_id: string) => ({ project: 'p', client_id })
const any = () => 'any' as const
/** Waiters that nobody follows. */
const newWaiters = (max: number) => new Waiters(max, new Following(() => undefined))

function announcement(client_id: string, message_id: string): Announcement {
  const place = { ...at(client_id), epoch: 'e', offset: 1, changes: 1, redelivery: false }
  return { ...place, message_id, sender_id: 's', in_reply_to: undefined, rank: 1 }
}

/** Names what a wait ended with, in the order in which they end. */
function noting(ended: string[], name: string, wait: Promise<Woken | undefined>): Promise<void> {
  return wait.then((got) => void ended.push(`${name}: ${idOf(got) ?? 'nothing'}`))
}

function idOf(woken: Woken | undefined): string | undefined {
  return woken === 'missed' ? woken : woken?.message_id
}

describe('a wait', () => {
  test('ends with the announcement that fits, one for each announcement, first come first served', async () => {
    const waiters = newWaiters(10)
    const ended: string[] = []
    const waits = ['a', 'b'].map((name) =>
      noting(ended, name, waiters.wait(at('r'), FOREVER_MS, undefined, any)),
    )
    expect(waiters.count).toBe(2)
    waiters.announced(announcement('other', 'x'))
    waiters.announced({ ...announcement('r', 'x'), project: 'q' })
    waiters.announced(announcement('r', 'one'))
    expect(waiters.count).toBe(1)
    waiters.announced(announcement('r', 'two'))
    await Promise.all(waits)
    expect(ended).toEqual(['a: one', 'b: two'])
    expect(waiters.count).toBe(0)
    waiters.announced(announcement('r', 'three'))
  })

  test('that asks for this very message is served before one that takes any', async () => {
    const waiters = newWaiters(10)
    const ended: string[] = []
    const waits = [
      noting(ended, 'any', waiters.wait(at('r'), FOREVER_MS, undefined, any)),
      noting(
        ended,
        'exact',
        waiters.wait(at('r'), FOREVER_MS, undefined, ({ message_id }) =>
          message_id === 'reply' ? 'exact' : undefined,
        ),
      ),
    ]
    waiters.announced(announcement('r', 'reply'))
    await waits[1]
    expect(ended).toEqual(['exact: reply'])
    waiters.announced(announcement('r', 'other'))
    await waits[0]
    expect(ended).toEqual(['exact: reply', 'any: other'])
  })

  test('that nothing fits goes on', async () => {
    const waiters = newWaiters(10)
    const wait = waiters.wait(at('r'), FOREVER_MS, undefined, () => undefined)
    waiters.announced(announcement('r', 'x'))
    expect(waiters.count).toBe(1)
    waiters.close()
    expect(await wait).toBeUndefined()
  })

  test('ends empty-handed when its time is over', async () => {
    const waiters = newWaiters(10)
    expect(await waiters.wait(at('r'), 1, undefined, any)).toBeUndefined()
    expect(waiters.count).toBe(0)
  })

  test('ends when the caller goes, and is over before it began for one that has gone', async () => {
    const waiters = newWaiters(10)
    const caller = new AbortController()
    const wait = waiters.wait(at('r'), FOREVER_MS, caller.signal, any)
    caller.abort()
    expect(await wait).toBeUndefined()
    expect(waiters.count).toBe(0)
    expect(await waiters.wait(at('r'), FOREVER_MS, caller.signal, any)).toBeUndefined()
  })

  test('does not take an announcement once it has ended', async () => {
    const waiters = newWaiters(10)
    const caller = new AbortController()
    const gone = waiters.wait(at('r'), FOREVER_MS, caller.signal, any)
    const stays = waiters.wait(at('r'), FOREVER_MS, undefined, any)
    caller.abort()
    waiters.announced(announcement('r', 'x'))
    expect(await gone).toBeUndefined()
    expect(idOf(await stays)).toBe('x')
  })

  test('is refused past the bound, and let in again when another ends', async () => {
    const waiters = newWaiters(1)
    const wait = waiters.wait(at('r'), FOREVER_MS, undefined, any)
    expect(() => waiters.wait(at('other'), FOREVER_MS, undefined, any)).toThrow(BrokerError)
    waiters.announced(announcement('r', 'x'))
    await wait
    const next = waiters.wait(at('other'), FOREVER_MS, undefined, any)
    waiters.close()
    expect(await next).toBeUndefined()
  })

  test('that goes on keeps its place, past the bound too', async () => {
    const waiters = newWaiters(1)
    const first = waiters.wait(at('r'), FOREVER_MS, undefined, any)
    const again = waiters.wait(at('r'), FOREVER_MS, undefined, any, undefined, true)
    expect(waiters.count).toBe(2)
    waiters.close()
    expect(await Promise.all([first, again])).toEqual([undefined, undefined])
  })

  test('is over for all when the broker stops, and for all that come after', async () => {
    const waiters = newWaiters(10)
    const waits = ['a', 'b', 'b'].map((client_id) => waiters.wait(at(client_id), FOREVER_MS, undefined, any))
    waiters.close()
    expect(await Promise.all(waits)).toEqual([undefined, undefined, undefined])
    expect(waiters.count).toBe(0)
    expect(await waiters.wait(at('a'), FOREVER_MS, undefined, any)).toBeUndefined()
  })
})

test('a message that nobody takes wakes all who look, and one that is taken wakes nobody else', async () => {
  const waiters = newWaiters(10)
  const ended: string[] = []
  const look = () => 'look' as const
  const lookers = ['a', 'b'].map((name) =>
    noting(ended, name, waiters.wait(at('r'), FOREVER_MS, undefined, look)),
  )
  const taker = noting(ended, 'taker', waiters.wait(at('r'), FOREVER_MS, undefined, any))
  waiters.announced(announcement('r', 'one'))
  await taker
  expect(ended).toEqual(['taker: one'])
  waiters.announced(announcement('r', 'two'))
  await Promise.all(lookers)
  expect(ended).toEqual(['taker: one', 'a: two', 'b: two'])
})

test('word that announcements may be lost wakes every call, whatever it waits for', async () => {
  const waiters = newWaiters(10)
  const waits = [any, () => 'look' as const, () => undefined].map((fit) =>
    waiters.wait(at('r'), FOREVER_MS, undefined, fit),
  )
  waiters.missed()
  expect(await Promise.all(waits)).toEqual(['missed', 'missed', 'missed'])
  expect(waiters.count).toBe(0)
})

test('word that announcements of one mailbox may be lost wakes those who wait there', async () => {
  const waiters = newWaiters(10)
  const [a, b] = ['a', 'b'].map((name) => waiters.wait(at(name), FOREVER_MS, undefined, () => undefined))
  waiters.missed(at('a'))
  expect(await a!).toBe('missed')
  expect(waiters.count).toBe(1)
  waiters.missed(at('nobody'))
  waiters.close()
  expect(await b!).toBeUndefined()
})

test('the engine is told when the first call waits for an address, and when the last has ended', async () => {
  const told: string[] = []
  const following = new Following(({ project, client_id }, on) => {
    told.push(`${project}/${client_id} ${on}`)
  })
  const waiters = new Waiters(10, following)
  const waits = ['a', 'a', 'b'].map((name) => waiters.wait(at(name), FOREVER_MS, undefined, any))
  expect(told).toEqual(['p/a true', 'p/b true'])
  waiters.announced(announcement('a', 'x'))
  await waits[0]
  expect(told).toEqual(['p/a true', 'p/b true'])
  waiters.close()
  await Promise.all(waits)
  expect(told).toEqual(['p/a true', 'p/b true', 'p/a false', 'p/b false'])
})

import { describe, expect, test } from 'bun:test'
import { Waiters } from '../../src/broker/waiters.ts'
import { BrokerError } from '../../src/core/errors.ts'
import { createMessage } from '../../src/core/message.ts'
import type { Announcement } from '../../src/engine/values.ts'

const FOREVER_MS = 3_600_000
const at = (client_id: string) => ({ project: 'p', client_id })
const any = () => 'any' as const

function announcement(client_id: string, payload: string): Announcement {
  const message = createMessage({ payload }, 's', client_id, payload, 0, 300)
  return { ...at(client_id), epoch: 'e', offset: 1, message, attempt: 1, redelivery: false }
}

/** Names what a wait ended with, in the order in which they end. */
function noting(ended: string[], name: string, wait: Promise<Announcement | undefined>): Promise<void> {
  return wait.then((got) => void ended.push(`${name}: ${got?.message.message_id ?? 'nothing'}`))
}

describe('a wait', () => {
  test('ends with the announcement that fits, one for each announcement, first come first served', async () => {
    const waiters = new Waiters(10)
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
    const waiters = new Waiters(10)
    const ended: string[] = []
    const waits = [
      noting(ended, 'any', waiters.wait(at('r'), FOREVER_MS, undefined, any)),
      noting(
        ended,
        'exact',
        waiters.wait(at('r'), FOREVER_MS, undefined, ({ message }) =>
          message.message_id === 'reply' ? 'exact' : undefined,
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
    const waiters = new Waiters(10)
    const wait = waiters.wait(at('r'), FOREVER_MS, undefined, () => undefined)
    waiters.announced(announcement('r', 'x'))
    expect(waiters.count).toBe(1)
    waiters.close()
    expect(await wait).toBeUndefined()
  })

  test('ends empty-handed when its time is over', async () => {
    const waiters = new Waiters(10)
    expect(await waiters.wait(at('r'), 1, undefined, any)).toBeUndefined()
    expect(waiters.count).toBe(0)
  })

  test('ends when the caller goes, and is over before it began for one that has gone', async () => {
    const waiters = new Waiters(10)
    const caller = new AbortController()
    const wait = waiters.wait(at('r'), FOREVER_MS, caller.signal, any)
    caller.abort()
    expect(await wait).toBeUndefined()
    expect(waiters.count).toBe(0)
    expect(await waiters.wait(at('r'), FOREVER_MS, caller.signal, any)).toBeUndefined()
  })

  test('does not take an announcement once it has ended', async () => {
    const waiters = new Waiters(10)
    const caller = new AbortController()
    const gone = waiters.wait(at('r'), FOREVER_MS, caller.signal, any)
    const stays = waiters.wait(at('r'), FOREVER_MS, undefined, any)
    caller.abort()
    waiters.announced(announcement('r', 'x'))
    expect(await gone).toBeUndefined()
    expect((await stays)?.message.message_id).toBe('x')
  })

  test('is refused past the bound, and let in again when another ends', async () => {
    const waiters = new Waiters(1)
    const wait = waiters.wait(at('r'), FOREVER_MS, undefined, any)
    expect(() => waiters.wait(at('other'), FOREVER_MS, undefined, any)).toThrow(BrokerError)
    waiters.announced(announcement('r', 'x'))
    await wait
    const next = waiters.wait(at('other'), FOREVER_MS, undefined, any)
    waiters.close()
    expect(await next).toBeUndefined()
  })

  test('is over for all when the broker stops, and for all that come after', async () => {
    const waiters = new Waiters(10)
    const waits = ['a', 'b', 'b'].map((client_id) => waiters.wait(at(client_id), FOREVER_MS, undefined, any))
    waiters.close()
    expect(await Promise.all(waits)).toEqual([undefined, undefined, undefined])
    expect(waiters.count).toBe(0)
    expect(await waiters.wait(at('a'), FOREVER_MS, undefined, any)).toBeUndefined()
  })
})

test('a message that nobody takes wakes all who look, and one that is taken wakes nobody else', async () => {
  const waiters = new Waiters(10)
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

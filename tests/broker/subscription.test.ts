import { expect, test } from 'bun:test'
import { SessionHandle } from '../../src/auth/session-handle.ts'
import type { Connection } from '../../src/broker/connection.ts'
import { newCounters } from '../../src/broker/counters.ts'
import { Subscription } from '../../src/broker/subscription.ts'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { MemoryEngine } from '../../src/engine/memory/memory.ts'

test('no read begins between the answer of one that found nothing and its handing over', async () => {
  const engine = new MemoryEngine({
    limits: () => DEFAULT_LIMITS,
    now: () => 0,
    newId: () => crypto.randomUUID(),
    newEpoch: () => 'e',
  })
  engine.start({
    wants_each: true,
    announced() {},
    acknowledged() {},
    died() {},
    session() {},
    record() {},
    missed() {},
  })
  const address = { project: 'p', client_id: 'r' }
  const opened = engine.open(address, undefined, 'none', undefined)
  if (typeof opened === 'string') throw new Error(opened)
  let reads = 0
  const later = new Proxy(engine, {
    get: (target, name) =>
      name === 'read'
        ? async () => {
            reads++
            return { due: [], position: opened.position, lapped: false }
          }
        : Reflect.get(target, name),
  })
  const connection: Connection = { open: true, message() {}, notify() {}, flush: () => true, close() {} }
  const subscription = new Subscription(
    { engine: later, now: () => 0, limits: DEFAULT_LIMITS, counters: newCounters(), inBackground() {} },
    {
      address,
      session: new SessionHandle('p', 'r', 's'),
      connection,
      options: { ack: 'none', receipts: false, sessions: false },
      position: opened.position,
    },
  )
  const reading = subscription.read()
  subscription.announced()
  expect(await reading).toBeTrue()
  // The next announcement marks it to read before this turn hands over.
  expect(subscription.read()).toBeFalse()
  expect(reads).toBe(1)
  expect(subscription.send()).toBeTrue()
  void subscription.read()
  expect(reads).toBe(2)
})

import { expect, test } from 'bun:test'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { Clients } from '../../src/engine/memory/clients.ts'

test('a deadline comes up once, however often it was brought forward, and what that leaves is given back', () => {
  const clients = new Clients(
    () => DEFAULT_LIMITS,
    () => 'e',
  )
  const busy = clients.open('p', 'busy', 0)!
  const quiet = clients.open('p', 'quiet', 0)!
  clients.schedule(quiet, 50_000)
  for (let now = 0; now < 10_000; now++) {
    clients.schedule(busy, 100_000)
    clients.schedule(busy, now)
    expect(clients.popDue(now)).toBe(busy)
    expect(clients.popDue(now)).toBeUndefined()
  }
  expect(clients.deadline_count).toBeLessThanOrEqual(100)
  clients.schedule(busy, 100_000)
  expect(clients.popDue(49_999)).toBeUndefined()
  expect(clients.popDue(50_000)).toBe(quiet)
  expect(clients.popDue(99_999)).toBeUndefined()
  expect(clients.popDue(100_000)).toBe(busy)
  expect(clients.popDue(Number.MAX_SAFE_INTEGER)).toBeUndefined()
})

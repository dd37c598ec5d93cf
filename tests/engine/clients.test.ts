import { expect, test } from 'bun:test'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { createMessage } from '../../src/core/message.ts'
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

test('making room looks only where there is history, however many addresses there are, and takes turns', () => {
  let looks = 0
  const clients = new Clients(
    () => DEFAULT_LIMITS,
    () => 'e',
  )
  const message = (id: string) => createMessage({ payload: 'x' }, 's', 'r', id, 0, 300)
  for (let n = 0; n < 1000; n++) {
    const { mailbox } = clients.open('p', `c${n}`, 0)!
    if (n < 998) continue
    for (const id of ['1', '2', '3']) mailbox.append(message(id), DEFAULT_LIMITS)
    mailbox.take({ limit: 3, bytes_max: 1e9, ack: 'auto' }, 0, DEFAULT_LIMITS)
  }
  const left = () =>
    ['c998', 'c999'].map((client_id) => clients.find({ project: 'p', client_id })!.mailbox.history)
  const seen: number[][] = []
  for (let n = 0; n < 6; n++) {
    const { bytes } = clients.meter
    const full = {
      ...DEFAULT_LIMITS,
      get stored_bytes_max() {
        looks++
        return bytes
      },
    }
    expect(clients.makeRoom(1, { project: 'p', client_id: 'c0' }, full)).toBeTrue()
    seen.push(left())
  }
  expect(seen).toEqual([
    [2, 3],
    [2, 2],
    [1, 2],
    [1, 1],
    [0, 1],
    [0, 0],
  ])
  expect(looks).toBeLessThan(100)
  const none = { ...DEFAULT_LIMITS, stored_bytes_max: 0 }
  expect(clients.makeRoom(1, { project: 'p', client_id: 'c0' }, none)).toBeFalse()
})

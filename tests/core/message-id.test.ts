import { expect, test } from 'bun:test'
import { mayBeTo, messageIdFor } from '../../src/core/message-id.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('the id of a message is a UUIDv7 that sorts by time, and names its recipient', () => {
  const ids = Array.from({ length: 1000 }, () => messageIdFor(Bun.randomUUIDv7(), 'worker'))
  for (const id of ids) expect(id).toMatch(UUID_V7)
  expect(ids.toSorted()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.every((id) => mayBeTo(id, 'worker'))).toBe(true)
})

test('few others may have a message that was sent to one, and anybody one that was sent to many', () => {
  const others = Array.from({ length: 10_000 }, (_, n) => `worker-${n}`)
  const to_one = messageIdFor(Bun.randomUUIDv7(), 'wörker 👷')
  expect(others.filter((other) => mayBeTo(to_one, other)).length).toBeLessThan(3)
  expect(mayBeTo(to_one, 'wörker 👷')).toBe(true)
  const to_many = messageIdFor(Bun.randomUUIDv7(), undefined)
  expect(others.every((other) => mayBeTo(to_many, other))).toBe(true)
})

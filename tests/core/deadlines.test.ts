import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Deadlines } from '../../src/core/deadlines.ts'
import { check } from './property.ts'

test('deadlines come up in order, each once, none before its time', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ push: fc.nat(50) }) },
    { weight: 2, arbitrary: fc.record({ pop_until: fc.nat(60) }) },
  )
  check(3000, fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
    const deadlines = new Deadlines<number>()
    let expected: { due_ms: number; item: number }[] = []
    let item = 0
    for (const step of steps) {
      if ('push' in step) {
        deadlines.push(step.push, ++item)
        expected.push({ due_ms: step.push, item })
      } else {
        let before = Number.NEGATIVE_INFINITY
        for (let got = deadlines.popDue(step.pop_until); got; got = deadlines.popDue(step.pop_until)) {
          const { due_ms } = expected.find((other) => other.item === got)!
          expect(due_ms).toBeLessThanOrEqual(step.pop_until)
          expect(due_ms).toBeGreaterThanOrEqual(before)
          before = due_ms
          expected = expected.filter((other) => other.item !== got)
        }
        for (const { due_ms } of expected) expect(due_ms).toBeGreaterThan(step.pop_until)
      }
      expect(deadlines.size).toBe(expected.length)
      expect(deadlines.next_ms).toBe(Math.min(...expected.map(({ due_ms }) => due_ms)))
    }
  })
})

test('what comes in rising order stays in it', () => {
  const deadlines = new Deadlines<number>()
  for (let n = 0; n < 1000; n++) deadlines.push(n, n)
  const popped: (number | undefined)[] = []
  for (let n = 0; n < 1000; n++) popped.push(deadlines.popDue(999))
  expect(popped).toEqual(Array.from({ length: 1000 }, (_, n) => n))
  expect(deadlines.popDue(Number.POSITIVE_INFINITY)).toBeUndefined()
})

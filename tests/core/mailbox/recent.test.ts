import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Recent } from '../../../src/core/mailbox/recent.ts'

test('what happened within a moment is counted, and nothing of three moments ago', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 100 }), (pauses) => {
      const recent = new Recent()
      const times: number[] = []
      let now = 1_000_000
      for (const pause of pauses) {
        now += pause
        recent.add(now)
        times.push(now)
        for (const later of [now, now + 9, now + 10, now + 19, now + 29]) {
          const within = (ms: number) => times.filter((time) => later - time < ms).length
          expect(recent.count(later)).toBeWithin(within(10), within(30) + 1)
        }
      }
    }),
  )
})

import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Ring } from '../../../src/core/mailbox/ring.ts'
import { check } from '../property.ts'

interface Item {
  readonly offset: number
  gone: boolean
}

/** The offsets of a ring's entries without the holes, by index. */
function live(ring: Ring<Item>): number[] {
  const offsets: number[] = []
  for (let i = 0; i < ring.length; i++) if (!ring.at(i).gone) offsets.push(ring.at(i).offset)
  return offsets
}

test('a ring holds what was pushed and not released, in order, and finds any offset', () => {
  const step = fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 40 }), gap: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ release: fc.array(fc.nat(), { maxLength: 40 }) }),
    fc.record({ drop_front: fc.integer({ min: 1, max: 60 }) }),
  )
  check(2000, fc.array(step, { maxLength: 20, size: 'max' }), (steps) => {
    const ring = new Ring<Item>()
    let kept: Item[] = []
    let offset = 0
    const release = (item: Item) => {
      item.gone = true
      kept = kept.filter((other) => other !== item)
      ring.release()
    }
    for (const step of steps) {
      if ('push' in step)
        for (let i = 0; i < step.push; i++) {
          offset += step.gap
          const item = { offset, gone: false }
          ring.push(item)
          kept.push(item)
        }
      else if ('release' in step)
        for (const pick of step.release) {
          if (kept.length > 0) release(kept[pick % kept.length]!)
        }
      else for (const item of kept.slice(0, step.drop_front)) release(item)

      expect(live(ring)).toEqual(kept.map((item) => item.offset))
      if (ring.length > 0) expect(ring.at(0).gone).toBeFalse()
      for (const wanted of [0, 1, offset >> 1, offset - 1, offset, offset + 1]) {
        const index = ring.indexAfter(wanted)
        for (let i = 0; i < ring.length; i++) expect(ring.at(i).offset > wanted).toBe(i >= index)
      }
      expect(ring.length).toBeLessThanOrEqual(2 * kept.length + 17)
      expect(ring.capacity).toBeLessThanOrEqual(Math.max(64, 16 * kept.length))
      if (kept.length === 0) expect(ring.capacity).toBeLessThanOrEqual(64)
    }
  })
})

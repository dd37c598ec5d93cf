import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { OrderedIds } from '../../src/engine/memory/ordered-ids.ts'
import { check } from '../core/property.ts'

/** Adds or deletes `count` ids, every `step`-th from `first` on. */
interface Run {
  readonly adds: boolean
  readonly first: number
  readonly step: number
  readonly count: number
}

const SPACE = 4000
const run = fc.record<Run>({
  adds: fc.boolean(),
  first: fc.nat(SPACE - 1),
  step: fc.constantFrom(1, 1, 7, 39),
  count: fc.integer({ min: 1, max: 1500 }),
})

/** The names of numbers next to each other are next to each other, so that a run can empty whole chunks. */
function nameOf(n: number): string {
  return n.toString(16).padStart(4, '0')
}

/** Those of a sorted array above `start`, or at it. */
function above(sorted: readonly string[], start: string, inclusive: boolean): string[] {
  return sorted.filter((id) => id > start || (inclusive && id === start))
}

test('are what a sorted array would be, however they came and went', () => {
  check(
    60,
    fc.tuple(fc.array(run, { maxLength: 30 }), fc.nat(SPACE - 1), fc.nat(600)),
    ([runs, n, limit]) => {
      const ids = new OrderedIds()
      const model = new Set<string>()
      const start = nameOf(n)
      for (const { adds, first, step, count } of runs) {
        for (let i = 0; i < count; i++) {
          const id = nameOf((first + i * step) % SPACE)
          if (adds) {
            ids.add(id)
            model.add(id)
          } else {
            ids.delete(id)
            model.delete(id)
          }
        }
        const sorted = [...model].sort()
        expect(ids.size).toBe(sorted.length)
        expect(ids.after(undefined, Number.POSITIVE_INFINITY)).toEqual(sorted)
        expect(ids.after(undefined, limit)).toEqual(sorted.slice(0, limit))
        expect(ids.after(start, limit)).toEqual(above(sorted, start, false).slice(0, limit))
        expect([...ids.from(start, true)]).toEqual(above(sorted, start, true))
        expect([...ids.from(start, false)]).toEqual(above(sorted, start, false))
      }
    },
  )
})

test('come in the order of their code units, whatever text they are', () => {
  const text = fc.string({ unit: fc.constantFrom('', 'a', 'B', 'é', '\0', '\ud800', '\u{1f600}', '\uffff') })
  check(200, fc.tuple(fc.array(text), text), ([names, start]) => {
    const ids = new OrderedIds()
    for (const name of names) ids.add(name)
    const sorted = [...new Set(names)].sort()
    expect(ids.after(undefined, 100)).toEqual(sorted)
    expect([...ids.from(start, true)]).toEqual(above(sorted, start, true))
    expect(ids.after(start, 100)).toEqual(above(sorted, start, false))
  })
})

test('are found on both sides of a gap, and fill it again', () => {
  const ids = new OrderedIds()
  const all = Array.from({ length: 6000 }, (_, n) => nameOf(n))
  const everything = () => ids.after(undefined, Number.POSITIVE_INFINITY)
  for (const parity of [0, 1]) for (let n = parity; n < all.length; n += 2) ids.add(all[n]!)
  for (const [from, to] of [
    [400, 1100],
    [3000, 3600],
    [0, 6000],
  ] as const) {
    const gap = all.slice(from, to)
    for (const id of gap) ids.delete(id)
    expect(everything()).toEqual([...all.slice(0, from), ...all.slice(to)])
    for (const id of all) if (!gap.includes(id)) ids.delete(id)
    expect(ids.size).toBe(0)
    expect(everything()).toEqual([])
    for (const id of all) ids.add(id)
    expect(everything()).toEqual(all)
  }
})

import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { effortWithin, nodesWithin, TYPED_NODES_MAX } from '../../../../src/core/protocol/schema/nodes.ts'
import { check } from '../../property.ts'

/** Counted otherwise: each value is visited once by the reviver of JSON. */
function visits(value: unknown): number {
  let count = 0
  JSON.parse(JSON.stringify(value), (_, inner) => {
    count++
    return inner
  })
  return count
}

test('the nodes of any JSON value are counted, up to the limit', () => {
  check(1000, fc.tuple(fc.jsonValue(), fc.nat(30)), ([value, limit]) => {
    const counted = nodesWithin(value, limit)
    const right = visits(JSON.parse(JSON.stringify(value)))
    expect(counted > limit).toBe(right > limit)
    if (right <= limit) expect(counted).toBe(right)
    expect(effortWithin(value, limit)).toBeGreaterThanOrEqual(Math.min(counted, limit))
  })
})

test('long texts and names are effort, but no nodes', () => {
  const value = { text: 'x'.repeat(6400), ['n'.repeat(640)]: 1 }
  expect(nodesWithin(value, 1000)).toBe(3)
  expect(effortWithin(value, 1000)).toBe(113)
})

test('counting stops, however large and deep the value is', () => {
  let deep: unknown = 1
  for (let at = 0; at < 100_000; at++) deep = [deep]
  const wide = Array.from({ length: 1_000_000 }, () => 1)
  for (const value of [deep, wide, { a: wide }, Array.from({ length: 15_000 }, () => wide)]) {
    const start = performance.now()
    expect(nodesWithin(value, TYPED_NODES_MAX)).toBeGreaterThan(TYPED_NODES_MAX)
    expect(performance.now() - start).toBeLessThan(100)
  }
})
